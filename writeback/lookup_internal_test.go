package writeback

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"sfbridge/orgsim/soql"
	"sfbridge/salesforce"
)

// oneRow is an object with one field and rows of the given values, for queries.
type oneRow []string

func (o oneRow) Object(string) (soql.Object, bool)        { return o, true }
func (o oneRow) Name() string                             { return "Thing__c" }
func (o oneRow) Parent(string) (soql.Relation, bool)      { return soql.Relation{}, false }
func (o oneRow) Child(string) (soql.Relation, bool)       { return soql.Relation{}, false }
func (o oneRow) Row(_, _ string, _ bool) (soql.Row, bool) { return nil, false }

func (o oneRow) Fields() []soql.Field {
	return []soql.Field{{Name: "Id", Kind: soql.ID}, {Name: "Key__c", CaseSensitive: true}}
}

func (o oneRow) Field(name string) (soql.Field, bool) {
	for _, f := range o.Fields() {
		if strings.EqualFold(f.Name, name) {
			return f, true
		}
	}
	return soql.Field{}, false
}

func (o oneRow) Scan(_ string, _ bool, fn func(soql.Row) bool) {
	for _, v := range o {
		if !fn(keyRow(v)) {
			return
		}
	}
}

type keyRow string

func (r keyRow) Value(field string) soql.Value {
	if field == "Id" {
		return "a00000000000001AAA"
	}
	return string(r)
}

// FuzzSOQLText: whatever a key is, the query that looks it up is a query of the
// same form, finds the row of that key, and no other.
func FuzzSOQLText(f *testing.F) {
	for _, s := range []string{
		"E-1", "O'Brien", `back\slash`, `\'`, `') OR Id != null OR Key__c IN ('`, "two\nlines\r\n", "tab\t", "Zoë 東京 👩‍👩‍👧", "%_", "\x00\x1f", `"`, "\u2028",
		`\u0027) OR (Id != null`, "--", "/*", ":bind", "{0}", "bad \xff utf",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, key string) {
		l := &lookup{object: "Thing__c", keys: keys{field: "Key__c"}}
		src, n := l.soql([]string{key})
		if n != 1 {
			t.Fatalf("%d keys taken", n)
		}
		if !utf8.ValidString(key) || key == "" {
			if src != "" {
				t.Fatalf("a query for what no key can be: %q", src)
			}
			return
		}
		q, err := soql.Parse(src)
		if err != nil {
			t.Fatalf("%q: %v", src, err)
		}
		where, ok := q.Where.(*soql.Compare)
		if !ok || where.Path != "Key__c" || where.Op != "IN" || len(where.Values) != 1 || where.Query != nil {
			t.Fatalf("%q is another question: %+v", src, q.Where)
		}
		rows := oneRow{key, key + "x", "x" + key, "other"}
		plan, err := soql.Bind(q, rows, time.Unix(0, 0))
		if err != nil {
			t.Fatalf("%q: %v", src, err)
		}
		want := 1
		if key == "other" {
			want = 2
		}
		if got := plan.Run(rows, soql.Options{}); got.Total != want {
			t.Fatalf("%q finds %d rows, want %d", src, got.Total, want)
		}
	})
}

func TestLookup_QueriesFitIntoURLsAndTakeEachKeyOnce(t *testing.T) {
	var wanted []string
	for i := range 5000 {
		wanted = append(wanted, fmt.Sprintf("ключ '%d'", i))
	}
	l := &lookup{object: "Account", keys: keys{field: "ERP_Id__c"}, fields: []string{"SystemModstamp"}, where: "IsDeleted = true"}
	seen, queries := 0, 0
	for left := wanted; len(left) > 0; queries++ {
		src, n := l.soql(left)
		if n < 1 || len(url.QueryEscape(src)) > maxQuery {
			t.Fatalf("%d keys in %d bytes", n, len(url.QueryEscape(src)))
		}
		if !strings.HasPrefix(src, "SELECT Id, ERP_Id__c, SystemModstamp FROM Account WHERE ERP_Id__c IN ('") || !strings.HasSuffix(src, ") AND IsDeleted = true") {
			t.Fatalf("query %.200q", src)
		}
		for i := range n {
			if !strings.Contains(src, soqlText(wanted[seen+i])) {
				t.Fatalf("key %d is not asked for", seen+i)
			}
		}
		seen, left = seen+n, left[n:]
	}
	if seen != len(wanted) || queries < 2 || queries > 40 {
		t.Errorf("%d keys in %d queries", seen, queries)
	}
}

