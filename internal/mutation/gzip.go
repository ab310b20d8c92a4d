package main

// ofGzip are ways to break what becomes of gzipped responses.
var ofGzip = []regression{
	{
		name: "a match over a link keeps its distance", file: "internal/links/recode.go", packages: linksTests, run: "Gzip",
		old: "r.w.Match(length, distance+grown)", new: "r.w.Match(length, distance)",
	}, {
		name: "a match between links keeps its distance", file: "internal/links/recode.go", packages: linksTests, run: "Gzip",
		old: "r.w.Match(to-cur, distance+n.grown-m.grown)", new: "r.w.Match(to-cur, distance)",
	}, {
		name: "links in both spellings of a slash count as the same", file: "internal/links/recode.go", packages: linksTests, run: "Gzip",
		old: " || all[n].style != all[m].style", new: "",
	}, {
		name: "a link is referred to from further than the window", file: "internal/links/recode.go", packages: linksTests, run: "Gzip",
		old: "len(core) >= deflate.MinMatch && distance <= deflate.Window", new: "len(core) >= deflate.MinMatch && distance <= 65535",
	}, {
		name: "the start of a link is written before the rest has come", file: "internal/links/recode.go", packages: linksTests, run: "Gzip",
		old: "\t\tend -= r.rw.held(r.text, r.seen)\n", new: "",
	}, {
		name: "a flush is not passed on", file: "internal/links/recode.go", packages: linksTests, run: "GzipFlush",
		old: "case err != nil || b.Flush:", new: "case err != nil:",
	}, {
		name: "a gzipped response that breaks off is whole", file: "internal/links/gzip.go", packages: []string{"./internal/links", "./internal/upstream"}, run: "Gzip",
		old: "} else if errors.Is(err, io.EOF) {\n\t\terr = io.ErrUnexpectedEOF\n", new: "} else if errors.Is(err, io.EOF) {\n",
	}, {
		name: "the checksum of gzip is not compared", file: "internal/deflate/header.go", packages: []string{"./internal/deflate"},
		old: "if uint32(digest) != r.digest ||", new: "if uint32(digest) != r.digest && false ||",
	}, {
		name: "a match reaches before the text", file: "internal/deflate/reader.go", packages: []string{"./internal/deflate"},
		old: "if e == 0 || t-d < floor {", new: "if e == 0 || t-d < min(0, floor) {",
	}, {
		name: "memory for gzipped responses is not given back", file: "internal/links/gzip.go", packages: linksTests, run: "Gzip",
		old: "\twholeMemory.Add(-recoderSize)\n", new: "",
	}, {
		name: "a client that refuses gzip gets it", file: "internal/upstream/requestheaders.go", packages: upstreamTests, run: "Gzip|AcceptEncoding",
		old: "return gzip > 0 && gzip >= identity", new: "return gzip != unnamed",
	}, {
		name: "responses in several codings are one to a cache", file: "internal/upstream/roundtrip.go", packages: upstreamTests, run: "Gzip",
		old: "\t\tvaryByCoding(c.res.Header)\n", new: "",
	}, {
		name: "an unpacked response says that it is gzipped", file: "internal/upstream/links.go", packages: upstreamTests, run: "Gzip",
		old: "\tif unpack {\n\t\tdelete(h, \"Content-Encoding\")\n", new: "\tif unpack {\n",
	},
}
