package schemas_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"sfbridge/event"
	"sfbridge/schemas"
)

// C07: no union tags outside.
func TestC07_JSON_PlainAndInSchemaOrder(t *testing.T) {
	got, err := compile(t, "", read(t, "dock_alert.avsc")).JSON(payload(t, "dock_alert"))
	want := `{"CreatedDate":1767225600000,"CreatedById":"005SB000000001AYAQ","Dock_Code__c":"D7","Pallets__c":12.5,"Seen_At__c":null,"Is_Blocked__c":true}`
	if err != nil || string(got) != want {
		t.Errorf("JSON = %s, %v; want %s", got, err, want)
	}
	got, err = shipment(t).JSON(payload(t, "v1_update"))
	if err != nil || !bytes.Contains(got, []byte(`"commitNumber":1725346778429841409,`)) || !bytes.Contains(got, []byte(`"Ship_To__c":{"Street":null,"City":"Lyon",`)) {
		t.Errorf("JSON = %s, %v", got, err)
	}
}

func TestJSON_OddValues_StayJSON(t *testing.T) {
	c := compile(t, "", `{"type":"record","name":"R","fields":[{"name":"s","type":"string"},{"name":"d","type":{"type":"array","items":"double"}},{"name":"y","type":"bytes"},{"name":"m","type":{"type":"map","values":["null","int"]}},{"name":"x","type":{"type":"fixed","name":"F","size":2}}]}`)
	datum, err := c.AppendValues(nil, object{"s": "a\"\\\n\t\u2028é👩", "d": []any{math.NaN(), math.Inf(1), math.Inf(-1), 1e21, 0.1}, "y": []byte{0, 255}, "m": object{"k": nil, "a": 1}, "x": []byte("hi")})
	if err != nil {
		t.Fatal(err)
	}
	datum = bytes.Replace(datum, []byte("é"), []byte("\xff\xfe"), 1) // no UTF-8
	got, err := c.JSON(datum)
	want := `{"s":"a\"\\\n\u0009\u2028` + "\ufffd\ufffd👩" + `","d":["NaN","Infinity","-Infinity",1e+21,0.1],"y":"AP8=","m":{"a":1,"k":null},"x":"aGk="}`
	if err != nil || string(got) != want || !json.Valid(got) {
		t.Errorf("JSON = %s, %v; want %s", got, err, want)
	}
}

func TestJSON_Broken_Refused(t *testing.T) {
	c, whole := shipment(t), payload(t, "v1_update")
	for n := range whole {
		if _, err := c.JSON(whole[:n]); err == nil {
			t.Fatalf("%d of %d bytes became JSON", n, len(whole))
		}
	}
	if _, err := c.JSON(append(whole, 0)); err == nil {
		t.Error("a trailing byte is passed over")
	}
}

func TestValues_PlainGo(t *testing.T) {
	got, err := shipment(t).Values(payload(t, "v1_update"))
	if err != nil {
		t.Fatal(err)
	}
	h := got["ChangeEventHeader"].(object)
	to := got["Ship_To__c"].(object)
	if got["Status__c"] != "Delivered" || got["LastModifiedDate"] != int64(1767225600000) || got["OwnerId"] != nil ||
		to["City"] != "Lyon" || to["Street"] != nil || h["commitNumber"] != int64(1725346778429841409) {
		t.Errorf("Values = %v", got)
	}
	if got, err := compile(t, "", `["null","long"]`).Values([]byte{2, 4}); err != nil || got[""] != int64(2) {
		t.Errorf("a datum that is no record: %v, %v", got, err)
	}
	if _, err := shipment(t).Values([]byte{0xfe, 0xff, 0xff, 0xff, 0x0f}); err == nil {
		t.Error("garbage has values")
	}
}

// C07, C58: plain and tagged on input, numbers without a step through a float.
func TestC07_AppendValues_PlainAndTagged(t *testing.T) {
	text := `{"type":"record","name":"R","namespace":"x.y","fields":[
		{"name":"e","type":["null",{"type":"enum","name":"T","symbols":["A"]}]},
		{"name":"n","type":["null","int","long","double"]},
		{"name":"l","type":"long"},
		{"name":"r","type":["null","string",{"type":"record","name":"P","fields":[{"name":"First","type":["null","string"]}]}]}]}`
	c := compile(t, "", text)
	for _, row := range []struct{ in, want object }{
		{object{"e": "A", "n": 1, "l": json.Number("9007199254740993"), "r": "x"}, object{"e": "A", "n": int64(1), "l": int64(9007199254740993), "r": "x"}},
		{object{"e": object{"x.y.T": "A"}, "n": json.Number("3000000000"), "l": 2.0, "r": object{"First": "f"}}, object{"e": "A", "n": int64(3000000000), "l": int64(2), "r": object{"First": "f"}}},
		{object{"e": object{"T": "A"}, "n": 1.5, "l": int32(3), "r": object{"x.y.P": object{"First": object{"string": "f"}}}}, object{"e": "A", "n": "1.5", "l": int64(3), "r": object{"First": "f"}}},
		{object{"l": int64(-1), "n": object{"double": json.Number("2")}, "r": object{}}, object{"e": nil, "n": "2", "l": int64(-1), "r": object{"First": nil}}},
	} {
		datum, err := c.AppendValues(nil, row.in)
		if err != nil {
			t.Errorf("%v: %v", row.in, err)
			continue
		}
		if got := decoded(t, text, datum); !reflect.DeepEqual(got, row.want) {
			t.Errorf("%v became %v, want %v", row.in, got, row.want)
		}
	}
}

