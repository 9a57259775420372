package writeback

import (
	"encoding/json"
	"strings"
	"testing"

	"sfbridge/internal/flow"
	"sfbridge/salesforce"
	"sfbridge/writeback/rows"
)

func TestConflict_PoliciesByVersion(t *testing.T) {
	const me, other = "005KX000001AbCdYAK", "005KX000001AbCeYAK"
	own := versions{field: "Version__c"}
	day := versions{field: "Day__c", day: true}
	stamp := versions{field: "SystemModstamp", stamp: true, by: true, self: me}
	for _, tc := range []struct {
		name            string
		v               versions
		row             any
		by, record      string
		newer, changed_ string // verdicts: skip, write, bad
	}{
		{"number, newer record", own, json.Number("9007199254740992"), "", "9007199254740993", "write", "write"},
		{"number, equal", own, json.Number("7.0"), "", "7", "skip", "write"},
		{"number, older record", own, json.Number("9007199254740993"), "", "9007199254740992", "skip", "skip"},
		{"fractions", own, json.Number("0.3"), "", "0.30000000000000000001", "write", "write"},
		{"text of digits", own, "10", "", "9", "skip", "skip"},
		{"time, newer record", own, "2026-03-02T09:15:07.000+0000", "", "2026-03-02T09:15:07.001Z", "write", "write"},
		{"time, equal", own, "2026-03-02T09:15:07.000+0000", "", "2026-03-02T09:15:07.000Z", "skip", "write"},
		{"time, older record", own, "2026-03-02T09:15:07.000+0000", "", "2026-03-02T09:15:06.999Z", "skip", "skip"},
		{"time in another zone", own, "2026-03-02T09:15:07.000+0000", "", "2026-03-02T04:15:08-05:00", "write", "write"},
		{"time against milliseconds", own, "1970-01-01T00:00:02.000+0000", "", "2001", "write", "write"},
		{"milliseconds against time", own, json.Number("2001"), "", "1970-01-01T00:00:02.000Z", "skip", "skip"},
		{"day, the same", day, "2026-03-02", "", "2026-03-02T23:59:59.000Z", "skip", "write"},
		{"day, before", day, "2026-03-02", "", "2026-03-01T23:59:59.000Z", "skip", "skip"},
		{"no version in the row", own, nil, "", "1", "write", "write"},
		{"stamp of another, later", stamp, "2026-03-02T09:15:08.000+0000", other, "2026-03-02T09:15:07.999Z", "skip", "skip"},
		{"stamp of another, same second", stamp, "2026-03-02T09:15:07.000+0000", other, "2026-03-02T09:15:07.000Z", "write", "write"},
		{"stamp of another, same second as milliseconds", stamp, "1970-01-01T00:00:02.000+0000", other, "2001", "write", "write"},
		{"stamp of another, earlier", stamp, "2026-03-02T09:15:06.000+0000", other, "2026-03-02T09:15:07.000Z", "write", "write"},
		{"stamp of our own write", stamp, "2026-03-02T10:00:00.000+0000", me, "2026-03-02T09:15:07.000Z", "write", "write"},
		{"no version in the record", own, json.Number("1"), "", "", "bad", "bad"},
		{"text against number", own, "v2", "", "1", "bad", "bad"},
		{"number against text", own, json.Number("1"), "", "v2", "bad", "bad"},
		{"a flag", own, true, "", "1", "bad", "bad"},
		{"a number that is too long", own, json.Number("1e399"), "", "1e999999999", "bad", "bad"},
	} {
		for policy, want := range map[Conflict]string{NewerWins: tc.newer, SkipIfChanged: tc.changed_} {
			v := tc.v
			v.policy = policy
			got, reason := "write", flow.SkipOlder
			if policy == SkipIfChanged {
				reason = flow.SkipChanged
			}
			switch out := v.judge(&item{row: &rows.Row{Version: tc.record}}, found{id: "001", version: tc.row, by: tc.by}); {
			case out == nil:
			case out.err != nil:
				got = "bad"
				if out.err.reason != flow.BadValue || out.err.class != salesforce.ClassData || out.err.free {
					t.Errorf("%s: %+v", tc.name, out.err)
				}
			default:
				got = "skip"
				if out.done != flow.Skipped || out.reason != reason || out.id != "001" {
					t.Errorf("%s, %s: %+v", tc.name, policy, out)
				}
			}
			if got != want {
				t.Errorf("%s, %s: %s, want %s", tc.name, policy, got, want)
			}
		}
	}
}

func TestConflict_FieldsThatCannotServeAreToldAtTheStart(t *testing.T) {
	object := &salesforce.Object{Name: "Account", Fields: []salesforce.Field{
		{Name: "SystemModstamp", Type: "datetime"}, {Name: "Version__c", Type: "double"}, {Name: "Tags__c", Type: "multipicklist"},
	}}
	for _, tc := range []struct {
		policy      Conflict
		field, want string
	}{
		{"", "Nope__c", ""},
		{Overwrite, "Nope__c", ""},
		{NewerWins, "", ""},
		{SkipIfChanged, "Version__c", ""},
		{SkipIfChanged, "acme__Version__c", ""}, // the org's own field beside the package's
		{NewerWins, "Nope__c", "has no field Nope__c"},
		{SkipIfChanged, "Tags__c", "is of type multipicklist"},
	} {
		cfg := Config{Conflict: tc.policy, VersionField: tc.field, Rows: rows.Config{Namespace: "acme"}}
		err := cfg.checkConflict(object)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s by %q: %v, want %q", tc.policy, tc.field, err, tc.want)
		}
	}
}

func TestMergedIDs_AreBoundedAndFollowChains(t *testing.T) {
	var m mergedIDs
	if m.master("a") != "a" {
		t.Error("an id of its own")
	}
	m.add("a", "b")
	m.add("b", "c")
	if got := m.master("a"); got != "c" {
		t.Errorf("a went to %s", got)
	}
	m.add("c", "a")
	m.master("a") // a ring has an end
	for i := range 3 * maxMerged {
		m.add(string(rune('A'+i%26))+string(rune(i)), "z")
	}
	if len(m.into) != maxMerged {
		t.Errorf("%d are kept, want %d", len(m.into), maxMerged)
	}
}
