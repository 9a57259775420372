package schemas_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hamba/avro/v2"

	"sfbridge/event"
	"sfbridge/schemas"
)

// vectors are the four data of the Shipment__ChangeEvent schema.
var vectors = map[string]event.Header{
	"v1_update": {
		EntityName: "Shipment__c", RecordIDs: []string{"a00SB000000001AYAQ"}, ChangeType: event.Update,
		ChangeOrigin:   "com/salesforce/api/rest/66.0;client=bridge-test",
		TransactionKey: "00000000-0000-0000-0000-000000000001", SequenceNumber: 1,
		CommitTimestamp: 1767225600000, CommitNumber: 1725346778429841409, CommitUser: "005SB000000001AYAQ",
		NulledFields:  []string{"Notes__c", "Ship_To__c.Street"},
		ChangedFields: []string{"LastModifiedDate", "Status__c", "Notes__c", "Ship_To__c.Street", "Ship_To__c.City"},
	},
	"v2_delete_merged": {
		EntityName: "Shipment__c", RecordIDs: []string{"a00SB000000001AYAQ", "a00SB000000002AYAQ"}, ChangeType: event.Delete,
		TransactionKey: "00000000-0000-0000-0000-000000000002", SequenceNumber: 1,
		CommitTimestamp: 1767225601000, CommitNumber: 1725346778429841410, CommitUser: "005SB000000001AYAQ",
	},
	"v3_gap_update": {
		EntityName: "Shipment__c", RecordIDs: []string{"a00SB000000001AYAQ"}, ChangeType: event.GapUpdate,
		TransactionKey: "00000000-0000-0000-0000-000000000002", SequenceNumber: 3,
		CommitTimestamp: 1767225601000, CommitNumber: 1725346778429841410, CommitUser: "005SB000000001AYAQ",
	},
	"v4_gap_overflow": {
		EntityName: "Shipment__c", RecordIDs: []string{event.OverflowRecordID}, ChangeType: event.GapOverflow,
		TransactionKey: "00000000-0000-0000-0000-000000000002", SequenceNumber: 6,
		CommitTimestamp: 1767225601000, CommitNumber: 1725346778429841410, CommitUser: "005SB000000001AYAQ",
	},
}

// plain makes headers comparable: an empty list is no list.
func plain(h event.Header) event.Header {
	for _, list := range []*[]string{&h.RecordIDs, &h.NulledFields, &h.DiffFields, &h.ChangedFields} {
		if len(*list) == 0 {
			*list = nil
		}
	}
	return h
}

func TestDecodeHeader_Vectors_NamesResolved(t *testing.T) {
	c := shipment(t)
	var h event.Header // one for all: what the last left must not show
	for _, file := range []string{"v1_update", "v2_delete_merged", "v1_update", "v3_gap_update", "v4_gap_overflow"} {
		datum := payload(t, file)
		body, err := c.DecodeHeader(datum, &h)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if got, want := plain(h), vectors[file]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", file, got, want)
		}
		if !bytes.HasSuffix(datum, body) || len(body) == 0 || &body[len(body)-1] != &datum[len(datum)-1] {
			t.Errorf("%s: the body is not the payload's own end", file)
		}
	}
}

func TestDecodeHeader_DoesNotReferToThePayload(t *testing.T) {
	datum := payload(t, "v1_update")
	var h event.Header
	if _, err := shipment(t).DecodeHeader(datum, &h); err != nil {
		t.Fatal(err)
	}
	clear(datum)
	if !reflect.DeepEqual(plain(h), vectors["v1_update"]) {
		t.Errorf("the header changed with the payload's bytes: %+v", h)
	}
}

// headerOf is a header as the readers give it.
func headerOf(h event.Header) object {
	return generic(object{
		"entityName": h.EntityName, "recordIds": h.RecordIDs, "changeType": string(h.ChangeType), "changeOrigin": h.ChangeOrigin,
		"transactionKey": h.TransactionKey, "sequenceNumber": h.SequenceNumber, "commitTimestamp": h.CommitTimestamp,
		"commitNumber": h.CommitNumber, "commitUser": h.CommitUser, "nulledFields": h.NulledFields,
		"diffFields": h.DiffFields, "changedFields": h.ChangedFields,
	}).(object)
}

// C04, C50: each record id becomes a record of its own, with names for bitmaps.
func TestAppendChange_EveryRecordID_ReadByOthers(t *testing.T) {
	c := shipment(t)
	for file, want := range vectors {
		datum := payload(t, file)
		var h event.Header
		body, err := c.DecodeHeader(datum, &h)
		if err != nil {
			t.Fatal(err)
		}
		before := decoded(t, read(t, "shipment.avsc"), datum)
		for _, id := range want.RecordIDs {
			value := c.AppendChange([]byte("kept"), 7, &h, id, body)
			value, found := bytes.CutPrefix(value, []byte("kept"))
			if !found {
				t.Fatal("what stood in dst is gone")
			}
			number, after, err := schemas.ParseFrame(value)
			if err != nil || number != 7 {
				t.Fatalf("ParseFrame = %d, %v", number, err)
			}
			wantHeader := want
			wantHeader.RecordIDs = []string{id}
			before["ChangeEventHeader"] = headerOf(wantHeader)
			if got := decoded(t, c.Normalised(), after); !reflect.DeepEqual(got, before) {
				t.Errorf("%s, record %s:\ngot  %v\nwant %v", file, id, got, before)
			}
			if err := c.CheckPayload(after); err != nil {
				t.Errorf("%s: our own value: %v", file, err)
			}
		}
	}
}