func TestC58_Lookup_NumericKeysAreDigits(t *testing.T) {
	l := &lookup{object: "Order__c", keys: keys{field: "No__c", number: true}}
	src, n := l.soql([]string{"38861788", "9007199254740993", "3.8861789E7", "-1.50", "1 OR Id != null", "1,2", "NaN"})
	if want := "SELECT Id, No__c FROM Order__c WHERE No__c IN (38861788,9007199254740993,38861789,-1.5)"; src != want || n != 7 {
		t.Errorf("%d keys: %s", n, src)
	}
	if src, n := l.soql([]string{"none", "x"}); src != "" || n != 2 {
		t.Errorf("a query for what is no number: %q, %d", src, n)
	}
}

func TestKeys_CompareAsTheFieldDoes(t *testing.T) {
	object := &salesforce.Object{Name: "Order__c", Fields: []salesforce.Field{
		{Name: "Id", Type: "id"},
		{Name: "Folding__c", Type: "string", Unique: true, ExternalID: true},
		{Name: "Exact__c", Type: "string", Unique: true, CaseSensitive: true, ExternalID: true},
		{Name: "Loose__c", Type: "string", ExternalID: true},
		{Name: "Number__c", Type: "double", ExternalID: true},
	}}
	for _, tc := range []struct {
		field, a, b string
		same        bool
	}{
		{"Id", "001KX00000AbCdEYAV", "001KX00000AbCdEYAV", true},
		{"Id", "001KX00000AbCdEYAV", "001KX00000abcdeYAV", false},
		{"Folding__c", "abc-ß", "ABC-ß", true},
		{"Folding__c", "ς", "σ", true},
		{"Folding__c", "1", "1.0", false},
		{"Exact__c", "abc", "ABC", false},
		{"Loose__c", "abc", "ABC", false},
		{"Number__c", "38861788", "3.8861788E7", true},
		{"Number__c", "38861788", "38861788.0", true},
		{"Number__c", "9007199254740993", "9007199254740992", false},
		{"Number__c", "-0", "0.00", true},
	} {
		k := keysOf(object, tc.field)
		if same := k.norm(tc.a) == k.norm(tc.b); same != tc.same {
			t.Errorf("%s: %s and %s are one key: %v, want %v", tc.field, tc.a, tc.b, same, tc.same)
		}
	}
}

func TestC58_ResultsAreFoundByNumbersInAnyForm(t *testing.T) {
	for _, k := range []keys{{field: "N__c", number: true}, {field: "T__c", fold: true}} {
		x := newKeyIndex(k, 4)
		for i, key := range []string{"38861788", "9007199254740993", "1", "text"} {
			x.add(key, i)
		}
		for told, want := range map[string]int{
			"38861788": 0, "3.8861788E7": 0, "38861788.0": 0, "9007199254740993": 1, "9.007199254740992E15": 1, "1.0": 2, "text": 3,
			"2": -1, "other": -1, "": -1, "NaN": -1, "Inf": -1,
		} {
			got, ok := x.find(told)
			if !ok {
				got = -1
			}
			if got != want {
				t.Errorf("%+v: %q is row %d, want %d", k, told, got, want)
			}
		}
	}
	// Two keys that a float cannot tell apart are not guessed at.
	x := newKeyIndex(keys{field: "T__c"}, 2)
	x.add("9007199254740993", 0)
	x.add("9007199254740992", 1)
	if _, ok := x.find("9.007199254740992E15"); ok {
		t.Error("one of two was guessed")
	}
	if i, ok := x.find("9007199254740992"); !ok || i != 1 {
		t.Error("the digits themselves were not found")
	}
}
