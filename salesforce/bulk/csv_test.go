package bulk_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"sfbridge/salesforce"
	"sfbridge/salesforce/bulk"
)

func write(t *testing.T, columns []string, recs ...salesforce.Record) (string, error) {
	t.Helper()
	var b bytes.Buffer
	w, err := bulk.NewWriter(&b, columns, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range recs {
		if err := w.Write(rec); err != nil {
			return b.String(), err
		}
	}
	if w.Size() != int64(b.Len()) || w.Rows() != len(recs) {
		t.Errorf("size %d of %d bytes, rows %d of %d", w.Size(), b.Len(), w.Rows(), len(recs))
	}
	return b.String(), nil
}

func parse(text string) ([][]string, error) {
	r := bulk.NewReader(strings.NewReader(text))
	var out [][]string
	for {
		rec, err := r.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, rec)
	}
}

func TestC14_NewlinesInAValue_OneRecord_ChunksEndBetweenRecords(t *testing.T) {
	recs := []salesforce.Record{{"Name": "A", "Description": "one\r\ntwo, \"three\""}, {"Name": "B", "Description": "\r"}}
	columns := []string{"Name", "Description"}
	n, err := bulk.Fit(columns, recs, 45)
	if err != nil || n != 1 {
		t.Fatalf("%d records fit, %v; want 1, since the second would end beyond 45 bytes", n, err)
	}
	for i, want := range []string{"Name,Description\nA,\"one\ntwo, \"\"three\"\"\"\n", "Name,Description\nB,\"\n\"\n"} {
		if got := data(t, bulk.Records(columns, recs[i:i+1])); got != want {
			t.Errorf("chunk %d is %q, want %q", i, got, want)
		}
	}
	got, err := parse("Name,Description\n\"A\",\"one\r\ntwo, \"\"three\"\"\"\n\"B\",\"\"\n")
	want := [][]string{{"Name", "Description"}, {"A", "one\r\ntwo, \"three\""}, {"B", ""}}
	if err != nil || fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("read %q, %v; want %q", got, err, want)
	}
}

func TestC16_ByteOrderMark_IsDroppedAndNeverWritten(t *testing.T) {
	got, err := parse("\xEF\xBB\xBFId,Name\n1,\xEF\xBB\xBFx\n")
	if err != nil || len(got) != 2 || got[0][0] != "Id" || got[0][1] != "Name" || got[1][1] != "\uFEFFx" {
		t.Errorf("read %q, %v", got, err)
	}
	text, err := write(t, []string{"Id", "Name"}, salesforce.Record{"Id": "1", "Name": "a"})
	if err != nil || text != "Id,Name\n1,a\n" {
		t.Errorf("wrote %q, %v", text, err)
	}
	if _, err := bulk.NewWriter(io.Discard, []string{"\uFEFFId"}, 0); err == nil {
		t.Error("a column with a byte-order mark is taken")
	}
}

func TestC17_UTF8_BothWays_AndNothingCutInSilence(t *testing.T) {
	const name = "Zoë 東京 😀"
	text, err := write(t, []string{"Name"}, salesforce.Record{"Name": name})
	if err != nil || text != "Name\n"+name+"\n" {
		t.Errorf("wrote %q, %v", text, err)
	}
	if got, err := parse(text); err != nil || got[1][0] != name {
		t.Errorf("read %q, %v", got, err)
	}
	if got, err := parse("Name\ncaf\xe9\n"); err == nil {
		t.Errorf("Latin-1 is read as %q", got)
	}
	long := strings.Repeat("😀", 65_536) // 131,072 units of UTF-16
	if _, err := write(t, []string{"Name"}, salesforce.Record{"Name": long}); err != nil {
		t.Errorf("text of the longest length: %v", err)
	}
	for what, v := range map[string]string{"too long": long + "x", "Latin-1": "caf\xe9"} {
		_, err := write(t, []string{"Name"}, salesforce.Record{"Name": v})
		if e, ok := errors.AsType[*salesforce.ValueError](err); !ok || e.Field != "Name" || salesforce.Retryable(err) {
			t.Errorf("%s: error %v, want a ValueError", what, err)
		}
	}
}

func TestC53_Locale_ChangesNoByte(t *testing.T) {
	for _, locale := range []string{"C", "es_ES.UTF-8", "nl_NL.UTF-8"} {
		t.Setenv("LANG", locale)
		t.Setenv("LC_ALL", locale)
		text, err := write(t, []string{"Amount__c", "Note__c", "Other__c"},
			salesforce.Record{"Amount__c": json.Number("1234.5"), "Note__c": "3,975", "Other__c": "a;b"})
		if want := "Amount__c,Note__c,Other__c\n1234.5,\"3,975\",a;b\n"; err != nil || text != want {
			t.Errorf("%s: wrote %q, %v; want %q", locale, text, err, want)
		}
	}
	if text, err := write(t, []string{"Amount__c"}, salesforce.Record{"Amount__c": json.Number("1.234,56")}); err == nil {
		t.Errorf("1.234,56 is written as %q", text)
	}
}

