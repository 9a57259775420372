package rows_test

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"sfbridge/salesforce"
	"sfbridge/salesforce/bulk"
	"sfbridge/writeback/rows"
)

func TestMerge_NewerFieldsWin(t *testing.T) {
	m := upserts(t, "Name", "Paid__c", "Total__c", "Account__c", "Account__r.ERP_Id__c", "Contact:Who.Email", "Lead:Who.Email")
	for name, c := range map[string]struct {
		older, newer string
		want         salesforce.Record
		parent       string
	}{
		"field by field": {
			`{"Name":"a","Paid__c":true}`, `{"Name":"b","Total__c":1}`,
			salesforce.Record{"ERP_Id__c": "E-1", "Name": "b", "Paid__c": true, "Total__c": n("1")},
			"",
		},
		"null wins too":     {`{"Name":"a"}`, `{"Name":null}`, salesforce.Record{"ERP_Id__c": "E-1", "Name": nil}, ""},
		"nothing new":       {`{"Name":"a"}`, `{}`, salesforce.Record{"ERP_Id__c": "E-1", "Name": "a"}, ""},
		"nothing old":       {`{}`, `{"Name":"a"}`, salesforce.Record{"ERP_Id__c": "E-1", "Name": "a"}, ""},
		"id then parent":    {`{"Account__c":"` + id15 + `"}`, `{"Account__r_ERP_Id__c":"A-1"}`, salesforce.Record{"ERP_Id__c": "E-1", "Account__r": salesforce.Record{"ERP_Id__c": "A-1"}}, "A-1"},
		"parent then id":    {`{"Account__r_ERP_Id__c":"A-1"}`, `{"Account__c":"` + id15 + `"}`, salesforce.Record{"ERP_Id__c": "E-1", "Account__c": id18}, id18},
		"parent then null":  {`{"Account__r_ERP_Id__c":"A-1"}`, `{"Account__r_ERP_Id__c":null}`, salesforce.Record{"ERP_Id__c": "E-1", "Account__c": nil}, ""},
		"null then parent":  {`{"Account__r_ERP_Id__c":null}`, `{"Account__r_ERP_Id__c":"A-1"}`, salesforce.Record{"ERP_Id__c": "E-1", "Account__r": salesforce.Record{"ERP_Id__c": "A-1"}}, "A-1"},
		"one kind, another": {`{"Contact_Who_Email":"c"}`, `{"Lead_Who_Email":"l","Name":"b"}`, salesforce.Record{"ERP_Id__c": "E-1", "Name": "b", "Who": salesforce.Record{"Email": "l", "attributes": salesforce.Record{"type": "Lead"}}}, "l"},
	} {
		older, newer := input(t, c.older), input(t, c.newer)
		for i, key := range []string{"E-1", "e-1"} { // one row: the key is unique without regard to case
			older.Value.(map[string]any)["ERP_Id__c"], newer.Value.(map[string]any)["ERP_Id__c"] = key, "E-1"
			a, b := row(t, m, older), row(t, m, newer)
			before := fmt.Sprint(*a, *b)
			got, ok := m.Merge(a, b)
			if !ok {
				t.Errorf("%s: not merged", name)
				continue
			}
			if rec := m.Record(got); !equal(rec, c.want) || got.Parent != c.parent || got.Key != "E-1" {
				t.Errorf("%s, key %d: %v, parent %q; want %v, %q", name, i, rec, got.Parent, c.want, c.parent)
			}
			if !slices.IsSortedFunc(got.Values, func(x, y rows.Value) int { return int(x.Column - y.Column) }) {
				t.Errorf("%s: values out of order: %v", name, got.Values)
			}
			if after := fmt.Sprint(*a, *b); after != before {
				t.Errorf("%s: what was merged has changed from %s to %s", name, before, after)
			}
		}
	}
}

func TestMerge_OnlyWhatHasTheSameEffect(t *testing.T) {
	m := mapper(t, rows.Config{ExternalID: "ERP_Id__c", OperationFrom: "op", Fields: fields("ERP_Id__c", "Name")}, object())
	merged := map[string]string{
		"upsert+upsert": "upsert", "update+update": "update", "upsert+update": "upsert", "delete+delete": "delete",
	}
	ops := []string{"insert", "update", "upsert", "delete", "undelete"}
	for _, first := range ops {
		for _, second := range ops {
			a := row(t, m, input(t, `{"ERP_Id__c":"E-1","Name":"a","op":"`+first+`"}`))
			b := row(t, m, input(t, `{"ERP_Id__c":"E-1","Name":"b","op":"`+second+`"}`))
			got, ok := m.Merge(a, b)
			if want := merged[first+"+"+second]; ok != (want != "") || ok && string(got.Op) != want {
				t.Errorf("%s and then %s: %v %v, want %q", first, second, got, ok, want)
			}
		}
	}
}

