package page

import (
	"fmt"
)

// PopupScript tells the page that opened the pop-up that the login is through,
// and closes the pop-up. It speaks to its own origin only, and says nothing but
// that there is news: who is logged in, the page asks the proxy.
var (
	PopupScript = mustReadPage("html/popup.js")
	popupPolicy = pagePolicy + fmt.Sprintf("; script-src 'sha256-%s'", sourceHash(PopupScript))
)
