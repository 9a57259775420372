package publish

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"sfbridge/internal/backoff"
	"sfbridge/internal/flow"
	"sfbridge/kafka"
	"sfbridge/pubsub"
)

const (
	maxCalls    = 4  // requests under way at once, on one stream
	maxAttempts = 8  // at an event that the org refuses
	handful     = 64 // records that are mapped before they are handed on
	lookAround  = 5 * time.Second
)

// carrier carries one share of the topic. Its loop owns the queues; intake and
// calls are goroutines that hand items to it and get them from it.
type carrier struct {
	f     *Flow
	share *kafka.Share
	pub   *pubsub.Publisher

	arrivals chan []*item
	answers  chan *call
	inFlight atomic.Int64
	registry atomic.Pointer[string] // why records cannot be decoded now
	room     atomic.Pointer[room]   // that the org's limits leave, as last asked

	// lanes has a key for each item that is ready, refused or in a call, and
	// under it those that wait for it.
	lanes   map[string][]*item
	ready   []*item
	refused []*item // to be sent again, the next one first
	calls   int
	taken   int64 // events that the org took

	failures int    // calls in a row that came to nothing
	trouble  string // why
	limited  bool   // because a limit is used up
	pause    time.Time
}

func newCarrier(f *Flow, share *kafka.Share, pub *pubsub.Publisher) *carrier {
	return &carrier{
		f: f, share: share, pub: pub, lanes: map[string][]*item{},
		arrivals: make(chan []*item), answers: make(chan *call, maxCalls),
	}
}

// run carries the share until it or ctx ends, finishes the calls under way and
// gives the share back.
func (c *carrier) run(ctx context.Context) error {
	calls, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	defer hangUp()
	reading, stop := context.WithCancel(ctx)
	intake := make(chan error, 1)
	go func() { intake <- c.intake(reading) }()
	err := c.loop(ctx, calls, intake)
	stop()
	deadline := time.AfterFunc(c.f.cfg.Drain, hangUp)
	defer deadline.Stop()
	for c.calls > 0 {
		err = errors.Join(err, c.answered(calls, <-c.answers))
	}
	<-intake
	return errors.Join(err, c.close(ctx))
}

// close gives the share back. What it left uncommitted the next owner does
// again; at the end of the process somebody should know.
func (c *carrier) close(ctx context.Context) error {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.f.cfg.Drain)
	defer cancel()
	why := c.share.Err()
	err := c.share.Close(last)
	if large, ok := errors.AsType[*kafka.TooLargeError](why); ok {
		return large
	}
	if err != nil && ctx.Err() == nil {
		c.f.log.Warn("share ended with outcomes that are not committed, their records are published again", "err", err)
		return nil
	}
	return err
}

// loop hands items to calls until the share or ctx ends.
func (c *carrier) loop(ctx, calls context.Context, intake chan error) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		c.dispatch(calls)
		c.tell()
		timer.Reset(c.untilNext())
		select {
		case items := <-c.arrivals:
			c.arrive(items)
		case a := <-c.answers:
			if err := c.answered(ctx, a); err != nil {
				return err
			}
		case err := <-intake:
			intake <- nil // for run, which waits for it
			if ctx.Err() != nil || errors.Is(err, kafka.ErrShareOver) {
				return nil
			}
			return err
		case <-timer.C:
		case <-c.share.Done():
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// untilNext is how long the loop may sleep.
func (c *carrier) untilNext() time.Duration {
	wait := lookAround
	if len(c.refused) > 0 {
		wait = min(wait, time.Until(c.refused[0].due))
	}
	if len(c.ready) > 0 && time.Now().Before(c.pause) {
		wait = min(wait, time.Until(c.pause))
	}
	return max(wait, 0)
}

// intake turns delivered records into items until ctx ends. Those that are not
// to be published are settled here.
func (c *carrier) intake(ctx context.Context) error {
	for {
		ds, err := c.share.Poll(ctx)
		if err != nil {
			return err
		}
		for some := range slices.Chunk(ds, handful) {
			items, err := c.items(ctx, some)
			if err != nil {
				return err
			}
			select {
			case c.arrivals <- items:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
}

func (c *carrier) items(ctx context.Context, ds []*kafka.Delivery) ([]*item, error) {
	items := make([]*item, 0, len(ds))
	for _, d := range ds {
		it := &item{d: d}
		why, skip, err := c.build(ctx, it)
		switch {
		case err != nil:
			return nil, err
		case why != nil:
			if err := c.refuse(ctx, it, why); err != nil {
				return nil, err
			}
		case skip != "":
			c.done(it, flow.Skipped, skip)
		default:
			items = append(items, it)
		}
	}
	return items, nil
}

// arrive queues items: one of each key at a time, those without a key as they
// come.
func (c *carrier) arrive(items []*item) {
	if len(c.lanes) == 0 && c.inFlight.Load() == 0 {
		c.f.state.Moved() // none were in hand
	}
	for _, it := range items {
		if it.d.Key != nil {
			key := string(it.d.Key)
			behind, busy := c.lanes[key]
			if busy {
				c.lanes[key] = append(behind, it)
				continue
			}
			c.lanes[key] = nil
		}
		c.ready = append(c.ready, it)
	}
}

// next lets the item behind a settled one follow.
func (c *carrier) next(it *item) {
	if it.d.Key == nil {
		return
	}
	key := string(it.d.Key)
	behind := c.lanes[key]
	if len(behind) == 0 {
		delete(c.lanes, key)
		return
	}
	c.ready = append(c.ready, behind[0])
	c.lanes[key] = behind[1:]
}

// again puts an item among those that are sent later.
func (c *carrier) again(it *item) {
	policy := backoff.Policy{Base: 500 * time.Millisecond, Max: 30 * time.Second}
	it.due = time.Now().Add(policy.Wait(it.attempts, 0))
	at, _ := slices.BinarySearchFunc(c.refused, it, func(a, b *item) int { return a.due.Compare(b.due) })
	c.refused = slices.Insert(c.refused, at, it)
}

// tell says how the share is doing.
func (c *carrier) tell() {
	state, reason, until := flow.Running, "", time.Time{}
	text := c.registry.Load()
	kafkaTrouble := c.share.Trouble()
	switch {
	case c.limited:
		state, reason, until = flow.AtLimit, c.trouble, c.pause
	case c.trouble != "":
		state, reason, until = flow.BackingOff, c.trouble, c.pause
	case text != nil:
		state, reason = flow.BackingOff, *text
	case kafkaTrouble != nil:
		state, reason = flow.BackingOff, kafkaTrouble.Error()
	case len(c.share.Partitions) == 0:
		state = flow.Waiting
	}
	if !c.f.state.Set(state, reason, until) {
		return
	}
	if reason != "" {
		c.f.log.Warn("publishing is held up", "state", state, "err", reason)
		return
	}
	c.f.log.Info("publishing", "state", state, "partitions", len(c.share.Partitions))
}
