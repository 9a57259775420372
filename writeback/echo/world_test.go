package echo_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linkedin/goavro/v2"

	"sfbridge/event"
	"sfbridge/kafka"
	"sfbridge/kafka/kafkatest"
	"sfbridge/salesforce"
	"sfbridge/schemas"
	"sfbridge/writeback/echo"
	"sfbridge/writeback/rows"
)

const thingSchema = `{"type":"record","name":"Thing__ChangeEvent","namespace":"com.sforce.eventbus","fields":[
 {"name":"ChangeEventHeader","type":{"type":"record","name":"ChangeEventHeader","fields":[
  {"name":"entityName","type":"string"},{"name":"recordIds","type":{"type":"array","items":"string"}},
  {"name":"changeType","type":{"type":"enum","name":"ChangeType","symbols":["CREATE","UPDATE","DELETE","UNDELETE",
   "GAP_CREATE","GAP_UPDATE","GAP_DELETE","GAP_UNDELETE","GAP_OVERFLOW","SNAPSHOT"]}},
  {"name":"changeOrigin","type":"string"},{"name":"transactionKey","type":"string"},{"name":"sequenceNumber","type":"int"},
  {"name":"commitTimestamp","type":"long"},{"name":"commitNumber","type":"long"},{"name":"commitUser","type":"string"},
  {"name":"nulledFields","type":{"type":"array","items":"string"}},{"name":"diffFields","type":{"type":"array","items":"string"}},
  {"name":"changedFields","type":{"type":"array","items":"string"}}]}},
 {"name":"Name","type":["null","string"],"default":null},
 {"name":"Phone","type":["null","string"],"default":null},
 {"name":"LastModifiedDate","type":["null","long"],"default":null},
 {"name":"ERP__c","type":["null","string"],"default":null},
 {"name":"Number__c","type":["null","double"],"default":null},
 {"name":"Email__c","type":["null","string"],"default":null},
 {"name":"Amount__c","type":["null","double"],"default":null},
 {"name":"Count__c","type":["null","int"],"default":null},
 {"name":"Active__c","type":["null","boolean"],"default":null},
 {"name":"Due__c","type":["null","long"],"default":null},
 {"name":"At__c","type":["null","long"],"default":null},
 {"name":"Hour__c","type":["null","long"],"default":null},
 {"name":"Tags__c","type":["null","string"],"default":null},
 {"name":"Notes__c","type":["null","string"],"default":null},
 {"name":"Label__c","type":["null","string"],"doc":"Formula:Text:00NSB000000003a","default":null},
 {"name":"BillingAddress","type":["null",{"type":"record","name":"Address","fields":[
  {"name":"City","type":["null","string"],"default":null},{"name":"State","type":["null","string"],"default":null},
  {"name":"StateCode","type":["null","string"],"default":null}]}],"default":null},
 {"name":"Depot__c","type":["null",{"type":"record","name":"Location","fields":[
  {"name":"Latitude","type":["null","double"],"default":null},{"name":"Longitude","type":["null","double"],"default":null}]}],"default":null}
]}`

// fields of the object that the schema is of, as describe tells them.
var fields = map[string]*salesforce.Field{
	"Name":               {Name: "Name", Type: "string"},
	"Phone":              {Name: "Phone", Type: "phone"},
	"ERP__c":             {Name: "ERP__c", Type: "string", ExternalID: true},
	"Number__c":          {Name: "Number__c", Type: "double", ExternalID: true},
	"Email__c":           {Name: "Email__c", Type: "email"},
	"Amount__c":          {Name: "Amount__c", Type: "currency", Precision: 18, Scale: 2},
	"Count__c":           {Name: "Count__c", Type: "int"},
	"Active__c":          {Name: "Active__c", Type: "boolean"},
	"Due__c":             {Name: "Due__c", Type: "date"},
	"At__c":              {Name: "At__c", Type: "datetime"},
	"Hour__c":            {Name: "Hour__c", Type: "time"},
	"Tags__c":            {Name: "Tags__c", Type: "multipicklist"},
	"Notes__c":           {Name: "Notes__c", Type: "textarea"},
	"BillingCity":        {Name: "BillingCity", Type: "string", CompoundField: "BillingAddress"},
	"BillingState":       {Name: "BillingState", Type: "string", CompoundField: "BillingAddress"},
	"BillingStateCode":   {Name: "BillingStateCode", Type: "picklist", CompoundField: "BillingAddress"},
	"Depot__Latitude__s": {Name: "Depot__Latitude__s", Type: "double", Scale: 6, CompoundField: "Depot__c"},
	"Hidden__c":          {Name: "Hidden__c", Type: "string"}, // not in the schema
}

