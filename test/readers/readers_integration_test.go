//go:build integration

package readers_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/hamba/avro/v2"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"

	"sfbridge/test/readers"
	"sfbridge/test/rig"
)

const accountSchema = `{"type":"record","name":"AccountChangeEvent","namespace":"com.example","fields":[
 {"name":"Header","type":{"type":"record","name":"Header","fields":[
  {"name":"changeType","type":{"type":"enum","name":"ChangeType","symbols":["CREATE","UPDATE"]}},
  {"name":"recordIds","type":{"type":"array","items":"string"}},
  {"name":"commitTimestamp","type":"long"}]}},
 {"name":"Name","type":["null","string",{"type":"record","name":"Switchable_PersonName","fields":[{"name":"LastName","type":["null","string"]}]}],"default":null},
 {"name":"BillingAddress","type":["null",{"type":"record","name":"Address","fields":[{"name":"City","type":["null","string"]}]}],"default":null},
 {"name":"AnnualRevenue","type":["null","double"],"default":null},
 {"name":"Active","type":["null","boolean"],"default":null},
 {"name":"Photo","type":["null","bytes"],"default":null}]}`

var account = map[string]any{
	"Header":         map[string]any{"changeType": "UPDATE", "recordIds": []string{"001000000000001AAA"}, "commitTimestamp": int64(1700000000123)},
	"Name":           "Zoë & Söhne, Ltd.\n",
	"BillingAddress": map[string]any{"com.example.Address": map[string]any{"City": map[string]any{"string": "Köln"}}},
	"AnnualRevenue":  1234.5,
	"Active":         nil,
	"Photo":          []byte{0, 10, 255},
}

// decoded is what every reader must make of it.
const decoded = `{"Header":{"changeType":"UPDATE","recordIds":["001000000000001AAA"],"commitTimestamp":1700000000123},
 "Name":"Zoë & Söhne, Ltd.\n","BillingAddress":{"City":"Köln"},"AnnualRevenue":1234.5,"Active":null,"Photo":"000aff"}`

// TestReaders_ReadBackWhatWasCommitted writes one committed framed record, one aborted, a tombstone and plain JSON.
func TestReaders_ReadBackWhatWasCommitted(t *testing.T) {
	brokers, registry := rig.Kafka(t), rig.Registry(t)
	topic := fmt.Sprintf("readers-%d", time.Now().UnixNano())
	raw := frame(t, registry, topic)
	write(t, brokers, topic, raw)

	var want any
	if err := json.Unmarshal([]byte(decoded), &want); err != nil {
		t.Fatal(err)
	}
	for name, read := range map[string]func(testing.TB, string, string, string) []readers.Row{
		"java": readers.Java, "python": readers.Python, "kcat": readers.Kcat,
	} {
		t.Run(name, func(t *testing.T) {
			rows := read(t, brokers, registry, topic)
			if len(rows) != 3 {
				t.Fatalf("got %d rows, want the 3 committed ones: %+v", len(rows), rows)
			}
			first := rows[0]
			if first.Topic != topic || first.Partition != 0 || first.Offset != 0 || first.Timestamp == 0 {
				t.Errorf("position: got %+v", first)
			}
			if first.Key == nil || *first.Key != "001000000000001AAA" {
				t.Errorf("key: got %v", first.Key)
			}
			if h := map[string]string{"ce_specversion": "1.0", "sf_origin": "stream"}; !reflect.DeepEqual(first.Headers, h) {
				t.Errorf("headers: got %v, want %v", first.Headers, h)
			}
			if string(first.Raw) != string(raw) || string(first.Body()) != string(raw[5:]) {
				t.Errorf("bytes: got %x, want %x", first.Raw, raw)
			}
			if got := normal(t, first.Value); !reflect.DeepEqual(got, want) {
				t.Errorf("value:\n got %v\nwant %v", got, want)
			}
			if got := first.Field("BillingAddress", "City"); got != "Köln" {
				t.Errorf("Field: got %v", got)
			}
			if rows[1].Value != nil || rows[1].Raw != nil || rows[1].Body() != nil {
				t.Errorf("tombstone: got %+v", rows[1])
			}
			if rows[2].Key != nil || rows[2].Field("a") != json.Number("1") {
				t.Errorf("plain JSON without a key: got %+v", rows[2])
			}
		})
	}
}

// frame registers the schema and returns the framed record.
func frame(t *testing.T, registry, topic string) []byte {
	t.Helper()
	client, err := sr.NewClient(sr.URLs(registry))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := client.CreateSchema(t.Context(), topic+"-value", sr.Schema{Schema: accountSchema})
	if err != nil {
		t.Fatal(err)
	}
	body, err := avro.Marshal(avro.MustParse(accountSchema), account)
	if err != nil {
		t.Fatal(err)
	}
	var header sr.ConfluentHeader
	raw, err := header.AppendEncode(nil, subject.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	return append(raw, body...)
}

func write(t *testing.T, brokers, topic string, raw []byte) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.TransactionalID(topic), kgo.DefaultProduceTopic(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 1, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
	key := []byte("001000000000001AAA")
	transaction(t, client, kgo.TryCommit, &kgo.Record{Key: key, Value: raw, Headers: []kgo.RecordHeader{
		{Key: "ce_specversion", Value: []byte("1.0")}, {Key: "sf_origin", Value: []byte("stream")},
	}}, &kgo.Record{Key: key})
	transaction(t, client, kgo.TryAbort, &kgo.Record{Key: key, Value: []byte("never to be seen")})
	transaction(t, client, kgo.TryCommit, &kgo.Record{Value: []byte(`{"a":1}`)})
}

func transaction(t *testing.T, client *kgo.Client, end kgo.TransactionEndTry, records ...*kgo.Record) {
	t.Helper()
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := client.EndTransaction(t.Context(), end); err != nil {
		t.Fatal(err)
	}
}

// normal turns json.Number into float64, so that 1.0 and 1 compare equal.
func normal(t *testing.T, v any) any {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}
