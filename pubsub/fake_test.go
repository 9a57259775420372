package pubsub_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"sfbridge/event"
	"sfbridge/internal/pipenet"
	"sfbridge/pubsub"
	"sfbridge/pubsub/pubsubpb"
	"sfbridge/salesforce/auth"
)

const (
	accounts = "/data/AccountChangeEvent"
	sales    = "/data/Sales__chn"
	addr     = "127.0.0.1:7443"
)

// fakeOrg serves the Pub/Sub API from a list of events, and does to a call
// whatever the test wants.
type fakeOrg struct {
	pubsubpb.UnimplementedPubSubServer
	net    *pipenet.Network
	server *grpc.Server

	batch     int           // events a response, at most; 0: as many as the credit allows
	keepalive time.Duration // 0: none, and no end for want of credit
	strict    bool          // end a stream that asks for more than the cap, as RESOURCE_EXHAUSTED
	noHeaders bool          // send headers only with the first response

	// before runs on each call to Subscribe, counted from one, with its first
	// request; an error ends the call.
	before func(n int, req *pubsubpb.FetchRequest, s subscribeStream) error
	// during runs after each response; sent is the number of events in all.
	during    func(n, sent int, s subscribeStream) error
	onTopic   func(*pubsubpb.TopicRequest) (*pubsubpb.TopicInfo, error)
	onPublish func(*pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, error)
	// onPublishStream ends the stream before its n-th request is answered.
	onPublishStream func(n int) error

	mu      sync.Mutex
	events  map[string][]*pubsubpb.ConsumerEvent
	more    chan struct{} // closed and made anew when an event is added
	calls   []subscribeCall
	open    int
	maxOpen int
	refused map[string]bool // tokens
}

type subscribeStream = grpc.BidiStreamingServer[pubsubpb.FetchRequest, pubsubpb.FetchResponse]

// subscribeCall is what a client asked for.
type subscribeCall struct {
	at       time.Time
	first    *pubsubpb.FetchRequest
	md       metadata.MD
	requests []int32
}

// tolerant servers let clients ping each ten seconds; grpc-go's own default is
// five minutes.
var tolerant = grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second})

func newOrg(t testing.TB, opts ...grpc.ServerOption) *fakeOrg {
	t.Helper()
	o := &fakeOrg{
		net: pipenet.New(), server: grpc.NewServer(append([]grpc.ServerOption{tolerant}, opts...)...),
		events: make(map[string][]*pubsubpb.ConsumerEvent), more: make(chan struct{}), refused: make(map[string]bool),
	}
	pubsubpb.RegisterPubSubServer(o.server, o)
	l, err := o.net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = o.server.Serve(l)
	}()
	t.Cleanup(func() {
		o.server.Stop()
		<-served
	})
	return o
}

// client returns a client of the org that is closed with the test.
func (o *fakeOrg) client(t testing.TB, change ...func(*pubsub.Config)) *pubsub.Client {
	t.Helper()
	cfg := pubsub.Config{
		Endpoint: addr, Plaintext: true, Session: &fakeSession{},
		Dial: func(ctx context.Context, addr string) (net.Conn, error) { return o.net.Dial(ctx, "tcp", addr) },
	}
	for _, f := range change {
		f(&cfg)
	}
	c, err := pubsub.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close client: %v", err)
		}
	})
	return c
}

func replayID(n int) event.ReplayID {
	return append(binary.BigEndian.AppendUint64(nil, uint64(n)), 0, 0)
}

func consumerEvent(uuid string, replay event.ReplayID) *pubsubpb.ConsumerEvent {
	return &pubsubpb.ConsumerEvent{
		Event:    &pubsubpb.ProducerEvent{Id: uuid, SchemaId: "AAAAAAAAAAAAAAAAAAAAAA", Payload: []byte("payload of " + uuid)},
		ReplayId: replay,
	}
}

// add stores n events with replay ids that follow one another, named by their
// place in the channel.
func (o *fakeOrg) add(channel string, n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for range n {
		at := len(o.events[channel]) + 1
		o.events[channel] = append(o.events[channel], consumerEvent(fmt.Sprint(at), replayID(100*at)))
	}
	close(o.more)
	o.more = make(chan struct{})
}

// addAt stores an event with a replay id of the test's choice.
func (o *fakeOrg) addAt(channel, uuid string, replay int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events[channel] = append(o.events[channel], consumerEvent(uuid, replayID(replay)))
	close(o.more)
	o.more = make(chan struct{})
}

func (o *fakeOrg) refuse(token string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.refused[token] = true
}

func (o *fakeOrg) subscribed() []subscribeCall {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.calls)
}

