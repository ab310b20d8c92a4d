package links

import "strings"

// IsJSON reports whether a Content-Type header names JSON: application/json,
// text/json, or any type with the suffix +json (RFC 6839 section 3.1).
// Parameters and letter case do not matter. It allocates nothing.
func IsJSON(contentType string) bool {
	mediaType, _, _ := strings.Cut(contentType, ";")
	mediaType = strings.TrimSpace(mediaType)
	main, sub, ok := strings.Cut(mediaType, "/")
	if !ok || main == "" {
		return false
	}
	if strings.EqualFold(sub, "json") {
		return strings.EqualFold(main, "application") || strings.EqualFold(main, "text")
	}
	const suffix = "+json"
	cut := len(sub) - len(suffix)
	return cut > 0 && strings.EqualFold(sub[cut:], suffix)
}