func TestAppendValues_NotOfTheSchema_NamesTheField(t *testing.T) {
	c := compile(t, "", read(t, "dock_alert.avsc"))
	ok := object{"CreatedDate": 1, "CreatedById": "u"}
	for field, v := range map[string]any{
		"CreatedById": nil, "Nmae": 1, "Pallets__c": "12", "Is_Blocked__c": 1, "Seen_At__c": 1.5,
		"Dock_Code__c": "\xff", "CreatedDate": json.Number("1e400"),
	} {
		in := object{field: v}
		for k, v := range ok {
			if _, given := in[k]; !given {
				in[k] = v
			}
		}
		if _, err := c.AppendValues(nil, in); err == nil || !strings.Contains(err.Error(), "Dock_Alert__e."+field+":") {
			t.Errorf("%s = %v: %v; want an error that names the field", field, v, err)
		}
	}
	if _, err := c.AppendValues(nil, object{"CreatedDate": 1}); err == nil || !strings.Contains(err.Error(), "CreatedById: no value") {
		t.Errorf("a missing field: %v", err)
	}
	if _, err := c.AppendBody(nil, nil); !errors.Is(err, schemas.ErrNotChangeEvent) {
		t.Errorf("the body of a platform event: %v", err)
	}
}

// A snapshot row becomes a change event of the object's own schema, whatever
// its header has.
func TestAppendBody_ReadByOthers(t *testing.T) {
	h := event.Header{EntityName: "X", ChangeType: event.Snapshot, CommitTimestamp: 5}
	for text, values := range map[string]object{
		read(t, "shipment.avsc"): {"Status__c": "New", "Ship_To__c": object{"City": "Lyon"}, "Weight__c": 2.5},
		otherHeader:              {"Phone": "1"},
	} {
		c := compile(t, "", text)
		body, err := c.AppendBody(nil, values)
		if err != nil {
			t.Fatal(err)
		}
		_, value, err := schemas.ParseFrame(c.AppendChange(nil, 1, &h, "id1", body))
		if err != nil {
			t.Fatal(err)
		}
		got := decoded(t, c.Normalised(), value)
		for field, want := range values {
			if m, ok := want.(object); ok {
				for k, v := range m {
					if got[field].(object)[k] != v {
						t.Errorf("%s.%s = %v, want %v", field, k, got[field].(object)[k], v)
					}
				}
			} else if got[field] != generic(want) {
				t.Errorf("%s = %v, want %v", field, got[field], want)
			}
		}
		header := got["ChangeEventHeader"].(object)
		if header["changeType"] != "SNAPSHOT" || !reflect.DeepEqual(header["recordIds"], []any{"id1"}) || header["commitTimestamp"] != int64(5) {
			t.Errorf("header %v", header)
		}
	}
}

func TestFields_TellTypesAndDocs(t *testing.T) {
	fields := account(t).Fields()
	if f := fields[0]; f.Name != "ChangeEventHeader" || f.Type != "record" || f.Nullable || len(f.Fields) != 12 {
		t.Errorf("field 0: %+v", f)
	}
	if f := fields[1]; f.Type != "string" || !f.Nullable || len(f.Fields) != 3 || f.Doc != "Data:Switchable_PersonName" {
		t.Errorf("Name: %+v", f)
	}
	if f := fields[5].Fields[5]; f.Name != "Latitude" || f.Type != "double" {
		t.Errorf("ShippingAddress.Latitude: %+v", f)
	}
}

// Whatever datum we accept: its JSON is valid, and its values, encoded again,
// are the same datum to others.
func FuzzValues_RoundTrip(f *testing.F) {
	f.Add(payload(f, "v1_update"))
	f.Add(payload(f, "v2_delete_merged"))
	text := read(f, "shipment.avsc")
	c := compile(f, "", text)
	others := readers(f, text)
	f.Fuzz(func(t *testing.T, datum []byte) {
		view, err := c.JSON(datum)
		values, verr := c.Values(datum)
		if check := c.CheckPayload(datum); (err == nil) != (check == nil) || (verr == nil) != (check == nil) {
			t.Fatalf("CheckPayload %v, JSON %v, Values %v", check, err, verr)
		}
		if err != nil {
			return
		}
		if !json.Valid(view) {
			t.Fatalf("no JSON: %s", view)
		}
		again, err := c.AppendValues(nil, values)
		if err != nil {
			if strings.Contains(err.Error(), "UTF-8") {
				return
			}
			t.Fatalf("its own values are refused: %v", err)
		}
		for name, read := range others {
			before, err1 := read(datum)
			after, err2 := read(again)
			if err1 != nil || err2 != nil || !reflect.DeepEqual(before, after) {
				t.Fatalf("%s: %v, %v\n%v\n%v", name, err1, err2, before, after)
			}
		}
	})
}