const (
	writesTopic = "_sfbridge.crm.writes"
	ours        = "com/salesforce/api/rest/64.0;client=sfbridge-crm"
)

// world is an announcer, a registry that follows it, and a judge.
type world struct {
	t         *testing.T
	cluster   *kafkatest.Cluster
	client    *kafka.Client
	announcer *echo.Announcer
	registry  *echo.Registry
	judge     *echo.Judge
	codec     *schemas.Codec
	avro      *goavro.Codec
	seq       int
	stop      []func()
}

// inBubble runs fn with a world of its own.
func inBubble(t *testing.T, fn func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		fn(w)
	})
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, cluster: kafkatest.Fake(t)}
	var err error
	if w.client, err = kafka.New(kafka.Config{Brokers: w.cluster.Brokers, Dial: w.cluster.Dial}); err != nil {
		t.Fatal(err)
	}
	w.stop = append(w.stop, func() { w.client.Close() })
	if _, err := w.client.EnsureTopic(t.Context(), kafka.TopicSpec{Name: writesTopic, Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	w.announcer = echo.NewAnnouncer(echo.AnnouncerConfig{Kafka: w.client, Topic: writesTopic})
	w.stop = append(w.stop, func() { w.announcer.Close() })
	w.registry = w.follow(echo.RegistryConfig{})
	w.judge = w.registry.Judge("main")
	w.compile()
	return w
}

func (w *world) compile() {
	w.t.Helper()
	var err error
	if w.codec, err = schemas.Compile("test", thingSchema); err != nil {
		w.t.Fatal(err)
	}
	if w.avro, err = goavro.NewCodec(thingSchema); err != nil {
		w.t.Fatal(err)
	}
}

// follow starts a registry of another process.
func (w *world) follow(cfg echo.RegistryConfig) *echo.Registry {
	cfg.Kafka, cfg.Topic, cfg.Client = w.client, writesTopic, "sfbridge-crm"
	r := echo.NewRegistry(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	w.stop = append(w.stop, func() { cancel(); <-done })
	return r
}

func (w *world) close() {
	for i := len(w.stop) - 1; i >= 0; i-- {
		w.stop[i]()
	}
}

// unreachable takes Kafka away, or gives it back.
func (w *world) unreachable(yes bool) {
	for _, addr := range w.cluster.Brokers {
		if yes {
			w.cluster.Net.Blackhole(addr)
		} else {
			w.cluster.Net.Heal(addr)
		}
	}
}

// announce announces writes of things that ERP__c tells apart.
func (w *world) announce(writes ...echo.Write) *echo.Announced {
	w.t.Helper()
	n, err := w.announcer.Announce(w.t.Context(), echo.Batch{Org: "main", Object: "Thing__c", KeyField: "ERP__c", Writes: writes})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// set is one field that is written; a nil value is null.
type set map[string]any

func pairs(values set) []echo.Pair {
	var out []echo.Pair
	for name, v := range values {
		f := fields[name]
		if f == nil {
			panic("no field " + name)
		}
		value := rows.Value{Kind: rows.Text}
		switch v := v.(type) {
		case nil:
			value.Kind = rows.Null
		case bool:
			value.Kind, value.Text = rows.Bool, fmt.Sprint(v)
		default:
			value.Text = fmt.Sprint(v)
		}
		out = append(out, echo.Pair{Field: f, Value: value})
	}
	return out
}

func update(id string, values set) echo.Write {
	return echo.Write{Operation: rows.Update, ID: id, Fields: pairs(values)}
}

func upsert(key string, values set) echo.Write {
	return echo.Write{Operation: rows.Upsert, Key: key, Fields: pairs(values)}
}

// change is an event to be judged.
type change struct {
	typ     event.ChangeType
	id      string
	ids     []string
	origin  string // default ours
	changed []string
	nulled  []string
	diffs   []string
	body    map[string]any // values by field; nested maps for compounds
	at      time.Time      // default now
	object  string         // default Thing__c
}

// judged gives the verdicts on a change's records; the judge takes it for a
// response of its own.
func (w *world) judged(c change) []bool {
	w.t.Helper()
	payload, h := w.encode(c)
	return w.judgedBy(w.judge, payload, h)
}

func (w *world) judgedBy(j *echo.Judge, payload []byte, h *event.Header) []bool {
	w.t.Helper()
	j.Begin()
	verdicts := make([]bool, len(h.RecordIDs))
	if !j.Own(h) {
		return verdicts
	}
	j.Event(w.codec, payload, h)
	for i, id := range h.RecordIDs {
		ok, err := j.Echo(w.t.Context(), id)
		if err != nil {
			w.t.Fatal(err)
		}
		verdicts[i] = ok
	}
	return verdicts
}

func (w *world) isEcho(c change) bool {
	w.t.Helper()
	return w.judged(c)[0]
}

// encode makes the event that an org would send.
func (w *world) encode(c change) ([]byte, *event.Header) {
	w.t.Helper()
	w.seq++
	if c.ids == nil {
		c.ids = []string{c.id}
	}
	if c.origin == "" {
		c.origin = ours
	}
	if c.at.IsZero() {
		c.at = time.Now()
	}
	if c.object == "" {
		c.object = "Thing__c"
	}
	list := func(s []string) []any {
		out := make([]any, len(s))
		for i := range s {
			out[i] = s[i]
		}
		return out
	}
	native := map[string]any{"ChangeEventHeader": map[string]any{
		"entityName": c.object, "recordIds": list(c.ids), "changeType": string(c.typ), "changeOrigin": c.origin,
		"transactionKey": fmt.Sprintf("tx-%d", w.seq), "sequenceNumber": 1, "commitTimestamp": c.at.Truncate(time.Second).UnixMilli(),
		"commitNumber": int64(w.seq), "commitUser": "005SB000000001AYAQ",
		"nulledFields": list(c.nulled), "diffFields": list(c.diffs), "changedFields": list(append(c.changed, "LastModifiedDate")),
	}}
	types := map[string]string{}
	for _, f := range w.codec.Fields() {
		types[f.Name] = f.Type
		if _, header := native[f.Name]; !header {
			native[f.Name] = nil
		}
	}
	for name, v := range c.body {
		native[name] = tagged(name, types[name], v)
	}
	native["LastModifiedDate"] = goavro.Union("long", c.at.UnixMilli())
	payload, err := w.avro.BinaryFromNative(nil, native)
	if err != nil {
		w.t.Fatal(err)
	}
	h := new(event.Header)
	if _, err := w.codec.DecodeEvent(payload, h); err != nil {
		w.t.Fatal(err)
	}
	return payload, h
}

func tagged(name, avro string, v any) any {
	parts, ok := v.(map[string]any)
	if !ok {
		if v == nil {
			return nil
		}
		return goavro.Union(avro, v)
	}
	full, record := "com.sforce.eventbus.Address", map[string]any{"City": nil, "State": nil, "StateCode": nil}
	if name == "Depot__c" {
		full, record = "com.sforce.eventbus.Location", map[string]any{"Latitude": nil, "Longitude": nil}
	}
	for part, v := range parts {
		if s, ok := v.(string); ok {
			record[part] = goavro.Union("string", s)
		} else if v != nil {
			record[part] = goavro.Union("double", v)
		}
	}
	return goavro.Union(full, record)
}

// keys of a body, which an update lists as changed.
func updated(id string, body map[string]any) change {
	c := change{typ: event.Update, id: id, body: body}
	for name, v := range body {
		if parts, ok := v.(map[string]any); ok {
			for part, v := range parts {
				c.changed = append(c.changed, name+"."+part)
				if v == nil {
					c.nulled = append(c.nulled, name+"."+part)
				}
			}
			continue
		}
		c.changed = append(c.changed, name)
		if v == nil {
			c.nulled = append(c.nulled, name)
		}
	}
	return c
}

func created(id string, body map[string]any) change {
	return change{typ: event.Create, id: id, body: body}
}

const (
	idA = "a00SB000000001AYAQ"
	idB = "a00SB000000002AYAQ"
	idC = "a00SB000000003AYAQ"
)
