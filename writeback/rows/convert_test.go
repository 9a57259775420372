package rows_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"sfbridge/internal/flow"
	"sfbridge/salesforce"
	"sfbridge/writeback/rows"
)

const (
	id15 = "001D000000IRFma"
	id18 = "001D000000IRFmaIAH"
)

func n(s string) json.Number { return json.Number(s) }

// conversion is a value and what becomes of it: a value for the clients, or a
// part of the reason why not.
type conversion struct {
	in   any
	want any
	not  string
}

func check(t *testing.T, m *rows.Mapper, name string, cases []conversion) {
	t.Helper()
	for _, c := range cases {
		r, err := with(t, m, name, c.in)
		if c.not != "" {
			why := rejected(t, err, flow.BadValue, name)
			if !strings.Contains(why.Error(), c.not) {
				t.Errorf("%s = %#v: %q, want %q in it", name, c.in, why, c.not)
			}
			if s, ok := c.in.(string); ok && len(s) > 6 && strings.Contains(why.Error(), s) {
				t.Errorf("%s: the reason shows the value: %s", name, why)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s = %#v: %v", name, c.in, err)
			continue
		}
		got, there := m.Record(r)[name]
		if !there || got != c.want {
			t.Errorf("%s = %#v: %#v (there %v), want %#v", name, c.in, got, there, c.want)
		}
	}
}

func TestText_TakesPlainValues_AndNothingElse(t *testing.T) {
	m := upserts(t, "Name", "Notes__c", "Mail__c", "Link__c")
	check(t, m, "Name", []conversion{
		{in: "Acme", want: "Acme"},
		{in: " Acme ", want: " Acme "},
		{in: "", want: nil},
		{in: "   ", want: nil},
		{in: nil, want: nil},
		{in: n("42"), want: "42"},
		{in: n("0.30"), want: "0.30"},
		{in: n("3.8861788E7"), want: "38861788"},
		{in: true, want: "true"},
		{in: strings.Repeat("é", 12), want: strings.Repeat("é", 12)},
		{in: strings.Repeat("x", 13), not: "13 characters, and the field holds 12"},
		{in: strings.Repeat("x", 12) + "  ", want: strings.Repeat("x", 12) + "  "}, // the org trims
		{in: "a\xffb", not: "not UTF-8"},
		{in: []any{"a"}, not: "a list where the field takes text"},
		{in: map[string]any{}, not: "an object where the field takes text"},
		{in: n("1e999"), not: "exponent is out of range"},
	})
	check(t, m, "Notes__c", []conversion{
		{in: n("9007199254740993"), want: "9007199254740993"},
		{in: "one\r\ntwo\rthree\nfour", want: "one\ntwo\nthree\nfour"},
		{in: strings.Repeat("x", 131073), not: "131073 characters"},
	})
	check(t, m, "Mail__c", []conversion{{in: "zoe@example.com", want: "zoe@example.com"}})
	check(t, m, "Link__c", []conversion{{in: "https://acme.example/?a=b", want: "https://acme.example/?a=b"}})
}

func TestC17_Text_LengthIsCountedAsTheOrgCountsIt(t *testing.T) {
	family := "👩‍👩‍👧" // 8 UTF-16 units
	m := upserts(t, "Name")
	for text, fits := range map[string]bool{
		"Zoë 東京 " + family:               false, // 15
		"Zoë " + family:                  true,  // 12
		strings.Repeat("東", 12):          true,
		strings.Repeat("東", 13):          false,
		strings.Repeat("😀", 6):           true,
		strings.Repeat("😀", 6) + "x":     false,
		"  " + strings.Repeat("x", 12):   true, // the org trims
		strings.Repeat("\u00a0x", 6):     true,
		strings.Repeat("a\u0301", 6):     true,
		strings.Repeat("a\u0301", 7):     false,
		strings.Repeat("x", 11) + "\r\n": true,
	} {
		r, err := with(t, m, "Name", text)
		if !fits {
			why := rejected(t, err, flow.BadValue, "Name")
			if !strings.Contains(why.Error(), fmt.Sprint(salesforce.TextLength(text))) || !strings.Contains(why.Error(), "12") {
				t.Errorf("%q: the reason %q does not tell the length and the limit", text, why)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", text, err)
		} else if got := m.Record(r)["Name"]; got != strings.ReplaceAll(text, "\r\n", "\n") {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestBoolean(t *testing.T) {
	check(t, upserts(t, "Paid__c"), "Paid__c", []conversion{
		{in: true, want: true},
		{in: false, want: false},
		{in: "true", want: true},
		{in: "TRUE", want: true},
		{in: "False", want: false},
		{in: n("1"), want: true},
		{in: n("0"), want: false},
		{in: "1", want: true},
		{in: "0", want: false},
		{in: n("1.0"), want: true},
		{in: nil, want: nil},
		{in: "yes", not: "neither true nor false"},
		{in: "", not: "neither true nor false"},
		{in: n("2"), not: "neither true nor false"},
		{in: []any{}, not: "a list"},
	})
}

func TestNumbers_KeepTheirDigits(t *testing.T) {
	m := upserts(t, "Count__c", "Big__c", "Total__c", "Rate__c")
	check(t, m, "Count__c", []conversion{
		{in: n("5"), want: n("5")},
		{in: "5", want: n("5")},
		{in: n("5.0"), want: n("5")},
		{in: n("-0"), want: n("0")},
		{in: n("1e2"), want: n("100")},
		{in: n("2147483647"), want: n("2147483647")},
		{in: n("2147483648"), not: "outside -2147483648 to 2147483647"},
		{in: n("-2147483648"), want: n("-2147483648")},
		{in: n("-2147483649"), not: "outside"},
		{in: n("5.5"), not: "a fraction"},
		{in: "", want: nil},
		{in: nil, want: nil},
		{in: true, not: "true or false where the field takes a number"},
	})
	check(t, m, "Big__c", []conversion{
		{in: n("9223372036854775807"), want: n("9223372036854775807")}, {in: n("9223372036854775808"), not: "outside"},
	})
	check(t, m, "Total__c", []conversion{
		{in: n("1234567890123456.78"), want: n("1234567890123456.78")},
		{in: n("12345678901234567"), not: "17 digits before the point, and the field holds 16"},
		{in: n("0.005"), want: n("0.005")}, // the org rounds
		{in: n("-1.5E-1"), want: n("-0.15")},
		{in: " 7 ", want: n("7")},
		{in: "abc", not: "not a number"},
		{in: map[string]any{}, not: "an object where the field takes a number"},
	})
	check(t, m, "Rate__c", []conversion{{in: n("100"), want: n("100")}, {in: n("1000"), not: "4 digits before the point, and the field holds 3"}})
}

func TestC19_Decimals_AreTheSameDigitsAllTheWay(t *testing.T) {
	m := upserts(t, "Total__c")
	for _, digits := range []string{"999999999999999.99", "0.30", "0.1", "1234567890123456.78", "-9999999999999999.99"} {
		for _, v := range []any{n(digits), digits} {
			r, err := with(t, m, "Total__c", v)
			if err != nil {
				t.Fatal(err)
			}
			if got := m.Record(r)["Total__c"]; got != n(digits) {
				t.Errorf("%#v became %#v", v, got)
			}
		}
	}
	_, err := m.Row(record(map[string]any{"ERP_Id__c": "E-1", "Total__c": 0.3}))
	rejected(t, err, flow.BadValue, "Total__c")
}

func TestC53_Numbers_OfOneCountryAreRefused(t *testing.T) {
	check(t, upserts(t, "Total__c", "Name"), "Total__c", []conversion{
		{in: "1.234,56", not: "dot as the decimal sign and no grouping"},
		{in: "1,234.56", not: "no grouping"},
		{in: "3,975", not: "no grouping"},
		{in: "1 234", not: "no grouping"},
		{in: "١٢", not: "not a number"},
		{in: "+5", not: "not a number"},
		{in: "0x10", not: "not a number"},
		{in: "1234.5", want: n("1234.5")},
	})
	check(t, upserts(t, "Name"), "Name", []conversion{{in: "3,975", want: "3,975"}})
}

func TestC20_DatesAndTimes_NeverPassThroughATimeZone(t *testing.T) {
	here := time.Local
	time.Local = time.FixedZone("America/Sao_Paulo", -3*3600)
	defer func() { time.Local = here }()
	m := upserts(t, "Due__c", "At__c", "Pickup__c")
	check(t, m, "Due__c", []conversion{
		{in: "1970-01-01", want: "1970-01-01"},
		{in: "2024-02-29", want: "2024-02-29"},
		{in: "1583-10-15", want: "1583-10-15"},
		{in: " 2024-02-29 ", want: "2024-02-29"},
		{in: "", want: nil},
		{in: "2023-02-29", not: "not a date"},
		{in: "29.02.2024", not: "not a date"},
		{in: "2024-2-9", not: "not a date"},
		{in: "2024-10-27T01:30:00.000+0000", not: "such as due[:10]"},
		{in: n("19782"), not: "days(...)"},
	})
	check(t, m, "At__c", []conversion{
		{in: "2024-10-27T01:30:00.000+0000", want: "2024-10-27T01:30:00.000Z"},
		{in: "2024-10-27T01:30:00Z", want: "2024-10-27T01:30:00.000Z"},
		{in: "2024-10-27T01:30:00+00:00", want: "2024-10-27T01:30:00.000Z"},
		{in: "2024-10-27T01:30:00.1239+02:00", want: "2024-10-26T23:30:00.123Z"},
		{in: "2024-10-26T22:30:00-0300", want: "2024-10-27T01:30:00.000Z"},
		{in: "1583-10-15T00:00:00Z", want: "1583-10-15T00:00:00.000Z"},
		{in: "1969-12-31T23:59:59.999Z", want: "1969-12-31T23:59:59.999Z"},
		{in: "2024-10-27T01:30:00", not: "without an offset"},
		{in: "2024-10-27", not: "due + 'T00:00:00Z'"},
		{in: "2024-10-27 01:30:00Z", not: "not a moment"},
		{in: "0001-01-01T00:00:00+10:00", not: "outside the years"},
		{in: n("1729992600000"), not: "millis(...)"},
	})
	check(t, m, "Pickup__c", []conversion{
		{in: "23:59:59.999Z", want: "23:59:59.999Z"},
		{in: "09:15", want: "09:15:00.000Z"},
		{in: "09:15:07", want: "09:15:07.000Z"},
		{in: "9:15", not: "not a time of day"},
		{in: "24:00:00", not: "not a time of day"},
		{in: "09:15:07+02:00", not: "not a time of day"},
		{in: n("33307000"), not: "millis"},
	})
}

func TestC37_Picklists_AreCheckedAgainstTheirList(t *testing.T) {
	m := upserts(t, "Stage__c", "Loose__c", "Tags__c", "Words__c")
	check(t, m, "Stage__c", []conversion{
		{in: "In Progress", want: "In Progress"},
		{in: "Done", want: "Done"},
		{in: "", want: nil},
		{in: nil, want: nil},
		{in: "In Progress ", not: `"In Progress": it differs in blanks`},
		{in: "in progress", not: "upper or lower case"},
		{in: "Finished", not: "not an active value"}, // a label
		{in: "Legacy", not: "no longer active"},
		{in: "Never", not: "not an active value"},
	})
	check(t, m, "Loose__c", []conversion{{in: "Three", want: "Three"}, {in: n("3"), want: "3"}, {in: strings.Repeat("x", 256), not: "256 characters"}})
	check(t, m, "Tags__c", []conversion{
		{in: []any{"a", "c"}, want: "a;c"},
		{in: "a;c", want: "a;c"},
		{in: []any{}, want: nil},
		{in: "", want: nil},
		{in: "a;;b;", want: "a;b"},
		{in: []any{"a", "b;c"}, not: "item 2 has a semicolon"},
		{in: []any{"a", nil}, not: "item 2: null where"},
		{in: []any{"a", "b "}, not: "blanks"},
		{in: "a;old", not: "no longer active"},
	})
	check(t, m, "Words__c", []conversion{{in: []any{"x", n("2"), true}, want: "x;2;true"}, {in: []any{[]any{}}, not: "item 1: a list where"}})
}

func TestC37_Picklists_ByLabel(t *testing.T) {
	o := object(field("Twice__c", "picklist", values(true, "Same=1", "Same=2", "Other=3")))
	m := mapper(t, rows.Config{ExternalID: "ERP_Id__c", Fields: fields("ERP_Id__c", "Stage__c", "Loose__c", "Twice__c"), PicklistLabels: true}, o)
	check(t, m, "Stage__c", []conversion{
		{in: "Finished", want: "Done"}, {in: "Done", want: "Done"}, {in: "In Progress", want: "In Progress"}, {in: "Nothing", not: "not an active value"},
	})
	check(t, m, "Loose__c", []conversion{{in: "Three", want: "Three"}})
	check(t, m, "Twice__c", []conversion{{in: "Same", not: "a label that several values"}, {in: "Other", want: "3"}})
}

func TestReferences_HaveEighteenCharacters(t *testing.T) {
	m := upserts(t, "Account__c")
	check(t, m, "Account__c", []conversion{
		{in: id15, want: id18},
		{in: id18, want: id18},
		{in: "005D0000001cSZs", want: "005D0000001cSZsIAM"},
		{in: "001D000000IRFmaiah", want: id18},
		{in: "", want: nil},
		{in: nil, want: nil},
		{in: id15 + "IAX", not: "not a record id"},
		{in: "001D000000IRFm", not: "not a record id"},
		{in: "001D000000IRFm!", not: "not a record id"},
		{in: "E-1", not: "map Account__r.<external id field>"},
		{in: n("17"), not: "a number where"},
	})
	outside := mapper(t, rows.Config{ExternalID: "ERP_Id__c", Fields: fields("ERP_Id__c", "Plant__c")}, object(
		field("Plant__c", "reference", length(8), refers("Plant__r", "Plant__x"), func(f *salesforce.Field) { f.ExtraType = "externallookup" })))
	check(t, outside, "Plant__c", []conversion{{in: "P7", want: "P7"}, {in: "P23456789", not: "9 characters"}})
}

func TestBytes_AreBase64_AndNotForBulk(t *testing.T) {
	m := upserts(t, "Blob__c")
	check(t, m, "Blob__c", []conversion{{in: "aGk=", want: "aGk="}, {in: "", want: nil}, {in: "a b", not: "not base64"}, {in: n("1"), not: "toBase64"}})
	if m.BulkOK() {
		t.Error("bytes cannot go into CSV")
	}
	if other := upserts(t, "Name"); !other.BulkOK() {
		t.Error("text can")
	}
}
