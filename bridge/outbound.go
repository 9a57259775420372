package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sfbridge/internal/flow"
	"sfbridge/kafka"
	"sfbridge/publish"
	"sfbridge/salesforce"
	"sfbridge/schemas"
	"sfbridge/writeback"
	"sfbridge/writeback/rows"
)

// outbound is one flow out of Kafka at work: write-back into an object, or the
// publishing of a platform event.
type outbound struct {
	names   flowNames
	flow    outFlow
	rows    rows.Config // of write-back, names with the org's namespace
	channel string      // of publish
	// retryable tells whether an error of the flow's Prepare may pass.
	retryable func(error) bool
	log       *slog.Logger

	mu     sync.Mutex // guards the fields below
	failed error      // why the flow ended last; nil while it runs
	joined bool       // it has had a share of its group
}

// outFlow is what writeback.Flow and publish.Flow have in common.
type outFlow interface {
	Prepare(ctx context.Context) error
	Run(ctx context.Context) error
	Status() flow.Status
	Problem() string
}

// flowNames are the names that a flow goes by.
type flowNames struct {
	kind, flow         string
	topic, org, object string
	group, retry       string // consumer group, and the topic that dead letters are retried through
}

// part is the flow's name in readiness and sfbridge_up.
func (n *flowNames) part() string { return n.kind + ":" + n.flow }

// buildOutbound makes the flows; it calls nobody.
func (b *Bridge) buildOutbound(reg prometheus.Registerer) error {
	b.decoder = schemas.NewDecoder(b.registry)
	for i := range b.cfg.Writebacks {
		if err := b.buildWriteback(&b.cfg.Writebacks[i], reg); err != nil {
			return fmt.Errorf("writeback %s: %w", b.cfg.Writebacks[i].name(), err)
		}
	}
	for i := range b.cfg.Publishes {
		if err := b.buildPublish(&b.cfg.Publishes[i], reg); err != nil {
			return fmt.Errorf("publish %s: %w", b.cfg.Publishes[i].name(), err)
		}
	}
	return nil
}

func (b *Bridge) buildWriteback(w *Writeback, reg prometheus.Registerer) error {
	o := b.orgs[w.Org]
	names := b.cfg.writebackNames(w)
	out := &outbound{names: names, retryable: writeback.Retryable, log: b.log.With("flow", names.flow)}
	memory, window := b.cfg.memory(w.BulkAbove >= 0)
	rc := w.Rows
	rc.Namespace, rc.Object = o.cfg.Namespace, o.cfg.Namespace.Name(rc.Object)
	wf, err := writeback.New(writeback.Config{
		Name: names.flow, Org: w.Org, Rows: rc, Consumer: b.consumer(names, w.Latest, window), Format: w.Format, Memory: memory,
		ResultsTopic: b.cfg.results(w.NoResults), DeadLetterTopic: b.cfg.deadLetterTopic(),
		Conflict: w.Conflict, VersionField: o.cfg.Namespace.Name(w.VersionField), ApplyEchoes: w.ApplyEchoes,
		BulkAbove: w.BulkAbove, InFlight: w.InFlight, MaxWait: w.MaxWait, Attempts: w.Attempts,
		Reserve: o.cfg.Reserve, Scarce: o.cfg.Scarce, Drain: b.cfg.drain(),
		Kafka: b.kafka, Decoder: b.decoder, Bulk: o.bulk,
		API:      o.rest.With(salesforce.Options{AllowDuplicates: w.AllowDuplicates, AutoAssign: w.AutoAssign}),
		Announce: b.announcer(w.Org, rc.Object), DeadLettered: b.deadLettered,
		Logger: b.cfg.Logger.With("flow", names.flow), Registerer: reg,
	})
	if err != nil {
		return err
	}
	out.flow, out.rows = wf, rc
	b.outbound = append(b.outbound, out)
	return nil
}