func TestC58_NumericKey_IsItsDigits(t *testing.T) {
	columns := []string{"Key__c"}
	text, err := write(t, columns, salesforce.Record{"Key__c": int64(38861788)}, salesforce.Record{"Key__c": int64(9007199254740993)},
		salesforce.Record{"Key__c": json.Number("3.8861788E7")}, salesforce.Record{"Key__c": json.Number("9007199254740993")})
	if want := "Key__c\n38861788\n9007199254740993\n38861788\n9007199254740993\n"; err != nil || text != want {
		t.Errorf("wrote %q, %v; want %q", text, err, want)
	}
	if _, err := write(t, columns, salesforce.Record{"Key__c": float64(38861788)}); err == nil {
		t.Error("a float is taken for a key")
	}
}

func TestWriter_NullAbsentAndEmpty(t *testing.T) {
	columns := []string{"A", "B"}
	text, err := write(t, columns, salesforce.Record{"A": nil}, salesforce.Record{"A": "", "B": true}, salesforce.Record{"B": " x "})
	if want := "A,B\n#N/A,\n#N/A,true\n,\" x \"\n"; err != nil || text != want {
		t.Errorf("wrote %q, %v; want %q", text, err, want)
	}
	text, err = write(t, []string{"A"}, salesforce.Record{})
	if want := "A\n\"\"\n"; err != nil || text != want {
		t.Errorf("a record of nothing is %q, %v; want %q", text, err, want)
	}
}

func TestWriter_RefusesWhatCSVCannotSay(t *testing.T) {
	for name, rec := range map[string]salesforce.Record{
		"text like null": {"A": "#N/A"}, "no such column": {"A": "x", "Other": "y"}, "a list": {"A": []any{1}},
		"grandparent": {"A": map[string]any{"B": map[string]any{"C": 1}}}, "long record": longRecord(),
	} {
		columns := []string{"A", "A.B", "B", "C", "D"}
		if text, err := write(t, columns, salesforce.Record{"A": "first"}, rec); !isValueError(err, 1) || text != "A,A.B,B,C,D\nfirst,,,,\n" {
			t.Errorf("%s: error %v after %q", name, err, text)
		}
	}
	for _, columns := range [][]string{nil, {""}, {"A", "a"}, {"A,B"}, {"a\n"}, {"A.B.C"}, slices.Repeat([]string{"A"}, 5001)} {
		if _, err := bulk.NewWriter(io.Discard, columns, 0); err == nil {
			t.Errorf("columns %.40q are taken", columns)
		}
	}
	if _, err := bulk.Fit([]string{"A"}, []salesforce.Record{{"A": "a long value"}}, 10); !isValueError(err, 0) {
		t.Errorf("a record longer than a job: %v", err)
	}
}

func longRecord() salesforce.Record {
	s := strings.Repeat("x", 131_000)
	return salesforce.Record{"A": s, "B": s, "C": s, "D": s}
}

func isValueError(err error, index int) bool {
	e, ok := errors.AsType[*salesforce.ValueError](err)
	return ok && e.Index == index
}

func TestColumns_AreAllFieldsOfAllRecords_WithParents(t *testing.T) {
	recs := []salesforce.Record{
		{"attributes": map[string]any{"type": "Task"}, "Subject": "a", "Account": map[string]any{"ERP_Id__c": "7"}},
		{"Id": "1", "Who": salesforce.Record{"attributes": map[string]any{"type": "Lead"}, "Email": "x@y.example"}},
	}
	columns := bulk.Columns(recs)
	if want := "[Account.ERP_Id__c Id Lead:Who.Email Subject]"; fmt.Sprint(columns) != want {
		t.Fatalf("columns %v, want %s", columns, want)
	}
	text, err := write(t, columns, recs...)
	if want := "Account.ERP_Id__c,Id,Lead:Who.Email,Subject\n7,,,a\n,1,x@y.example,\n"; err != nil || text != want {
		t.Errorf("wrote %q, %v; want %q", text, err, want)
	}
}

