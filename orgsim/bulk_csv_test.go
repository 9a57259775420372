package orgsim_test

import (
	"encoding/csv"
	"reflect"
	"strings"
	"testing"

	"sfbridge/orgsim"
)

// FuzzBulkCSV holds that no upload makes the reader panic, that what is
// written is read back, and that text which encoding/csv accepts is read as
// encoding/csv reads it.
func FuzzBulkCSV(f *testing.F) {
	for _, seed := range []string{
		"a,b\n1,2\n", "a,\"b\nc\"\r\n\r\n\"\"\"\",x", "\"open", "a\"b,c\n", "\"a\"b,\"c\" ,d", ",,\n,", "\r", "a\r\nb\n", "\ufeffa,b", "\"\"\"\"\"\"", "",
	} {
		f.Add(seed, byte(0), false)
		f.Add(seed, byte(1), true)
	}
	f.Fuzz(func(t *testing.T, text string, delimiter byte, crlf bool) {
		delimiter = ",\t|;^`"[delimiter%6]
		records, endings := orgsim.ReadCSV(text, delimiter, crlf)
		var good [][]string
		for _, rec := range records {
			if rec != nil {
				good = append(good, rec)
			}
		}
		again, ended := orgsim.ReadCSV(orgsim.WriteCSV(good, delimiter, crlf), delimiter, crlf)
		if !reflect.DeepEqual(again, good) || !ended {
			t.Errorf("%q was written and read as %q, endings %v", good, again, ended)
		}
		if !endings || strings.Contains(text, "\r") { // which encoding/csv drops inside quotes, and takes anywhere
			return
		}
		r := csv.NewReader(strings.NewReader(text))
		r.Comma, r.FieldsPerRecord = rune(delimiter), -1
		if want, err := r.ReadAll(); err == nil && !reflect.DeepEqual(records, want) {
			t.Errorf("%q is read as %q, by encoding/csv as %q", text, records, want)
		}
	})
}

// BenchmarkBulkCSV reads an upload of 10,000 rows.
func BenchmarkBulkCSV(b *testing.B) {
	text := strings.Repeat("E-0012345,\"Acme, Ltd.\",1250000.50,2024-02-29,true,\"two\nlines\"\n", 10_000)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if records, _ := orgsim.ReadCSV(text, ',', false); len(records) != 10_000 {
			b.Fatalf("%d records", len(records))
		}
	}
}
