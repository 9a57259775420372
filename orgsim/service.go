package orgsim

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"sfbridge/event"
	"sfbridge/pubsub/pubsubpb"
)

// service is the Pub/Sub API of an org.
type service struct {
	pubsubpb.UnimplementedPubSubServer
	org *Org
	raw bool // the server has rawCodec
}

// RegisterPubSub adds the Pub/Sub API to a gRPC server of the caller's own.
// ServePubSub is faster and can break connections on demand.
func (o *Org) RegisterPubSub(s grpc.ServiceRegistrar) {
	pubsubpb.RegisterPubSubServer(s, &service{org: o})
}

// ServePubSub serves the Pub/Sub API on a listener until the org is closed or
// the listener fails. A nil TLS configuration serves plain text, which is for
// loopback and in-memory connections.
func (o *Org) ServePubSub(lis net.Listener, tlsConfig *tls.Config) error {
	pings := keepalive.EnforcementPolicy{MinTime: time.Millisecond, PermitWithoutStream: true}
	if o.cfg.Switches.StrictPings {
		pings = keepalive.EnforcementPolicy{} // gRPC's own: one in five minutes
	}
	srv := grpc.NewServer(
		grpc.Creds(newFaultCredentials(tlsConfig)),
		grpc.KeepaliveEnforcementPolicy(pings),
		grpc.MaxConcurrentStreams(o.cfg.MaxStreams),
		grpc.ForceServerCodecV2(newRawCodec()),
		grpc.MaxRecvMsgSize(maxRequestRead),
		grpc.WriteBufferSize(128<<10),
	)
	pubsubpb.RegisterPubSubServer(srv, &service{org: o, raw: true})
	if !o.addServer(srv) {
		srv.Stop()
		return ErrClosed
	}
	if err := srv.Serve(lis); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serve pub/sub: %w", err)
	}
	return nil
}

// addServer remembers a server to be stopped on Close; false when the org is
// closed already.
func (o *Org) addServer(srv *grpc.Server) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed {
		o.servers = append(o.servers, srv)
	}
	return !o.closed
}

// invocation is what every call has once it is let in.
type invocation struct {
	org    *Org
	method string
	rpcID  string
	userID string
	call   *Call
}

// admit checks the metadata of a call and records it. It is only done when
// the call opens: a token that expires later does no harm to it.
func (s *service) admit(ctx context.Context, method, channel string) (*invocation, *rpcError) {
	o := s.org
	md, _ := metadata.FromIncomingContext(ctx)
	inv := &invocation{org: o, method: method, rpcID: o.newUUID()}
	inv.call = o.calls.start(Call{
		Method: method, Channel: channel, Client: first(md, "user-agent"), Metadata: slices.Sorted(maps.Keys(md)),
	})
	if e := o.checkMetadata(md, inv); e != nil {
		return inv, e
	}
	return inv, o.faults.open(ctx, o, method, channel)
}

func (o *Org) checkMetadata(md metadata.MD, inv *invocation) *rpcError {
	for _, key := range [...]string{"accesstoken", "instanceurl", "tenantid"} {
		if first(md, key) == "" {
			return errHeaders(key)
		}
	}
	if u := first(md, "instanceurl"); !strings.HasPrefix(u, "https://") && !strings.HasPrefix(u, "http://") && !o.cfg.Switches.AnyInstanceURL {
		return errHeaders("instanceurl")
	}
	tenant := first(md, "tenantid")
	if i := strings.LastIndexByte(tenant, '/'); i >= 0 {
		tenant = tenant[i+1:] // core/prod/00D... is accepted too
	}
	id, err := ID18(tenant)
	if err != nil {
		return errHeaders("tenantid")
	}
	userID, ok := o.CheckToken(first(md, "accesstoken"))
	if !ok || id != o.cfg.OrgID {
		return errAuth()
	}
	inv.userID = userID
	o.calls.update(inv.call, func(c *Call) { c.UserID = userID })
	return nil
}

func first(md metadata.MD, key string) string {
	if v := md.Get(key); len(v) > 0 {
		return v[0]
	}
	return ""
}

