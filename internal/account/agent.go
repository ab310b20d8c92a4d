package account

import "strings"

// What is told of a browser are names of these lists, and nothing that it sent: the
// whole of a User-Agent tells machines apart, and says more than a person needs to know
// their own by.
var (
	// browsers are by what their User-Agent has, those that also claim to be another
	// first.
	browsers = []struct{ mark, name string }{
		{"Edg/", "Edge"}, {"EdgA/", "Edge"}, {"EdgiOS/", "Edge"},
		{"OPR/", "Opera"}, {"OPT/", "Opera"},
		{"SamsungBrowser/", "Samsung Internet"},
		{"Vivaldi/", "Vivaldi"},
		{"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"},
		{"Chrome/", "Chrome"}, {"CriOS/", "Chrome"}, {"Chromium/", "Chrome"},
		{"Safari/", "Safari"},
	}
	systems = []struct{ mark, name string }{
		{"iPhone", "iPhone"}, {"iPad", "iPad"},
		{"Android", "Android"},
		{"CrOS", "ChromeOS"},
		{"Windows", "Windows"},
		{"Macintosh", "macOS"},
		{"Linux", "Linux"}, {"X11", "Linux"},
	}
)

// maxUserAgent is how much of a User-Agent is looked at, in bytes.
const maxUserAgent = 1024

// parseUserAgent returns the family of a browser and the system that it runs on. Either
// is "" if it is not known.
func parseUserAgent(ua string) (browser, system string) {
	ua = ua[:min(len(ua), maxUserAgent)]
	for _, b := range browsers {
		if strings.Contains(ua, b.mark) {
			browser = b.name
			break
		}
	}
	for _, s := range systems {
		if strings.Contains(ua, s.mark) {
			system = s.name
			break
		}
	}
	return browser, system
}
