package main

var deviceTests = []string{"./internal/e2e/keys", "./internal/device"}

// ofDevices are ways to break the login of a device.
var ofDevices = []regression{
	{
		name: "wrong codes have no bound", file: "internal/device/limits.go", packages: deviceTests, run: "Device|Attempts",
		old: "\tif wait > 0 {\n\t\treturn wait, false\n\t}\n\tfor i, b := range bounds {", new: "\tfor i, b := range bounds {",
	}, {
		name: "many networks undo the bound on all", file: "internal/device/limits.go", packages: deviceTests, run: "BoundOfEverybody",
		old: "case name == everybody:", new: "case false:",
	}, {
		name: "another site gives the device its key", file: "internal/device/record.go", packages: deviceTests, run: "Device",
		old: "if q.Site != \"\" && q.Site != d.site.Base() {", new: "if false {",
	}, {
		name: "codes that wait have no bound for a network", file: "internal/device/limits.go", packages: deviceTests, run: "Device",
		old: "case here >= maxPendingHere:", new: "case here < 0:",
	}, {
		name: "codes that wait have no bound for the site", file: "internal/device/limits.go", packages: deviceTests, run: "Device",
		old: "case len(l.issued) >= maxPending:", new: "case false:",
	}, {
		name: "each IPv6 address has attempts of its own", file: "internal/device/limits.go", packages: deviceTests, run: "Device|Networks",
		old: "netip.PrefixFrom(addr, 64)", new: "netip.PrefixFrom(addr, 128)",
	}, {
		name: "a guess that was wrong is taken back", file: "internal/device/activate.go", packages: deviceTests, run: "Device",
		old: "\tcase errors.Is(err, errGone), err == nil && q.Status != pending:\n", new: "\tcase errors.Is(err, errGone), err == nil && q.Status != pending:\n\t\td.limits.right(bounds...)\n",
	}, {
		name: "who is logged in is shut out by others", file: "internal/device/activate.go", packages: deviceTests, run: "Device",
		old: "bounds = append(bounds, bound{\"account \" + sess.Account.ID, maxWrong})", new: "bounds = append(bounds, bound{\"account \" + sess.Account.ID, maxWrong}, bound{\"all\", maxWrongOverall})",
	}, {
		name: "another site's page sends the form", file: "internal/device/activate.go", packages: deviceTests, run: "Device",
		old: "if p := d.site.CheckOrigin(r); p != nil {", new: "if p := d.site.CheckOrigin(r); p != nil && false {",
	}, {
		name: "nobody has to say that the device shows the code", file: "internal/device/activate.go", packages: deviceTests, run: "Device",
		old: " || form.Get(\"same_code\") != \"yes\"", new: "",
	}, {
		name: "Spotify does not ask", file: "internal/device/activate.go", packages: deviceTests, run: "Device",
		old: "ShowDialog: true", new: "ShowDialog: false",
	}, {
		name: "a key for reading may do everything", file: "internal/device/activate.go", packages: deviceTests, run: "Device",
		old: "life, !agreed.All)", new: "life, agreed.All && false)",
	}, {
		name: "a record's ID is enough to be the device", file: "internal/device/token.go", packages: deviceTests, run: "Device",
		old: "!bytes.Equal(pair.Bytes(), q.PublicKey)", new: "len(pair.Bytes()) != len(q.PublicKey)",
	}, {
		name: "a device gets its key twice", file: "internal/device/token.go", packages: deviceTests, run: "Device",
		old: "\tcase errors.Is(err, errGone):\n\t\treturn d.refuse(w, r, http.StatusBadRequest, \"invalid_grant\", \"The device_code has been used.\", 0)\n\tcase err != nil:", new: "\tcase errors.Is(err, errGone):\n\tcase err != nil:",
	}, {
		name: "a device may ask as often as it likes", file: "internal/device/limits.go", packages: deviceTests, run: "Device",
		old: "return p.interval, !early", new: "return p.interval, true",
	}, {
		name: "a code has no end", file: "internal/device/record.go", packages: deviceTests, run: "Device",
		old: "\tif d.expired(q) {", new: "\tif false && d.expired(q) {",
	}, {
		name: "a device may ask for any scope", file: "internal/device/request.go", packages: deviceTests, run: "Device",
		old: "if !d.flow.MayAskFor(scopes) {", new: "if false {",
	}, {
		name: "a key is sealed to nothing of the login", file: "internal/device/code.go", packages: deviceTests, run: "Given",
		old: "hpke.Open(key, kdf, aead, []byte(sealInfo+record), sealed)", new: "hpke.Open(key, kdf, aead, []byte(sealInfo+\"record\"), sealed)",
	},
}
