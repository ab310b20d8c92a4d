package notify

import (
	"fmt"
	"strings"
	"time"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// The events of notices.
const (
	// EventDue says that access ends soon.
	EventDue = "reauthorization_due"
	// EventEnded says that it has ended.
	EventEnded = "access_ended"
)

// Notice is what a webhook receives, as JSON. It holds no secret: neither a key nor a token, nor
// anything that leads to one.
type Notice struct {
	Event string `json:"event"`
	// Title, Message and Priority are what Gotify and ntfy show, and Click is where ntfy leads.
	// The priority is 3 to 5, which both understand.
	Title    string `json:"title"`
	Message  string `json:"message"`
	Priority int    `json:"priority"`
	Click    string `json:"click"`
	// Text is the title and the message as Slack shows them.
	Text string `json:"text"`

	Site string `json:"site"`
	Subject
	// ReauthorizeBy is when access ends, or has ended (RFC 3339).
	ReauthorizeBy string `json:"reauthorize_by"`
	// DaysLeft are the days until then, rounded up: 0 if it has ended.
	DaysLeft int `json:"days_left"`
}

// slackText escapes what has a meaning to Slack. The name of a key is its owner's to choose, and
// must not mention a whole channel.
var slackText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func newNotice(s Subject, site string, now, ends time.Time) *Notice {
	another := s.AgainURL != "" && (s.AgainURL == s.RenewURL || !now.Before(ends))
	if another {
		s.RenewURL = s.AgainURL
	}
	s.AgainURL = ""
	n := &Notice{
		Event: EventDue, Site: site, Subject: s, Click: s.RenewURL,
		ReauthorizeBy: ends.UTC().Format(time.RFC3339), DaysLeft: daysLeft(now, ends),
	}
	what, remedy := "Spotify access key", "Renew it"
	switch {
	case s.Kind == tokenstore.KindShared:
		what, remedy = "Shared Spotify account", "Connect it again"
	case another:
		remedy = "Create another"
	}
	if s.Name != "" {
		what += " “" + s.Name + "”"
	}
	when, verb := ends.UTC().Format("2 January 2006 15:04 UTC"), "stops"
	switch {
	case n.DaysLeft == 0:
		n.Event, n.Priority, verb = EventEnded, 5, "stopped"
		n.Title = what + " has ended"
	case n.DaysLeft == 1:
		n.Title, n.Priority = what+" ends within a day", 5
	default:
		n.Title = fmt.Sprintf("%s ends in %d days", what, n.DaysLeft)
		n.Priority = 3
		if n.DaysLeft <= 7 {
			n.Priority = 4
		}
	}
	n.Message = fmt.Sprintf("%s of account %s at %s %s working on %s. %s: %s", what, s.Account, site, verb, when, remedy, s.RenewURL)
	n.Text = slackText.Replace(n.Title + "\n" + n.Message)
	return n
}
