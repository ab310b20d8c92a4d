package spotifytest

// Rotation is what a refresh does to the refresh token. Since the summer of 2026
// Spotify keeps it and, as a rule, leaves it out of the response; before, it sent
// a new one to public clients.
type Rotation int

const (
	// RotateOmit keeps the refresh token and leaves it out of the answer.
	RotateOmit Rotation = iota
	// RotateNew answers with a new refresh token; the old one is refused from then on.
	RotateNew
	// RotateRevoke is RotateNew, and the use of an old one revokes the whole
	// grant: what RFC 9700 §4.14.2 recommends, and the strictest manner.
	RotateRevoke
	// RotateEmpty is RotateOmit with an empty refresh_token in the answer, which
	// some clients of Spotify have seen.
	RotateEmpty
	// RotateKeep keeps the refresh token and repeats it in the answer.
	RotateKeep
)

// rotations are all, by their names.
var rotations = map[string]Rotation{
	"omit": RotateOmit, "new": RotateNew, "revoke": RotateRevoke, "empty": RotateEmpty, "keep": RotateKeep,
}

// String returns omit, new, revoke, empty or keep.
func (r Rotation) String() string {
	for name, other := range rotations {
		if other == r {
			return name
		}
	}
	return "omit"
}
