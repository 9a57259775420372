package pubsub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"

	"sfbridge/pubsub/pubsubpb"
	"sfbridge/salesforce/auth"
)

// stream is one Subscribe call, with its credit and its watchdog.
type stream struct {
	client  *Client
	channel string
	conn    *pooled
	call    grpc.ClientStream
	ctx     context.Context
	cancel  context.CancelCauseFunc
	watch   *time.Timer // cancels the call when it fires
	silence time.Duration

	credit      int       // outstanding at most
	outstanding int       // events asked for and not received yet
	asked       time.Time // when credit was last asked for
}

// open starts a Subscribe call where the cursor stands and sends the first
// request, which carries the position and all the credit.
func (r *reader) open(ctx context.Context, tok auth.Token) (*stream, error) {
	c := r.client
	conn, err := c.pool.take()
	if err != nil {
		return nil, fmt.Errorf("subscribe %s: %w", r.s.cfg.Channel, err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	st := &stream{
		client: c, channel: r.s.cfg.Channel, conn: conn, ctx: ctx, cancel: cancel,
		silence: 2 * c.cfg.KeepalivePeriod, credit: r.s.cfg.Credit,
	}
	// A call waits without end for a place on a connection that is full.
	opening := time.AfterFunc(c.cfg.OpenTimeout, func() { cancel(errOpen) })
	defer opening.Stop()
	st.watch = time.AfterFunc(st.silence, func() { cancel(errSilent) })
	st.call, err = conn.cc.NewStream(c.outgoing(ctx, tok), &pubsubpb.PubSub_ServiceDesc.Streams[0],
		pubsubpb.PubSub_Subscribe_FullMethodName,
		grpc.ForceCodecV2(codec{limit: c.cfg.MaxMessageBytes, names: &r.names}))
	if err != nil {
		err = st.ended(err)
		st.close(errors.Is(err, errOpen) && conn.cc.GetState() == connectivity.Ready)
		return nil, err
	}
	start, _ := r.cursor.Resume()
	if err := st.ask(firstRequest(r.s.cfg.Channel, start)); err != nil {
		st.close(false)
		return nil, err
	}
	return st, nil
}

func firstRequest(channel string, start Start) *pubsubpb.FetchRequest {
	req := &pubsubpb.FetchRequest{TopicName: channel, ReplayPreset: pubsubpb.ReplayPreset_LATEST}
	switch start.Preset {
	case Earliest:
		req.ReplayPreset = pubsubpb.ReplayPreset_EARLIEST
	case After:
		req.ReplayPreset = pubsubpb.ReplayPreset_CUSTOM
		req.ReplayId = start.ReplayID
	}
	return req
}

// ask sends a request that brings the credit outstanding to its full. That the
// call has ended is not an error here: recv tells why.
func (st *stream) ask(req *pubsubpb.FetchRequest) error {
	req.NumRequested = int32(st.credit - st.outstanding)
	st.outstanding = st.credit
	st.asked = time.Now()
	err := st.call.SendMsg(req)
	if err == nil || errors.Is(err, io.EOF) {
		return nil
	}
	return fromCall("Subscribe", st.channel, err, nil)
}

// header waits until the service has accepted the call, and tells whether it
// has. Services that send no headers before the first response, or refuse,
// let recv tell.
func (st *stream) header() bool {
	st.watch.Reset(st.silence)
	md, err := st.call.Header()
	return err == nil && md != nil
}

// recv waits for a response. The watchdog runs only here, while the stream is
// being waited for: not while the caller is busy.
func (st *stream) recv(res *fetchResponse) error {
	st.watch.Reset(st.silence)
	err := st.call.RecvMsg(res)
	st.watch.Stop()
	if err != nil {
		return st.ended(err)
	}
	return nil
}

// trust is the age after which a request surely has reached the service, so
// that the service's count of the credit is the better one.
const trust = 10 * time.Second

// settle counts a response against the credit and asks for more once a quarter
// of it is used: sooner than the events are worked on, so that the service is
// never idle for a round trip, and not for each event, which the service
// takes for over-asking.
func (st *stream) settle(res *fetchResponse) {
	st.outstanding = max(0, st.outstanding-len(res.events))
	if pending := max(0, int(res.pending)); pending < st.outstanding && time.Since(st.asked) > trust {
		st.outstanding = pending
	}
	if st.credit-st.outstanding >= max(1, st.credit/4) {
		_ = st.ask(&pubsubpb.FetchRequest{}) // recv tells if the call has ended
	}
}

// ended says why the call is over: the watchdog's reason if it was that, and
// else what the service said.
func (st *stream) ended(err error) error {
	if cause := context.Cause(st.ctx); errors.Is(cause, errSilent) || errors.Is(cause, errOpen) {
		return fmt.Errorf("subscribe %s: %w", st.channel, cause)
	}
	if st.call == nil {
		return fromCall("Subscribe", st.channel, err, nil)
	}
	return fromCall("Subscribe", st.channel, err, st.call.Trailer())
}

// close ends the call wholly: nothing of it is delivered after this.
func (st *stream) close(full bool) {
	st.watch.Stop()
	st.cancel(nil)
	st.client.pool.give(st.conn, full)
}