func TestMerge_NotWhatMayBeTwoRows(t *testing.T) {
	// Not unique: the org may tell keys apart by case.
	loose := mapper(t, rows.Config{ExternalID: "Loose_Id__c", Fields: fields("Loose_Id__c", "Name")}, object(field("Loose_Id__c", "string", notUnique)))
	a, b := row(t, loose, input(t, `{"Loose_Id__c":"E-1"}`)), row(t, loose, input(t, `{"Loose_Id__c":"e-1"}`))
	if a.Identity != b.Identity {
		t.Errorf("identities %q and %q: the org may take the rows for one", a.Identity, b.Identity)
	}
	if _, ok := loose.Merge(a, b); ok {
		t.Error("merged rows that may be two")
	}
	shapes := mapper(t, rows.Config{ExternalID: "ERP_Id__c"}, people())
	a, b = row(t, shapes, input(t, `{"ERP_Id__c":"1","Name":"Acme"}`)), row(t, shapes, input(t, `{"ERP_Id__c":"1","LastName":"Q"}`))
	if _, ok := shapes.Merge(a, b); ok {
		t.Error("merged a business and a person")
	}
	insert := mapper(t, rows.Config{Operation: rows.Insert, Fields: fields("Name")}, object())
	a = row(t, insert, input(t, `{"Name":"a"}`))
	if _, ok := insert.Merge(a, a); ok {
		t.Error("merged two rows without a key")
	}
}

func TestFields_AreTheRowsOwn(t *testing.T) {
	m := upserts(t, "Name", "Total__c", "Account__r.ERP_Id__c", "Buyer__r.ERP_Id__c")
	r := row(t, m, input(t, `{"ERP_Id__c":"E-1","Name":"a","Total__c":null,"Account__r_ERP_Id__c":"A-1","Buyer__r_ERP_Id__c":null}`))
	var got []string
	m.Fields(r, func(f *salesforce.Field, v rows.Value) bool {
		got = append(got, fmt.Sprint(f.Name, " ", v.Kind, " ", v.Text))
		return true
	})
	slices.Sort(got)
	if want := []string{"Buyer__c 0 ", "Name 1 a", "Total__c 0 "}; !slices.Equal(got, want) {
		t.Errorf("fields %q, want %q", got, want)
	}
	n := 0
	m.Fields(r, func(*salesforce.Field, rows.Value) bool { n++; return false })
	if n != 1 {
		t.Errorf("went on after false: %d", n)
	}
}

func TestSize_GrowsWithWhatTheRowHolds(t *testing.T) {
	m := upserts(t, "Name", "Notes__c")
	small := row(t, m, input(t, `{"ERP_Id__c":"E-1","Name":"a"}`))
	large := row(t, m, input(t, fmt.Sprintf(`{"ERP_Id__c":"E-1","Name":"a","Notes__c":"%010000d"}`, 0)))
	if d := large.Size() - small.Size(); d < 10000 || d > 10200 || small.Size() < 150 {
		t.Errorf("sizes %d and %d", small.Size(), large.Size())
	}
}

func TestFitsBulk_NotWhatCSVCannotSay(t *testing.T) {
	m := upserts(t, "Name", "Notes__c", "Ship_To__Street__s")
	for in, want := range map[string]bool{
		`{"ERP_Id__c":"E-1","Name":"N/A"}`:  true,
		`{"ERP_Id__c":"E-1","Name":"#N/A"}`: false,
		`{"ERP_Id__c":"#N/A","Name":"a"}`:   false,
		`{"ERP_Id__c":"E-1"}`:               true,
	} {
		if got := row(t, m, input(t, in)).FitsBulk(); got != want {
			t.Errorf("%s: %v, want %v", in, got, want)
		}
	}
}

func TestFitsBulk_CountsAsCSVDoes(t *testing.T) {
	m := mapper(t, rows.Config{ExternalID: "ERP_Id__c", Fields: fields("ERP_Id__c", "A__c", "B__c", "C__c", "D__c")}, object(
		field("A__c", "textarea", length(131072)), field("B__c", "textarea", length(131072)),
		field("C__c", "textarea", length(131072)), field("D__c", "textarea", length(131072))))
	for name, c := range map[string]struct {
		text string
		n    int // fields that have it
		want bool
	}{
		"three long ones":             {strings.Repeat("x", 131072), 3, true},
		"four":                        {strings.Repeat("x", 131072), 4, false},
		"long in bytes alone":         {strings.Repeat("東", 90000), 4, true},
		"quotes are doubled":          {strings.Repeat(`"`, 70000), 3, false},
		"a value that is not too big": {strings.Repeat("😀", 65536), 3, true},
	} {
		rec := map[string]any{"ERP_Id__c": "E-1"}
		for _, name := range []string{"A__c", "B__c", "C__c", "D__c"}[:c.n] {
			rec[name] = c.text
		}
		r := row(t, m, record(rec))
		if got := r.FitsBulk(); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
		w, err := bulk.NewWriter(io.Discard, m.Columns([]*rows.Row{r}), 0)
		if err == nil {
			err = w.Write(m.Record(r))
		}
		if (err == nil) != c.want {
			t.Errorf("%s: the writer says %v", name, err)
		}
	}
}
