package publish

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"sfbridge/internal/backoff"
	"sfbridge/internal/flow"
	"sfbridge/kafka"
)

// lookEvery is how often the event is described anew: an admin may add a field.
const lookEvery = 5 * time.Minute

// Run publishes until ctx ends, then finishes the calls that are under way and
// commits their outcomes; it waits out what passes. An error needs a person.
// After one it may be called again.
func (f *Flow) Run(ctx context.Context) error {
	f.state.Set(flow.Waiting, "", time.Time{})
	err := f.run(ctx)
	if ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
		f.state.Set(flow.Waiting, "", time.Time{})
		return nil
	}
	if err == nil {
		err = kafka.ErrClosed
	}
	f.state.Set(flow.Stopped, err.Error(), time.Time{})
	return fmt.Errorf("publish %s: %w", f.cfg.Name, err)
}

func (f *Flow) run(ctx context.Context) error {
	if err := f.until(ctx, func() error { return f.ready(ctx) }); err != nil {
		return err
	}
	var consumer *kafka.Consumer
	err := f.until(ctx, func() (err error) {
		if consumer, err = f.cfg.Kafka.NewConsumer(ctx, f.cfg.Consumer); err != nil {
			return &stepError{err, kafka.Retryable(err)}
		}
		return nil
	})
	if err != nil {
		return err
	}
	defer consumer.Close()
	pub, err := f.cfg.PubSub.Publisher(f.channel())
	if err != nil {
		return err
	}
	defer pub.Close()
	defer f.metrics.lag.Watch(f.cfg.Name, f.cfg.Consumer.Topic, f.partitions)()
	defer f.lookNowAndThen(ctx)()
	for {
		f.state.Set(flow.Waiting, "", time.Time{})
		share, err := consumer.Next(ctx)
		if err != nil {
			return err
		}
		c := newCarrier(f, share, pub)
		f.share.Store(c)
		err = c.run(ctx)
		f.share.Store(nil)
		if err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// ready describes the event, unless Prepare did.
func (f *Flow) ready(ctx context.Context) error {
	if f.shape.Load() != nil {
		return nil
	}
	_, err := f.refresh(ctx)
	return err
}

// until tries again while an error may pass.
func (f *Flow) until(ctx context.Context, try func() error) error {
	policy := backoff.Policy{Max: time.Minute}
	for n := 1; ; n++ {
		err := try()
		if err == nil || ctx.Err() != nil || !Retryable(err) {
			return err
		}
		wait := policy.Wait(n, 0)
		if f.state.Set(flow.BackingOff, err.Error(), time.Now().Add(wait)) {
			f.log.Warn("flow cannot begin, trying again", "wait", wait, "err", err)
		}
		if err := backoff.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// lookNowAndThen describes the event anew every few minutes, until the function
// that it returns is called.
func (f *Flow) lookNowAndThen(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		for backoff.Sleep(ctx, lookEvery) == nil {
			switch changed, err := f.refresh(ctx); {
			case ctx.Err() != nil:
			case err != nil && !Retryable(err):
				f.log.Error("the event was altered so that this flow no longer fits, going on as before", "event", f.cfg.Event, "err", err)
			case changed:
				f.log.Info("event has another schema", "event", f.cfg.Event, "schema_id", f.shape.Load().id)
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}
