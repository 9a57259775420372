package writeback

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"sfbridge/internal/backoff"
	"sfbridge/internal/flow"
	"sfbridge/kafka"
	"sfbridge/salesforce"
	"sfbridge/writeback/rows"
)

// Flow carries one topic into one object.
type Flow struct {
	cfg       Config
	log       *slog.Logger
	state     *flow.State
	met       *metrics
	target    atomic.Pointer[target] // set by Prepare
	described *description
	jobs      jobs
	self      self
	merged    mergedIDs

	mu      sync.Mutex // guards carrier
	carrier *carrier   // of the present share; nil without one
}

// New checks the configuration. It calls nobody.
func New(cfg Config) (*Flow, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	return &Flow{
		cfg: cfg, log: cfg.Logger.With("component", "writeback"), state: flow.NewState(),
		met: newMetrics(cfg.Registerer, cfg.Name), described: newDescription(),
	}, nil
}

// Prepare reaches the org and the topic once and checks that they fit: object,
// permissions, mapping. Errors that waiting mends are Retryable.
func (f *Flow) Prepare(ctx context.Context) error {
	if _, err := f.cfg.Kafka.Partitions(ctx, f.cfg.Consumer.Topic); err != nil {
		return fmt.Errorf("topic %s: %w", f.cfg.Consumer.Topic, err)
	}
	t, err := f.describe(ctx)
	if err != nil {
		return err
	}
	if err := permitted(f.cfg.Rows.Operation, t.object); err != nil {
		return &misfit{err}
	}
	if err := f.cfg.checkConflict(t.object); err != nil {
		return &misfit{err}
	}
	for _, w := range t.mapper.Warnings() {
		f.log.Warn("mapping: "+w, "sobject", t.object.Name)
	}
	f.target.Store(t)
	return nil
}

// permitted tells what the integration user may not do that a flow is for.
func permitted(op rows.Operation, o *salesforce.Object) error {
	may := map[rows.Operation]bool{
		rows.Insert: o.Createable, rows.Update: o.Updateable, rows.Upsert: o.Createable || o.Updateable, rows.Delete: o.Deletable,
		rows.Undelete: o.Undeletable,
	}
	if can, known := may[op]; known && !can {
		return fmt.Errorf("the integration user may not %s rows of %s: give it the object's permission", op, o.Name)
	}
	return nil
}

// Run applies records until ctx ends, then finishes the calls that are under way
// and commits their outcomes. It waits out what passes. An error needs a person.
func (f *Flow) Run(ctx context.Context) (err error) {
	defer func() {
		if err != nil && ctx.Err() == nil {
			f.setState(flow.Stopped, err.Error())
		}
	}()
	if f.target.Load() == nil {
		if err := f.insist(ctx, f.Prepare, Retryable); err != nil {
			return ended(ctx, err)
		}
	}
	var consumer *kafka.Consumer
	if err := f.insist(ctx, func(ctx context.Context) (err error) {
		consumer, err = f.cfg.Kafka.NewConsumer(ctx, f.cfg.Consumer)
		return err
	}, kafka.Retryable); err != nil {
		return ended(ctx, err)
	}
	defer consumer.Close()
	defer f.met.lag.Watch(f.cfg.Name, f.cfg.Consumer.Topic, f.partitions)()
	for {
		f.setState(flow.Waiting, "")
		share, err := consumer.Next(ctx)
		if err != nil {
			return ended(ctx, fmt.Errorf("share of %s: %w", f.cfg.Consumer.Topic, err))
		}
		if err := f.carry(ctx, share); err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// carry carries one share.
func (f *Flow) carry(ctx context.Context, share *kafka.Share) error {
	c := f.newCarrier(share)
	f.setCarrier(c)
	defer f.setCarrier(nil)
	f.setState(flow.Running, "")
	f.log.Info("share taken", "partitions", share.Partitions, "generation", share.Generation)
	return c.run(ctx)
}

func (f *Flow) setCarrier(c *carrier) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.carrier = c
}

// ended is the error of a run that stopped: none if it was told to.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// insist tries until it works, fails in a way that does not pass, or ctx ends.
func (f *Flow) insist(ctx context.Context, try func(context.Context) error, passes func(error) bool) error {
	policy := backoff.Policy{Base: time.Second, Max: 30 * time.Second}
	for n := 1; ; n++ {
		err := try(ctx)
		if err == nil || !passes(err) {
			return err
		}
		wait := policy.Wait(n, salesforce.RetryAfter(err))
		if f.state.Set(flow.BackingOff, err.Error(), time.Now().Add(wait)) {
			f.logState(flow.BackingOff, err.Error(), time.Now().Add(wait))
		}
		if sleep := backoff.Sleep(ctx, wait); sleep != nil {
			return errors.Join(sleep, err)
		}
	}
}

func (f *Flow) setState(state, reason string) {
	if f.state.Set(state, reason, time.Time{}) {
		f.logState(state, reason, time.Time{})
	}
}

// logState tells of a change of state.
func (f *Flow) logState(state, reason string, until time.Time) {
	switch state {
	case flow.Stopped:
		f.log.Error("flow stopped", "err", reason)
	case flow.AtLimit, flow.BackingOff:
		f.log.Warn("flow is "+state, "err", reason, "until", until)
	default:
		f.log.Info("flow is " + state)
	}
}

// Retryable tells whether an error of Prepare may pass.
func Retryable(err error) bool {
	if kafka.Retryable(err) {
		return true
	}
	return salesforce.Retryable(err)
}
