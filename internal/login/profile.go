package login

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/page"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

const (
	// maxProfile bounds the profile that is read at login, in bytes.
	maxProfile = 256 << 10
	// maxDisplayName bounds the name that is kept of it, in bytes.
	maxDisplayName = 256
	// profileTries is how often the profile is asked for. The person waits.
	profileTries = 4
	// profilePath is where the Web API has it.
	profilePath = "/v1/me"
	// profilePause is the wait before the second try, which doubles.
	profilePause = 500 * time.Millisecond
)

// Profile is what the Web API says of the user behind a token.
type Profile struct {
	AccountID   string `json:"account_id"`
	ID          string `json:"id"`
	DisplayName string `json:"display_name"`
}

// Account is the account that the profile is of.
func (p Profile) Account() session.Account {
	name := p.DisplayName[:min(len(p.DisplayName), maxDisplayName)] // which a session keeps in memory
	acct := session.Account{ID: cmp.Or(p.AccountID, p.ID), DisplayName: strings.ToValidUTF8(name, "")}
	if p.ID != acct.ID {
		acct.UserID = p.ID
	}
	return acct
}

// LookUpProfile asks the Web API whose token it is, again if it has to, for as long as
// a person waits. A session whose account is not known could not be found by it, so
// there is either an account or a problem, which says why there is none.
//
// https://developer.spotify.com/documentation/web-api/reference/get-current-users-profile
func (f *Flow) LookUpProfile(ctx context.Context, token *pkce.Token) (Profile, *problem.Problem) {
	patience := f.tokens.Timeout
	for try := 1; ; try++ {
		who, p := f.askForProfile(ctx, token)
		if p == nil {
			return who, nil
		}
		wait := max(p.RetryAfter, profilePause<<(try-1))
		if p.Status == http.StatusForbidden || p.Reason == reason.QuotaExceeded || p.Reason == reason.BudgetExceeded || try == profileTries || wait > patience {
			if p.Reason == reason.UpstreamUnavailable {
				p.RetryAfter = max(p.RetryAfter, 5*time.Second)
			}
			return Profile{}, p
		}
		patience -= wait
		if pkce.Sleep(ctx, f.site.Clock, wait) != nil {
			return Profile{}, p
		}
	}
}

func (f *Flow) askForProfile(ctx context.Context, token *pkce.Token) (Profile, *problem.Problem) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.apiURL+profilePath, nil)
	if err != nil {
		return Profile{}, profileUnavailable(err)
	}
	req.Header["Authorization"] = token.Header()
	req.Header.Set("Accept", "application/json")
	resp, why, err := f.site.Upstream.Send(f.client, req, profilePath)
	if p := problem.As(err); p != nil {
		return Profile{}, profileRefused(p.Status, p.Reason, p.RetryAfter)
	}
	if err != nil {
		return Profile{}, profileUnavailable(err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusForbidden, http.StatusTooManyRequests:
		return Profile{}, profileRefused(resp.StatusCode, why, f.site.Upstream.RetryAfter(resp, http.MethodGet, profilePath))
	default:
		p := profileUnavailable(fmt.Errorf("the profile was answered with status %d", resp.StatusCode))
		p.RetryAfter = f.site.Upstream.RetryAfter(resp, http.MethodGet, profilePath)
		return Profile{}, p
	}
	var who Profile
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxProfile)).Decode(&who); err != nil {
		return Profile{}, profileUnavailable(fmt.Errorf("reading the profile: %w", err))
	}
	if who.Account().ID == "" {
		return Profile{}, profileUnavailable(errors.New("the profile names no account"))
	}
	return who, nil
}

// profileUnavailable says that Spotify did not tell whose token it is.
func profileUnavailable(err error) *problem.Problem {
	return &problem.Problem{
		Status: http.StatusBadGateway, Reason: reason.UpstreamUnavailable, Err: err, Wording: page.WordingNoProfile,
		Message: "Spotify did not say whose account this is, so the login did not work. Try again in a moment.",
	}
}

// profileRefused words a refusal to tell whose token it is.
func profileRefused(status int, why reason.Reason, retryAfter time.Duration) *problem.Problem {
	p := &problem.Problem{Status: status, Reason: why, RetryAfter: retryAfter}
	switch why {
	case reason.UserNotAllowlisted:
		p.Message = "Spotify does not let this account use the app. While an app is in development mode, its owner " +
			"has to add the account under User Management in Spotify's dashboard."
	case reason.PremiumRequired:
		p.Wording = page.WordingLoginPremium
		p.Message = "Spotify does not let the app be used without Premium. While an app is in development mode, its owner needs Spotify Premium."
	case reason.RateLimited, reason.QuotaExceeded, reason.BudgetExceeded:
		p.Status, p.Wording = http.StatusTooManyRequests, page.WordingLoginRateLimited
		p.Message = "This app has sent Spotify as many requests as it may for now, so the login did not work. Try again " +
			cmp.Or(problem.In(retryAfter), "later") + "."
	default:
		p.Wording = page.WordingLoginForbidden
		p.Message = "Spotify refused to say whose account this is, so the login did not work."
	}
	return p
}
