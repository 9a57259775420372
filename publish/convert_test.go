package publish_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"sfbridge/publish"
)

func millis(text string) int64 {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return at.UnixMilli()
}

func TestConvert_ValuesOfEachType(t *testing.T) {
	n := func(s string) json.Number { return json.Number(s) }
	for _, tc := range []struct {
		avro, kind string
		in, want   any // a nil want with a value in = refused
	}{
		{"string", "string", "Zoë", "Zoë"},
		{"string", "string", n("900719925474"), "900719925474"},
		{"string", "string", n("3.8861788E7"), "38861788"},
		{"string", "string", true, "true"},
		{"string", "string", []any{"a", "b"}, "a;b"},
		{"string", "string", []any{"a;b"}, nil},
		{"string", "string", map[string]any{}, nil},
		{"string", "string", "\xff", nil},
		{"string", "string", "👩‍👩‍👧 and more", nil}, // 8 UTF-16 units and 9: beyond 12
		{"boolean", "boolean", "FALSE", false},
		{"boolean", "boolean", n("1"), true},
		{"boolean", "boolean", "yes", nil},
		{"boolean", "boolean", n("2"), nil},
		{"double", "double", "12.50", n("12.50")},
		{"double", "double", n("1e3"), n("1000")},
		{"double", "double", "1.234,56", nil},
		{"double", "double", true, nil},
		{"int", "int", n("7.0"), int64(7)},
		{"int", "int", n("7.5"), nil},
		{"long", "datetime", "2024-10-27T01:30:00.250Z", millis("2024-10-27T01:30:00.25Z")},
		{"long", "datetime", "2024-10-27T01:30:00.000+0000", millis("2024-10-27T01:30:00Z")},
		{"long", "datetime", "2024-10-27T01:30:00-03:00", millis("2024-10-27T04:30:00Z")},
		{"long", "datetime", n("1729992600000"), int64(1729992600000)},
		{"long", "datetime", "2023-03-05", nil},
		{"long", "datetime", "2023-03-05T01:30:00", nil},
		{"long", "date", "1970-01-01", int64(0)},
		{"long", "date", "1583-10-15", millis("1583-10-15T00:00:00Z")},
		{"long", "date", "2024-02-29T00:00:00.000+0000", millis("2024-02-29T00:00:00Z")},
		{"long", "date", "2024-02-29T01:00:00+01:00", millis("2024-02-29T00:00:00Z")},
		{"long", "date", "2024-02-29T00:00:00+01:00", nil},
		{"long", "date", n("86400000"), int64(86400000)},
		{"long", "date", n("86400001"), nil},
		{"long", "date", "2023-02-29", nil},
		{"long", "time", "23:59:59.999Z", int64(86399999)},
		{"long", "time", "24:00:00", nil},
		{"long", "", "2024-10-27T01:30:00Z", millis("2024-10-27T01:30:00Z")},
		{"long", "", "5", int64(5)},
		{"long", "", "soon", nil},
	} {
		got, err := publish.Convert(tc.avro, tc.kind, 12, tc.in)
		if tc.kind == "datetime" || tc.avro == "double" {
			got, err = publish.Convert(tc.avro, tc.kind, 0, tc.in)
		}
		if tc.want == nil {
			if err == nil {
				t.Errorf("%s %s of %v = %v, want it refused", tc.avro, tc.kind, tc.in, got)
			} else if text, ok := tc.in.(string); ok && strings.Contains(err.Error(), text) {
				t.Errorf("the error shows the value: %v", err)
			}
			continue
		}
		if err != nil || got != tc.want {
			t.Errorf("%s %s of %v = %v (%T), %v, want %v", tc.avro, tc.kind, tc.in, got, got, err, tc.want)
		}
	}
	for _, empty := range []any{nil, ""} {
		if got, err := publish.Convert("string", "string", 1, empty); got != nil || err != nil {
			t.Errorf("%v = %v, %v, want null", empty, got, err)
		}
	}
}

func TestUUID_StaysWhatItWas(t *testing.T) {
	// Another value would make every event that is published again look new.
	if got := publish.UUIDOf("erp.shipments/0/42"); got != "9e7ea09c-1dac-5c4f-907a-a688a4e6491b" {
		t.Errorf("uuid %s", got)
	}
}

// FuzzConvert wants that no text breaks a conversion, and that a date is a
// midnight.
func FuzzConvert(f *testing.F) {
	for _, s := range []string{"", "2024-02-29", "2024-02-29T00:00:00+0100", "12.5", "-1e400", "23:59:59.999Z", "true", "\xff", "0001-01-01T00:00:00Z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, kind := range []string{"date", "datetime", "time", ""} {
			v, err := publish.Convert("long", kind, 0, s)
			if err == nil && v != nil {
				if ms := v.(int64); kind == "date" && ms%86400000 != 0 || kind == "time" && (ms < 0 || ms >= 86400000) {
					t.Errorf("%s of %q = %d", kind, s, ms)
				}
			}
		}
		for _, avro := range []string{"string", "double", "boolean", "int"} {
			for _, v := range []any{s, json.Number(s)} {
				_, _ = publish.Convert(avro, "", 5, v)
			}
		}
	})
}
