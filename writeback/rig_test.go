package writeback_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sfbridge/internal/flow"
	"sfbridge/kafka"
	"sfbridge/kafka/kafkatest"
	"sfbridge/orgsim"
	"sfbridge/salesforce"
	"sfbridge/salesforce/auth"
	"sfbridge/salesforce/bulk"
	"sfbridge/schemas"
	"sfbridge/writeback"
	"sfbridge/writeback/rows"
)

const (
	source  = "erp.orders"
	retries = "erp.orders.retry"
	results = "sf.results"
	letters = "sf.dlq"
	orgHost = "127.0.0.1:8443"
)

// rig is a Kafka and an org in a bubble, for flows from source into Order__c.
type rig struct {
	t     *testing.T
	kafka *kafkatest.Cluster
	org   *orgsim.Org
	web   *http.Client
	admin *kafka.Client // makes topics
	in    *kgo.Client   // writes records, each where it says
	log   *slog.Logger
	token string // that the org takes until it is revoked

	flows  []*writeback.Flow
	buried []string // client ids of processes that were killed
}

// inBubble runs fn with a rig of its own.
func inBubble(t *testing.T, cfg orgsim.Config, fn func(*testing.T, *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, log: slog.New(slog.DiscardHandler), token: "given-token"}
		if os.Getenv("SFBRIDGE_TEST_LOG") != "" {
			r.log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
		}
		r.kafka = kafkatest.Fake(t)
		r.serveOrg(cfg)
		r.admin = r.client()
		for topic, n := range map[string]int32{source: 2, retries: 2, results: 1, letters: 1} {
			spec := kafka.TopicSpec{Name: topic, Partitions: n, Replication: 1}
			if _, err := r.admin.EnsureTopic(t.Context(), spec); err != nil {
				t.Fatal(err)
			}
		}
		r.in = r.kafka.Kgo(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
		fn(t, r)
	})
}

