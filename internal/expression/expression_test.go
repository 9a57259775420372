package expression_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"sync"
	"testing"

	"sfbridge/internal/expression"
)

// untouched stands for a result that is absent.
type untouched struct{}

// num is a number as records have it.
type num = json.Number

// order is a record as schemas.Decoder gives it.
func order() *expression.Input {
	return &expression.Input{
		Value: map[string]any{
			"name": " Acme ", "first": "Ana", "last": "Q", "none": nil, "big": num("9007199254740993"),
			"amount": num("999999999999999.99"), "cents": num("0.30"), "op": "D", "type": "A", "count": num("3"),
			"huge": num("123456789012345678901234567890"), "negative": num("-5"), "exp": num("1.5E+3"),
			"when": num("1730000000123"), "active": true, "city": "東京 👩‍👩‍👧", "in": "keyword",
			"address": map[string]any{"city": "Paris", "zip": nil, "odd-name": "x"},
			"lines":   []any{map[string]any{"sku": "a", "price": num("1.10")}, map[string]any{"sku": "b", "price": num("2.20")}},
			"tags":    []any{"x", "y"}, "empty": []any{}, "_key": "inner", "csv": "a,b,c", "limit": num("9223372036854775807"),
		},
		Key: map[string]any{"id": num("9007199254740993")}, Topic: "erp.orders", Partition: 3, Offset: 42, Timestamp: 1730000000123,
		Headers: map[string]string{"ce_id": "6f1c", "trace-id": "t"},
	}
}

