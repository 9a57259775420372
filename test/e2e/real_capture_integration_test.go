//go:build integration

package e2e

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/event"
	"sfbridge/orgsim"
	"sfbridge/schemas"
	"sfbridge/test/readers"
	"sfbridge/test/rig"
)

// TestReal_EveryObject_ReadByClientsOfOthers carries all objects and a
// platform event into Apache Kafka and a real registry. Each record is held
// against what the org sent, byte by byte, and then against what the Java
// client with Apache Avro, librdkafka with fastavro, and kcat make of it.
func TestReal_EveryObject_ReadByClientsOfOthers(t *testing.T) {
	s := newReal(t, rig.Kafka(t), rig.Registry(t), orgsim.Config{Seed: uint64(time.Now().UnixNano())})
	r := s.start(s.config())
	s.everyKindOfValue()
	if _, err := s.sb.Org.Work(t.Context(), orgsim.WorkConfig{Rate: 1000, Seed: 7, Changes: 300}); err != nil {
		t.Fatal(err)
	}
	records, v := s.complete(time.Minute)
	r.stop()
	if v.ChangesMade < 300 {
		t.Errorf("%d changes: this tested little", v.ChangesMade)
	}
	for _, channel := range channels {
		topic := s.prefix + ".event.Shipment__e"
		if channel != "/event/Shipment__e" {
			topic = s.prefix + ".cdc." + objectName(channel)
		}
		got := inTopic(records, topic)
		if len(got) < 20 {
			t.Errorf("%s has %d records: this tested little", topic, len(got))
		}
		s.asSent(channel, got)
		s.asOthersRead(topic, got)
	}
}

func objectName(channel string) string {
	return map[string]string{accountChannel: "Account", contactChannel: "Contact", opportunityChannel: "Opportunity", orderChannel: "Order__c"}[channel]
}

