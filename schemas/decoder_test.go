package schemas_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hamba/avro/v2"
	"github.com/linkedin/goavro/v2"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"sfbridge/schemas"
)

// num is a number in a tree.
type num = json.Number

// writerSchema has each type and logical type that other programs write.
const writerSchema = `{"type":"record","name":"Order","namespace":"com.acme","fields":[
 {"name":"id","type":"long"},{"name":"count","type":"int"},{"name":"ratio","type":"double"},{"name":"single","type":"float"},
 {"name":"open","type":"boolean"},{"name":"name","type":["null","string"]},{"name":"none","type":["null","string"]},
 {"name":"raw","type":"bytes"},{"name":"state","type":{"type":"enum","name":"State","symbols":["NEW","DONE"]}},
 {"name":"hash","type":{"type":"fixed","name":"Hash","size":4}},
 {"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":18,"scale":2}},
 {"name":"small","type":["null",{"type":"fixed","name":"Small","size":6,"logicalType":"decimal","precision":12,"scale":4}]},
 {"name":"day","type":{"type":"int","logicalType":"date"}},
 {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
 {"name":"exactly","type":["null",{"type":"long","logicalType":"timestamp-micros"}]},
 {"name":"clock","type":{"type":"int","logicalType":"time-millis"}},
 {"name":"tick","type":{"type":"long","logicalType":"time-micros"}},
 {"name":"tags","type":{"type":"array","items":"string"}},
 {"name":"counts","type":{"type":"map","values":"long"}},
 {"name":"lines","type":{"type":"array","items":{"type":"record","name":"Line","fields":[
   {"name":"sku","type":"string"},{"name":"price","type":["null","double"]},{"name":"parent","type":["null","Line"]}]}}}]}`

var orderTree = object{
	"id": num("9007199254740993"), "count": num("-7"), "ratio": num("0.1"), "single": num("0.3"), "open": true,
	"name": "Zoë 東京 👩‍👩‍👧", "none": nil, "raw": "AP8=", "state": "DONE", "hash": "AQIDBA==",
	"amount": num("-1234567890123456.78"), "small": num("0.3000"), "day": "2024-02-29",
	"at": "2024-10-27T01:30:00.000Z", "exactly": "2024-10-27T01:30:00.000001Z", "clock": "23:59:59.999Z", "tick": "00:00:00.000001Z",
	"tags": []any{"a", "b"}, "counts": object{"x": num("1")},
	"lines": []any{object{"sku": "s1", "price": num("19.99"), "parent": object{"sku": "s0", "price": nil, "parent": nil}}},
}