var evaluations = []struct {
	source string
	want   any
}{
	// Paths
	{"name", " Acme "},
	{"address.city", "Paris"},
	{"address.zip", nil},
	{"none", nil},
	{"missing", untouched{}},
	{"address.street", untouched{}},
	{"none.city", untouched{}},
	{"name.city", untouched{}},
	{"missing.deep.er", untouched{}},
	{"lines[1].sku", "b"},
	{"lines[2].sku", untouched{}},
	{"tags[0]", "x"},
	{"in", "keyword"},
	{"count", num("3")},
	{`address["odd-name"]`, "x"},
	{`_value['name']`, " Acme "},
	{"_key.id", num("9007199254740993")},
	{"_value._key", "inner"},
	{"_headers.ce_id", "6f1c"},
	{`_headers["trace-id"]`, "t"},
	{"_headers.none", untouched{}},
	{"_headers", map[string]any{"ce_id": "6f1c", "trace-id": "t"}},
	{"_topic", "erp.orders"},
	{"_partition", num("3")},
	{"_offset", num("42")},
	{"_timestamp", num("1730000000123")},
	{"big", num("9007199254740993")},
	{"amount", num("999999999999999.99")},
	{"exp", num("1.5E+3")},
	// Literals
	{"'ERP'", "ERP"},
	{`"ERP"`, "ERP"},
	{"true", true},
	{"nil", nil},
	{"12", num("12")},
	{"12.5", num("12.5")},
	{"[1, 'a', nil]", []any{num("1"), "a", nil}},
	{"{a: big, b: [amount]}", map[string]any{"a": num("9007199254740993"), "b": []any{num("999999999999999.99")}}},
	// Numbers that are only handed on keep their digits
	{"amount ?? 0", num("999999999999999.99")},
	{"missing ?? amount", num("999999999999999.99")},
	{"type == 'A' ? big : absent()", num("9007199254740993")},
	{"lines[-1].price", num("2.20")},
	{"first(lines).price", num("1.10")},
	{"map(lines, .price)", []any{num("1.10"), num("2.20")}},
	{"get(address, 'city')", "Paris"},
	{"let x = amount; x", num("999999999999999.99")},
	{`fromJSON('{"a": 9007199254740993.5}').a`, num("9007199254740993.5")},
	// Arithmetic
	{"amount + 0.01", num("1000000000000000.00")},
	{"cents + 0.1", num("0.40")},
	{"0.1 + 0.2", num("0.3")},
	{"cents * 3", num("0.90")},
	{"big + 1", num("9007199254740994")},
	{"big * 1000 * 1000", num("9007199254740993000000")},
	{"limit + 1", num("9223372036854775808")},
	{"-limit - 2", num("-9223372036854775809")},
	{"huge - 1", num("123456789012345678901234567889")},
	{"exp + 0", num("1500")},
	{"-negative", num("5")},
	{"-cents", num("-0.30")},
	{"7 / 2", num("3.5")},
	{"7 % 4", num("3")},
	{"2 ** 10", num("1024")},
	{"round(amount)", num("1000000000000000")},
	{"int('12') + 1", num("13")},
	{"sum(lines, .price)", num("3.3000000000000003")},
	{"max(count, 7)", num("7")},
	// Comparisons
	{"count > 2", true},
	{"count >= 3 and not (count > 3)", true},
	{"count == 3", true},
	{"count == 3.0", true},
	{"count in [1, 3]", true},
	{"'x' in tags", true},
	{"'abc' < 'abd'", true},
	{"none == nil", true},
	{"missing == nil", true},
	{"op == 'D' ? 'delete' : 'upsert'", "delete"},
	// Text
	{"trim(name)", "Acme"},
	{"upper(trim(name)) + '!'", "ACME!"},
	{"name | trim() | lower()", "acme"},
	{"split(csv, ',')[1]", "b"},
	{"split(csv, ',')", []any{"a", "b", "c"}},
	{"join(split(csv, ','), ';')", "a;b;c"},
	{"join(map(lines, .price), '; ')", "1.10; 2.20"},
	{"replace(csv, ',', ';')", "a;b;c"},
	{"repeat('ab', 2)", "abab"},
	{"city[0:2]", "東京"},
	{"city[1]", "京"},
	{"csv[2:]", "b,c"},
	{"csv[-1:]", "c"},
	{"csv[9:]", ""},
	{"tags[1:9]", []any{"y"}},
	{"len(city)", num("8")},
	{"text(amount)", "999999999999999.99"},
	{"text(exp)", "1500"},
	{"text(big)", "9007199254740993"},
	{"text(cents)", "0.30"},
	{"text(active)", "true"},
	{"text(12.50)", "12.5"},
	{"name contains 'cm'", true},
	{"name matches '^ A'", true},
	// Times
	{"millis(when)", "2024-10-27T03:33:20.123Z"},
	{"seconds(1730000000)", "2024-10-27T03:33:20.000Z"},
	{"seconds(1.5)", "1970-01-01T00:00:01.500Z"},
	{"micros(1730000000123456)", "2024-10-27T03:33:20.123456Z"},
	{"millis(-1)", "1969-12-31T23:59:59.999Z"},
	{"millis(-12187756800000)", "1583-10-15T00:00:00.000Z"},
	{"days(0)", "1970-01-01"},
	{"days(19782)", "2024-02-29"},
	{"days(-141062)", "1583-10-15"},
	{"date('2024-02-29')", "2024-02-29T00:00:00.000Z"},
	{"date('2024-02-29T01:00:00+02:00')", "2024-02-28T23:00:00.000Z"},
	{"date('29.02.2024', '02.01.2006').Format('2006-01-02')", "2024-02-29"},
	{"date('2024-02-29') + duration('36h')", "2024-03-01T12:00:00.000Z"},
	{"(date('2024-03-01') - date('2024-02-28')).Hours()", num("48")},
	{"date('2024-03-01').Unix() + 1", num("1709251201")},
	{"date('2024-03-01').Month()", num("3")},
	// Absent and nil
	{"absent()", untouched{}},
	{"op == 'D' ? absent() : name", untouched{}},
	{"op == 'D' ? nil : missing", nil},
	{"op == 'D' ? missing : nil", untouched{}},
	{"upper(missing)", untouched{}},
	{"upper(none)", nil},
	{"upper(missing ?? 'x')", "X"},
	{"missing + 1", untouched{}},
	{"none + 1", nil},
	{"first + ' ' + missing", untouched{}},
	{"address?.street?.number", untouched{}},
	{"(address).street.number", untouched{}},
	{"address.zip ?? 'none'", "none"},
	{"missing[1:2]", untouched{}},
	{"map(missing, .sku)", untouched{}},
	{"filter(none, .sku == 'a')", nil},
	{"filter(lines, .sku == 'a')", []any{map[string]any{"sku": "a", "price": num("1.10")}}},
	{"join(map(empty, .sku), ';')", ""},
	{"millis(missing)", untouched{}},
	{"text(none)", nil},
	{"missing == 'Y'", untouched{}},
	{"none == 'Y'", false},
	{"missing != 'Y'", untouched{}},
	{"not (missing == 'Y')", untouched{}},
	{"missing in ['Y']", untouched{}},
	{"missing contains 'Y'", untouched{}},
	{"address.street == 'Y'", untouched{}},
	{"(missing ?? 'N') == 'Y'", false},
	{"(upper(missing) ?? 'N') == 'Y'", false},
	{"address.street != nil", false},
	{"nil == missing", true},
	{"op == 'D' or missing == 'Y'", true},
	{"op == 'X' or missing == 'Y'", untouched{}},
	{"missing == 'Y' ? 1 : 2", num("2")},
	{"missing ?? none", nil},
	{"missing ?? absent()", untouched{}},
	// What docs/mapping.md shows
	{`"EUR"`, "EUR"},
	{`name ?? "unknown"`, " Acme "},
	{`first + " " + last`, "Ana Q"},
	{`first == "-" ? absent() : first`, "Ana"},
	{`count > 1000000 ? "Hot" : absent()`, untouched{}},
	{`replace(missing ?? "", " ", "")`, ""},
	{`replace(replace("1.234,56", ".", ""), ",", ".")`, "1234.56"},
	{"millis(when)[:10]", "2024-10-27"},
	{"millis(when)[11:]", "03:33:20.123Z"},
	{"days(count) + 'T00:00:00Z'", "1970-01-04T00:00:00Z"},
	{"toJSON(address.city)", `"Paris"`},
	{"toBase64(first)", "QW5h"},
	// Names of functions are names of fields too
	{"type == 'A' and count == 3 and first == 'Ana'", true},
	{"len(first) + count", num("6")},
	{"let name = trim(name); name + name", "AcmeAcme"},
	{"_key.id + 0", num("9007199254740993")},
	{"_headers.ce_id + '/' + _topic", "6f1c/erp.orders"},
	{"count(lines, .price > 2)", num("1")},
	{"any(lines, .sku == 'b')", true},
	{"reduce(lines, #acc + .price, 0)", num("3.30")},
	{"sortBy(lines, .price, 'desc')[0].sku", "b"},
	{"if op == 'D' { 'gone' } else { 'here' }", "gone"},
}

