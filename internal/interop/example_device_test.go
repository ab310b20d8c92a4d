package interop

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"image"
	_ "image/png"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
)

// kioskScreens are a television and the display of a Raspberry Pi.
var kioskScreens = []screen{{"tv", 1920, 1080, "dark"}, {"pi", 800, 480, "dark"}}

// inspectKiosk takes pictures of the kiosk and checks that all of it fits on each screen.
func (b *browser) inspectKiosk(name string) {
	b.t.Helper()
	for _, s := range kioskScreens {
		b.do("resizing", b.size(s.width, s.height, s.scheme))
		if over := read(b, "measuring", chromedp.Evaluate[string](`JSON.stringify([document.documentElement.scrollWidth - innerWidth, document.documentElement.scrollHeight - innerHeight])`)); over != "[0,0]" {
			b.t.Errorf("%s, %s: the page exceeds the screen by %s", name, s.name, over)
		}
		b.picture("kiosk-" + name + "-" + s.name)
	}
}

// scan reads the QR code that the kiosk shows from a picture of the screen.
func (b *browser) scan() string {
	b.t.Helper()
	b.do("resizing", b.size(800, 480, "dark"))
	data := read(b, "taking a picture", chromedp.FullScreenshot(100))
	img, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		b.t.Fatal(err)
	}
	bitmap, err := gozxing.NewBinaryBitmapFromImage(img)
	if err != nil {
		b.t.Fatal(err)
	}
	result, err := qrcode.NewQRCodeReader().Decode(bitmap, nil)
	if err != nil {
		b.t.Fatalf("reading the QR code: %v\n%s", err, base64.StdEncoding.EncodeToString(data[:min(64, len(data))]))
	}
	return result.GetText()
}

// E04: the kiosk shows a code, a person enters it on a phone and agrees, and the kiosk shows
// what plays.
func TestExampleKiosk(t *testing.T) {
	a := newAccessibility(t)
	kiosk, phone := startBrowser(t), startBrowser(t)
	d := startExample(t, "kiosk")
	kiosk.do("opening the kiosk", chromedp.Navigate(d.url+"/?name=Hallway+screen"))
	kiosk.arrive("there is a code", `/^[A-Z]{4}-[A-Z]{4}$/.test(document.getElementById("code").textContent)`)
	kiosk.inspectKiosk("code")
	a.inspect(kiosk, "kiosk-code")
	activate := d.url + "/spotify/activate"
	if got := kiosk.scan(); got != activate {
		t.Fatalf("the QR code has %q", got)
	}

	phone.do("scanning the QR code", chromedp.Navigate(activate))
	phone.do("resizing", phone.size(390, 844, "light"))
	a.inspect(phone, "activate-enter")
	phone.tabTo("code")
	phone.do("entering a wrong code", chromedp.KeyEvent("BBBB BBBB"), chromedp.KeyEvent("\r"))
	phone.arrive("it is refused", `document.getElementById("wrong") !== null`)
	a.inspect(phone, "activate-wrong")
	phone.do("entering the code", chromedp.Evaluate[chromedp.Void](`document.getElementById("code").value = ""`), chromedp.Focus(chromedp.ID("code")),
		chromedp.KeyEvent(strings.ToLower(strings.ReplaceAll(kiosk.text("code"), "-", ""))), chromedp.KeyEvent("\r"))
	phone.arrive("the device is shown", `document.getElementById("device")?.textContent === "Hallway screen"`)
	if phone.text("code") != kiosk.text("code") || phone.text("where") != "in the same network as you" {
		t.Errorf("the page says %q, %q", phone.text("code"), phone.text("where"))
	}
	a.inspect(phone, "activate-confirm")
	phone.do("agreeing", chromedp.Click(chromedp.CSS("[name=same_code]")), chromedp.Click(chromedp.CSS("#confirm button")), chromedp.WaitVisible(chromedp.ID("agree")))
	phone.logIn("mira")
	phone.arrive("the device is connected", `document.getElementById("account")?.textContent === "Mira Okafor"`)
	phone.waitFor("the history has no code", `location.pathname === "/spotify/activate" && location.search === ""`)
	a.inspect(phone, "activate-done")

	kiosk.arrive("the kiosk shows what plays", `!document.getElementById("playing").hidden && document.getElementById("track").textContent !== ""`)
	kiosk.waitFor("the cover is there", `document.getElementById("cover").naturalWidth > 0`)
	kiosk.inspectKiosk("playing")
	track := kiosk.text("track")
	kiosk.do("starting the kiosk again", chromedp.Reload())
	kiosk.arrive("it needs no code", `document.getElementById("track")?.textContent === "`+track+`"`)
	d.interrupt()
}

// E04: the shell script prints a key once a person has entered its code.
func TestExampleCLI(t *testing.T) {
	b := startBrowser(t)
	d := startExample(t, "cli")
	cmd := exec.CommandContext(t.Context(), "sh", filepath.Join(example(t, "cli"), "spotify-key.sh"), d.url+"/spotify", "Build server")
	var out bytes.Buffer
	cmd.Stdout = &out
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stderr)
	said, err := lines.ReadString('\n')
	found := regexp.MustCompile(`^Open (\S+) and enter ([A-Z]{4}-[A-Z]{4})\n$`).FindStringSubmatch(said)
	if err != nil || found == nil {
		t.Fatalf("it says %q, %v", said, err)
	}
	b.do("opening the page", chromedp.Navigate(found[1]))
	b.tabTo("code")
	b.do("entering the code", chromedp.KeyEvent(found[2]), chromedp.KeyEvent("\r"))
	b.arrive("the device is shown", `document.getElementById("device")?.textContent === "Build server"`)
	b.do("agreeing", chromedp.Click(chromedp.CSS("[name=same_code]")), chromedp.Click(chromedp.CSS("#confirm button")), chromedp.WaitVisible(chromedp.ID("agree")))
	b.logIn("jonas")
	b.arrive("the device is connected", `document.getElementById("account") !== null`)
	if err := cmd.Wait(); err != nil || !regexp.MustCompile(`^spk_[A-Za-z0-9_-]{43}\n$`).MatchString(out.String()) {
		t.Errorf("it prints %q, %v", out.String(), err)
	}
	d.interrupt()
}
