package spotifytest

import "time"

type library struct{}

func newLibrary(users []*User, length int, now func() time.Time) *library { return &library{} }
