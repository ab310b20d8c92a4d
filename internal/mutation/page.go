package main

// ofPages are ways to have a page allow or show what it must not.
var ofPages = []regression{
	{
		name: "a page with the site's logo allows any picture", file: "internal/page/brand.go", packages: []string{"./internal/page"},
		old: `return page + "; img-src " + b.imageSource`, new: `return page + "; img-src *"`,
	}, {
		name: "a logo's path ends the source in the policy", file: "internal/page/brand.go", packages: []string{"./internal/page"},
		old: `strings.NewReplacer(";", "%3B", ",", "%2C")`, new: `strings.NewReplacer()`,
	}, {
		name: "text on an accent is always white", file: "internal/page/brand.go", packages: []string{"./internal/page"},
		old: `if contrast(c, on) < textContrast {`, new: `if false {`,
	}, {
		name: "a refusal names a log line that is suppressed", file: "internal/telemetry/notserved.go", packages: []string{"./internal/e2e/operation"}, run: "RefusalsNameTheirLogLine",
		old: "\tif !ok {\n\t\treturn \"\"\n\t}\n\tid = RequestID(r)", new: "\tif !ok {\n\t\treturn RequestID(r)\n\t}\n\tid = RequestID(r)",
	},
}
