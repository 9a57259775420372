package pubsub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"

	"sfbridge/internal/backoff"
	"sfbridge/pubsub/pubsubpb"
)

// Publisher publishes to one channel over a PublishStream call, which saves
// the opening of a call for each request and lets several requests be under
// way. The stream is opened when first needed and again when it has ended: the
// service ends one that is idle for half an hour.
type Publisher struct {
	client  *Client
	channel string
	life    context.Context
	cancel  context.CancelFunc

	mu     sync.Mutex // guards stream; held while a request is sent, so that the order of sending is the order of waiting
	stream *publishStream
	loops  sync.WaitGroup
}

// Publisher returns a publisher for a channel. It connects when first used.
func (c *Client) Publisher(channel string) (*Publisher, error) {
	p := &Publisher{client: c, channel: channel}
	p.life, p.cancel = context.WithCancel(context.Background())
	if err := c.add(p); err != nil {
		p.cancel()
		return nil, fmt.Errorf("publisher %s: %w", channel, err)
	}
	return p, nil
}

// Publish is Client.Publish over the stream. Many goroutines may call it; each
// call keeps the order of its own events.
func (p *Publisher) Publish(ctx context.Context, events []Event) ([]Result, error) {
	return p.client.publish(ctx, p.channel, events, publishTries, p.send)
}

// Send is Publish without further attempts at events that the org refuses:
// those that it takes are known at once, and what to do about the others is for
// the caller to say. Each call keeps the order of its own events, and no event
// of it is sent after a later one.
func (p *Publisher) Send(ctx context.Context, events []Event) ([]Result, error) {
	return p.client.publish(ctx, p.channel, events, 1, p.send)
}

// Close ends the stream and waits for its goroutine. Calls of Publish that are
// under way fail with ErrClosed.
func (p *Publisher) Close() error {
	p.cancel()
	p.mu.Lock() // whoever was opening a stream has counted it
	defer p.mu.Unlock()
	p.loops.Wait()
	p.client.remove(p)
	return nil
}

// send sends one request and waits for its response. When the stream is lost
// before that, the request is sent again on another one: the event may then be
// stored twice, with the same UUID.
func (p *Publisher) send(ctx context.Context, req *pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, error) {
	for attempt := 1; ; attempt++ {
		wait, err := p.enqueue(ctx, req)
		var res *pubsubpb.PublishResponse
		if err == nil {
			res, err = wait.result(ctx, p.client.cfg.OpenTimeout)
		}
		if err == nil {
			return res, nil
		}
		if p.life.Err() != nil {
			return nil, fmt.Errorf("publish %s: %w", p.channel, ErrClosed)
		}
		if ctx.Err() != nil || !p.again(err) || attempt >= unaryTries {
			return nil, fmt.Errorf("publish %s: %w", p.channel, err)
		}
		if err := backoff.Sleep(ctx, (backoff.Policy{Max: 8 * time.Second}).Wait(attempt, 0)); err != nil {
			return nil, fmt.Errorf("publish %s: %w", p.channel, err)
		}
	}
}

// again tells whether a lost stream is worth another one.
func (p *Publisher) again(err error) bool {
	if errors.Is(err, io.EOF) {
		return true
	}
	e, ok := errors.AsType[*Error](err)
	return ok && (e.class == resume || e.class == relogin)
}

// enqueue sends a request on the stream, opening one if there is none.
func (p *Publisher) enqueue(ctx context.Context, req *pubsubpb.PublishRequest) (*waiting, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.life, cancel)()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.life.Err() != nil {
		return nil, ErrClosed
	}
	if p.stream != nil && p.stream.over() {
		p.stream = nil
	}
	if p.stream == nil {
		st, err := p.open(ctx)
		if err != nil {
			return nil, err
		}
		p.stream = st
	}
	w := &waiting{done: make(chan struct{}), giveUp: p.stream.cancel}
	if !p.stream.push(w) {
		return nil, p.stream.err
	}
	// An error here is told to all that wait, by the goroutine that receives.
	_ = p.stream.call.Send(req)
	return w, nil
}

// open starts a call and its receiving goroutine.
func (p *Publisher) open(ctx context.Context) (*publishStream, error) {
	c := p.client
	tok, err := c.cfg.Session.Token(ctx)
	if err != nil {
		return nil, fmt.Errorf("publish %s: %w", p.channel, err)
	}
	conn, err := c.pool.take()
	if err != nil {
		return nil, fmt.Errorf("publish %s: %w", p.channel, err)
	}
	life, cancel := context.WithCancel(p.life)
	opening := time.AfterFunc(c.cfg.OpenTimeout, cancel)
	call, err := pubsubpb.NewPubSubClient(conn.cc).PublishStream(c.outgoing(life, tok))
	if err != nil || !opening.Stop() {
		cancel()
		c.pool.give(conn, false)
		if err == nil {
			err = errOpen
		}
		return nil, fromCall("PublishStream", p.channel, err, nil)
	}
	st := &publishStream{call: call, cancel: cancel}
	p.loops.Add(1)
	go func() {
		defer p.loops.Done()
		err := st.receive()
		err = fromCall("PublishStream", p.channel, err, call.Trailer())
		if classOf(err) == relogin {
			c.cfg.Session.Invalidate(tok)
		}
		st.fail(err)
		cancel()
		c.pool.give(conn, false)
	}()
	return st, nil
}

// publishStream is one PublishStream call and the requests that wait for their
// responses, which come in the order of the requests.
type publishStream struct {
	call   grpc.BidiStreamingClient[pubsubpb.PublishRequest, pubsubpb.PublishResponse]
	cancel context.CancelFunc // ends the call

	mu    sync.Mutex // guards what follows
	queue []*waiting
	err   error // why it ended
}

// waiting is one request under way.
type waiting struct {
	done   chan struct{}
	giveUp context.CancelFunc // ends the call
	res    *pubsubpb.PublishResponse
	err    error
}

// result waits for the response. A stream that does not bring it in time is
// ended, for all that wait on it.
func (w *waiting) result(ctx context.Context, patience time.Duration) (*pubsubpb.PublishResponse, error) {
	defer time.AfterFunc(patience, w.giveUp).Stop()
	select {
	case <-w.done:
		return w.res, w.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (s *publishStream) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err != nil
}

// push puts a request in line, or tells that the stream is over.
func (s *publishStream) push(w *waiting) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return false
	}
	s.queue = append(s.queue, w)
	return true
}

// receive gives each response to the request that waits longest, until the
// call ends.
func (s *publishStream) receive() error {
	for {
		res, err := s.call.Recv()
		if err != nil {
			return err
		}
		s.mu.Lock()
		if len(s.queue) == 0 {
			s.mu.Unlock()
			continue // answers nothing that was asked
		}
		w := s.queue[0]
		s.queue = s.queue[1:]
		s.mu.Unlock()
		w.res = res
		close(w.done)
	}
}

// fail ends the stream for all that wait.
func (s *publishStream) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	for _, w := range s.queue {
		w.err = err
		close(w.done)
	}
	s.queue = nil
}
