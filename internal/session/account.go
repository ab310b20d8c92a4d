package session

import (
	"context"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// accountIDs are the account_ids that an operator may mean by an ID, which may be
// a user's id. There is more than one only if the ID is not Spotify's.
type accountIDs map[string]struct{}

// findAccount looks in the stores in use for the account of an ID. Records from
// before a login that told the user's id are found by the account's other ones.
func findAccount(ctx context.Context, id string) (accountIDs, error) {
	ids := accountIDs{id: {}}
	for entry, err := range walkInUse(ctx) {
		if err != nil {
			return nil, err
		}
		if entry.UserID == id {
			ids[entry.AccountID] = struct{}{}
		}
	}
	return ids, nil
}

func (ids accountIDs) have(e tokenstore.Entry) bool {
	_, ok := ids[e.AccountID]
	return ok
}
