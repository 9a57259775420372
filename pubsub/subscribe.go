package pubsub

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"sfbridge/event"
)

// maxCredit is how many events may be outstanding on one stream (Pub/Sub API
// guide, flow control); the service takes larger requests for this.
const maxCredit = 100

// SubscribeConfig says what to subscribe to, and from where.
type SubscribeConfig struct {
	Channel string
	Start   Start
	// Credit is how many events may be on their way; 1 to 100, default 100.
	Credit int
	// AcceptWait bounds how long Subscribe waits to learn whether the service
	// accepts the stream; default 5 s. A service that says nothing within it
	// may still refuse later: then Recv tells.
	AcceptWait time.Duration
	// OnReconnect is told that the stream was lost, why (a word of the
	// reconnect metric, and the error), and when it is opened again. It runs on
	// the subscription's goroutine and must not call Close.
	OnReconnect func(reason string, err error, wait time.Duration)
	// OnOpen is told that a stream is open: the service has accepted it, or has
	// not refused it for AcceptWait. A quiet channel shows nothing else for as
	// long as a keepalive takes. It is never called for a stream after
	// OnReconnect has told of its end, and must not call Close.
	OnOpen func()
}

func (c *SubscribeConfig) check() error {
	if !strings.HasPrefix(c.Channel, "/") {
		return &Error{Op: "Subscribe", Channel: c.Channel, Status: codes.InvalidArgument, Message: "channel names begin with a slash", Hint: hintChannel, class: stop}
	}
	if c.Start.Preset == After && len(c.Start.ReplayID) == 0 {
		return &Error{
			Op: "Subscribe", Channel: c.Channel, Status: codes.InvalidArgument, Code: "subscription.fetch.replayid.validation.failed",
			Message: "a start after a replay id without the replay id", class: stop,
		}
	}
	if c.Credit <= 0 || c.Credit > maxCredit {
		c.Credit = maxCredit
	}
	c.AcceptWait = orDefault(c.AcceptWait, 5*time.Second)
	return nil
}

// Batch is one response of the service.
type Batch struct {
	// Events in the order of the channel. They share memory with one another
	// and with nothing else, so they may be kept and must not be appended to.
	// None means a keepalive: all events up to Latest have been delivered.
	Events []event.Raw
	// Latest is the position that the service reports with the response. It
	// may be later than the last event's; store it only after all of Events.
	Latest   event.ReplayID
	Received time.Time
}

// Subscription is one channel being read. Its one goroutine owns the stream,
// holds at most one response that nobody asked for, and ends with Close or
// with an error that it cannot heal.
type Subscription struct {
	client *Client
	cfg    SubscribeConfig
	log    *slog.Logger
	cancel context.CancelFunc

	out      chan Batch    // unbuffered: a batch is received exactly when it is handed over
	accepted chan struct{} // closed once the service has accepted a stream
	accept   sync.Once
	done     chan struct{} // closed when the goroutine ends; err is set before
	err      error
}

// Subscribe opens a subscription. It returns once the service has accepted or
// refused the stream, or after AcceptWait if it says nothing or is away: then
// the subscription goes on trying. ctx bounds this wait alone; the subscription
// lives until Close.
//
// Errors are those that trying again cannot heal, here and from Recv alike:
// one that matches ErrReplayExpired, an *Error for which IsPermanent is true,
// or a login that was refused five times.
func (c *Client) Subscribe(ctx context.Context, cfg SubscribeConfig) (*Subscription, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	life, cancel := context.WithCancel(context.Background())
	s := &Subscription{
		client: c, cfg: cfg, cancel: cancel,
		log:      c.log.With("channel", cfg.Channel),
		out:      make(chan Batch),
		accepted: make(chan struct{}),
		done:     make(chan struct{}),
	}
	if err := c.add(s); err != nil {
		cancel()
		return nil, fmt.Errorf("subscribe %s: %w", cfg.Channel, err)
	}
	go s.run(life)
	return s.wait(ctx)
}

// wait returns the subscription once it is accepted, or why it is not.
func (s *Subscription) wait(ctx context.Context) (*Subscription, error) {
	patience := time.NewTimer(s.cfg.AcceptWait)
	defer patience.Stop()
	select {
	case <-s.accepted:
	case <-patience.C:
	case <-s.done:
		return nil, s.err
	case <-ctx.Done():
		_ = s.Close()
		return nil, fmt.Errorf("subscribe %s: %w", s.cfg.Channel, context.Cause(ctx))
	}
	return s, nil
}

// run reads streams until the subscription is closed or cannot be healed.
func (s *Subscription) run(ctx context.Context) {
	defer s.client.remove(s)
	defer close(s.done)
	err := newReader(s).run(ctx)
	if ctx.Err() != nil {
		err = fmt.Errorf("subscription %s: %w", s.cfg.Channel, ErrClosed)
	}
	s.cancel()
	s.err = err
}

// Recv returns the next response, waiting for it as long as ctx allows. While
// nobody calls it, at most one response is held and the transport's window
// holds back the rest. It is for one caller at a time. After an error that
// ends the subscription, every call returns that error.
func (s *Subscription) Recv(ctx context.Context) (Batch, error) {
	select {
	case b := <-s.out:
		return b, nil
	case <-s.done:
		return Batch{}, s.err
	case <-ctx.Done():
		return Batch{}, context.Cause(ctx)
	}
}

// Close ends the subscription and waits for its goroutine. It may be called
// twice, and while another goroutine is in Recv, which then returns ErrClosed.
func (s *Subscription) Close() error {
	s.cancel()
	<-s.done
	return nil
}
