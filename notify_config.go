package caddyspotify

// NotifyConfig is a webhook that is told 30, 7 and 1 days before an access key or the account of
// `share` loses its access, and when it has lost it. A notice is a POST with a JSON object that
// ntfy, Gotify, Slack and Home Assistant understand.
type NotifyConfig struct {
	// The webhook's URL. Required. Must be https, or http to a private address or name. May be a
	// placeholder such as `{env.NOTIFY_URL}`, as may the values below.
	URL string `json:"url,omitempty"`

	// Headers to send along, such as `Authorization`.
	Headers map[string]string `json:"headers,omitempty"`

	// Members to add to the JSON object, such as ntfy's `topic`.
	Fields map[string]string `json:"fields,omitempty"`
}
