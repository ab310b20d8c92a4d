package accesskeys

import "net/url"

// renewPath is below path: where an access key is renewed.
const renewPath = "/renew"

// RenewURL returns the absolute URL of the page on which the owner of the access key with
// a reference renews it. It may be sent to the owner: opening it asks for the login of the
// account that owns the key, and then for a click.
func (k *Keys) RenewURL(ref string) string {
	return k.url() + renewPath + "?" + url.Values{"key": {ref}}.Encode()
}