// everyKindOfValue makes changes with each type of field, in other scripts
// than ours, set and cleared, and a change of many records at once.
func (s *realSystem) everyKindOfValue() {
	s.t.Helper()
	text, num := orgsim.String, orgsim.MustDecimal
	id := s.insert("Order__c", map[string]orgsim.Value{
		"Total__c": num("1234567.89"), "Quantity__c": num("3"), "Discount__c": num("12.5"), "Paid__c": orgsim.Bool(true),
		"Due__c": orgsim.Date(20500), "Shipped_At__c": orgsim.DateTime(1_780_000_000_123), "Pickup_Time__c": orgsim.TimeOfDay(33_307_000),
		"Email__c": text("ship@example.com"), "Phone__c": text("+41 31 000 00 00"), "Link__c": text("https://example.com/?a=1&b=<2>"),
		"Summary__c": text("line one\nline two"), "Notes__c": text("Zoë, 東京, 🚚\t\"quoted\" \\ and more"), "Terms__c": text("<p>net 30</p>"),
		"Channels__c": text("Web;Phone"), "Ship_To__Street__s": text("Hauptstr. 1"), "Ship_To__City__s": text("Köln"),
		"Ship_To__Latitude__s": num("50.9413"), "Ship_To__Longitude__s": num("6.958"),
		"Depot__Latitude__s": num("-33.5"), "Depot__Longitude__s": num("151.25"), "ERP_Id__c": text(fmt.Sprint("E", time.Now().UnixNano())),
	})
	s.update(id, map[string]orgsim.Value{"Total__c": num("-0.01"), "Due__c": {}, "Ship_To__City__s": {}, "Paid__c": orgsim.Bool(false), "Notes__c": text("short")})
	account := s.insert("Account", map[string]orgsim.Value{
		"BillingStreet": text("Main St 1"), "BillingCity": text("Bern"),
		"AnnualRevenue": num("9007199254740993"), "NumberOfEmployees": orgsim.Int(42), "Score__c": num("0.0001"), "Tags__c": text("a;b"),
	})
	contact := s.insert("Contact", map[string]orgsim.Value{"FirstName": text("Ada"), "AccountId": text(account), "Birthdate": orgsim.Date(-5000)})
	s.update(contact, map[string]orgsim.Value{"FirstName": {}, "Salutation": text("Dr.")})
	var many []string
	s.transact(func(tx *orgsim.Tx) error {
		for range 5 {
			id, err := tx.Insert("Account", name("Alike"))
			if err != nil {
				return err
			}
			many = append(many, id)
		}
		return nil
	})
	s.group(many, "5")
	s.transact(func(tx *orgsim.Tx) error { return tx.Delete(account) })
	s.transact(func(tx *orgsim.Tx) error { return tx.Undelete(account) })
	_, _, err := s.sb.Org.PublishEvent(context.Background(), orgsim.Caller{API: "rest"}, "Shipment__e", map[string]orgsim.Value{
		"Order_Number__c": text("4711"), "Weight__c": num("12.345"), "Shipped_At__c": orgsim.DateTime(1_780_000_000_456),
		"Due__c": orgsim.Date(20501), "Is_Late__c": orgsim.Bool(true), "Notes__c": text("fragile: 玻璃"),
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// asSent holds records against the events that the org has, one by one: body
// bytes, header, key, partition, time and record headers.
func (s *realSystem) asSent(channel string, got []*kgo.Record) {
	s.t.Helper()
	byChange := make(map[string]*kgo.Record)
	for _, r := range got {
		byChange[header(r, "ce_id")+" "+string(r.Key)] = r
	}
	javaPartition := kgo.StickyKeyPartitioner(nil).ForTopic("any")
	seen := 0
	for _, ev := range s.sent(channel) {
		text, ok := s.sb.Org.SchemaJSON(ev.SchemaID)
		if !ok {
			s.t.Fatalf("no schema %s", ev.SchemaID)
		}
		codec, err := schemas.Compile(ev.SchemaID, text)
		if err != nil {
			s.t.Fatal(err)
		}
		want := map[string]string{
			"ce_specversion": "1.0", "ce_id": ev.UUID, "ce_source": "/salesforce/" + s.sb.Org.OrgID() + channel,
			"sf_replay_id": ev.ReplayID.String(), "sf_schema_id": string(ev.SchemaID), "sf_origin": "stream",
		}
		ids, body := []string{ev.UUID}, ev.Payload
		at := createdOf(ev.Payload)
		want["ce_type"] = "com.salesforce." + codec.Name()
		var h event.Header
		if codec.IsChangeEvent() {
			if body, err = codec.DecodeHeader(ev.Payload, &h); err != nil {
				s.t.Fatal(err)
			}
			ids, at = slices.Clone(h.RecordIDs), h.CommitTimestamp
			want["ce_type"] = "com.salesforce." + h.EntityName + "." + string(h.ChangeType)
		}
		for _, id := range ids {
			r := byChange[ev.UUID+" "+id]
			if r == nil {
				s.t.Errorf("event %s of %s: no record for %s", ev.ReplayID, channel, id)
				continue
			}
			seen++
			want["ce_subject"] = id
			s.recordHeaders(r, want, at)
			if p := int32(javaPartition.Partition(&kgo.Record{Key: r.Key}, 4)); r.Partition != p {
				s.t.Errorf("record %s is in partition %d, the Java client would take %d", id, r.Partition, p)
			}
			s.value(codec, r, &h, id, body)
		}
	}
	if seen != len(got) {
		s.t.Errorf("%s: %d records of %d are explained by events", channel, seen, len(got))
	}
}

// createdOf reads CreatedDate, the first field of a platform event: a zigzag
// varint of milliseconds.
func createdOf(payload []byte) int64 {
	var u uint64
	for i, b := range payload {
		u |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			break
		}
	}
	return int64(u >> 1)
}

func (s *realSystem) recordHeaders(r *kgo.Record, want map[string]string, at int64) {
	s.t.Helper()
	got := make(map[string]string)
	for _, h := range r.Headers {
		if _, twice := got[h.Key]; twice {
			s.t.Errorf("header %s is there twice", h.Key)
		}
		got[h.Key] = string(h.Value)
	}
	when, err := time.Parse(time.RFC3339, got["ce_time"])
	if err != nil || when.UnixMilli() != at || r.Timestamp.UnixMilli() != at {
		s.t.Errorf("ce_time %s and record time %s, want %s", got["ce_time"], r.Timestamp, time.UnixMilli(at))
	}
	delete(got, "ce_time")
	if !maps.Equal(got, want) {
		s.t.Errorf("headers\n got %v\nwant %v", got, want)
	}
}

// value checks frame, header and body of one record.
func (s *realSystem) value(codec *schemas.Codec, r *kgo.Record, sent *event.Header, id string, body []byte) {
	s.t.Helper()
	_, payload, err := schemas.ParseFrame(r.Value)
	if err != nil {
		s.t.Fatal(err)
	}
	if !codec.IsChangeEvent() {
		if !bytes.Equal(payload, body) {
			s.t.Errorf("the payload of event %s is another one", id)
		}
		return
	}
	var h event.Header
	rest, err := codec.DecodeHeader(payload, &h)
	if err != nil {
		s.t.Fatal(err)
	}
	if !bytes.Equal(rest, body) {
		s.t.Errorf("the body of record %s is not what the org sent:\n got %x\nwant %x", id, rest, body)
	}
	want := *sent
	want.RecordIDs = []string{id}
	if a, b := fmt.Sprintf("%+v", h), fmt.Sprintf("%+v", want); a != b {
		s.t.Errorf("header of %s\n got %s\nwant %s", id, a, b)
	}
}

// asOthersRead compares what three readers see with what is there, and with
// one another.
func (s *realSystem) asOthersRead(topic string, want []*kgo.Record) {
	s.t.Helper()
	values := make([]any, len(want))
	first := ""
	for _, reader := range []struct {
		name string
		read func(testing.TB, string, string, string) []readers.Row
	}{{"java", readers.Java}, {"python", readers.Python}, {"kcat", readers.Kcat}} {
		rows := reader.read(s.t, s.sb.KafkaAddr, s.sb.RegistryURL, topic)
		slices.SortFunc(rows, func(a, b readers.Row) int {
			return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
		})
		if len(rows) != len(want) {
			s.t.Errorf("%s sees %d records in %s, want %d", reader.name, len(rows), topic, len(want))
			continue
		}
		for i, row := range rows {
			w := want[i]
			if row.Partition != w.Partition || row.Offset != w.Offset || row.Key == nil || *row.Key != string(w.Key) ||
				!bytes.Equal(row.Raw, w.Value) || row.Timestamp != w.Timestamp.UnixMilli() {
				s.t.Errorf("%s sees %d/%d with key %v, want %d/%d with key %s", reader.name, row.Partition, row.Offset, row.Key, w.Partition, w.Offset, w.Key)
			}
			for _, h := range w.Headers {
				if row.Headers[h.Key] != string(h.Value) {
					s.t.Errorf("%s sees header %s=%q, want %q", reader.name, h.Key, row.Headers[h.Key], h.Value)
				}
			}
			if values[i] == nil {
				values[i], first = row.Value, reader.name
			} else if diff := differ(values[i], row.Value); diff != "" {
				s.t.Errorf("%s/%d/%d: %s and %s differ: %s", topic, row.Partition, row.Offset, first, reader.name, diff)
			}
		}
	}
}

// differ tells where two decoded values differ; empty for nowhere. Numbers
// are compared as integers where both are, so that none passes a float.
func differ(a, b any) string {
	switch a := a.(type) {
	case map[string]any:
		m, ok := b.(map[string]any)
		if !ok || len(a) != len(m) {
			return fmt.Sprintf("%v and %v", a, b)
		}
		for k := range a {
			if d := differ(a[k], m[k]); d != "" {
				return k + ": " + d
			}
		}
		return ""
	case []any:
		l, ok := b.([]any)
		if !ok || len(a) != len(l) {
			return fmt.Sprintf("%v and %v", a, b)
		}
		for i := range a {
			if d := differ(a[i], l[i]); d != "" {
				return d
			}
		}
		return ""
	case json.Number:
		n, ok := b.(json.Number)
		if ok && sameNumber(a.String(), n.String()) {
			return ""
		}
		return fmt.Sprintf("%v and %v", a, b)
	}
	if a != b {
		return fmt.Sprintf("%#v and %#v", a, b)
	}
	return ""
}

func sameNumber(a, b string) bool {
	i, errA := strconv.ParseInt(a, 10, 64)
	j, errB := strconv.ParseInt(b, 10, 64)
	if errA == nil && errB == nil {
		return i == j
	}
	x, errA := strconv.ParseFloat(a, 64)
	y, errB := strconv.ParseFloat(b, 64)
	return errA == nil && errB == nil && x == y
}
