package echo

import (
	"context"
	"strings"
	"time"

	"sfbridge/event"
	"sfbridge/schemas"
)

// Judge judges the events of one channel. One goroutine uses it.
type Judge struct {
	r       *Registry
	org     string
	client  string
	settled bool // the topic was read to its end after the response came
	change  change
}

// Judge makes a judge for a channel of an org.
func (r *Registry) Judge(org string) *Judge { return &Judge{r: r, org: org, client: r.cfg.Client} }

// Begin begins a response: what was announced before now covers all its events.
func (j *Judge) Begin() { j.settled = false }

// Own tells whether an event has this bridge's change origin: the whole text
// after ";client=", less a slash at its end, is this bridge's (Change Data Capture
// guide, "Change Event Fields").
func (j *Judge) Own(h *event.Header) bool {
	rest, ok := strings.CutSuffix(strings.TrimSuffix(h.ChangeOrigin, "/"), j.client)
	return ok && strings.HasSuffix(rest, ";client=")
}

// Event begins an event with this bridge's origin, whose payload is known to
// decode. Payload and header must not change until the next.
func (j *Judge) Event(codec *schemas.Codec, payload []byte, h *event.Header) {
	j.change.reset(j.org, codec, payload, h)
}

// Echo tells whether the event is, for one of its records, the echo of a write.
// If no write that is known to be of that record explains it, the topic is read to
// its present end first. An update that shows no field at all is one in any case: it holds
// nothing that anybody else did. The error is that of ctx.
func (j *Judge) Echo(ctx context.Context, record string) (bool, error) {
	switch {
	case j.change.typ.IsGap():
		return false, nil // nobody knows what changed
	case j.change.bare:
		return true, nil
	case j.r.judge(&j.change, record, j.settled):
		return true, nil
	case j.settled:
		return false, nil
	}
	if err := j.r.catchUp(ctx); err != nil {
		return false, err
	}
	j.settled = true
	return j.r.judge(&j.change, record, true), nil
}

// patience is how long a registry that gets no further is waited for. An event
// that could not be judged stays a change: it is written back once too often,
// which ends by itself, and nothing is lost.
const patience = 5 * time.Second

// catchUp waits until the topic is read up to where it ends now.
func (r *Registry) catchUp(ctx context.Context) error {
	asking, cancel := context.WithTimeout(ctx, patience)
	end, err := r.cfg.Kafka.StableOffset(asking, r.cfg.Topic, 0)
	cancel()
	t := time.NewTimer(patience)
	defer t.Stop()
	for err == nil {
		r.mu.Lock()
		at, progress := r.at, r.progress
		r.mu.Unlock()
		if at >= end {
			return nil
		}
		select {
		case <-progress:
			t.Reset(patience)
		case <-t.C:
			err = context.DeadlineExceeded
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.metrics.unsettled.Inc()
	r.cfg.Logger.Warn("announced writes not read to their end; changes with this bridge's origin may stay unmarked",
		"topic", r.cfg.Topic, "err", err)
	return nil
}
