package embedded_test

import (
	"context"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"

	"sfbridge/internal/embedded"
	"sfbridge/internal/pipenet"
)

// bubbleKafka starts a broker on a memory network inside the current bubble.
func bubbleKafka(t *testing.T, n *pipenet.Network, cfg embedded.KafkaConfig) *embedded.Kafka {
	t.Helper()
	cfg.Listen, cfg.ListenFn = "kafka:9092", n.Listen
	k, err := embedded.StartKafka(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

func kgoClient(t *testing.T, n *pipenet.Network, k *embedded.Kafka, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	opts = append(opts, kgo.SeedBrokers(k.Addrs()...), kgo.Dialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		return n.Dial(ctx, network, addr)
	}))
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func TestKafka_KafkaGoInBubble_WritesAndReadsOverMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := pipenet.New()
		k := bubbleKafka(t, n, embedded.KafkaConfig{Partitions: 1})
		tr := &kafkago.Transport{Dial: n.Dial}
		defer tr.CloseIdleConnections()
		w := &kafkago.Writer{Addr: kafkago.TCP(k.Addr()), Topic: "a", Transport: tr, AllowAutoTopicCreation: true, BatchTimeout: time.Millisecond}
		defer w.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := w.WriteMessages(ctx, kafkago.Message{Key: []byte("k"), Value: []byte("v")}); err != nil {
			t.Fatal(err)
		}
		r := kafkago.NewReader(kafkago.ReaderConfig{
			Brokers: k.Addrs(), Topic: "a", Partition: 0,
			Dialer: &kafkago.Dialer{DialFunc: n.Dial},
		})
		defer r.Close()
		m, err := r.ReadMessage(ctx)
		if err != nil || string(m.Value) != "v" {
			t.Fatalf("ReadMessage = %q, %v; want v", m.Value, err)
		}
	})
}

func TestKafka_AbortedTransaction_NeverSeenByReadCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := pipenet.New()
		k := bubbleKafka(t, n, embedded.KafkaConfig{Partitions: 1})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		p := kgoClient(t, n, k, kgo.TransactionalID("tx"), kgo.DefaultProduceTopic("a"), kgo.AllowAutoTopicCreation())
		for _, end := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
			if err := p.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			v := "aborted"
			if end == kgo.TryCommit {
				v = "committed"
			}
			if err := p.ProduceSync(ctx, kgo.StringRecord(v)).FirstErr(); err != nil {
				t.Fatal(err)
			}
			if err := p.EndTransaction(ctx, end); err != nil {
				t.Fatal(err)
			}
		}
		c := kgoClient(t, n, k, kgo.ConsumerGroup("g"), kgo.ConsumeTopics("a"),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
		fs := c.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			t.Fatal(err)
		}
		recs := fs.Records()
		if len(recs) != 1 || string(recs[0].Value) != "committed" {
			t.Fatalf("read_committed saw %d records, want the committed one alone", len(recs))
		}
		if err := c.CommitUncommittedOffsets(ctx); err != nil {
			t.Fatal(err)
		}
	})
}

func TestKafka_DataDir_KeepsTopicsAndOffsets(t *testing.T) {
	dir := t.TempDir()
	for run, want := range []int{1, 2} {
		k, err := embedded.StartKafka(embedded.KafkaConfig{DataDir: dir, Partitions: 1})
		if err != nil {
			t.Fatal(err)
		}
		cl, err := kgo.NewClient(kgo.SeedBrokers(k.Addr()), kgo.AllowAutoTopicCreation(), kgo.DefaultProduceTopic("kept"),
			kgo.ConsumeTopics("kept"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		if err != nil {
			t.Fatal(err)
		}
		if err := cl.ProduceSync(t.Context(), kgo.StringRecord("r")).FirstErr(); err != nil {
			t.Fatal(err)
		}
		got := 0
		for got < want {
			fs := cl.PollFetches(t.Context())
			if err := fs.Err(); err != nil {
				t.Fatalf("run %d: %v", run, err)
			}
			got += fs.NumRecords()
		}
		if got != want {
			t.Errorf("run %d: read %d records, want %d", run, got, want)
		}
		cl.Close()
		k.Close()
	}
}

func TestRegistry_InBubble_RegistersAndReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := pipenet.New()
		r, err := embedded.StartRegistry(embedded.RegistryConfig{Listen: "registry:8081", ListenFn: n.Listen, PathPrefix: "/apis/ccompat/v7"})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		tr := &http.Transport{DialContext: n.Dial}
		defer tr.CloseIdleConnections()
		cl, err := sr.NewClient(sr.URLs(r.URL()), sr.HTTPClient(&http.Client{Transport: tr}))
		if err != nil {
			t.Fatal(err)
		}
		s, err := cl.CreateSchema(t.Context(), "a-value", sr.Schema{Schema: `{"type":"string"}`})
		if err != nil {
			t.Fatal(err)
		}
		got, err := cl.SchemaByID(t.Context(), s.ID)
		if err != nil || got.Schema != `{"type":"string"}` {
			t.Fatalf("SchemaByID = %q, %v", got.Schema, err)
		}
	})
}

func TestRegistry_DataDir_NumbersStay(t *testing.T) {
	dir := t.TempDir()
	schemas := map[string]string{"a-value": `{"type":"string"}`, "b-value": `{"type":"long"}`, "c-value": `{"type":"string"}`}
	want := map[string]int{}
	for run := range 3 {
		r, err := embedded.StartRegistry(embedded.RegistryConfig{DataDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		cl, err := sr.NewClient(sr.URLs(r.URL()))
		if err != nil {
			t.Fatal(err)
		}
		for subject, text := range schemas {
			s, err := cl.CreateSchema(t.Context(), subject, sr.Schema{Schema: text})
			if err != nil {
				t.Fatal(err)
			}
			if run == 0 {
				want[subject] = s.ID
			} else if s.ID != want[subject] {
				t.Errorf("run %d: %s has id %d, want %d", run, subject, s.ID, want[subject])
			}
		}
		r.Close()
	}
}

func TestRegistry_Intercept_AnswersFirst(t *testing.T) {
	r, err := embedded.StartRegistry(embedded.RegistryConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	r.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	for _, want := range []int{http.StatusServiceUnavailable, http.StatusOK} {
		resp, err := http.Get(r.URL() + "/subjects")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("status %d, want %d", resp.StatusCode, want)
		}
		r.Intercept(nil)
	}
}