// fail ends the call with an error.
func (inv *invocation) fail(ctx context.Context, e *rpcError) error {
	inv.org.calls.end(inv.call, e.status.String(), e.code)
	return inv.org.fail(ctx, inv.method, inv.rpcID, e)
}

// done ends the call well, or as its context did.
func (inv *invocation) done(err error) error {
	inv.org.calls.end(inv.call, status.Code(err).String(), "")
	return err
}

// newUUID makes a uuid outside of a transaction.
func (o *Org) newUUID() string {
	o.idMu.Lock()
	defer o.idMu.Unlock()
	return newUUID(o.idRng)
}

// GetTopic implements the call of that name.
func (s *service) GetTopic(ctx context.Context, req *pubsubpb.TopicRequest) (*pubsubpb.TopicInfo, error) {
	inv, e := s.admit(ctx, "GetTopic", req.GetTopicName())
	if e != nil {
		return nil, inv.fail(ctx, e)
	}
	v, e := s.org.readable(req.GetTopicName())
	if e != nil {
		return nil, inv.fail(ctx, e)
	}
	info := &pubsubpb.TopicInfo{
		TopicName: v.name, TenantGuid: "CORE/prod/" + s.org.cfg.OrgID, CanSubscribe: true,
		CanPublish: v.single != nil && v.single.def.Event, RpcId: inv.rpcID,
	}
	if v.single != nil {
		info.SchemaId = string(s.org.schemaOf(v.single))
		info.CanSubscribe = !s.org.accessOf(inv.userID).forbids(v.single.def.Name)
	}
	return info, inv.done(nil)
}

// readable resolves a channel, or says why it cannot be.
func (o *Org) readable(channel string) (view, *rpcError) {
	if channel == "" {
		return view{}, refuse(codes.InvalidArgument, "topic.validation.empty", "The topic name can't be blank.")
	}
	v, ok := o.view(channel)
	if !ok {
		return view{}, o.errTopicNotFound(channel)
	}
	return v, nil
}

func (o *Org) schemaOf(t *table) event.SchemaID {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return t.schema.id
}

// GetSchema implements the call of that name.
func (s *service) GetSchema(ctx context.Context, req *pubsubpb.SchemaRequest) (*pubsubpb.SchemaInfo, error) {
	inv, e := s.admit(ctx, "GetSchema", "")
	s.org.calls.update(inv.call, func(c *Call) { c.SchemaID = event.SchemaID(req.GetSchemaId()) })
	if e != nil {
		return nil, inv.fail(ctx, e)
	}
	if req.GetSchemaId() == "" {
		return nil, inv.fail(ctx, refuse(codes.InvalidArgument, "schema.validation.failed", "Schema validation failed. The schema ID can't be blank."))
	}
	text, ok := s.org.SchemaJSON(event.SchemaID(req.GetSchemaId()))
	if !ok {
		return nil, inv.fail(ctx, refuse(codes.NotFound, "schema.validation.failed", "The schema with ID %.60q was not found.", req.GetSchemaId()))
	}
	return &pubsubpb.SchemaInfo{SchemaJson: text, SchemaId: req.GetSchemaId(), RpcId: inv.rpcID}, inv.done(nil)
}

// RevokeAll ends every access token. With endStreams the open streams end
// too, as when an administrator revokes a session.
func (o *Org) RevokeAll(endStreams bool) {
	o.web.oauth.revokeAll()
	if endStreams {
		o.streams.endAll(endRevoked)
	}
}

// EndStreams ends all open streams as a restart of the service does.
func (o *Org) EndStreams() { o.streams.endAll(endUnavailable) }

// closeServers stops what serves the org.
func (o *Org) closeServers() {
	o.mu.Lock()
	servers := o.servers
	o.servers = nil
	o.mu.Unlock()
	for _, srv := range servers {
		srv.Stop()
	}
}

// settled tells whether something stored at a moment is beyond the settle
// window of a subscription.
func settled(storedAt int64, opened time.Time, window time.Duration) bool {
	return window == 0 || storedAt >= opened.Add(window).UnixMilli()
}