func TestReader_RefusesRatherThanGuesses(t *testing.T) {
	for _, text := range []string{"a\"b\n", "\"a\"b\n", "\"a", "a\rb\n", "\"a\"\"", "a\xff\n", strings.Repeat(",", 10_001), strings.Repeat("x", 5<<20)} {
		if got, err := parse(text); err == nil || salesforce.Retryable(err) {
			t.Errorf("%.20q is read as %.40q, error %v; want one that is not retryable", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"": "[]", "\n\r\n": "[]", "a": `[["a"]]`, "a,": `[["a" ""]]`, "\"\"": `[[""]]`, "\"\"\n": `[[""]]`, "a,b\r\n\r\n\"c\"\"\",\"d\r\"\r\n": `[["a" "b"] ["c\"" "d\r"]]`,
		",\n": `[["" ""]]`, "a\r": `[["a"]]`,
	} {
		if got, err := parse(text); err != nil || fmt.Sprintf("%q", got) != want {
			t.Errorf("%q is read as %q, %v; want %s", text, got, err, want)
		}
	}
}

func TestParseRowError(t *testing.T) {
	for text, want := range map[string]struct{ code, message, fields string }{
		"REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --": {"REQUIRED_FIELD_MISSING", "Required fields are missing: [LastName]", "[LastName]"},
		"STRING_TOO_LONG:Name: data value too large: a, b\nc (max length=2):Name --": {"STRING_TOO_LONG", "Name: data value too large: a, b\nc (max length=2)", "[Name]"},
		"DUPLICATE_VALUE:duplicate value found: Key__c on record with id: 001KX:--":  {"DUPLICATE_VALUE", "duplicate value found: Key__c on record with id: 001KX", "[]"},
		"INVALID_FIELD:two:A__c,B__c --":                                             {"INVALID_FIELD", "two", "[A__c B__c]"},
		"InvalidBatch : Field name not found : X":                                    {"InvalidBatch", "Field name not found : X", "[]"},
		"no code here: really --":                                                    {"", "no code here: really", "[]"},
		"UNKNOWN_EXCEPTION":                                                          {"", "UNKNOWN_EXCEPTION", "[]"},
		"":                                                                           {"", "the row failed and the org does not say why", "[]"},
	} {
		e := bulk.ParseRowError("bulk job 750", text)
		if e.Code != want.code || e.Message != want.message || fmt.Sprint(e.Fields) != want.fields || e.Op != "bulk job 750" {
			t.Errorf("%q: code %q, message %q, fields %v; want %+v", text, e.Code, e.Message, e.Fields, want)
		}
	}
	if c := bulk.ParseRowError("", "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access:--").Class(); c != salesforce.ClassTransient {
		t.Errorf("a lock is of class %d", c)
	}
}

func FuzzParseRowError(f *testing.F) {
	f.Add("REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --")
	f.Add("A:b:c,--")
	f.Fuzz(func(t *testing.T, text string) {
		e := bulk.ParseRowError("op", text)
		if e.Code == "" && e.Message == "" {
			t.Errorf("%q says nothing", text)
		}
		for _, field := range e.Fields {
			if field == "" || !strings.Contains(text, field) {
				t.Errorf("%q: field %q", text, field)
			}
		}
	})
}

// FuzzReader compares with encoding/csv, which reads the same where there is
// no carriage return and no mark, and checks that what is read can be written.
func FuzzReader(f *testing.F) {
	f.Add("a,b\n\"c\"\"\n\",\r\nd,\n")
	f.Add("\xf1,\xa6\xa6\xa6") // two values that are UTF-8 only together
	f.Add("\xEF\xBB\xBFa\r\n\"\"\n\n\"b\rc\"")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parse(text)
		if err != nil {
			return
		}
		if !strings.ContainsAny(text, "\r\uFEFF") {
			std := csv.NewReader(strings.NewReader(text))
			std.FieldsPerRecord = -1
			want, err := std.ReadAll()
			if err != nil || fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
				t.Fatalf("%q is %q, and by encoding/csv %q, %v", text, got, want, err)
			}
		}
		for _, rec := range got {
			for _, v := range rec {
				if v == "" || v == "#N/A" || len(v) > 1000 {
					continue
				}
				var b bytes.Buffer
				w, err := bulk.NewWriter(&b, []string{"A"}, 0)
				if err == nil {
					err = w.Write(salesforce.Record{"A": v})
				}
				back, readErr := parse(b.String())
				plain := strings.ReplaceAll(strings.ReplaceAll(v, "\r\n", "\n"), "\r", "\n")
				if err != nil || readErr != nil || len(back) != 2 || back[1][0] != plain {
					t.Fatalf("%q is written %q (%v) and read back %q, %v", v, b.String(), err, back, readErr)
				}
			}
		}
	})
}

func benchRecord() salesforce.Record {
	return salesforce.Record{
		"ERP_Id__c": int64(9007199254740993), "Name": "Zoë Müller, \"东京\"", "Amount__c": json.Number("123456.78"), "Done__c": true,
		"Description": "one\ntwo", "Phone": nil, "City__c": "Plain text without anything to quote",
	}
}

func BenchmarkWriter(b *testing.B) {
	rec := benchRecord()
	w, err := bulk.NewWriter(io.Discard, bulk.Columns([]salesforce.Record{rec}), 1<<62)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := w.Write(rec); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(w.Size() / int64(w.Rows()))
}

func BenchmarkReader(b *testing.B) {
	var buf bytes.Buffer
	rec := benchRecord()
	w, err := bulk.NewWriter(&buf, bulk.Columns([]salesforce.Record{rec}), 0)
	if err != nil {
		b.Fatal(err)
	}
	for range 1000 {
		if err := w.Write(rec); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(buf.Len()))
	b.ReportAllocs()
	for b.Loop() {
		r := bulk.NewReader(bytes.NewReader(buf.Bytes()))
		n := 0
		for ; ; n++ {
			if _, err := r.Read(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
		if n != 1001 {
			b.Fatalf("%d records", n)
		}
	}
}