// fail ends a call as the service does: status, and error-code in the trailers.
func fail(ctx context.Context, c codes.Code, code string) error {
	md := metadata.Pairs("rpc-id", "11111111-2222-4333-8444-555555555555", "trace-bin", string([]byte{0xff, 0, 0xfe}))
	if code != "" {
		md.Set("error-code", "sfdc.platform.eventbus.grpc."+code)
	}
	_ = grpc.SetTrailer(ctx, md)
	return status.Error(c, "a sentence. rpcId: 11111111-2222-4333-8444-555555555555")
}

func (o *fakeOrg) checkToken(ctx context.Context) (metadata.MD, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	token := first(md, "accesstoken")
	if token == "" || first(md, "instanceurl") == "" || first(md, "tenantid") == "" {
		return md, fail(ctx, codes.Unauthenticated, "service.auth.headers.invalid")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.refused[token] {
		return md, fail(ctx, codes.Unauthenticated, "service.auth.error")
	}
	return md, nil
}

func first(md metadata.MD, key string) string {
	if v := md.Get(key); len(v) > 0 {
		return v[0]
	}
	return ""
}

func (o *fakeOrg) Subscribe(s subscribeStream) error {
	md, err := o.checkToken(s.Context())
	if err != nil {
		return err
	}
	req, err := s.Recv()
	if err != nil {
		return err
	}
	n := o.begin(req, md)
	defer o.finish()
	if o.before != nil {
		if err := o.before(n, req, s); err != nil {
			return err
		}
	}
	if !o.noHeaders {
		if err := s.SendHeader(nil); err != nil {
			return err
		}
	}
	if err := o.serve(n, req, s); !errors.Is(err, errCleanEnd) {
		return err
	}
	return nil
}

func (o *fakeOrg) begin(req *pubsubpb.FetchRequest, md metadata.MD) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open++
	o.maxOpen = max(o.maxOpen, o.open)
	o.calls = append(o.calls, subscribeCall{at: time.Now(), first: req, md: md, requests: []int32{req.NumRequested}})
	return len(o.calls)
}

func (o *fakeOrg) finish() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open--
}

// serve delivers events while there is credit, and keepalives.
func (o *fakeOrg) serve(n int, req *pubsubpb.FetchRequest, s subscribeStream) error {
	requests, stop := o.requests(n, s)
	defer stop()
	at, err := o.locate(s.Context(), req)
	if err != nil {
		return err
	}
	credit, sent := int(min(100, req.NumRequested)), 0
	for {
		events, more, latest := o.next(req.TopicName, at, credit)
		if len(events) > 0 {
			credit, sent, at = credit-len(events), sent+len(events), at+len(events)
			if err := s.Send(&pubsubpb.FetchResponse{Events: events, LatestReplayId: events[len(events)-1].ReplayId, PendingNumRequested: int32(credit)}); err != nil {
				return err
			}
			if o.during != nil {
				if err := o.during(n, sent, s); err != nil {
					return err
				}
			}
			continue
		}
		idle, stopIdle := o.idle(credit)
		select {
		case asked, ok := <-requests:
			if !ok {
				stopIdle()
				return nil
			}
			if credit += int(asked); o.strict && credit > 100 {
				stopIdle()
				return fail(s.Context(), codes.ResourceExhausted, "subscription.fetch.overflow")
			}
			credit = min(credit, 100)
		case <-more:
		case <-idle:
			if credit == 0 { // 60 s without credit
				return status.Error(codes.Unavailable, "closed for want of credit")
			}
			if err := s.Send(&pubsubpb.FetchResponse{LatestReplayId: latest, PendingNumRequested: int32(credit)}); err != nil {
				return err
			}
		case <-s.Context().Done():
			stopIdle()
			return s.Context().Err()
		}
		stopIdle()
	}
}

// idle fires when the org has something to say although nothing happens.
func (o *fakeOrg) idle(credit int) (<-chan time.Time, func()) {
	wait := o.keepalive
	if wait == 0 {
		return nil, func() {}
	}
	if credit == 0 {
		wait = time.Minute
	}
	t := time.NewTimer(wait)
	return t.C, func() { t.Stop() }
}

// requests reads the client's further requests.
func (o *fakeOrg) requests(n int, s subscribeStream) (<-chan int32, func()) {
	requests, done := make(chan int32), make(chan struct{})
	go func() {
		defer close(requests)
		for {
			req, err := s.Recv()
			if err != nil {
				return
			}
			o.mu.Lock()
			o.calls[n-1].requests = append(o.calls[n-1].requests, req.NumRequested)
			o.mu.Unlock()
			select {
			case requests <- req.NumRequested:
			case <-done:
				return
			}
		}
	}()
	return requests, func() { close(done) }
}