func TestEval_Table(t *testing.T) {
	for _, test := range evaluations {
		e, err := expression.Compile(test.source)
		if err != nil {
			t.Errorf("%s: %v", test.source, err)
			continue
		}
		v, present, err := e.Eval(order())
		if err != nil {
			t.Errorf("%s: %v", test.source, err)
			continue
		}
		if !present {
			v = untouched{}
		}
		if !reflect.DeepEqual(v, test.want) {
			t.Errorf("%s = %#v, want %#v", test.source, v, test.want)
		}
	}
}

// A tombstone has no value: paths lead nowhere, and the rest is there.
func TestEval_Tombstone_FieldsAreAbsent(t *testing.T) {
	in := &expression.Input{Key: "0019", Headers: map[string]string{"op": "d"}}
	for source, want := range map[string]any{
		"Name": untouched{}, "_value": untouched{}, "upper(Name)": untouched{}, "_key": "0019", "_headers.op": "d",
		"_value == nil ? 'gone' : 'here'": "gone",
	} {
		if v := must(t, source, in); !reflect.DeepEqual(v, want) {
			t.Errorf("%s = %#v, want %#v", source, v, want)
		}
	}
}

// Values that are no records are in reach as a whole.
func TestEval_ValueThatIsNoRecord(t *testing.T) {
	in := &expression.Input{Value: []any{num("1"), "a"}}
	for source, want := range map[string]any{"_value[1]": "a", "name": untouched{}, "len(_value)": num("2"), "_key": untouched{}} {
		if v := must(t, source, in); !reflect.DeepEqual(v, want) {
			t.Errorf("%s = %#v, want %#v", source, v, want)
		}
	}
}

