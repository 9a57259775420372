package publish_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sfbridge/internal/flow"
	"sfbridge/kafka"
	"sfbridge/kafka/kafkatest"
	"sfbridge/orgsim"
	"sfbridge/orgsim/orgsimtest"
	"sfbridge/publish"
	"sfbridge/pubsub"
	"sfbridge/salesforce"
	"sfbridge/salesforce/auth"
	"sfbridge/schemas"
)

const (
	topic   = "erp.shipments"
	retries = "retries"
	results = "results"
	letters = "dlq"
	channel = "/event/Shipment__e"
)

// rig is an org, a Kafka and what a flow between them needs.
type rig struct {
	t     *testing.T
	org   *orgsimtest.Running
	kafka *kafkatest.Cluster
	reg   *prometheus.Registry

	mu    sync.Mutex
	aside map[string]int // guarded by mu; dead letters by reason, as the flow counted them
}

// inBubble makes a rig in a synctest bubble.
func inBubble(t *testing.T, cfg orgsim.Config, fn func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, org: orgsimtest.StartMem(t, cfg), kafka: kafkatest.Fake(t), reg: prometheus.NewRegistry(), aside: map[string]int{}}
		c := r.kafkaClient()
		for name, partitions := range map[string]int32{topic: 2, retries: 2, results: 1, letters: 1} {
			if _, err := c.EnsureTopic(t.Context(), kafka.TopicSpec{Name: name, Partitions: partitions, Replication: 1}); err != nil {
				t.Fatal(err)
			}
		}
		fn(t, r)
	})
}

// setAside is how many dead letters the flow counted under a reason.
func (r *rig) setAside(reason string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.aside[reason]
}

func (r *rig) kafkaClient() *kafka.Client {
	r.t.Helper()
	c, err := kafka.New(kafka.Config{Brokers: r.kafka.Brokers, Dial: r.kafka.Dial})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	return c
}

// session is a login that is always there, unless it was given another user.
type session struct {
	r *rig
}

func (s session) Token(context.Context) (auth.Token, error) {
	return auth.Token{AccessToken: orgsimtest.Token, InstanceURL: s.r.org.HTTPURL, OrgID: s.r.org.Org.OrgID(), UserID: s.r.org.Org.IntegrationUser()}, nil
}

func (s session) Invalidate(auth.Token) { s.r.org.Login() }