// locate finds the index of the first event to deliver.
func (o *fakeOrg) locate(ctx context.Context, req *pubsubpb.FetchRequest) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	events := o.events[req.TopicName]
	switch req.ReplayPreset {
	case pubsubpb.ReplayPreset_EARLIEST:
		return 0, nil
	case pubsubpb.ReplayPreset_LATEST:
		return len(events), nil
	}
	for i := len(events) - 1; i >= 0; i-- {
		if slices.Equal(events[i].ReplayId, req.ReplayId) {
			return i + 1, nil
		}
	}
	if slices.Equal(req.ReplayId, replayID(1)) { // before the first
		return 0, nil
	}
	return 0, fail(ctx, codes.InvalidArgument, "subscription.fetch.replayid.corrupted")
}

func (o *fakeOrg) next(channel string, at, credit int) (events []*pubsubpb.ConsumerEvent, more chan struct{}, latest []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := o.events[channel]
	latest = replayID(1)
	if len(all) > 0 {
		latest = all[len(all)-1].ReplayId
	}
	n := min(credit, len(all)-at)
	if o.batch > 0 {
		n = min(n, o.batch)
	}
	return all[at : at+n], o.more, latest
}

func (o *fakeOrg) GetTopic(ctx context.Context, req *pubsubpb.TopicRequest) (*pubsubpb.TopicInfo, error) {
	if _, err := o.checkToken(ctx); err != nil {
		return nil, err
	}
	if o.onTopic != nil {
		return o.onTopic(req)
	}
	return nil, fail(ctx, codes.NotFound, "topic.not.found")
}

func (o *fakeOrg) GetSchema(ctx context.Context, req *pubsubpb.SchemaRequest) (*pubsubpb.SchemaInfo, error) {
	if req.SchemaId == "WRONGWRONGWRONGWRONG" {
		return &pubsubpb.SchemaInfo{SchemaId: "another", SchemaJson: `"long"`}, nil
	}
	return &pubsubpb.SchemaInfo{SchemaId: req.SchemaId, SchemaJson: `"string"`}, nil
}

func (o *fakeOrg) Publish(ctx context.Context, req *pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, error) {
	return o.onPublish(req)
}

func (o *fakeOrg) PublishStream(s grpc.BidiStreamingServer[pubsubpb.PublishRequest, pubsubpb.PublishResponse]) error {
	for n := 1; ; n++ {
		req, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if o.onPublishStream != nil {
			if err := o.onPublishStream(n); err != nil {
				return err
			}
		}
		res, err := o.onPublish(req)
		if err != nil {
			return err
		}
		if err := s.Send(res); err != nil {
			return err
		}
	}
}

// fakeSession gives tokens token-1, token-2, ... and fails when told to.
type fakeSession struct {
	mu      sync.Mutex
	n       int
	invalid bool
	logins  int
	err     func(login int) error
}

func (s *fakeSession) Token(context.Context) (auth.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n == 0 || s.invalid {
		s.logins++
		if s.err != nil {
			if err := s.err(s.logins); err != nil {
				return auth.Token{}, err
			}
		}
		s.n, s.invalid = s.n+1, false
	}
	return auth.Token{AccessToken: auth.Secret(fmt.Sprintf("token-%d", s.n)), InstanceURL: "https://acme.example", OrgID: "00DKX00000000012AA"}, nil
}

func (s *fakeSession) Invalidate(tok auth.Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if tok.AccessToken.Reveal() == fmt.Sprintf("token-%d", s.n) {
		s.invalid = true
	}
}

// receive takes events until it has n, and checks that they are the ones
// named from, from+1, ...
func receive(t *testing.T, sub *pubsub.Subscription, from, n int) {
	t.Helper()
	for got := 0; got < n; {
		b, err := sub.Recv(t.Context())
		if err != nil {
			t.Fatalf("after %d of %d events: %v", got, n, err)
		}
		for _, e := range b.Events {
			if want := fmt.Sprint(from + got); e.UUID != want || string(e.Payload) != "payload of "+want {
				t.Fatalf("event %d is %s (%s), want %s", got, e.UUID, e.Payload, want)
			}
			got++
		}
	}
}

func subscribe(t *testing.T, c *pubsub.Client, cfg pubsub.SubscribeConfig) *pubsub.Subscription {
	t.Helper()
	sub, err := c.Subscribe(t.Context(), cfg)
	if err != nil {
		t.Fatalf("subscribe: %v", err)
	}
	t.Cleanup(func() { _ = sub.Close() })
	return sub
}
