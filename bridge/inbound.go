package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sfbridge/event"
	"sfbridge/pubsub"
	"sfbridge/schemas"
)

// inbound carries one channel from the org to its lane until ctx ends or a
// step fails: pull, encode, make room, hand over.
func (b *Bridge) inbound(ctx context.Context, l *lane, ch *channel) error {
	src, err := b.subscribe(ctx, ch)
	if err != nil {
		return fmt.Errorf("subscribe %s: %w", ch.capture.Channel, err)
	}
	defer src.Close()
	enc := newEncoder(b, ch)
	b.open(ch)
	for {
		batch, err := src.Recv(ctx) // pulls only while the caller has room
		if err != nil {
			return fmt.Errorf("receive %s: %w", ch.capture.Channel, err)
		}
		ch.received(len(batch.Events))
		b.open(ch)
		u, err := enc.encode(ctx, batch) // body bytes pass through
		if err != nil {
			ch.dropped(len(batch.Events))
			return fmt.Errorf("encode %s: %w", ch.capture.Channel, err)
		}
		b.streaming(ch)
		b.metrics.buffered.Add(float64(u.size))
		if u.bytes, err = b.budget.acquire(ctx, u.size); err != nil {
			b.metrics.buffered.Sub(float64(u.size))
			ch.dropped(u.events)
			return err
		}
		l.queue.put(u) // from here the lane owns it
	}
}

// open notes that the stream is open. A stopped channel is not healed by that:
// it has to get through a response first.
func (b *Bridge) open(ch *channel) {
	if ch.now() != stateStopped {
		b.streaming(ch)
	}
}

func (b *Bridge) streaming(ch *channel) {
	if ch.enter(stateStreaming, "") {
		b.orgUp(ch.org)
		ch.log.Info("subscribed", "replay_id", ch.snapshot().ReplayID)
	}
}

// acceptWait is how long silence is taken for neither yes nor no. The service
// refuses within a round trip or two, and says nothing on a quiet channel that
// it accepts.
const acceptWait = 500 * time.Millisecond

// subscribe opens the channel at its position, or where the configuration says
// when it has none.
func (b *Bridge) subscribe(ctx context.Context, ch *channel) (*pubsub.Subscription, error) {
	start, _ := ch.tracker.cursor.Resume()
	return ch.org.pubsub.Subscribe(ctx, pubsub.SubscribeConfig{
		Channel: ch.capture.Channel, Start: start, Credit: ch.org.cfg.Credit, AcceptWait: acceptWait,
		OnReconnect: func(reason string, _ error, _ time.Duration) { // the client has logged it
			if ch.enter(stateReconnecting, reason) {
				b.orgUp(ch.org)
			}
		},
		OnOpen: func() { b.open(ch) },
	})
}

// capture keeps one channel going until ctx ends. What passes is healed inside
// inbound; what comes back here needs a person, or a policy: the channel stops,
// says why, and is tried again now and then, so that a repair needs no restart.
func (b *Bridge) capture(ctx context.Context, l *lane, ch *channel) {
	bo := retrying(time.Second, time.Minute)
	for ctx.Err() == nil {
		if ch.now() != stateStopped {
			ch.enter(stateConnecting, "")
		}
		began := time.Now()
		err := b.inbound(ctx, l, ch)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, pubsub.ErrReplayExpired) {
			if err = b.expired(ch, err); err == nil {
				continue
			}
		}
		if time.Since(began) > time.Minute {
			bo.reset()
		}
		b.stop(ch, err)
		if bo.wait(ctx) != nil {
			return
		}
	}
}

// stop marks a channel that needs a person. The log speaks once of each cause,
// not of every try.
func (b *Bridge) stop(ch *channel, err error) {
	was := ch.now()
	ch.enter(stateStopped, err.Error())
	cause := causeOf(err)
	if was == stateStopped && ch.stopped == cause {
		return
	}
	ch.stopped = cause
	args := []any{"err", err}
	var refused *schemas.IncompatibleError
	if errors.As(err, &refused) {
		args = append(args, "subject", refused.Subject)
	}
	ch.log.Error("channel stopped; nothing is skipped, it is tried again now and then", args...)
}

// causeOf is an error's text without the number that the service gives to each
// call.
func causeOf(err error) string {
	if e, ok := errors.AsType[*pubsub.Error](err); ok {
		return fmt.Sprint(e.Op, e.Channel, e.Code, e.Status)
	}
	return err.Error()
}

// expired applies the policy for a position that the org does not accept. It
// returns nil when the channel may go on from a new start.
func (b *Bridge) expired(ch *channel, cause error) error {
	old := ch.tracker.pos.ReplayID
	if ch.expired != string(old) { // once for each position, however often it is tried
		ch.expired = string(old)
		b.metrics.replayExpired.WithLabelValues(ch.capture.Org, ch.capture.Channel).Inc()
	}
	last := ch.tracker.lastKnown()
	if ch.capture.OnExpired != Earliest && ch.capture.OnExpired != Latest {
		return fmt.Errorf("%w: the org no longer accepts replay id %s (last known at %s), so changes since then may be out of "+
			"its reach: set on_replay_expired to earliest (what the org still has) or latest, restart, and compare the org "+
			"with the topic from %s on", cause, old, last.Format(time.RFC3339), last.Format(time.RFC3339))
	}
	ch.log.Error("position lost, going on as configured; changes may be missing",
		"policy", ch.capture.OnExpired, "replay_id", old, "last_commit", last, "err", cause)
	ch.tracker.forget(ch.capture.OnExpired == Earliest)
	return nil
}

// resume puts the channel at the position that the checkpoint holds.
func (c *channel) resume(pos event.Position) {
	pos.Org, pos.OrgID, pos.Channel = c.capture.Org, c.org.id(), c.capture.Channel
	c.tracker = newTracker(pos, c.capture.Earliest)
	c.update(func(s *ChannelStatus) { s.InHand = 0 })
	if c.tracker.known() {
		c.committed(pos, 0)
	}
}
