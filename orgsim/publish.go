package orgsim

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"sfbridge/event"
	"sfbridge/pubsub/pubsubpb"
)

// maxRequestRead is what the server reads at all. A publish request becomes
// too large long before.
const maxRequestRead = 64 << 20

// Publish implements the call of that name.
func (s *service) Publish(ctx context.Context, req *pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, error) {
	inv, e := s.admit(ctx, "Publish", req.GetTopicName())
	if e != nil {
		return nil, inv.fail(ctx, e)
	}
	resp, e := inv.publish(req.GetTopicName(), req)
	if e != nil {
		return nil, inv.fail(ctx, e)
	}
	return resp, inv.done(nil)
}

// publish stores the events of one request: one result per event, in order; a
// failing event does not fail the others.
func (inv *invocation) publish(channel string, req *pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, *rpcError) {
	o := inv.org
	t, e := o.publishable(channel)
	if e != nil {
		return nil, e
	}
	if len(req.GetEvents()) == 0 {
		return nil, refuse(codes.InvalidArgument, "publish.event.count.invalid", "The publish request must contain at least one event.")
	}
	if o.cfg.MaxPublishEvents > 0 && len(req.GetEvents()) > o.cfg.MaxPublishEvents {
		return nil, refuse(codes.InvalidArgument, "publish.event.count.invalid", "The publish request holds more than %d events.", o.cfg.MaxPublishEvents)
	}
	if proto.Size(req) > o.cfg.MaxPublishBytes {
		return nil, refuse(codes.Unavailable, "", "upstream connect error or disconnect/reset before headers. reset reason: remote reset")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	resp := &pubsubpb.PublishResponse{SchemaId: string(t.schema.id), RpcId: inv.rpcID}
	for _, p := range req.GetEvents() {
		resp.Results = append(resp.Results, o.publishOne(t, p))
	}
	o.calls.update(inv.call, func(c *Call) { c.Requests++; c.Responses++; c.Events += int64(len(req.GetEvents())) })
	return resp, nil
}

// publishOne stores one event as it came: the service does not look into
// payloads, so garbage goes through to subscribers. Org.mu is held.
func (o *Org) publishOne(t *table, p *pubsubpb.ProducerEvent) *pubsubpb.PublishResult {
	res := &pubsubpb.PublishResult{CorrelationKey: p.GetId()}
	failed := func(text string) *pubsubpb.PublishResult {
		res.Error = &pubsubpb.Error{Code: pubsubpb.ErrorCode_PUBLISH, Msg: text}
		return res
	}
	switch {
	case o.closed:
		return failed("The service is unavailable.")
	case len(p.GetPayload()) > o.cfg.MaxEventBytes:
		return failed("The event is larger than the maximum size of 1 MB.")
	case o.cfg.PublishLimit > 0 && o.Published() >= o.cfg.PublishLimit:
		return failed("You have exceeded the event publishing limit for your org.")
	}
	if f, ok := o.faults.publishing(t.def.Channel()); ok {
		return failed(f.refusal().text)
	}
	e := &stored{entity: t.def.Name, uuid: strings.Clone(p.GetId()), schemaID: event.SchemaID(p.GetSchemaId()), payload: p.GetPayload()}
	if e.uuid == "" {
		e.uuid = newUUID(o.rng)
		res.CorrelationKey = e.uuid
	}
	if e.schemaID == "" {
		e.schemaID = t.schema.id
	}
	o.storePlatform(e)
	res.ReplayId = replayID(e.counter, o.cfg.Switches.ReplayIDBytes)
	return res
}

// publishable resolves a channel that events can be published to.
func (o *Org) publishable(channel string) (*table, *rpcError) {
	if channel == "" {
		return nil, refuse(codes.InvalidArgument, "publish.topic.validation.empty", "The topic name can't be blank.")
	}
	v, ok := o.view(channel)
	switch {
	case !ok:
		return nil, o.errTopicNotFound(channel)
	case v.single == nil || !v.single.def.Event:
		return nil, refuse(codes.PermissionDenied, "topic.meta.permission", "The topic %s can't be published to.", channel)
	}
	return v.single, nil
}

// PublishStream implements the call of that name: one response per request,
// until nothing is published for too long.
func (s *service) PublishStream(stream grpc.BidiStreamingServer[pubsubpb.PublishRequest, pubsubpb.PublishResponse]) error {
	ctx, open := s.org.streams.start(stream.Context())
	defer s.org.streams.stop(open)
	inv, e := s.admit(ctx, "PublishStream", "")
	if e != nil {
		return inv.fail(ctx, e)
	}
	reqs := readAll(ctx, stream.Recv)
	idle := time.NewTimer(s.org.cfg.PublishIdle)
	defer idle.Stop()
	channel := ""
	for {
		select {
		case r := <-reqs:
			if errors.Is(r.err, io.EOF) {
				return inv.done(nil)
			}
			if r.err != nil {
				return inv.done(r.err)
			}
			resp, e := inv.publishNext(&channel, r.req)
			if e != nil {
				return inv.fail(ctx, e)
			}
			if err := stream.Send(resp); err != nil {
				return inv.done(err)
			}
			idle.Reset(s.org.cfg.PublishIdle)
		case <-idle.C:
			return inv.fail(ctx, refuse(codes.Canceled, "publish.stream.sweeper.timeout",
				"No publish request was received during the timeout period of %d seconds. The publish stream timed out.",
				int(s.org.cfg.PublishIdle.Seconds())))
		case <-ctx.Done():
			return inv.ended(ctx, open)
		}
	}
}

// publishNext checks that a later request stays with the first one's channel.
func (inv *invocation) publishNext(channel *string, req *pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, *rpcError) {
	name := req.GetTopicName()
	switch {
	case *channel == "":
		*channel = name
		inv.org.calls.update(inv.call, func(c *Call) { c.Channel = name })
	case name != "" && name != *channel:
		return nil, refuse(codes.InvalidArgument, "publish.topic.mismatch", "The topic %s differs from the topic of the first request.", name)
	}
	return inv.publish(*channel, req)
}

// ended ends a call whose context ended: by the org or by the client.
func (inv *invocation) ended(ctx context.Context, open *openStream) error {
	switch reason, ended := open.why(); {
	case !ended:
		return inv.done(ctx.Err())
	case reason == endRevoked:
		return inv.fail(ctx, errAuth())
	}
	return inv.fail(ctx, errUnavailable())
}