func (r *rig) serveOrg(cfg orgsim.Config) {
	cfg.KeepLedger = -1
	org, err := orgsim.New(cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	r.org = org
	org.SetInstanceURL("http://" + orgHost)
	org.AddToken(r.token, org.IntegrationUser())
	l, err := r.kafka.Net.Listen("tcp", orgHost)
	if err != nil {
		r.t.Fatal(err)
	}
	server := &http.Server{Handler: org.HTTPHandler()}
	served := make(chan struct{})
	go func() {
		defer close(served)
		server.Serve(l)
	}()
	transport := &http.Transport{DialContext: r.kafka.Net.Dial}
	r.web = &http.Client{Transport: transport}
	r.t.Cleanup(func() {
		transport.CloseIdleConnections()
		org.Close()
		server.Close()
		<-served
	})
}

func (r *rig) client() *kafka.Client {
	r.t.Helper()
	c, err := kafka.New(kafka.Config{Brokers: r.kafka.Brokers, Dial: r.kafka.Dial, Logger: r.log})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	return c
}

func (r *rig) api() *salesforce.Client {
	r.t.Helper()
	session, err := auth.New(auth.Config{
		Method: auth.MethodClientCredentials, LoginURL: "http://" + orgHost, HTTPClient: r.web,
		ClientID: orgsim.DefaultClientID, ClientSecret: auth.Fixed(orgsim.DefaultClientSecret),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	c, err := salesforce.New(salesforce.Config{
		Session: session, APIVersion: r.org.APIVersion(), ClientName: "sfbridge-test", HTTPClient: r.web, Attempts: 1, Logger: r.log,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// config is a flow of upserts by ERP_Id__c, of records as JSON.
func (r *rig) config() writeback.Config {
	api := r.api()
	jobs, err := bulk.New(bulk.Config{API: api, Logger: r.log})
	if err != nil {
		r.t.Fatal(err)
	}
	return writeback.Config{
		Name: "orders", Org: "main",
		Rows: rows.Config{Object: "Order__c", ExternalID: "ERP_Id__c", Operation: rows.Upsert, OperationFrom: "op", Fields: map[string]string{
			"ERP_Id__c": "id", "Notes__c": "notes", "Summary__c": "summary", "Status__c": "status", "Account__c": "account", "Total__c": "total",
		}},
		Consumer: kafka.ConsumerConfig{
			Group: "sfbridge-test.orders", Topic: source, With: []string{retries},
			TransactionalID: func(p int32) string { return fmt.Sprintf("sfbridge-test-orders-%d", p) },
		},
		Format: schemas.JSON, ResultsTopic: results, DeadLetterTopic: letters,
		Kafka: r.client(), Decoder: schemas.NewDecoder(nil), API: api, Bulk: jobs,
		Logger: r.log, Registerer: prometheus.NewPedanticRegistry(),
	}
}

// process is a flow at work.
type process struct {
	t      *testing.T
	flow   *writeback.Flow
	reg    *prometheus.Registry
	cancel context.CancelFunc
	done   chan error
	gone   bool
}

func (r *rig) start(cfg writeback.Config) *process {
	r.t.Helper()
	f, err := writeback.New(cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	r.flows = append(r.flows, f)
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{t: r.t, flow: f, reg: cfg.Registerer.(*prometheus.Registry), cancel: cancel, done: make(chan error, 1)}
	go func() { p.done <- f.Run(ctx) }()
	r.t.Cleanup(func() {
		if !p.gone {
			cancel()
			<-p.done
		}
	})
	return p
}

// stop ends the process in order.
func (p *process) stop() {
	p.t.Helper()
	p.cancel()
	p.gone = true
	if err := <-p.done; err != nil {
		p.t.Errorf("flow ended with: %v", err)
	}
}

// count reads a sample of the process's metrics, by name and labels as name="value".
func (p *process) count(name string, labels ...string) float64 {
	p.t.Helper()
	mfs, err := p.reg.Gather()
	if err != nil {
		p.t.Fatal(err)
	}
	sum := 0.0
	for _, mf := range mfs {
		if mf.GetName() != name {
			continue
		}
	samples:
		for _, m := range mf.GetMetric() {
			have := map[string]bool{}
			for _, l := range m.GetLabel() {
				have[l.GetName()+"="+l.GetValue()] = true
			}
			for _, l := range labels {
				if !have[l] {
					continue samples
				}
			}
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

// order is a source record's value.
type order map[string]any

// put writes records to a partition, keyed by their ids.
func (r *rig) put(partition int32, orders ...order) {
	r.t.Helper()
	recs := make([]*kgo.Record, len(orders))
	for i, o := range orders {
		value, err := json.Marshal(o)
		if err != nil {
			r.t.Fatal(err)
		}
		recs[i] = &kgo.Record{Topic: source, Partition: partition, Key: fmt.Append(nil, o["id"]), Value: value}
	}
	r.putRecords(recs...)
}

func (r *rig) putRecords(recs ...*kgo.Record) {
	r.t.Helper()
	if err := r.in.ProduceSync(context.Background(), recs...).FirstErr(); err != nil {
		r.t.Fatal(err)
	}
}

// forget takes dead processes out of the group. The embedded Kafka keeps a
// member for ever that dies while the answer to its joining is on the way; a
// broker would miss its heartbeats.
func (r *rig) forget() {
	r.t.Helper()
	group := r.config().Consumer.Group
	found, err := kadm.NewClient(r.in).DescribeGroups(context.Background(), group)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, m := range found[group].Members {
		if !slices.Contains(r.buried, m.ClientID) {
			continue
		}
		req := kmsg.NewPtrLeaveGroupRequest()
		req.Group, req.MemberID = group, m.MemberID
		req.Members = []kmsg.LeaveGroupRequestMember{{MemberID: m.MemberID}}
		if _, err := req.RequestWith(context.Background(), r.in); err != nil {
			r.t.Fatal(err)
		}
	}
}

// outcomes reads what became of records: results and letters, by the place of
// the source record. A place with two outcomes fails the test.
func (r *rig) outcomes() (map[string]flow.Result, map[string]flow.Letter) {
	r.t.Helper()
	done, dead, seen := map[string]flow.Result{}, map[string]flow.Letter{}, map[string]bool{}
	once := func(s flow.Source) string {
		at := fmt.Sprintf("%s/%d/%d", s.Topic, s.Partition, s.Offset)
		if seen[at] {
			r.t.Errorf("two outcomes of %s", at)
		}
		seen[at] = true
		return at
	}
	for _, rec := range r.kafka.ReadCommitted(r.t, results) {
		var x flow.Result
		if err := json.Unmarshal(rec.Value, &x); err != nil {
			r.t.Fatal(err)
		}
		done[once(x.Source)] = x
	}
	for _, rec := range r.kafka.ReadCommitted(r.t, letters) {
		var x flow.Letter
		if err := json.Unmarshal(rec.Value, &x); err != nil {
			r.t.Fatal(err)
		}
		dead[once(x.Source)] = x
	}
	return done, dead
}

// settled waits until n records have outcomes.
func (r *rig) settled(n int, within time.Duration) (map[string]flow.Result, map[string]flow.Letter) {
	r.t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(within / 100) {
		done, dead := r.outcomes()
		if len(done)+len(dead) >= n {
			if len(done)+len(dead) > n {
				r.t.Fatalf("%d results and %d dead letters, want %d in all", len(done), len(dead), n)
			}
			return done, dead
		}
		if time.Now().After(end) {
			for i, f := range r.flows {
				r.t.Logf("flow %d: %+v", i, f.Status())
			}
			r.t.Fatalf("%d results and %d dead letters after %s, want %d in all", len(done), len(dead), within, n)
		}
	}
}

// rowsOf reads live orders by their ERP ids; two rows of one id fail the test.
func (r *rig) rowsOf() map[string]*orgsim.Record {
	r.t.Helper()
	out := map[string]*orgsim.Record{}
	r.org.Scan("Order__c", false, func(rec *orgsim.Record) bool {
		id := rec.Get("ERP_Id__c").Text()
		if out[id] != nil {
			r.t.Errorf("two rows of %s", id)
		}
		out[id] = rec
		return true
	})
	return out
}
