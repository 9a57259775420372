package pubsub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"sfbridge/internal/backoff"
	"sfbridge/salesforce/auth"
)

// How long to stay away, by class.
var (
	waitResume  = backoff.Policy{Base: time.Second, Max: time.Minute}
	waitSlow    = backoff.Policy{Base: 5 * time.Second, Max: 5 * time.Minute}
	waitLimited = backoff.Policy{Base: 5 * time.Minute, Max: 30 * time.Minute}
)

// refusals is how many refused logins in a row end a subscription.
const refusals = 5

// loginError is a token that could not be had.
type loginError struct{ err error }

func (e *loginError) Error() string { return "get a token: " + e.err.Error() }
func (e *loginError) Unwrap() error { return e.err }

// reader reads a channel through one stream after another. One goroutine uses
// it.
type reader struct {
	s      *Subscription
	client *Client
	cursor *Cursor
	recent *recent
	names  interned

	failures int // streams lost since the last response
	refused  int // logins refused, and headers not taken, since the last response
}

func newReader(s *Subscription) *reader {
	return &reader{s: s, client: s.client, cursor: NewCursor(s.cfg.Channel, s.cfg.Start), recent: newRecent()}
}

// run opens streams until ctx ends, or until one ends in a way that opening
// another cannot heal; that error is returned.
func (r *reader) run(ctx context.Context) error {
	for {
		err := r.stream(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		wait, heal := r.next(err)
		if !heal {
			return err
		}
		r.announce(err, wait)
		if err := backoff.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// next says whether and when another stream is opened after err.
func (r *reader) next(err error) (wait time.Duration, heal bool) {
	r.failures++
	if login, ok := errors.AsType[*loginError](err); ok {
		if !auth.Retryable(login.err) {
			r.refused++
		}
		return waitResume.Wait(r.failures, 0), r.refused < refusals
	}
	switch classOf(err) {
	case lostPlace, stop:
		return 0, false
	case relogin:
		if e, ok := errors.AsType[*Error](err); ok && e.Code == "service.auth.headers.invalid" {
			r.refused++
		}
		return waitResume.Wait(r.failures, 0), r.refused < refusals
	case slow:
		return waitSlow.Wait(r.failures, 0), true
	case limited:
		return waitLimited.Wait(r.failures, 0), true
	}
	return waitResume.Wait(r.failures, 0), true
}

// announce tells everybody that the stream was lost and when it comes back.
func (r *reader) announce(err error, wait time.Duration) {
	reason := reasonOf(err)
	r.client.metrics.reconnects.WithLabelValues(r.s.cfg.Channel, reason).Inc()
	start, exact := r.cursor.Resume()
	attrs := []any{"reason", reason, "attempt", r.failures, "wait", wait, "replay_id", start.ReplayID.String(), "err", err}
	switch {
	case errors.Is(err, io.EOF):
		r.s.log.Info("stream ended by the service, reopening", attrs...)
	case classOf(err) == limited:
		r.s.log.Error("event delivery limit reached, staying away", attrs...)
	default:
		r.s.log.Warn("subscription lost, reconnecting", attrs...)
	}
	if !exact && r.accepted() {
		r.s.log.Warn("no position was received before the stream was lost, so events may have been missed", "channel_start", "latest")
	}
	if r.s.cfg.OnReconnect != nil {
		r.s.cfg.OnReconnect(reason, err, wait)
	}
}

func (r *reader) accepted() bool {
	select {
	case <-r.s.accepted:
		return true
	default:
		return false
	}
}

// stream opens one stream where the cursor stands and reads it to its end,
// which is the error returned.
func (r *reader) stream(ctx context.Context) error {
	tok, err := r.client.cfg.Session.Token(ctx)
	if err != nil {
		return &loginError{err}
	}
	st, err := r.open(ctx, tok)
	if err == nil {
		err = r.read(ctx, st)
		st.close(false)
	}
	if classOf(err) == relogin {
		r.client.cfg.Session.Invalidate(tok)
	}
	return err
}

// read hands over what a stream brings, until it ends.
func (r *reader) read(ctx context.Context, st *stream) error {
	open := r.opening()
	defer open.end()
	if st.header() {
		r.s.accept.Do(func() { close(r.s.accepted) })
		open.tell()
	}
	head := newHead(r.cursor, r.recent)
	for {
		var res fetchResponse
		if err := st.recv(&res); err != nil {
			return err
		}
		if res.tooBig > 0 {
			return r.oversize(res.tooBig)
		}
		r.failures, r.refused = 0, 0
		r.s.accept.Do(func() { close(r.s.accepted) })
		open.tell()
		st.settle(&res)
		batch := Batch{Events: head.unseen(res.events), Latest: res.latest, Received: time.Now()}
		if len(batch.Events) == 0 && len(res.events) > 0 {
			continue // all of them handed over before the stream was lost
		}
		select {
		case r.s.out <- batch:
		case <-ctx.Done():
			return ctx.Err()
		}
		r.move(&batch)
	}
}

// opening tells once that a stream is open, at the latest when the service has
// kept silent about it for a while.
type opening struct {
	patience *time.Timer
	notify   func()
	mu       sync.Mutex // held while notifying, so that end waits for it
	over     bool       // guarded by mu: told, or the stream has ended
}

func (r *reader) opening() *opening {
	o := &opening{notify: r.s.cfg.OnOpen}
	if o.notify == nil {
		o.over = true
		return o
	}
	o.mu.Lock() // the timer may go off before its variable is set
	defer o.mu.Unlock()
	o.patience = time.AfterFunc(r.s.cfg.AcceptWait, o.tell)
	return o
}

func (o *opening) tell() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.over {
		o.over = true
		o.patience.Stop()
		o.notify()
	}
}

func (o *opening) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.over {
		o.over = true
		o.patience.Stop()
	}
}

// move follows what was handed over.
func (r *reader) move(b *Batch) {
	for i := range b.Events {
		r.cursor.Event(b.Events[i].ReplayID)
		r.recent.add(&b.Events[i])
	}
	if len(b.Events) == 0 {
		r.cursor.Keepalive(b.Latest)
	}
}

func (r *reader) oversize(size int) error {
	return &Error{
		Op: "Subscribe", Channel: r.s.cfg.Channel, Status: codes.ResourceExhausted, class: stop,
		Message: fmt.Sprintf("response of %d bytes is over the limit of %d", size, r.client.cfg.MaxMessageBytes),
		Hint:    "raise the limit of message bytes",
	}
}
