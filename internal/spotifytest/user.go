package spotifytest

import "strings"

// User is somebody who can log in.
type User struct {
	// ID is the user's Spotify id, as in /users/{id}. Required.
	ID string
	// AccountID is the immutable account_id; empty derives one from ID.
	AccountID string
	// DisplayName is the name shown; empty means ID.
	DisplayName string
	// Email is shown with the scope user-read-email; empty derives one from ID.
	Email string
	// Country is an ISO 3166-1 alpha-2 code; empty means SE.
	Country string
	// Product is premium or free; empty means premium. Players obey premium only.
	Product string
	// Newcomer users have an empty library and nothing playing.
	Newcomer bool
	// Outsider users are not on the app's allowlist: they can log in, and then
	// every Web API call is 403 in plain text, as for apps in development mode.
	Outsider bool
}

// DefaultUsers returns the users of a simulator that was given none: two
// premium listeners, a free one, a newcomer with an empty library, and one who
// is not on the app's allowlist. Their ids are mira, jonas, aiko, sam and olga.
func DefaultUsers() []User {
	return []User{
		{ID: "mira", DisplayName: "Mira Okafor", Country: "SE"},
		{ID: "jonas", DisplayName: "Jonas Ångström", Country: "DE"},
		{ID: "aiko", DisplayName: "Aiko Tanabe", Country: "JP", Product: "free"},
		{ID: "sam", DisplayName: "Sam Newcombe", Country: "GB", Newcomer: true},
		{ID: "olga", DisplayName: "Olga Outside", Country: "PL", Outsider: true},
	}
}

func (u User) withDefaults() User {
	if u.AccountID == "" {
		u.AccountID = derivedID("account/" + u.ID)
	}
	if u.DisplayName == "" {
		u.DisplayName = u.ID
	}
	if u.Email == "" {
		u.Email = u.ID + "@example.com"
	}
	if u.Country == "" {
		u.Country = "SE"
	}
	if u.Product == "" {
		u.Product = "premium"
	}
	return u
}

// initials are the letters of the avatar.
func (u *User) initials() string {
	words := strings.Fields(u.DisplayName)
	if len(words) == 0 {
		return "?"
	}
	out := string([]rune(words[0])[:1])
	if len(words) > 1 {
		out += string([]rune(words[len(words)-1])[:1])
	}
	return strings.ToUpper(out)
}
