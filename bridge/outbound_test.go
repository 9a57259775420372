package bridge

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"sfbridge/internal/flow"
	"sfbridge/kafka"
	"sfbridge/kafka/kafkatest"
	"sfbridge/writeback/rows"
)

func TestFlowNames_AreTheContract(t *testing.T) {
	c := Config{
		Name:       "crm",
		Writebacks: []Writeback{{Topic: "erp.customers", Org: "main", Rows: rows.Config{Object: "Account"}}},
		Publishes:  []Publish{{Topic: "erp.shipments", Org: "main", Event: "Shipment__e"}},
	}
	var got []string
	for _, n := range c.flows() {
		got = append(got, n.part(), n.flow, n.group, n.retry, n.transactionalID(c.Name)(3))
	}
	want := []string{
		"writeback:erp.customers/main/Account", "erp.customers/main/Account", "sfbridge-crm.erp.customers.main.Account",
		"_sfbridge.crm.retry.erp.customers.main.Account", "sfbridge-crm-erp.customers-main-Account-3",
		"publish:erp.shipments/main/Shipment__e", "erp.shipments/main/Shipment__e", "sfbridge-crm.erp.shipments.main.Shipment__e",
		"_sfbridge.crm.retry.erp.shipments.main.Shipment__e", "sfbridge-crm-erp.shipments-main-Shipment__e-3",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestRetryTopic_OfLongNames_FitsKafkaAndStaysApart(t *testing.T) {
	legal := regexp.MustCompile(`^[A-Za-z0-9._-]{1,249}$`)
	c := Config{Name: strings.Repeat("n", 60)}
	seen := make(map[string]bool)
	for _, topic := range []string{strings.Repeat("t", 249), strings.Repeat("t", 248) + "u", "short"} {
		n := c.flowNames(flow.KindWriteback, topic, strings.Repeat("o", 60), strings.Repeat("O", 80)+"__c")
		if !legal.MatchString(n.retry) || seen[n.retry] {
			t.Errorf("retry topic of %d letters: %s", len(n.retry), n.retry)
		}
		seen[n.retry] = true
	}
}

func TestNew_RefusesFlowsThatCannotBe(t *testing.T) {
	account := func(topic, org string) Writeback {
		return Writeback{Topic: topic, Org: org, Rows: rows.Config{Object: "Account"}}
	}
	orgs := map[string]OrgConfig{"main": {}, "b.main": {}, "b-main": {}}
	for _, tt := range []struct {
		what  string
		flows []Writeback
		want  string
	}{
		{"no topic", []Writeback{account("", "main")}, "both needed"},
		{"unknown org", []Writeback{account("a", "mian")}, `org "mian" is not configured`},
		{"twice", []Writeback{account("a", "main"), account("a", "main")}, "same name a/main/Account"},
		{"one group for two", []Writeback{account("a.b", "main"), account("a", "b.main")}, "same name sfbridge-crm.a.b.main.Account"},
		{"one transactional id for two", []Writeback{account("a-b", "main"), account("a", "b-main")}, "same name sfbridge-crm-a-b-main-Account-0"},
		{"nothing to do", nil, "nothing to do"},
	} {
		if _, err := New(Config{Name: "crm", Orgs: orgs, Writebacks: tt.flows}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.what, err, tt.want)
		}
	}
}

// fakeFlow runs and prepares as its functions say.
type fakeFlow struct {
	prepare, run func(ctx context.Context) error
	status       flow.Status
	problem      string
}

func (f *fakeFlow) Prepare(ctx context.Context) error { return f.prepare(ctx) }
func (f *fakeFlow) Run(ctx context.Context) error     { return f.run(ctx) }
func (f *fakeFlow) Status() flow.Status               { return f.status }
func (f *fakeFlow) Problem() string                   { return f.problem }

// withFlow gives a bridge with one flow, a fake one.
func withFlow(f *fakeFlow) (*Bridge, *outbound, *bytes.Buffer) {
	var logged bytes.Buffer
	c := Config{Name: "crm"}
	b := &Bridge{cfg: c, metrics: newMetrics(prometheus.NewRegistry())}
	b.health = newHealth(b.metrics)
	o := &outbound{
		names: c.flowNames(flow.KindWriteback, "erp.customers", "main", "Account"), flow: f,
		retryable: func(error) bool { return false }, log: slog.New(slog.NewTextHandler(&logged, nil)),
	}
	b.outbound = []*outbound{o}
	return b, o, &logged
}

func (b *Bridge) onlyProblem(t *testing.T, want string) {
	t.Helper()
	ps := b.Problems()
	if want == "" && len(ps) == 0 {
		return
	}
	if len(ps) != 1 || ps[0].Part != "writeback:erp.customers/main/Account" || want == "" || !strings.Contains(ps[0].Reason, want) {
		t.Errorf("problems %v, want one that says %q", ps, want)
	}
}

func TestCarry_AFlowThatNeedsAPerson_StopsAlone_AndHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("field Name__c is gone")
		runs := 0
		var mended atomic.Bool
		f := &fakeFlow{status: flow.Status{State: flow.Running, Since: time.Now()}}
		f.prepare = func(context.Context) error {
			if mended.Load() {
				return nil
			}
			return broken
		}
		f.run = func(ctx context.Context) error {
			if runs++; runs == 1 {
				return broken
			}
			<-ctx.Done()
			return nil
		}
		b, o, logged := withFlow(f)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- b.carry(ctx, o) }()
		time.Sleep(time.Hour)
		synctest.Wait()
		b.onlyProblem(t, "stopped: field Name__c is gone")
		if st := o.status(); st.State != flow.Stopped || st.Reason != broken.Error() {
			t.Errorf("status %+v", st)
		}
		if n := strings.Count(logged.String(), "flow stopped"); n != 1 {
			t.Errorf("the log speaks %d times of one cause:\n%s", n, logged)
		}
		mended.Store(true)
		time.Sleep(2 * time.Minute)
		b.onlyProblem(t, "")
		cancel()
		if err := <-done; err != nil || runs != 2 {
			t.Errorf("%d runs, ended with %v", runs, err)
		}
	})
}

