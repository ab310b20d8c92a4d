package main

var quotaTests = []string{"./internal/quota"}

// ofQuota are ways to break the count of a rolling day, and its budget.
var ofQuota = []regression{
	{
		name: "the day ends a minute early", file: "internal/quota/series.go", packages: quotaTests, run: "TestRollingDays|TestNeverTooLow",
		old: "\tfirst := minute - day\n", new: "\tfirst := minute - day + 1\n",
	}, {
		name: "the day counts whole hours", file: "internal/quota/series.go", packages: quotaTests, run: "TestRollingDays|TestNeverTooLow",
		old: "for m := first % 60; m < 60; m++ {\n\t\t\t\tn +=", new: "for m := int64(0); m < 60; m++ {\n\t\t\t\tn +=",
	}, {
		name: "what Spotify refused counts as spent", file: "internal/quota/quota.go", packages: quotaTests, run: "TestRollingDays|TestLikelySize",
		old: "\te.count(-1)\n\te.operation.refused", new: "\te.operation.refused",
	}, {
		name: "what did not go out counts", file: "internal/quota/quota.go", packages: quotaTests, run: "TestBudgetAcrossInstances",
		old: "if e.ledger != nil && e.counted {", new: "if false {",
	}, {
		name: "an hour's file is written once", file: "internal/quota/synchronizer.go", packages: quotaTests, run: "TestKill|TestRollingDays",
		old: "\ts.wroteAt = now\n\ts.pending.Store(false)\n", new: "\ts.wroteAt = now\n",
	}, {
		name: "a clean stop writes nothing", file: "internal/quota/synchronizer.go", packages: quotaTests, run: "TestForeignFiles|TestLikelySize",
		old: "\terr := s.writeOwn(ctx)\n\ts.stopped = true\n", new: "\ts.stopped = true\n\terr := s.writeOwn(ctx)\n",
	}, {
		name: "the hour under way is not read again", file: "internal/quota/synchronizer.go", packages: quotaTests, run: "TestRollingDays",
		old: "if f == nil || hour >= this-1 {", new: "if f == nil {",
	}, {
		name: "what could not be written is forgotten", file: "internal/quota/synchronizer.go", packages: quotaTests, run: "TestStorageFails",
		old: "\t\t\tdirty.Store(true)\n\t\t\terrs", new: "\t\t\terrs",
	}, {
		name: "nothing is kept for newcomers", file: "internal/quota/budget.go", packages: quotaTests, run: "TestReserve",
		old: "if 2*mine >= level {", new: "if false {",
	}, {
		name: "a caller's day is what it has asked for so far", file: "internal/quota/budget.go", packages: quotaTests, run: "TestFairShare",
		old: "demand = float64(asked) * day / float64(max(minute-since, soonest))", new: "",
	}, {
		name: "the parts of a budget are one", file: "internal/quota/budget.go", packages: quotaTests, run: "TestParts",
		old: "if kind == k && parts[i] > 0 {", new: "if kind == k && parts[i] > 100 {",
	}, {
		name: "junk takes the rows of known operations", file: "internal/quota/table.go", packages: quotaTests, run: "TestBound",
		old: "free := t.unbounded != nil && t.unbounded(name)", new: "free := false",
	},
}
