package interop

import (
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/chromedp/chromedp"
)

// opening returns the steps that open details.
func opening(summaries ...string) func(*pageSite) {
	return func(s *pageSite) {
		for _, selector := range summaries {
			s.do("opening "+selector, chromedp.Click(chromedp.CSS(selector)))
		}
	}
}

// askToRenew follows the link of a notice about the first key.
func (s *pageSite) askToRenew() {
	ref := read(s.browser, "reading the key's reference", chromedp.Evaluate[string](`document.querySelector(".renew button").value`))
	s.do("opening the link", chromedp.Navigate(s.origin+"/spotify/keys/renew?key="+ref))
}

func (s *pageSite) beginRenewal() {
	s.askToRenew()
	s.do("renewing", chromedp.Click(chromedp.CSS("form button")), chromedp.WaitVisible(chromedp.ID("agree")))
}

func (s *pageSite) renew() {
	s.beginRenewal()
	s.logIn("mira")
}

func (s *pageSite) cancelRenewal() {
	s.beginRenewal()
	s.do("cancelling", chromedp.Click(chromedp.ID("cancel")))
}

// entering returns the steps that enter a code.
func entering(code string) func(*pageSite) {
	return func(s *pageSite) {
		s.do("entering a code", chromedp.SetValue(chromedp.ID("code"), code), chromedp.Click(chromedp.CSS("#enter button")))
	}
}

// enterCode enters the code of a device that asks for one.
func (s *pageSite) enterCode() {
	resp, err := http.PostForm(s.origin+"/spotify/device", url.Values{"client_name": {"Hallway screen"}})
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	var given struct {
		UserCode string `json:"user_code"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&given); err != nil || given.UserCode == "" {
		s.t.Fatalf("status %d: %v", resp.StatusCode, err)
	}
	entering(given.UserCode)(s)
	s.arrive("the device is shown", `!!document.getElementById("confirm")`)
}

func (s *pageSite) denyDevice() {
	s.enterCode()
	s.do("denying", chromedp.Click(chromedp.CSS("#deny button")))
}

func (s *pageSite) agreeToDevice() {
	s.enterCode()
	s.do("agreeing", chromedp.Click(chromedp.CSS("input[name=same_code]")), chromedp.Click(chromedp.CSS("#confirm button")),
		chromedp.WaitVisible(chromedp.ID("agree")))
	s.logIn("jonas")
}

func (s *pageSite) deleteAccount() {
	opening("#delete summary")(s)
	s.do("deleting", chromedp.Click(chromedp.CSS("#delete button")))
}
