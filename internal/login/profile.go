package login

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

// maxProfile bounds the profile that is read at login.
const maxProfile = 256 << 10

// Profile is what the Web API says of the user behind a token.
type Profile struct {
	AccountID   string `json:"account_id"`
	ID          string `json:"id"`
	DisplayName string `json:"display_name"`
}

// Account is the account that the profile is of.
func (p Profile) Account() session.Account {
	acct := session.Account{ID: cmp.Or(p.AccountID, p.ID), DisplayName: strings.ToValidUTF8(p.DisplayName, "")}
	if p.ID != acct.ID {
		acct.UserID = p.ID
	}
	return acct
}

// LookUpProfile asks the Web API whose token it is. An account that Spotify
// does not let use the app comes back as a problem for the person to read.
//
// https://developer.spotify.com/documentation/web-api/reference/get-current-users-profile
func (f *Flow) LookUpProfile(ctx context.Context, token *pkce.Token) (Profile, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.apiURL+"/v1/me", nil)
	if err != nil {
		return Profile{}, err
	}
	req.Header["Authorization"] = token.Header()
	req.Header.Set("Accept", "application/json")
	resp, err := f.client.Do(req)
	if err != nil {
		return Profile{}, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusForbidden:
		return Profile{}, &problem.Problem{
			Status: http.StatusForbidden, Reason: reason.UserNotAllowlisted,
			Message: "Spotify does not let this account use the app. While an app is in development mode, its owner " +
				"has to add the account under User Management in Spotify's dashboard.",
		}
	case resp.StatusCode != http.StatusOK:
		return Profile{}, fmt.Errorf("the profile was answered with status %d", resp.StatusCode)
	}
	var who Profile
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxProfile)).Decode(&who); err != nil {
		return Profile{}, fmt.Errorf("reading the profile: %w", err)
	}
	return who, nil
}
