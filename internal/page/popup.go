package page

import "net/http"

// ServePopup responds with the page where a login in a pop-up ends. It holds nothing
// secret and changes nothing, so anybody may look at it. Its script tells the page that
// opened the pop-up that the login is through, and closes the pop-up. It speaks to its
// own origin only, and says nothing but that there is news: who is logged in, the page
// asks the proxy.
func (p Renderer) ServePopup(w http.ResponseWriter, r *http.Request) error {
	return p.Page(w, r, http.StatusOK, Data{Kind: KindPopup})
}