func TestCarry_WhatIsLeftAtTheEnd_IsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, o, _ := withFlow(&fakeFlow{run: func(ctx context.Context) error {
			<-ctx.Done()
			return errors.New("3 rows have no outcome")
		}})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.carry(ctx, o); err == nil || err.Error() != "writeback:erp.customers/main/Account: 3 rows have no outcome" {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestFlow_IsAPartOfReadinessAndOfUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeFlow{status: flow.Status{State: flow.Waiting, Since: time.Now()}}
		b, _, _ := withFlow(f)
		up := func() float64 {
			return testutil.ToFloat64(upCollector{b})
		}
		b.onlyProblem(t, "waits for its share of group sfbridge-crm.erp.customers.main.Account")
		if up() != 0 {
			t.Error("up while it waits for its first share")
		}
		f.status.State = flow.Running
		b.onlyProblem(t, "")
		if up() != 1 {
			t.Error("not up while it runs")
		}
		f.status = flow.Status{State: flow.Waiting, Since: time.Now()}
		b.onlyProblem(t, "") // a rebalance
		time.Sleep(time.Minute)
		b.onlyProblem(t, "waits for its share")
		f.status.State, f.problem = flow.AtLimit, "at limit: 900 of 1000 calls used"
		b.onlyProblem(t, "at limit: 900 of 1000 calls used")
		if up() != 0 {
			t.Error("up at the limit")
		}
		want := `
# HELP sfbridge_flow_state 1 for the state that a flow out of Kafka is in, 0 for the others.
# TYPE sfbridge_flow_state gauge
sfbridge_flow_state{flow="erp.customers/main/Account",kind="writeback",state="at limit"} 1
sfbridge_flow_state{flow="erp.customers/main/Account",kind="writeback",state="backing off"} 0
sfbridge_flow_state{flow="erp.customers/main/Account",kind="writeback",state="running"} 0
sfbridge_flow_state{flow="erp.customers/main/Account",kind="writeback",state="stopped"} 0
sfbridge_flow_state{flow="erp.customers/main/Account",kind="writeback",state="waiting"} 0
`
		if err := testutil.CollectAndCompare(newFlowCollector(b), strings.NewReader(want)); err != nil {
			t.Error(err)
		}
	})
}

func TestWithin_TellsWhatWasLeftOfFlows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _, _ := withFlow(&fakeFlow{status: flow.Status{InFlight: 7}})
		b.cfg.ShutdownTimeout = time.Second
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		end := make(chan struct{})
		err := b.within(ctx, func() error { <-end; return nil })
		close(end)
		if err == nil || !strings.Contains(err.Error(), "7 records on their way to the org") {
			t.Errorf("error = %v", err)
		}
	})
}

func TestStartSource_TopicThatIsNotThere_NamesTheRemedy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Fake(t)
		b, _, _ := withFlow(&fakeFlow{})
		b.cfg.setDefaults()
		b.log = b.cfg.Logger
		var err error
		if b.kafka, err = kafka.New(kafka.Config{Brokers: c.Brokers, Dial: c.Dial}); err != nil {
			t.Fatal(err)
		}
		defer b.kafka.Close()
		b.cfg.StartTimeout = 5 * time.Second
		ctx, cancel := context.WithTimeout(t.Context(), b.cfg.StartTimeout)
		defer cancel()
		err = b.startFlows(ctx)
		if err == nil || !strings.Contains(err.Error(), "topic erp.customers") || !strings.Contains(err.Error(), "create it") {
			t.Errorf("error = %v", err)
		}
		b.onlyProblem(t, "create it")
	})
}
