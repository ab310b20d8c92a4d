package tokenstore

// Provider is what a guest module of http.handlers.spotify_auth.stores
// implements: it yields the store that its configuration describes.
//
// The owner opens a Store once for each UsageKey in use and shares it between
// all users of that key, also across reloads of the configuration. If the Store
// is an io.Closer it is closed once the last of them is gone.
type Provider interface {
	// Store opens the store. It does no I/O over a network: the store connects
	// when it is first used.
	Store() (Store, error)
	// UsageKey names what Store opens. It is equal for equal configurations and
	// stays the same across reloads. It holds no secret.
	UsageKey() string
}