// goavroOrder is the order as goavro wants it.
func goavroOrder(t testing.TB) []byte {
	t.Helper()
	codec, err := goavro.NewCodec(writerSchema)
	if err != nil {
		t.Fatal(err)
	}
	instant := time.Date(2024, 10, 27, 1, 30, 0, 0, time.UTC)
	datum, err := codec.BinaryFromNative(nil, object{
		"id": int64(9007199254740993), "count": -7, "ratio": 0.1, "single": float32(0.3), "open": true,
		"name": goavro.Union("string", "Zoë 東京 👩‍👩‍👧"), "none": nil, "raw": []byte{0, 255}, "state": "DONE", "hash": []byte{1, 2, 3, 4},
		"amount": big.NewRat(-123456789012345678, 100), "small": goavro.Union("com.acme.Small", big.NewRat(3, 10)),
		"day": time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC), "at": instant, "exactly": goavro.Union("long.timestamp-micros", instant.Add(time.Microsecond)),
		"clock": 24*time.Hour - time.Millisecond, "tick": time.Microsecond,
		"tags": []any{"a", "b"}, "counts": object{"x": int64(1)},
		"lines": []any{object{"sku": "s1", "price": goavro.Union("double", 19.99), "parent": goavro.Union("com.acme.Line", object{"sku": "s0", "price": nil, "parent": nil})}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return datum
}

// hambaOrder is the same order, written by hamba/avro.
func hambaOrder(t testing.TB) []byte {
	t.Helper()
	schema, err := avro.ParseWithCache(writerSchema, "", &avro.SchemaCache{})
	if err != nil {
		t.Fatal(err)
	}
	instant := time.Date(2024, 10, 27, 1, 30, 0, 0, time.UTC)
	datum, err := avro.Marshal(schema, object{
		"id": int64(9007199254740993), "count": -7, "ratio": 0.1, "single": float32(0.3), "open": true,
		"name": "Zoë 東京 👩‍👩‍👧", "none": nil, "raw": []byte{0, 255}, "state": "DONE", "hash": [4]byte{1, 2, 3, 4},
		"amount": big.NewRat(-123456789012345678, 100), "small": object{"com.acme.Small": big.NewRat(3, 10)},
		"day": time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC), "at": instant, "exactly": object{"long.timestamp-micros": instant.Add(time.Microsecond)},
		"clock": 24*time.Hour - time.Millisecond, "tick": time.Microsecond,
		"tags": []string{"a", "b"}, "counts": map[string]int64{"x": 1},
		"lines": []any{object{"sku": "s1", "price": 19.99, "parent": object{"com.acme.Line": object{"sku": "s0", "price": nil, "parent": nil}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return datum
}

// decoderOf knows the schemas under the numbers from 1 on.
func decoderOf(t testing.TB, known ...sr.Schema) *schemas.Decoder {
	t.Helper()
	fake := srfake.NewRegistry()
	t.Cleanup(fake.Close)
	for i, s := range known {
		fake.SeedSchema("subject-"+string(rune('a'+i)), 1, i+1, s)
	}
	return schemas.NewDecoder(fakeRegistry(t, fake.Handler(), nil))
}

// decodeAs gives the tree of a datum of an Avro schema.
func decodeAs(t testing.TB, schema string, datum []byte) (any, error) {
	t.Helper()
	return decoderOf(t, sr.Schema{Schema: schema}).Decode(t.Context(), schemas.AppendFrame(nil, 1, datum), schemas.Auto)
}

func TestDecode_OtherWriters_OneTree(t *testing.T) {
	for writer, datum := range map[string][]byte{"goavro": goavroOrder(t), "hamba": hambaOrder(t)} {
		got, err := decodeAs(t, writerSchema, datum)
		if err != nil {
			t.Errorf("%s: %v", writer, err)
			continue
		}
		for name, want := range orderTree {
			if v := got.(object)[name]; !reflect.DeepEqual(v, want) {
				t.Errorf("%s: %s = %#v, want %#v", writer, name, v, want)
			}
		}
		if len(got.(object)) != len(orderTree) {
			t.Errorf("%s: %d fields, want %d", writer, len(got.(object)), len(orderTree))
		}
	}
}

func field(schema string) string {
	return `{"type":"record","name":"R","fields":[{"name":"v","type":` + schema + `}]}`
}

// one decodes a datum of one value.
func one(t *testing.T, schema string, datum ...byte) (any, error) {
	t.Helper()
	v, err := decodeAs(t, field(schema), datum)
	if err != nil {
		return nil, err
	}
	return v.(object)["v"], nil
}

func TestC19_Decimals_KeepTheirDigits(t *testing.T) {
	decimal := func(scale string) string {
		return `{"type":"bytes","logicalType":"decimal","precision":20,"scale":` + scale + `}`
	}
	for _, test := range []struct {
		schema string
		datum  []byte
		want   any
	}{
		{decimal("2"), append([]byte{16}, big.NewInt(99999999999999999).FillBytes(make([]byte, 8))...), num("999999999999999.99")},
		{decimal("2"), []byte{2, 30}, num("0.30")},
		{decimal("2"), []byte{2, 0xff}, num("-0.01")},
		{decimal("0"), []byte{2, 0x80}, num("-128")},
		{decimal("2"), []byte{0}, num("0.00")},
		{`{"type":"fixed","name":"F","size":2,"logicalType":"decimal","precision":4,"scale":4}`, []byte{0x80, 0}, num("-3.2768")},
		{decimal("21"), []byte{2, 30}, "Hg=="}, // a scale beyond the precision: no decimal
		{`"double"`, []byte{0x9a, 0x99, 0x99, 0x99, 0x99, 0x99, 0xb9, 0x3f}, num("0.1")},
		{`"double"`, []byte{0, 0, 0, 0, 0, 0, 0x50, 0x44}, num("1.1805916207174113e+21")},
	} {
		if got, err := one(t, test.schema, test.datum...); err != nil || got != test.want {
			t.Errorf("%s of %x = %v, %v; want %v", test.schema, test.datum, got, err, test.want)
		}
	}
	v, err := decoderOf(t).Decode(t.Context(), []byte(`{"a": 999999999999999.99, "b": 0.30, "c": 1e400}`), schemas.Auto)
	if want := (object{"a": num("999999999999999.99"), "b": num("0.30"), "c": num("1e400")}); err != nil || !reflect.DeepEqual(v, want) {
		t.Errorf("JSON: %v, %v", v, err)
	}
}

func TestC20_Dates_InNoLocalZone(t *testing.T) {
	if time.Local.String() != "America/Sao_Paulo" {
		t.Fatal("the tests of this package are to run where days begin at another time: see TestMain")
	}
	logical := func(of, name string) string { return `{"type":"` + of + `","logicalType":"` + name + `"}` }
	for _, test := range []struct {
		schema string
		value  int64
		want   any
	}{
		{logical("int", "date"), 0, "1970-01-01"},
		{logical("int", "date"), 19782, "2024-02-29"},
		{logical("int", "date"), -141062, "1583-10-15"},
		{logical("int", "date"), -719528, "0000-01-01"},
		{logical("long", "timestamp-millis"), 1729992600000, "2024-10-27T01:30:00.000Z"},
		{logical("long", "local-timestamp-millis"), 1729992600000, "2024-10-27T01:30:00.000Z"},
		{logical("long", "timestamp-millis"), -1, "1969-12-31T23:59:59.999Z"},
		{logical("long", "timestamp-micros"), 1729992600000000, "2024-10-27T01:30:00.000Z"},
		{logical("long", "timestamp-micros"), 1729992600123456, "2024-10-27T01:30:00.123456Z"},
		{logical("long", "timestamp-nanos"), 1729992600123456789, "2024-10-27T01:30:00.123456789Z"},
		{logical("int", "time-millis"), 86399999, "23:59:59.999Z"},
		{logical("long", "time-micros"), 86399999999, "23:59:59.999999Z"},
		{logical("int", "timestamp-millis"), 5, num("5")}, // not valid for an int: passed over
		{logical("long", "date"), 5, num("5")},
	} {
		if got, err := one(t, test.schema, zigzag(test.value)...); err != nil || got != test.want {
			t.Errorf("%s of %d = %v, %v; want %v", test.schema, test.value, got, err, test.want)
		}
	}
	for schema, value := range map[string]int64{
		logical("int", "date"): 1 << 30, logical("long", "timestamp-millis"): 1 << 60, logical("int", "time-millis"): 86400000, logical("long", "time-micros"): -1,
	} {
		_, err := one(t, schema, zigzag(value)...)
		if e, ok := errors.AsType[*schemas.PayloadError](err); !ok || e.Field != "v" {
			t.Errorf("%s of %d: %v, want a *PayloadError at v", schema, value, err)
		}
	}
}

func zigzag(v int64) []byte {
	u := uint64(v)<<1 ^ uint64(v>>63)
	var b []byte
	for ; u >= 0x80; u >>= 7 {
		b = append(b, byte(u)|0x80)
	}
	return append(b, byte(u))
}

func TestC58_Longs_KeepTheirDigits(t *testing.T) {
	for value, want := range map[int64]num{38861788: "38861788", 9007199254740993: "9007199254740993", -9223372036854775808: "-9223372036854775808"} {
		if got, err := one(t, `"long"`, zigzag(value)...); err != nil || got != want {
			t.Errorf("%d = %v, %v", value, got, err)
		}
		if got, err := one(t, `["null","long"]`, append([]byte{2}, zigzag(value)...)...); err != nil || got != want {
			t.Errorf("%d in a union = %v, %v", value, got, err)
		}
	}
}

func TestDecode_NamesThatAreNotLegal_AsTheyAreSpelt(t *testing.T) {
	schema := `{"type":"record","name":"R","fields":[{"name":"first-name","type":"string"},{"name":"state","type":{"type":"enum","name":"S","symbols":["in-work","done"]}}]}`
	got, err := decodeAs(t, schema, []byte{2, 'A', 0})
	if want := (object{"first-name": "A", "state": "in-work"}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}

func TestDecode_JSONSchemaFraming(t *testing.T) {
	d := decoderOf(t, sr.Schema{Type: sr.TypeJSON, Schema: `{"type":"object"}`})
	for _, format := range []schemas.Format{schemas.Auto, schemas.Avro} {
		got, err := d.Decode(t.Context(), schemas.AppendFrame(nil, 1, []byte(`{"a": 1.10}`)), format)
		if want := (object{"a": num("1.10")}); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v", format, got, err)
		}
	}
	if _, err := d.Decode(t.Context(), schemas.AppendFrame(nil, 1, []byte(`{"a":`)), schemas.Auto); !isFormatError(err) {
		t.Errorf("half a value: %v", err)
	}
}

func isFormatError(err error) bool {
	_, ok := errors.AsType[*schemas.FormatError](err)
	return ok
}

func TestDecode_JSON_Table(t *testing.T) {
	d := schemas.NewDecoder(nil)
	for text, want := range map[string]any{
		`{"a":{"b":[1,true,null,"x"]}}`:                   object{"a": object{"b": []any{num("1"), true, nil, "x"}}},
		` {"a":1,"a":2} `:                                 object{"a": num("2")},
		`[9007199254740993]`:                              []any{num("9007199254740993")},
		`"\ud83d\udc69 \\ud83d"`:                          `👩 \ud83d`,
		strings.Repeat("[", 64) + strings.Repeat("]", 64): nested(64),
	} {
		for _, format := range []schemas.Format{schemas.Auto, schemas.JSON} {
			if got, err := d.Decode(t.Context(), []byte(text), format); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %v, %v; want %v", text, got, err, want)
			}
		}
	}
}

func nested(n int) any {
	v := []any{}
	for range n - 1 {
		v = []any{v}
	}
	return v
}

// Whatever is wrong with a value is the record's own fault, and is told without
// the value.
func TestDecode_Broken_TheRecordsOwnFault(t *testing.T) {
	d := decoderOf(t, sr.Schema{Schema: field(`"double"`)}, sr.Schema{Type: sr.TypeProtobuf, Schema: `syntax = "proto3";`}, sr.Schema{Schema: `{"type":"record"}`},
		sr.Schema{Schema: `["null","int"]`})
	for name, test := range map[string]struct {
		data   string
		format schemas.Format
		want   string
	}{
		"empty":                 {"", schemas.Auto, "empty"},
		"JSON null":             {"null", schemas.Auto, "tombstone"},
		"Avro null":             {"\x00\x00\x00\x00\x04\x00", schemas.Auto, "tombstone"},
		"text":                  {"secret", schemas.Auto, "not JSON, at byte 1"},
		"half":                  {`{"secret":`, schemas.Auto, "ends too early"},
		"two values":            {`{} {"secret":1}`, schemas.JSON, "more than one"},
		"not UTF-8":             {"\"secret\xff\"", schemas.JSON, "not UTF-8"},
		"half a pair":           {`"secret\ud83d"`, schemas.JSON, "surrogate"},
		"other half":            {`"secret\udc69"`, schemas.JSON, "surrogate"},
		"too deep":              {strings.Repeat("[", 65), schemas.JSON, "deeper than 64"},
		"no frame for Avro":     {`{"secret":1}`, schemas.Avro, "first byte is 0x7b"},
		"frame for JSON":        {"\x00\x00\x00\x00\x01secret", schemas.JSON, "the format is avro"},
		"short frame":           {"\x00\x00\x00", schemas.Auto, "no schema id"},
		"number 0":              {"\x00\x00\x00\x00\x00secret", schemas.Auto, "no schema id"},
		"protobuf":              {"\x00\x00\x00\x00\x02secret", schemas.Auto, "PROTOBUF"},
		"schema without a name": {"\x00\x00\x00\x00\x03secret", schemas.Auto, "schema 3 of the registry"},
		"short payload":         {"\x00\x00\x00\x00\x01secret", schemas.Auto, "R.v"},
		"long payload":          {"\x00\x00\x00\x00\x01secretsecret", schemas.Auto, "bytes follow"},
		"NaN":                   {"\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\xf8\x7f", schemas.Auto, "NaN"},
		"Inf":                   {"\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\xf0\x7f", schemas.Auto, "infinite"},
	} {
		v, err := d.Decode(t.Context(), []byte(test.data), test.format)
		if err == nil || !strings.Contains(err.Error(), test.want) || schemas.Retryable(err) {
			t.Errorf("%s: %v, %v; want %q in a lasting error", name, v, err, test.want)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error tells the value: %v", name, err)
		}
	}
	_, err := schemas.NewDecoder(nil).Decode(t.Context(), []byte("\x00\x00\x00\x00\x01x"), schemas.Auto)
	if err == nil || !strings.Contains(err.Error(), "schema_registry.url") {
		t.Errorf("without a registry: %v", err)
	}
}

func TestDecodeKey_Table(t *testing.T) {
	d := decoderOf(t, sr.Schema{Schema: field(`"long"`)}, sr.Schema{Schema: `"string"`})
	for name, test := range map[string]struct {
		data string
		want any
	}{
		"none":         {"", nil},
		"text":         {"0019000000AbCdE", "0019000000AbCdE"},
		"number":       {"9007199254740993", "9007199254740993"},
		"JSON string":  {`"a"`, "a"},
		"quote":        {`"a`, `"a`},
		"JSON list":    {`["a",1]`, []any{"a", num("1")}},
		"object":       {`{"id": 9007199254740993}`, object{"id": num("9007199254740993")}},
		"brace":        {"{abc}", "{abc}"},
		"Avro record":  {"\x00\x00\x00\x00\x01" + string(zigzag(9007199254740993)), object{"v": num("9007199254740993")}},
		"Avro string":  {"\x00\x00\x00\x00\x02\x04hi", "hi"},
		"binary long":  {"\x00\x00\x00\x00\x00\x00\x00\x07", nil},
		"not UTF-8":    {"\xff\xfe", nil},
		"empty object": {"{}", object{}},
	} {
		if got, err := d.DecodeKey(t.Context(), []byte(test.data), schemas.Auto); err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %#v, %v; want %#v", name, got, err, test.want)
		}
	}
	if got, err := schemas.NewDecoder(nil).DecodeKey(t.Context(), []byte(`{"id":1}`), schemas.JSON); err != nil || !reflect.DeepEqual(got, object{"id": num("1")}) {
		t.Errorf("without a registry: %v, %v", got, err)
	}
}

// What five bytes claim does not make memory.
func TestDecode_HostileCounts_Refused(t *testing.T) {
	for schema, datum := range map[string]string{
		`{"type":"array","items":"null"}`:                          "\xfe\xff\xff\xff\x0f\x00",
		`{"type":"array","items":"int"}`:                           "\xfe\xff\xff\xff\x0f\x00",
		`{"type":"map","values":"null"}`:                           "\xfe\xff\xff\xff\x0f\x00",
		`"bytes"`:                                                  "\xfe\xff\xff\xff\x0f",
		`{"type":"array","items":{"type":"array","items":"null"}}`: "\x10" + strings.Repeat("\x80\x80\x08\x00", 8) + "\x00",
	} {
		v, err := one(t, schema, []byte(datum)...)
		if _, ok := errors.AsType[*schemas.PayloadError](err); !ok {
			t.Errorf("%s: %T, %v; want a *PayloadError", schema, v, err)
		}
	}
}