// What the bridge has written is itself a change event: a reader of the change
// topic decodes it with the same codec.
func TestDecodeHeader_OfAWrittenRecord_NamesStay(t *testing.T) {
	c := shipment(t)
	var h, again event.Header
	body, err := c.DecodeHeader(payload(t, "v1_update"), &h)
	if err != nil {
		t.Fatal(err)
	}
	_, written, err := schemas.ParseFrame(c.AppendChange(nil, 1, &h, h.RecordIDs[0], body))
	if err != nil {
		t.Fatal(err)
	}
	rest, err := c.DecodeHeader(written, &again)
	if err != nil || !reflect.DeepEqual(plain(again), plain(h)) || !bytes.Equal(rest, body) {
		t.Errorf("second decoding: %v\ngot  %+v\nwant %+v", err, again, h)
	}
}

// Avro writers may split arrays into blocks and give their byte sizes; hamba
// does so (facts: V1 becomes 233 bytes).
func TestDecodeHeader_BlockForm_SameHeader(t *testing.T) {
	s, err := avro.ParseWithCache(read(t, "shipment.avsc"), "", &avro.SchemaCache{})
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := avro.Unmarshal(s, payload(t, "v1_update"), &v); err != nil {
		t.Fatal(err)
	}
	datum, err := avro.Marshal(s, v)
	if err != nil {
		t.Fatal(err)
	}
	if len(datum) != 233 {
		t.Fatalf("hamba wrote %d bytes, not the block form of 233", len(datum))
	}
	var h event.Header
	if _, err := shipment(t).DecodeHeader(datum, &h); err != nil || !reflect.DeepEqual(plain(h), vectors["v1_update"]) {
		t.Errorf("%v, %+v", err, h)
	}
}

func TestDecodeHeader_AnyCut_Refused(t *testing.T) {
	c, datum := shipment(t), payload(t, "v1_update")
	var h event.Header
	body, err := c.DecodeHeader(datum, &h)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(datum) - len(body) {
		_, err := c.DecodeHeader(datum[:n], &h)
		pe, ok := errors.AsType[*schemas.PayloadError](err)
		if !ok || pe.Field != "" && !strings.HasPrefix(pe.Field, "ChangeEventHeader") {
			t.Fatalf("%d bytes: %v; want a PayloadError in ChangeEventHeader", n, err)
		}
	}
}

func TestDecodeHeader_WrongSchemasBitmap_Refused(t *testing.T) {
	datum := bytes.Replace(payload(t, "v1_update"), []byte("0x04A0"), []byte("0xF4A0"), 1)
	var h event.Header
	_, err := shipment(t).DecodeHeader(datum, &h)
	pe, ok := errors.AsType[*schemas.PayloadError](err)
	if !ok || pe.Field != "ChangeEventHeader.changedFields" || !strings.Contains(err.Error(), "bit 13") {
		t.Errorf("%v; want a PayloadError in changedFields about bit 13", err)
	}
}

func TestDecodeHeader_PlatformEvent_IsNoChangeEvent(t *testing.T) {
	var h event.Header
	_, err := compile(t, dockAlertID, read(t, "dock_alert.avsc")).DecodeHeader(payload(t, "dock_alert"), &h)
	if !errors.Is(err, schemas.ErrNotChangeEvent) {
		t.Errorf("%v; want ErrNotChangeEvent", err)
	}
}

// otherHeader is a change event whose header is not as we know it: another
// order, nullable fields, wider numbers, and fields that we have never seen.
const otherHeader = `{"type":"record","name":"XChangeEvent","namespace":"com.sforce.eventbus","fields":[
 {"name":"ChangeEventHeader","type":{"type":"record","name":"ChangeEventHeader","fields":[
  {"name":"newKind","type":{"type":"record","name":"New","fields":[{"name":"a","type":"double"},{"name":"b","type":{"type":"map","values":"string"}}]}},
  {"name":"changeType","type":"string"},
  {"name":"recordIds","type":{"type":"array","items":"string"}},
  {"name":"entityName","type":["null","string"]},
  {"name":"changeOrigin","type":["string","null"]},
  {"name":"sequenceNumber","type":"long"},
  {"name":"commitTimestamp","type":["null","string","long"]},
  {"name":"changedFields","type":["null",{"type":"array","items":"string"}]},
  {"name":"tags","type":{"type":"array","items":"int"}}]}},
 {"name":"Name","type":["null","string"]},
 {"name":"Phone","type":["null","string"]}]}`

