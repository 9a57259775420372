package schemas_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"

	"sfbridge/schemas"
)

// Goes as the JSON view goes, which others are held against: see jsonview.go.
func FuzzDecode_Avro_AgreesWithJSONView(f *testing.F) {
	var known []sr.Schema
	var codecs []*schemas.Codec
	for _, text := range []string{everyType, read(f, "dock_alert.avsc"), writerSchema, read(f, "shipment.avsc")} {
		known, codecs = append(known, sr.Schema{Schema: text}), append(codecs, compile(f, "", text))
	}
	d := decoderOf(f, known...)
	f.Add(uint8(0), []byte("\x01\x02\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02a\x02b\x02abc\x03\x06\x00\x02\x08\x00\x04\x00\x02\x02k\x02v\x00\x00"))
	f.Add(uint8(1), payload(f, "dock_alert"))
	f.Add(uint8(2), goavroOrder(f))
	for _, file := range []string{"v1_update", "v2_delete_merged", "v3_gap_update", "v4_gap_overflow"} {
		f.Add(uint8(3), payload(f, file))
	}
	f.Fuzz(func(t *testing.T, which uint8, datum []byte) {
		i := int(which) % len(codecs)
		got, err := d.Decode(t.Context(), schemas.AppendFrame(nil, schemas.ID(i+1), datum), schemas.Auto)
		view, viewErr := codecs[i].JSON(datum)
		if err == nil && viewErr != nil {
			t.Fatalf("decoded, but the JSON view says %v", viewErr)
		}
		if err != nil {
			if _, ok := errors.AsType[*schemas.PayloadError](err); !ok {
				t.Fatalf("%v is no *PayloadError", err)
			}
			return
		}
		if i >= 2 { // the view shows logical types as they are stored, and change events whole
			return
		}
		want, err := schemas.NewDecoder(nil).Decode(t.Context(), view, schemas.JSON)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(floats(got), floats(want)) {
			t.Errorf("decoded %v, the JSON view says %v", got, want)
		}
	})
}

// floats makes numbers that are spelt differently equal.
func floats(v any) any {
	switch v := v.(type) {
	case json.Number:
		if strings.ContainsAny(string(v), ".eE") || len(v) > 15 {
			f, _ := v.Float64()
			return f
		}
		i, _ := v.Int64()
		return float64(i)
	case []any:
		for i := range v {
			v[i] = floats(v[i])
		}
	case object:
		for k := range v {
			v[k] = floats(v[k])
		}
	}
	return v
}

// What we read as JSON, encoding/json reads the same.
func FuzzDecode_JSON_AgreesWithEncodingJSON(f *testing.F) {
	for _, text := range []string{`{"a":[1,2.50,-3e4,true,null,"\ud83d\udc69"]}`, `"\\u"`, `"\ud83dx"`, `[[[]]]`, ` 1 `, "\"\x80\"", `{"a":1}{}`, `01`, `"\"\ud800"`} {
		f.Add([]byte(text))
	}
	d := schemas.NewDecoder(nil)
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := d.Decode(t.Context(), data, schemas.JSON)
		if err != nil {
			if !isFormatError(err) {
				t.Errorf("%v is no *FormatError", err)
			}
			return
		}
		var want any
		if err := json.Unmarshal(data, &want); err != nil && !strings.Contains(err.Error(), "cannot unmarshal number") {
			t.Fatalf("encoding/json says %v", err)
		} else if err == nil && !reflect.DeepEqual(floats(got), want) {
			t.Errorf("%s: %v, want %v", data, got, want)
		}
	})
}