func must(t *testing.T, source string, in *expression.Input) any {
	t.Helper()
	e, err := expression.Compile(source)
	if err != nil {
		t.Fatal(err)
	}
	v, present, err := e.Eval(in)
	if err != nil {
		t.Fatal(err)
	}
	if !present {
		return untouched{}
	}
	return v
}

func TestCompile_Errors_NameThePlace(t *testing.T) {
	for source, want := range map[string]string{
		"":                              "is empty",
		"a +":                           "line 1, column 3",
		"trim(name":                     "line 1, column",
		"upcase(name)":                  "column 1: there is no function upcase",
		"1 + upcase(name)":              "column 5: there is no function upcase",
		"trim()":                        "trim",
		"upper('a', 'b')":               "upper",
		"absent(1)":                     "absent takes 0 arguments, not 1",
		"'a' + 1":                       "line 1, column 5",
		"$env.name + 'x'":               "$env",
		"null":                          "null is written nil",
		"a b":                           "line 1, column 3",
		"name matches '('":              "line 1, column",
		"$env":                          "write _value",
		"a ? b":                         "line 1, column",
		strings.Repeat("a", 5000):       "at most 4096",
		strings.Repeat("(", 2000):       "line 1, column",
		"1" + strings.Repeat("+1", 600): "nodes",
	} {
		_, err := expression.Compile(source)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Compile(%.40q) = %v, want %q in it", source, err, want)
		}
	}
}

// An evaluation that fails says where and with what kinds of values, and none
// of the values.
func TestEval_Errors_HaveNoValues(t *testing.T) {
	in := &expression.Input{Value: map[string]any{
		"secret": "s3cret-value", "none": nil, "list": []any{"s3cret-value"}, "n": num("771177"), "zero": num("0"), "m": map[string]any{"a": "s3cret-value"},
	}}
	for source, want := range map[string]string{
		"int(secret)":                      "int does not take text",
		"date(secret)":                     "date does not take text",
		"secret - 1":                       "- does not take text and a number",
		"secret + n":                       "+ does not take text and a number",
		"none > 3":                         "> compares with nil",
		"missing < 3":                      "< compares with nil",
		"secret > n":                       "> does not compare text with a number",
		"upper(n)":                         "upper does not take a number",
		"1 / zero":                         "division by zero",
		"1 % zero":                         "division by zero",
		"duration('1h')":                   "a duration is no value",
		"[absent()]":                       "absent() stands for the whole result",
		"text(m)":                          "text does not take a record",
		"n.name":                           "", // a path: absent
		"(n).name":                         "a number has no member",
		"map(n, #)":                        "a list is needed, not a number",
		"count(m)":                         "a list is needed, not a record",
		"secret ? 1 : 2":                   "cannot be computed",
		"fromJSON(secret)":                 "not JSON",
		"millis(secret)":                   "is a number, not text",
		"millis(1e18)":                     "years 0 to 9999",
		"days(1.5)":                        "integer",
		"2 ** 5000":                        "no number",
		"repeat('a', 9999999999)":          "longer than 4 MiB",
		"reduce(1..60, #acc + #acc, 'ab')": "longer than 4 MiB",
		"len(1..99999999)":                 "cannot be computed",
		"groupBy(list, 1)":                 "no value of a field",
		"b'abc'":                           "bytes",
	} {
		e, err := expression.Compile(source)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		_, _, err = e.Eval(in)
		if want == "" {
			if err != nil {
				t.Errorf("%s: %v", source, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), source) {
			t.Errorf("%s: %v, want %q and the source in it", source, err, want)
		} else if strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "771177") {
			t.Errorf("%s: the error tells a value: %v", source, err)
		}
	}
}

