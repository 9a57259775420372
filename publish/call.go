package publish

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sfbridge/internal/backoff"
	"sfbridge/internal/crashpoint"
	"sfbridge/internal/flow"
	"sfbridge/pubsub"
)

// limitName is the org's limit of published events, as /limits calls it.
const limitName = "HourlyPublishedPlatformEvents"

const (
	atLimitWait = 2 * time.Minute  // before a used-up limit is tried again
	roomAge     = 30 * time.Second // how long an answer about limits is believed
)

// call is one request under way, and then what became of it.
type call struct {
	items   []*item
	taken   int64 // by the org in this share, when the call began
	results []pubsub.Result
	room    *room // asked for when the org took none of the events
	// rebuilt says that the call cannot work with the schema that it was made
	// with, and that the items were made anew; whys are those that could not.
	rebuilt bool
	whys    map[*item]*refusal
}

// room is what the org's limits leave.
type room struct {
	left, most int64
	err        error // why it is not known
	at         time.Time
}

// dispatch starts calls while there is something to send.
func (c *carrier) dispatch(ctx context.Context) {
	now := time.Now()
	for len(c.refused) > 0 && !c.refused[0].due.After(now) {
		c.ready = append(c.ready, c.refused[0])
		c.refused = c.refused[1:]
	}
	for len(c.ready) > 0 && c.calls < maxCalls && !now.Before(c.pause) && (c.failures == 0 || c.calls == 0) && c.share.Held() {
		items := c.take()
		c.calls++
		c.inFlight.Add(int64(len(items)))
		a := &call{items: items, taken: c.taken}
		go func() {
			c.send(ctx, a)
			c.answers <- a
		}()
	}
}

// take takes what fits into one request off the queue.
func (c *carrier) take() []*item {
	n, size := 0, 0
	for _, it := range c.ready {
		if n == maxRequest || n > 0 && size+it.size() > maxRequestBytes {
			break
		}
		n, size = n+1, size+it.size()
	}
	items := c.ready[:n:n]
	c.ready = c.ready[n:]
	return items
}

// send makes one call. It runs on a goroutine of its own, which has the items.
func (c *carrier) send(ctx context.Context, a *call) {
	events := make([]pubsub.Event, len(a.items))
	for i, it := range a.items {
		events[i] = it.event
	}
	crashpoint.Here("publish-before-call")
	var err error
	a.results, err = c.pub.Send(ctx, events)
	crashpoint.Here("publish-after-call")
	if err == nil {
		return
	}
	refused, none := false, true
	for _, r := range a.results {
		_, is := errors.AsType[*pubsub.PublishError](r.Err)
		refused, none = refused || is, none && r.Err != nil
	}
	switch {
	case refused && none:
		a.room = c.askRoom(ctx)
	case !refused && pubsub.IsPermanent(err) && ctx.Err() == nil:
		c.rebuild(ctx, a)
	}
}

// askRoom asks what the org's limits leave: a refusal does not say why.
func (c *carrier) askRoom(ctx context.Context) *room {
	if r := c.room.Load(); r != nil && time.Since(r.at) < roomAge {
		return r
	}
	limits, err := c.f.cfg.API.Limits(ctx)
	l, found := limits[limitName]
	r := &room{left: l.Remaining, most: l.Max, err: err, at: time.Now()}
	if err == nil && !found {
		r.err = errors.New("the org tells no limit " + limitName)
	}
	c.room.Store(r)
	return r
}

// rebuild makes the items of a call anew if the event has another schema now.
func (c *carrier) rebuild(ctx context.Context, a *call) {
	changed, err := c.f.refresh(ctx)
	if err != nil || !changed {
		return
	}
	a.rebuilt, a.whys = true, map[*item]*refusal{}
	for _, it := range a.items {
		why, _, err := c.build(ctx, it)
		if err != nil {
			return
		}
		if why != nil {
			a.whys[it] = why
		}
	}
}

// answered settles what a call settled and queues the rest again. An error
// needs a person.
func (c *carrier) answered(ctx context.Context, a *call) error {
	c.calls--
	c.inFlight.Add(-int64(len(a.items)))
	var refused, failed []*item
	var cause error
	for i, it := range a.items {
		err := a.results[i].Err
		if err == nil {
			c.taken++
			c.done(it, flow.Published, "")
			c.next(it)
		} else if no, ok := errors.AsType[*pubsub.PublishError](err); ok {
			it.why, refused = no, append(refused, it)
		} else {
			failed, cause = append(failed, it), err
		}
	}
	if len(refused)+len(failed) < len(a.items) {
		c.failures, c.trouble, c.limited, c.pause = 0, "", false, time.Time{}
	}
	if len(refused) > 0 {
		if err := c.refusedBy(ctx, a, refused); err != nil {
			return err
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return c.failed(ctx, a, failed, cause)
}

// refusedBy deals with events that the org did not take. It says the same of an
// event that it cannot take and of a limit that is used up, so an attempt only
// counts if the org takes other events, or is known to have room.
func (c *carrier) refusedBy(ctx context.Context, a *call, items []*item) error {
	switch {
	case c.taken > a.taken, a.room != nil && a.room.err == nil && a.room.left > 0:
		return c.count(ctx, items)
	case a.room != nil && a.room.err == nil:
		c.failures++
		c.limited, c.pause = true, time.Now().Add(atLimitWait)
		c.trouble = fmt.Sprintf("the org's platform events of the hour are used up (%s: %d of %d left)", limitName, a.room.left, a.room.most)
	default:
		c.hold("the org refuses events: " + items[0].why.Message)
		if a.room != nil {
			c.trouble += fmt.Sprintf("; whether a limit is used up is not known: %v", a.room.err)
		}
	}
	c.ready = append(items, c.ready...)
	return nil
}

// count counts an attempt at each item, and sets aside those with too many.
func (c *carrier) count(ctx context.Context, items []*item) error {
	for _, it := range items {
		if it.attempts++; it.attempts < maxAttempts {
			c.again(it)
			continue
		}
		no := &refusal{reason: flow.Rejected, text: fmt.Sprintf("the org refused the event %d times", it.attempts), code: it.why.Code, message: it.why.Message}
		if len(it.event.Payload) > sureEventBytes {
			no.reason = flow.TooLarge
		}
		if err := c.refuse(ctx, it, no); err != nil {
			return err
		}
		c.next(it)
	}
	return nil
}

// failed queues the items of a call that came to nothing, or that nobody
// answered: their events may be stored twice then, with one UUID.
func (c *carrier) failed(ctx context.Context, a *call, items []*item, err error) error {
	switch {
	case ctx.Err() != nil, errors.Is(err, context.Canceled):
	case a.rebuilt:
		for _, it := range items {
			if why := a.whys[it]; why != nil {
				if err := c.refuse(ctx, it, why); err != nil {
					return err
				}
				c.next(it)
				continue
			}
			c.ready = append(c.ready, it)
		}
		return nil
	case !pubsub.Retryable(err):
		return err
	default:
		c.hold(err.Error())
	}
	c.ready = append(items, c.ready...)
	return nil
}

// hold stops calls for a while that grows with each failure. Calls that were
// under way together fail together, and count once.
func (c *carrier) hold(trouble string) {
	c.trouble, c.limited = trouble, false
	if c.failures > 0 && time.Now().Before(c.pause) {
		return
	}
	c.failures++
	c.pause = time.Now().Add((backoff.Policy{Base: 500 * time.Millisecond, Max: time.Minute}).Wait(c.failures, 0))
}
