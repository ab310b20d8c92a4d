package caddyspotify

// ReturnPath is returnPath.
func ReturnPath(s string) string { return returnPath(s) }
