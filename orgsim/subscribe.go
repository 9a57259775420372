package orgsim

import (
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"sfbridge/pubsub/pubsubpb"
)

// maxResponseBytes bounds one response; a single larger event goes alone.
const maxResponseBytes = 3 << 20

// subscription is one Subscribe call in progress.
type subscription struct {
	*invocation
	svc    *service
	stream grpc.BidiStreamingServer[pubsubpb.FetchRequest, pubsubpb.FetchResponse]
	ctx    context.Context
	open   *openStream
	feed   feed
	view   view
	rng    *rand.Rand

	credit   int
	lastSent time.Time     // of the last response; before it, of the opening
	dry      bool          // the last response used up the credit
	first    bool          // no response went out yet
	slow     time.Duration // the next response waits
	counted  bool          // a fault on first responses has counted this call
}

// received is what the reader of a stream hands on.
type received[T any] struct {
	req T
	err error
}

// readAll hands on every request of a stream until it ends.
func readAll[T any](ctx context.Context, recv func() (T, error)) <-chan received[T] {
	out := make(chan received[T])
	go func() {
		for {
			req, err := recv()
			select {
			case out <- received[T]{req, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return out
}

// Subscribe implements the call of that name.
func (s *service) Subscribe(stream grpc.BidiStreamingServer[pubsubpb.FetchRequest, pubsubpb.FetchResponse]) error {
	ctx, open := s.org.streams.start(stream.Context())
	defer s.org.streams.stop(open)
	reqs := readAll(ctx, stream.Recv)
	var req *pubsubpb.FetchRequest
	select {
	case r := <-reqs:
		if r.err != nil {
			return nil // closed before it said what it wants
		}
		req = r.req
	case <-ctx.Done():
		return ctx.Err()
	}
	inv, e := s.admit(ctx, "Subscribe", req.GetTopicName())
	if e != nil {
		return inv.fail(ctx, e)
	}
	sub := &subscription{
		invocation: inv, svc: s, stream: stream, ctx: ctx, open: open, lastSent: time.Now(), first: true,
		rng: rand.New(rand.NewPCG(s.org.cfg.Seed, uint64(inv.call.ID))),
	}
	if e := sub.begin(req); e != nil {
		return sub.fail(ctx, e)
	}
	defer sub.feed.close()
	return sub.run(reqs)
}

// begin settles channel and position by the first request.
func (sub *subscription) begin(req *pubsubpb.FetchRequest) *rpcError {
	o := sub.org
	o.calls.update(sub.call, func(c *Call) {
		c.Preset, c.ReplayID = req.GetReplayPreset().String(), req.GetReplayId()
	})
	v, e := o.readable(req.GetTopicName())
	if e != nil {
		return e
	}
	sub.view = v
	access := o.accessOf(sub.userID)
	if v.single != nil && access.forbids(v.single.def.Name) {
		if o.cfg.Switches.NotFoundForbidden {
			return o.errTopicNotFound(v.name)
		}
		return refuse(codes.PermissionDenied, "subscription.topic.cannot.subscribe",
			"The user doesn't have permission to subscribe to the topic %s.", v.name)
	}
	if o.deliveriesLeft() == 0 {
		return errDelivery()
	}
	sub.feed = o.feedOf(v, access)
	e = sub.feed.start(req.GetReplayPreset(), req.GetReplayId())
	if e == nil {
		e = sub.addCredit(req)
	}
	if e != nil {
		sub.feed.close()
		return e
	}
	if f, ok := o.faults.redelivery(v.name); ok {
		if bf, isBus := sub.feed.(*busFeed); isBus && req.GetReplayPreset() == pubsubpb.ReplayPreset_CUSTOM {
			bf.rewind(f.Events)
		}
	}
	return nil
}

func (o *Org) feedOf(v view, access Access) feed {
	o.mu.RLock()
	p := o.prepared[v.name]
	o.mu.RUnlock()
	if p != nil {
		return p.feed()
	}
	return newBusFeed(o, v, access)
}

// deliveriesLeft is what remains of the day's allocation.
func (o *Org) deliveriesLeft() int64 {
	if o.cfg.DeliveryLimit == 0 {
		return math.MaxInt64
	}
	return max(0, o.cfg.DeliveryLimit-o.Delivered())
}

// errOverDelivery says inside of a subscription that the allocation is used up.
var errOverDelivery = errors.New("delivery allocation used up")

func errDelivery() *rpcError {
	return refuse(codes.ResourceExhausted, "subscription.limit.exceeded", "You have exceeded the event delivery limit for your org.")
}

// addCredit takes a request. Credit adds up, to 100 at most.
func (sub *subscription) addCredit(req *pubsubpb.FetchRequest) *rpcError {
	n := int(req.GetNumRequested())
	if n <= 0 {
		return refuse(codes.InvalidArgument, "subscription.fetch.requested.events.invalid",
			"The requested number of events in a fetch request must be greater than zero.")
	}
	if sub.org.cfg.Switches.OverflowError && sub.credit+n > maxCredit {
		return refuse(codes.ResourceExhausted, "subscription.fetch.overflow", "More events were requested than were drained.")
	}
	now := time.Now()
	wait := now.Sub(sub.lastSent)
	sub.credit = min(maxCredit, sub.credit+min(n, maxCredit))
	sub.org.calls.update(sub.call, func(c *Call) {
		c.Requests++
		if len(c.Credits) == maxCredits {
			c.Credits = append(c.Credits[:0], c.Credits[1:]...)
		}
		c.Credits = append(c.Credits, Credit{At: now, Requested: n, Outstanding: sub.credit})
		if sub.dry {
			c.LongestWait = max(c.LongestWait, wait)
		}
	})
	sub.dry = false
	return nil
}

// run delivers until the call ends.
func (sub *subscription) run(reqs <-chan received[*pubsubpb.FetchRequest]) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		injected := sub.org.faults.changed() // taken first, so that no fault is missed
		if act := sub.org.faults.strike(sub); act != nil {
			if err, over := act.apply(sub); over {
				return err
			}
		}
		sent, err := sub.deliver()
		if err != nil {
			return sub.over(err)
		}
		if sent {
			select {
			case r := <-reqs:
				if done, err := sub.request(r); done {
					return err
				}
			default:
			}
			continue
		}
		timer.Reset(min(sub.untilTimeout(), sub.org.faults.untilNext()))
		select {
		case r := <-reqs:
			if done, err := sub.request(r); done {
				return err
			}
		case <-sub.feed.wake():
		case <-injected:
		case <-timer.C:
			if sub.untilTimeout() > 0 {
				continue // it was for a fault
			}
			if done, err := sub.timeout(); done {
				return err
			}
		case <-sub.ctx.Done():
			return sub.over(sub.ctx.Err())
		}
	}
}

// request handles a later request, or the end of the requests.
func (sub *subscription) request(r received[*pubsubpb.FetchRequest]) (done bool, err error) {
	if r.err != nil {
		if errors.Is(r.err, io.EOF) {
			return true, sub.done(nil) // the client has closed its side: that is how it leaves
		}
		return true, sub.over(r.err)
	}
	if name := r.req.GetTopicName(); name != "" && name != sub.view.name {
		return true, sub.fail(sub.ctx, refuse(codes.InvalidArgument, "subscription.fetch.topic.mismatch",
			"The topic %s differs from the topic of the first request.", name))
	}
	if e := sub.addCredit(r.req); e != nil {
		return true, sub.fail(sub.ctx, e)
	}
	return false, nil
}

// over ends a call whose context or transport ended: by the org, or by the
// client.
func (sub *subscription) over(err error) error {
	if errors.Is(err, errOverDelivery) {
		return sub.fail(sub.ctx, errDelivery())
	}
	if _, ended := sub.open.why(); !ended {
		return sub.done(err)
	}
	return sub.ended(sub.ctx, sub.open)
}

// deliver sends one response if there is credit and something to send.
func (sub *subscription) deliver() (bool, error) {
	if sub.ctx.Err() != nil {
		return false, sub.ctx.Err()
	}
	if sub.credit == 0 {
		return false, nil
	}
	limit := min(sub.credit, sub.org.cfg.MaxBatch)
	if sub.org.cfg.VaryBatches {
		limit = 1 + sub.rng.IntN(limit)
	}
	left := sub.org.deliveriesLeft()
	if left == 0 {
		return false, errOverDelivery
	}
	limit = sub.org.faults.room(sub.view.name, int(min(int64(limit), left)))
	if limit == 0 {
		return false, nil
	}
	resp := sub.org.buffers.newResponse()
	buf, n := sub.feed.fill(*resp.buf, limit, maxResponseBytes)
	*resp.buf = buf
	if n == 0 {
		resp.drop()
		return false, nil
	}
	if err := sub.pause(); err != nil {
		return false, err
	}
	sub.credit -= n
	resp.finish(sub.feed.latest(), sub.rpcID, sub.credit)
	if err := sub.send(resp); err != nil {
		return false, err
	}
	sub.org.usage.deliver(n)
	sub.org.faults.advance(sub.view.name, n)
	sub.dry = sub.credit == 0
	sub.org.calls.update(sub.call, func(c *Call) { c.Events += int64(n) })
	return true, nil
}

// pause waits as long as a slow fault says.
func (sub *subscription) pause() error {
	if sub.slow == 0 {
		return nil
	}
	wait := time.NewTimer(sub.slow)
	defer wait.Stop()
	sub.slow = 0
	select {
	case <-wait.C:
		return nil
	case <-sub.ctx.Done():
		return sub.ctx.Err()
	}
}

// send writes a response to the stream.
func (sub *subscription) send(resp *rawResponse) error {
	var err error
	if sub.svc.raw {
		err = sub.stream.SendMsg(resp)
	} else {
		var msg pubsubpb.FetchResponse
		if err = proto.Unmarshal(*resp.buf, &msg); err == nil {
			err = sub.stream.Send(&msg)
		}
	}
	sub.lastSent = time.Now()
	sub.first = false
	sub.org.calls.update(sub.call, func(c *Call) { c.Responses++ })
	return err
}

// untilTimeout is how long until something is due although nothing happens.
func (sub *subscription) untilTimeout() time.Duration {
	period := sub.org.cfg.IdleClose
	if sub.credit > 0 {
		period = sub.org.cfg.Keepalive
	}
	return max(0, time.Until(sub.lastSent.Add(period)))
}

// timeout sends a keepalive, or closes a stream that asks for nothing.
func (sub *subscription) timeout() (done bool, err error) {
	if sub.credit == 0 {
		return true, sub.closeIdle()
	}
	latest, ok := sub.feed.idle()
	if !ok {
		return false, nil
	}
	resp := sub.org.buffers.newResponse()
	resp.finish(latest, sub.rpcID, sub.credit)
	sub.org.calls.update(sub.call, func(c *Call) { c.Keepalives++ })
	if err := sub.send(resp); err != nil {
		return true, sub.over(err)
	}
	return false, nil
}

// closeIdle ends a stream that had no credit for too long. How the live
// service does it is not known, so it is a switch.
func (sub *subscription) closeIdle() error {
	switch sub.org.cfg.Switches.IdleCloseAs {
	case CloseClean:
		return sub.done(nil)
	case CloseCancelled:
		return sub.fail(sub.ctx, refuse(codes.Canceled, "", "No fetch request was received in time."))
	}
	return sub.fail(sub.ctx, refuse(codes.Unavailable, "", "RST_STREAM closed stream. HTTP/2 error code: NO_ERROR"))
}