func (r *rig) pubsub() *pubsub.Client {
	r.t.Helper()
	c, err := pubsub.New(pubsub.Config{
		Endpoint: "127.0.0.1:7443", Plaintext: true, Session: session{r},
		Dial: func(ctx context.Context, _ string) (net.Conn, error) {
			return r.org.Net.DialAddr(ctx, r.org.PubSubAddr)
		},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	return c
}

// config is that of a flow with clients of its own, so that one can be killed.
func (r *rig) config(change ...func(*publish.Config)) publish.Config {
	r.t.Helper()
	web := r.org.HTTPClient()
	r.t.Cleanup(web.CloseIdleConnections)
	api, err := salesforce.New(salesforce.Config{Session: session{r}, APIVersion: "64.0", HTTPClient: web})
	if err != nil {
		r.t.Fatal(err)
	}
	ps := r.pubsub()
	cfg := publish.Config{
		Name: topic + "/main/Shipment__e", Org: "main", Event: "Shipment__e", Format: schemas.JSON,
		Consumer: kafka.ConsumerConfig{
			Group: "g", Topic: topic, With: []string{retries}, TransactionalID: func(p int32) string { return fmt.Sprint("g-", p) },
		},
		ResultsTopic: results, DeadLetterTopic: letters,
		Kafka: r.kafkaClient(), Decoder: schemas.NewDecoder(nil), PubSub: ps, Schemas: schemas.NewCache(ps), API: api,
		DeadLettered: func(reason string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.aside[reason]++
		},
		Registerer: r.reg,
	}
	for _, c := range change {
		c(&cfg)
	}
	return cfg
}

func (r *rig) flow(change ...func(*publish.Config)) *publish.Flow {
	r.t.Helper()
	f, err := publish.New(r.config(change...))
	if err != nil {
		r.t.Fatal(err)
	}
	return f
}

// run runs a flow until the function that it returns is called.
func (r *rig) run(f *publish.Flow) (stop func() error) {
	ctx, cancel := context.WithCancel(r.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-ended
	}
	r.t.Cleanup(func() { _ = stop() })
	return stop
}

// produce writes records whose keys and values are given in turn; "" is a null
// key, and a null value.
func (r *rig) produce(to string, keysAndValues ...string) {
	r.t.Helper()
	var recs []*kgo.Record
	for i := 0; i < len(keysAndValues); i += 2 {
		rec := &kgo.Record{Topic: to}
		if k := keysAndValues[i]; k != "" {
			rec.Key = []byte(k)
		}
		if v := keysAndValues[i+1]; v != "" {
			rec.Value = []byte(v)
		}
		recs = append(recs, rec)
	}
	r.send(recs)
}

// produceRecords writes records to the partitions that they name.
func (r *rig) produceRecords(recs ...*kgo.Record) {
	r.t.Helper()
	r.send(recs, kgo.RecordPartitioner(kgo.ManualPartitioner()))
}

func (r *rig) send(recs []*kgo.Record, opts ...kgo.Opt) {
	r.t.Helper()
	c := r.kafka.Kgo(r.t, opts...)
	defer c.Close()
	if err := c.ProduceSync(r.t.Context(), recs...).FirstErr(); err != nil {
		r.t.Fatal(err)
	}
}

// published is an event as a subscriber gets it.
type published struct {
	uuid   string
	schema string
	body   map[string]any
}

// events reads all that was published so far.
func (r *rig) events() []published {
	r.t.Helper()
	ps := r.pubsub()
	defer ps.Close()
	return r.eventsOf(ps)
}

func (r *rig) eventsOf(ps *pubsub.Client) []published {
	r.t.Helper()
	sub, err := ps.Subscribe(r.t.Context(), pubsub.SubscribeConfig{Channel: channel, Start: pubsub.FromEarliest()})
	if err != nil {
		r.t.Fatal(err)
	}
	cache := schemas.NewCache(ps)
	var out []published
	for int64(len(out)) < r.org.Org.Ledger().Total() {
		batch, err := sub.Recv(r.t.Context())
		if err != nil {
			r.t.Fatal(err)
		}
		for _, e := range batch.Events {
			codec, err := cache.Codec(r.t.Context(), e.SchemaID)
			if err != nil {
				r.t.Fatal(err)
			}
			body, err := codec.Values(e.Payload)
			if err != nil {
				r.t.Fatal(err)
			}
			out = append(out, published{e.UUID, string(e.SchemaID), body})
		}
	}
	return out
}

// outcomes waits until n records have one, and reads them.
func (r *rig) outcomes(n int, within time.Duration) (done []flow.Result, set []flow.Letter) {
	r.t.Helper()
	pause := 50 * time.Millisecond
	for began := time.Now(); ; time.Sleep(pause) {
		pause = min(2*pause, time.Minute)
		done, set = nil, nil
		for _, rec := range r.kafka.ReadCommitted(r.t, results) {
			done = append(done, decode[flow.Result](r.t, rec.Value))
		}
		for _, rec := range r.kafka.ReadCommitted(r.t, letters) {
			set = append(set, decode[flow.Letter](r.t, rec.Value))
		}
		if len(done)+len(set) >= n {
			return done, set
		}
		if time.Since(began) > within {
			r.t.Fatalf("%d results and %d dead letters within %v, want %d", len(done), len(set), within, n)
		}
	}
}

func decode[T any](t *testing.T, text []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// holdCommits makes Kafka answer that no transaction can be ended now, until
// the function that it returns is called.
func (r *rig) holdCommits() (release func()) {
	var free atomic.Bool
	r.kafka.Fake.ControlKey(int16(kmsg.EndTxn), func(req kmsg.Request) (kmsg.Response, error, bool) {
		if free.Load() {
			return nil, nil, false
		}
		r.kafka.Fake.KeepControl()
		resp := req.ResponseKind().(*kmsg.EndTxnResponse)
		resp.ErrorCode = kerr.CoordinatorLoadInProgress.Code
		return resp, nil, true
	})
	return func() { free.Store(true) }
}

// record is one to a given partition, with headers in turn.
func record(to string, partition int32, key, value string, headers ...string) *kgo.Record {
	rec := &kgo.Record{Topic: to, Partition: partition, Key: []byte(key), Value: []byte(value)}
	for i := 0; i < len(headers); i += 2 {
		rec.Headers = append(rec.Headers, kgo.RecordHeader{Key: headers[i], Value: []byte(headers[i+1])})
	}
	return rec
}
