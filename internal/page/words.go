package page

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// words are the texts of our pages in one language. Code always gets English:
// what it reads is the reason.
type words struct {
	Lang           string `json:"lang"`
	LoggedIn       string `json:"logged_in"`
	LoggedOut      string `json:"logged_out"`
	Popup          string `json:"popup"`
	SomethingWrong string `json:"something_wrong"`
	GoOn           string `json:"go_on"`
	Home           string `json:"home"`
	Reason         string `json:"reason"`
	RequestID      string `json:"request_id"`
	PopupDone      string `json:"popup_done"`
	LoggedOutNote  string `json:"logged_out_note"`
	LogInAgain     string `json:"log_in_again"`
	LogIn          string `json:"log_in"`
	LogOut         string `json:"log_out"`
	LogOutNote     string `json:"log_out_note"`
	LogOutNow      string `json:"log_out_now"`
	Deleted        string `json:"deleted"`
	DeletedNote    string `json:"deleted_note"`
	DeletedShared  string `json:"deleted_shared"`
	AtSpotify      string `json:"at_spotify"`
	// Reasons are by the reason of a problem, or by its wording.
	Reasons map[string]reasonWords `json:"reasons"`
	Keys    *KeyWords              `json:"keys"`
	Device  *DeviceWords           `json:"device"`
	Account *AccountWords          `json:"account"`
}

// reasonWords say what a reason means to a person. Where there is no message, the
// problem's own, which is English, is shown.
type reasonWords struct {
	Title   string `json:"title"`
	Message string `json:"message"`
	Action  string `json:"action"`
}

// KeyWords are the texts of the page about access keys.
type KeyWords struct {
	Title       string `json:"title"`
	Intro       string `json:"intro"`
	IntroFor    string `json:"intro_for"`
	List        string `json:"list"`
	None        string `json:"none"`
	Name        string `json:"name"`
	Created     string `json:"created"`
	Expires     string `json:"expires"`
	Used        string `json:"used"`
	Never       string `json:"never"`
	May         string `json:"may"`
	MayAll      string `json:"may_all"`
	Scopes      string `json:"scopes"`
	NoScopes    string `json:"no_scopes"`
	Revoke      string `json:"revoke"`
	RevokeSure  string `json:"revoke_sure"`
	RevokeNow   string `json:"revoke_now"`
	New         string `json:"new"`
	Full        string `json:"full"`
	NameHint    string `json:"name_hint"`
	Life        string `json:"life"`
	Access      string `json:"access"`
	AccessAll   string `json:"access_all"`
	AccessRead  string `json:"access_read"`
	AccessRules string `json:"access_rules"`
	Rules       string `json:"rules"`
	RulesHint   string `json:"rules_hint"`
	Create      string `json:"create"`
	CreateHint  string `json:"create_hint"`
	Wrong       string `json:"wrong"`
	BadName     string `json:"bad_name"`
	BadLife     string `json:"bad_life"`
	BadAccess   string `json:"bad_access"`
	NoRules     string `json:"no_rules"`
	UnusedRules string `json:"unused_rules"`
	LongRules   string `json:"long_rules"`
	BadRules    string `json:"bad_rules"`
	Done        string `json:"done"`
	Once        string `json:"once"`
	Your        string `json:"your"`
	Use         string `json:"use"`
	Base        string `json:"base"`
	Try         string `json:"try"`
	Back        string `json:"back"`
	Day         string `json:"day"`
	Days        string `json:"days"`
	Hour        string `json:"hour"`
	Hours       string `json:"hours"`
	Minute      string `json:"minute"`
	Minutes     string `json:"minutes"`

	RenewWords
}

// RenewWords are the texts about renewing an access key.
type RenewWords struct {
	RenewTitle   string `json:"renew_title"`
	Renew        string `json:"renew"`
	RenewNot     string `json:"renew_not"`
	RenewHint    string `json:"renew_hint"`
	RenewDone    string `json:"renew_done"`
	RenewWaits   string `json:"renew_waits"`
	RenewFailed  string `json:"renew_failed"`
	RenewCannot  string `json:"renew_cannot"`
	RenewBy      string `json:"renew_by"`
	RenewedUntil string `json:"renewed_until"`
	UseBy        string `json:"use_by"`
	LastRenewed  string `json:"last_renewed"`
	Expired      string `json:"expired"`
	Due          string `json:"due"` // with {days}
	DueNow       string `json:"due_now"`
}

// languages are those there are, the default first. Each is a file, so that a
// translator needs no Go.
var languages = []*words{readWords("en"), readWords("de"), readWords("es"), readWords("fr"), readWords("pt")}

// english is for code, and for what has been worded already.
var english = languages[0]

func readWords(lang string) *words {
	w := new(words)
	d := json.NewDecoder(strings.NewReader(mustReadPage("words/" + lang + ".json")))
	d.DisallowUnknownFields()
	if err := d.Decode(w); err != nil {
		panic(fmt.Errorf("the words of language %s: %w", lang, err)) // it is embedded
	}
	return w
}

// WordsFor returns the words in the language that a request likes best
// (RFC 9110 §12.5.4). Of regions there is no telling apart.
func WordsFor(r *http.Request) *words {
	best, bestWeight := languages[0], 0.0
	for part := range strings.SplitSeq(strings.Join(r.Header["Accept-Language"], ","), ",") {
		tag, params, _ := strings.Cut(part, ";")
		primary, _, _ := strings.Cut(strings.TrimSpace(tag), "-")
		weight := 1.0
		if q, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			var err error
			if weight, err = strconv.ParseFloat(q, 64); err != nil {
				continue
			}
		}
		for _, w := range languages {
			if strings.EqualFold(primary, w.Lang) && weight > bestWeight && weight <= 1 {
				best, bestWeight = w, weight
			}
		}
	}
	return best
}
