package bridge

import (
	"context"
	"log/slog"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sfbridge/event"
	"sfbridge/orgsim"
	"sfbridge/pubsub"
	"sfbridge/salesforce/auth"
	"sfbridge/schemas"
)

// fixedToken is a session that the simulated org was told of.
type fixedToken struct{ token auth.Token }

func (f fixedToken) Token(context.Context) (auth.Token, error) { return f.token, nil }
func (f fixedToken) Invalidate(auth.Token)                     {}

// preparedBatch gets one response of 100 events of about 500 bytes from a
// simulated org, and the compiled schema of them.
func preparedBatch(tb testing.TB) (pubsub.Batch, *schemas.Codec) {
	tb.Helper()
	const channel = "/data/AccountChangeEvent"
	sim, err := orgsim.New(orgsim.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(sim.Close)
	if err := sim.ServePrepared(orgsim.Prepared{Channel: channel, Events: 1e6, Size: 500}); err != nil {
		tb.Fatal(err)
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	go sim.ServePubSub(lis, nil)
	sim.AddToken("bench", sim.IntegrationUser())
	client, err := pubsub.New(pubsub.Config{Endpoint: lis.Addr().String(), Plaintext: true, Session: fixedToken{auth.Token{
		AccessToken: "bench", InstanceURL: "http://127.0.0.1", OrgID: sim.OrgID(),
	}}})
	if err != nil {
		tb.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	sub, err := client.Subscribe(ctx, pubsub.SubscribeConfig{Channel: channel, Start: pubsub.FromEarliest()})
	if err != nil {
		tb.Fatal(err)
	}
	defer sub.Close()
	var all pubsub.Batch
	for len(all.Events) < 100 {
		batch, err := sub.Recv(ctx)
		if err != nil {
			tb.Fatal(err)
		}
		all.Events, all.Received = append(all.Events, batch.Events...), batch.Received
	}
	codec, err := schemas.NewCache(client).Codec(ctx, all.Events[0].SchemaID)
	if err != nil {
		tb.Fatal(err)
	}
	return all, codec
}

// benchEncoder is an encoder whose schema is registered already.
func benchEncoder(codec *schemas.Codec) *encoder {
	log := slog.New(slog.DiscardHandler)
	b := &Bridge{log: log, metrics: newMetrics(prometheus.NewRegistry())}
	ch := &channel{capture: Capture{Org: "main", Channel: "/data/AccountChangeEvent"}, org: &org{}, log: log}
	ch.org.orgID.Store("00DSB0000000001AAA")
	ch.tracker = newTracker(event.Position{Org: "main", Channel: ch.capture.Channel}, true)
	e := newEncoder(b, ch)
	e.routes[codec.SchemaID()] = &route{
		codec: codec, topic: "sf.cdc.Account", id: 1,
		schemaID: []byte(codec.SchemaID()), types: make(map[event.ChangeType][]byte), limit: 1 << 20,
	}
	return e
}

// BenchmarkInboundStep is all that the bridge does with a response between the
// org's client and Kafka's: check, decode the header, rewrite it, headers,
// position.
func BenchmarkInboundStep(b *testing.B) {
	batch, codec := preparedBatch(b)
	e := benchEncoder(codec)
	events := 0
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for b.Loop() {
		u, err := e.encode(b.Context(), batch)
		if err != nil {
			b.Fatal(err)
		}
		events += u.events
		e.b.arenas.give(u.arena)
	}
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(events), "allocs/event")
	b.ReportMetric(0, "ns/op")
}

func TestInboundStep_AllocatesLittle(t *testing.T) {
	batch, codec := preparedBatch(t)
	e := benchEncoder(codec)
	perBatch := testing.AllocsPerRun(50, func() {
		if _, err := e.encode(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	})
	if per := perBatch / float64(len(batch.Events)); per > 10 {
		t.Errorf("%.1f allocations an event, want at most 10", per)
	}
}