func (b *Bridge) buildPublish(p *Publish, reg prometheus.Registerer) error {
	o := b.orgs[p.Org]
	names := b.cfg.publishNames(p)
	_, window := b.cfg.memory(false)
	out := &outbound{names: names, retryable: publish.Retryable, log: b.log.With("flow", names.flow)}
	pf, err := publish.New(publish.Config{
		Name: names.flow, Org: p.Org, Event: o.cfg.Namespace.Name(p.Event), Consumer: b.consumer(names, p.Latest, window),
		Format: p.Format, Fields: p.Fields, IgnoreUnmapped: p.IgnoreUnmapped, ID: p.ID,
		ResultsTopic: b.cfg.results(p.NoResults), DeadLetterTopic: b.cfg.deadLetterTopic(), Drain: b.cfg.drain(),
		Kafka: b.kafka, Decoder: b.decoder, PubSub: o.pubsub, Schemas: o.codecs, API: o.rest, DeadLettered: b.deadLettered,
		Logger: b.cfg.Logger.With("flow", names.flow), Registerer: reg,
	})
	if err != nil {
		return err
	}
	out.flow, out.channel = pf, EventChannel(o.cfg.Namespace.Name(p.Event))
	b.outbound = append(b.outbound, out)
	return nil
}

// deadLettered counts a record that became a dead letter.
func (b *Bridge) deadLettered(reason string) { b.metrics.deadLetters.WithLabelValues(reason).Inc() }

// A flow that makes no bulk jobs has enough in hand for a few calls of 200 rows;
// more waits in Kafka.
const (
	smallMemory = 24 << 20
	smallWindow = 8 << 20
)

// memory is how many bytes a flow's records may take together with the rows
// that they become, and how many of them the records alone.
func (c *Config) memory(bulk bool) (all, window int64) {
	all = c.WritebackMemory / int64(len(c.Writebacks)+len(c.Publishes))
	window = all / 2
	if !bulk {
		all, window = min(all, smallMemory), min(window, smallWindow)
	}
	return max(1<<20, all), max(1<<20, window)
}

// consumer says how a flow takes part in its group.
func (b *Bridge) consumer(n flowNames, latest bool, window int64) kafka.ConsumerConfig {
	cfg := &b.cfg
	c := kafka.ConsumerConfig{
		Group: n.group, Topic: n.topic, With: []string{n.retry}, Start: kafka.EarliestOffset,
		Window:   window,
		UserData: b.identity(), SessionTimeout: cfg.SessionTimeout, TransactionTimeout: cfg.TransactionTimeout,
		// A member may finish its calls before it comes back to the group.
		RebalanceTimeout: max(time.Minute, cfg.drain()+30*time.Second),
	}
	if latest {
		c.Start = kafka.LatestOffset
	}
	if !cfg.AtLeastOnce {
		c.TransactionalID = n.transactionalID(cfg.Name)
	}
	return c
}

// carry keeps one flow going until ctx ends. What passes is waited out inside
// the flow; what comes back here needs a person: the flow stops, says why, and
// is tried again now and then, so that a repair needs no restart.
func (b *Bridge) carry(ctx context.Context, o *outbound) error {
	bo := retrying(time.Second, time.Minute)
	for {
		began := time.Now()
		err := o.flow.Run(ctx)
		if ctx.Err() != nil {
			if err != nil && !errors.Is(err, context.Canceled) {
				return fmt.Errorf("%s: %w", o.names.part(), err)
			}
			return nil
		}
		if err == nil { // a flow has no reason to end by itself
			err = errors.New("ended without a reason")
		}
		if time.Since(began) > time.Minute {
			bo.reset()
		}
		for err != nil {
			o.stop(err)
			if bo.wait(ctx) != nil {
				return nil
			}
			err = o.flow.Prepare(ctx)
		}
		o.stop(nil)
	}
}

// stop notes why the flow does not run, nil if it does. The log speaks once of
// each cause, not of every try.
func (o *outbound) stop(err error) {
	o.mu.Lock()
	was := o.failed
	o.failed = err
	o.mu.Unlock()
	switch {
	case err == nil:
		o.log.Info("flow runs again")
	case was == nil || was.Error() != err.Error():
		o.log.Error("flow stopped; nothing is skipped, it is tried again now and then", "err", err)
	}
}

// problem is why the flow is not well, "" if it is.
func (o *outbound) problem(now time.Time) string {
	st := o.flow.Status()
	o.mu.Lock()
	o.joined = o.joined || st.State != flow.Waiting
	failed, joined := o.failed, o.joined
	o.mu.Unlock()
	switch {
	case failed != nil:
		return "stopped: " + failed.Error()
	case st.State == flow.Waiting && (!joined || now.Sub(st.Since) > stalledAfter):
		return "waits for its share of group " + o.names.group
	}
	return o.flow.Problem()
}

// status is what the flow tells of itself, with what the bridge knows besides.
func (o *outbound) status() flow.Status {
	st := o.flow.Status()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.failed != nil {
		st.State, st.Reason = flow.Stopped, o.failed.Error()
	}
	return st
}