func TestPath_FirstName(t *testing.T) {
	for source, want := range map[string]string{
		"a": "a", " a.b ": "a", "_key.id": "_key", "a[0].b": "a", "Account__r.Ext__c": "Account__r",
		"a + b": "", "'a'": "", "true": "", "a?.b": "", "a[-1]": "", "a[b]": "", "1a": "", "größe": "größe",
	} {
		e, err := expression.Compile(source)
		if source == "1a" {
			if err == nil {
				t.Error("1a compiles")
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		if first, ok := e.Path(); first != want || ok != (want != "") {
			t.Errorf("Path of %q = %q, %v; want %q", source, first, ok, want)
		}
		if e.String() != source {
			t.Errorf("String of %q = %q", source, e.String())
		}
	}
}

func TestEval_ManyGoroutines(t *testing.T) {
	e, err := expression.Compile("upper(trim(name)) + text(amount) + join(map(lines, .sku), ',')")
	if err != nil {
		t.Fatal(err)
	}
	in := order()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if v, _, err := e.Eval(in); err != nil || v != "ACME999999999999999.99a,b" {
					t.Errorf("%v, %v", v, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// Evaluating changes nothing in the record.
func TestEval_LeavesTheRecordAlone(t *testing.T) {
	in := order()
	in.Value.(map[string]any)["numbers"] = []any{num("3"), num("1.5"), []any{num("2")}}
	want := order()
	want.Value.(map[string]any)["numbers"] = []any{num("3"), num("1.5"), []any{num("2")}}
	for _, test := range evaluations {
		must(t, test.source, in)
	}
	for _, source := range []string{"sort([3, 1])", "reverse(tags)", "max(flatten(numbers))", "numbers == [3, 1.5, [2]]", "sum(flatten(numbers))", "concat(tags, tags)"} {
		must(t, source, in)
	}
	if !reflect.DeepEqual(in, want) {
		t.Errorf("the record is now %v", in)
	}
}

func FuzzEval(f *testing.F) {
	for _, test := range evaluations {
		f.Add(test.source)
	}
	f.Fuzz(func(t *testing.T, source string) {
		if len(source) > 120 {
			return
		}
		e, err := expression.Compile(source)
		if err != nil {
			return
		}
		in := order()
		v, present, err := e.Eval(in)
		if err == nil && present {
			checkPlain(t, v)
		}
		if !reflect.DeepEqual(in, order()) {
			t.Errorf("%s changes the record", source)
		}
	})
}

// checkPlain fails for what a result must not hold.
func checkPlain(t *testing.T, v any) {
	switch v := v.(type) {
	case nil, bool, string:
	case json.Number:
		if !json.Valid([]byte(v)) {
			t.Errorf("%s is no number", v)
		}
	case []any:
		for _, item := range v {
			checkPlain(t, item)
		}
	case map[string]any:
		for _, item := range v {
			checkPlain(t, item)
		}
	default:
		t.Errorf("a %T is no result", v)
	}
}

func BenchmarkEval(b *testing.B) {
	for name, source := range map[string]string{
		"path":       "address.city",
		"default":    "amount ?? 0",
		"text":       "upper(trim(name))",
		"arithmetic": "amount * 1.19 + cents",
		"choice":     "op == 'D' ? 'delete' : 'upsert'",
	} {
		b.Run(name, func(b *testing.B) {
			e, err := expression.Compile(source)
			if err != nil {
				b.Fatal(err)
			}
			in := order()
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := e.Eval(in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