func TestAppendChange_HeaderWithUnknownFields_CarriesThem(t *testing.T) {
	c := compile(t, "", otherHeader)
	s, err := avro.ParseWithCache(otherHeader, "", &avro.SchemaCache{})
	if err != nil {
		t.Fatal(err)
	}
	header := object{
		"newKind":    object{"a": 1.5, "b": object{"k": "v"}},
		"changeType": "UPDATE", "recordIds": []string{"one", "two"},
		"entityName": object{"string": "X"}, "changeOrigin": nil, "sequenceNumber": int64(3),
		"commitTimestamp": object{"long": int64(1767225600000)},
		"changedFields":   object{"array": []string{"0x06"}},
		"tags":            []int{7, 8, 9},
	}
	datum, err := avro.Marshal(s, object{"ChangeEventHeader": header, "Name": object{"string": "n"}, "Phone": nil})
	if err != nil {
		t.Fatal(err)
	}
	var h event.Header
	body, err := c.DecodeHeader(datum, &h)
	if err != nil {
		t.Fatal(err)
	}
	want := event.Header{
		EntityName: "X", RecordIDs: []string{"one", "two"}, ChangeType: event.Update, SequenceNumber: 3,
		CommitTimestamp: 1767225600000, ChangedFields: []string{"Name", "Phone"},
	}
	if !reflect.DeepEqual(plain(h), want) {
		t.Fatalf("got %+v, want %+v", h, want)
	}
	_, value, err := schemas.ParseFrame(c.AppendChange(nil, 1, &h, "two", body))
	if err != nil {
		t.Fatal(err)
	}
	wantDatum := decoded(t, otherHeader, datum)
	wantHeader := wantDatum["ChangeEventHeader"].(object)
	wantHeader["recordIds"] = []any{"two"}
	wantHeader["changedFields"] = []any{"Name", "Phone"}
	wantHeader["changeOrigin"] = "" // a null comes back as empty
	if got := decoded(t, c.Normalised(), value); !reflect.DeepEqual(got, wantDatum) {
		t.Errorf("got  %v\nwant %v", got, wantDatum)
	}
}

func TestCompile_HeaderOfUnexpectedType_SaysWhich(t *testing.T) {
	for field, bad := range map[string]string{"commitTimestamp": `"string"`, "recordIds": `"string"`, "changedFields": `{"type":"array","items":"int"}`} {
		text := strings.Replace(otherHeader, `{"name":"newKind"`, fmt.Sprintf(`{"name":%q,"type":%s},{"name":"newKind"`, field, bad), 1)
		text = strings.Replace(text, fmt.Sprintf(`{"name":%q,"type":["null`, field), `{"name":"x","type":["null`, 1)
		text = strings.Replace(text, `{"name":"recordIds","type":{"type":"array"`, `{"name":"y","type":{"type":"array"`, 1)
		if _, err := schemas.Compile("", text); err == nil || !strings.Contains(err.Error(), "field "+field+" of ChangeEventHeader") {
			t.Errorf("%s as %s: %v", field, bad, err)
		}
	}
}

func TestAppendChange_UnknownChangeType_Panics(t *testing.T) {
	c := shipment(t)
	if c.HasChangeType("MERGE") || !c.HasChangeType(event.Snapshot) {
		t.Error("HasChangeType is wrong about MERGE or SNAPSHOT")
	}
	defer func() {
		if recover() == nil {
			t.Error("a change type that the schema lacks was written as another")
		}
	}()
	c.AppendChange(nil, 1, &event.Header{ChangeType: "MERGE"}, "", nil)
}

func TestAppendChange_EventWithoutRecordIDs_EmptyList(t *testing.T) {
	c := shipment(t)
	var h event.Header
	body, err := c.DecodeHeader(payload(t, "v2_delete_merged"), &h)
	if err != nil {
		t.Fatal(err)
	}
	h.RecordIDs = nil
	_, value, _ := schemas.ParseFrame(c.AppendChange(nil, 1, &h, "", body))
	if ids := decoded(t, c.Normalised(), value)["ChangeEventHeader"].(object)["recordIds"]; len(ids.([]any)) != 0 {
		t.Errorf("recordIds = %v, want none", ids)
	}
}

func TestParseFrame_Garbage_Refused(t *testing.T) {
	for _, b := range [][]byte{nil, {0}, {0, 0, 0, 1}, {1, 0, 0, 0, 1, 2}, []byte(`{"a":1}`)} {
		if _, _, err := schemas.ParseFrame(b); !errors.Is(err, schemas.ErrNotFramed) {
			t.Errorf("ParseFrame(%x): %v; want ErrNotFramed", b, err)
		}
	}
	framed := schemas.AppendFrame([]byte("x"), 0x01020304, []byte("payload"))
	if !slices.Equal(framed, []byte("x\x00\x01\x02\x03\x04payload")) {
		t.Errorf("AppendFrame = %x", framed)
	}
}
