package main

var notifyTests = []string{"./internal/notify"}

// ofNotify are ways to tell people too often, too late, or too much.
var ofNotify = []regression{
	{
		name: "what was told is not noted", file: "internal/notify/deliver.go", packages: notifyTests, run: "OverSixMonths",
		old: "\t\ttold = now.UTC()\n", new: "",
	}, {
		name: "each instance tells", file: "internal/notify/deliver.go", packages: notifyTests, run: "AtOnce",
		old: "\t\ttold = mark.UsedAt\n", new: "",
	}, {
		name: "each notice that was missed is sent", file: "internal/notify/due.go", packages: notifyTests, run: "ShortLives",
		old: "if d <= ends.Sub(begins)/2 && !at", new: "if !at",
	}, {
		name: "the end of a key that was revoked is told", file: "internal/notify/deliver.go", packages: notifyTests, run: "Revoked",
		old: "rec == nil && !now.Before(it.ends) && mark", new: "rec == nil && mark",
	}, {
		name: "a renewed key counts as told", file: "internal/notify/mark.go", packages: notifyTests, run: "Revoked",
		old: "return mark.AuthorizedAt.Equal(begins) && mark.ExpiresAt.Equal(ends.Add(markLife))", new: "return true",
	}, {
		name: "redirects are followed", file: "internal/notify/target.go", packages: notifyTests, run: "Redirect",
		old: "return http.ErrUseLastResponse }", new: "return nil }",
	}, {
		name: "errors show the address of the webhook", file: "internal/notify/target.go", packages: notifyTests, run: "NoAddress",
		old: "\t\t\terr = shown.Err\n", new: "\t\t\terr = shown\n",
	}, {
		name: "notices cross the internet in the clear", file: "internal/notify/target.go", packages: notifyTests, run: "NewTarget",
		old: `case u.Scheme == "http" && !isPrivateHost(u.Hostname()):`, new: "case false:",
	}, {
		name: "a key's name can mention a channel", file: "internal/notify/notice.go", packages: notifyTests, run: "AsSent",
		old: `"<", "&lt;", `, new: "",
	}, {
		name: "a webhook is waited for without end", file: "internal/notify/target.go", packages: notifyTests, run: "Slow",
		old: "\t\tTimeout:   sendTimeout,\n", new: "",
	},
}
