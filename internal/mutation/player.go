package main

var (
	playerTests = []string{"./internal/player"}
	pushTests   = []string{"./internal/push"}
	streamTests = []string{"./internal/e2e/push"}
)

// ofPlayer are ways to break what pages are told of an account's player, and what that
// costs.
var ofPlayer = []regression{
	{
		name: "the end of a track is left to heartbeats", file: "internal/player/schedule.go", packages: []string{"./internal/player/playertest"},
		old: "if end <= pause+pause/4 {", new: "if false {",
	}, {
		name: "heartbeats do not stretch", file: "internal/player/schedule.go", packages: []string{"./internal/player/playertest"},
		old: "\t\ts.interval += s.interval / 2\n", new: "",
	}, {
		name: "crossfades are not learned", file: "internal/player/schedule.go", packages: []string{"./internal/player/playertest"},
		old: "\t\ts.crossfade = min(early, s.suspected)\n", new: "",
	}, {
		name: "an end that does not come is asked about for ever", file: "internal/player/schedule.go", packages: playerTests, run: "EndThatDoesNotCome",
		old: "\t\tif s.overdue > 3 {\n\t\t\treturn\n\t\t}\n", new: "",
	}, {
		name: "commands are asked after while Spotify limits", file: "internal/player/schedule.go", packages: playerTests, run: "Limited",
		old: "\tif now < s.limitedUntil {\n\t\treturn\n\t}\n", new: "",
	}, {
		name: "each of many commands costs a request", file: "internal/player/schedule.go", packages: playerTests, run: "Commands",
		old: "s.command[0] = max(s.command[0], s.askedCommand+betweenCommands)", new: "s.command[0] = now",
	}, {
		name: "everybody who comes has Spotify asked", file: "internal/player/topic.go", packages: playerTests, run: "Resume",
		old: "\tt.arrivals--\n", new: "",
	}, {
		name: "visitors see the device", file: "internal/player/event.go", packages: playerTests, run: "Views",
		old: "\tfor _, name := range onlyWhole {\n\t\tdelete(part, name)\n\t}\n", new: "",
	}, {
		name: "visitors see episodes", file: "internal/player/event.go", packages: playerTests, run: "Episodes",
		old: "\t\twithout[\"item\"] = json.RawMessage(\"null\")\n", new: "",
	}, {
		name: "an event follows the end of a stream", file: "internal/player/listener.go", packages: playerTests, run: "Ends",
		old: "if f := l.final.Load(); f != nil {", new: "if f := l.final.Load(); f != nil && l.seen > 1 {",
	}, {
		name: "all come back at once", file: "internal/player/event.go", packages: playerTests, run: "ComeBack",
		old: "soonestReturn + rand.N(min(max(spread, leastSpread), longestSpread))", new: "soonestReturn + min(max(spread, leastSpread), rand.N(longestSpread), time.Second)",
	}, {
		name: "two instances poll", file: "internal/player/member.go", packages: playerTests, run: "OneInstancePolls",
		old: "next := min(m.topic.next(m.lease != nil), m.looked+lookEvery)", new: "next := min(m.topic.next(true), m.looked+lookEvery)",
	}, {
		name: "a lost lease is polled with", file: "internal/player/member.go", packages: playerTests, run: "LeaseIsLost",
		old: "\t\tcase <-m.lost():\n\t\t\tm.release(ctx)\n", new: "\t\tcase <-m.lost():\n",
	}, {
		name: "what is played is stored although nobody reads it", file: "internal/player/member.go", packages: playerTests, run: "OneInstancePolls",
		old: "(m.lease != nil && !m.others)", new: "false",
	}, {
		name: "the streams of one owner are not bounded", file: "internal/player/hub.go", packages: playerTests, run: "Bounds",
		old: "return h.owners[s.Owner] >= h.maxOwner", new: "return false",
	}, {
		name: "notices are posted in the clear", file: "internal/push/board.go", packages: pushTests, run: "Board",
		old: "sealed, err := tokenstore.Seal(id, namespace, plain)", new: "sealed, err := plain, error(nil)",
	}, {
		name: "a refusal that does not pass is asked about each minute", file: "internal/push/source.go", packages: pushTests, run: "Judge",
		old: "Wait: refusedPause, Reason: why", new: "Wait: 0, Reason: why",
	}, {
		name: "an event is sent without the session being confirmed", file: "internal/push/stream.go", packages: streamTests, run: "AccessEnds|Logout",
		old: "\t\ts, err := l.current(ctx)\n", new: "\t\ts, err := l.session, error(nil)\n",
	}, {
		name: "a stream outlives its configuration", file: "internal/push/push.go", packages: streamTests, run: "Reload",
		old: "\tp.hub.Dismiss(p, why)\n", new: "\t_ = why\n",
	}, {
		name: "a page of another site listens", file: "internal/push/push.go", packages: streamTests, run: "NoStreamWithout",
		old: "if foreign := p.site.CheckOriginOrAllowed(r); foreign != nil {", new: "if foreign := p.site.CheckOriginOrAllowed(r); false {",
	}, {
		name: "a command through the proxy is not noticed", file: "internal/upstream/command.go", packages: streamTests, run: "StreamOfAPlayer",
		old: "\t\ttell(c.account())\n", new: "\t\t_ = tell\n",
	}, {
		name: "a stream is not told of a logout", file: "internal/session/end.go", packages: []string{"./internal/session"}, run: "Follow",
		old: "\tm.followers.tell(s.digest)\n", new: "",
	}, {
		name: "a silent store is not asked before an event", file: "internal/session/follow.go", packages: []string{"./internal/session"}, run: "CurrentAsks",
		old: "if err != nil || m.watched {", new: "if true {",
	},
}
