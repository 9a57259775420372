package orgsim_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"sfbridge/event"
	"sfbridge/orgsim"
	"sfbridge/orgsim/orgsimtest"
	"sfbridge/pubsub/pubsubpb"
)

const shipmentChannel = "/event/Shipment__e"

func producer(id, payload string) *pubsubpb.ProducerEvent {
	return &pubsubpb.ProducerEvent{Id: id, SchemaId: "any", Payload: []byte(payload)}
}

func TestPublish_Results_OnePerEventInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := orgsimtest.StartMem(t, orgsim.Config{MaxEventBytes: 1000})
		client, ctx := r.Client(t), r.Context(t.Context())
		s := subscribe(t, r, latest(shipmentChannel, 100))
		synctest.Wait()
		resp, err := client.Publish(ctx, &pubsubpb.PublishRequest{TopicName: shipmentChannel, Events: []*pubsubpb.ProducerEvent{
			producer("a", "\xff garbage"), producer("b", strings.Repeat("x", 1001)), producer("a", "twice"), {Payload: []byte("bare")},
		}})
		if err != nil || len(resp.GetResults()) != 4 {
			t.Fatalf("%v, %v", resp, err)
		}
		res := resp.GetResults()
		if res[1].GetError().GetCode() != pubsubpb.ErrorCode_PUBLISH || res[1].GetReplayId() != nil || res[1].GetCorrelationKey() != "b" {
			t.Errorf("the event that is too large: %v", res[1])
		}
		if res[0].GetCorrelationKey() != "a" || res[2].GetCorrelationKey() != "a" || bytes.Equal(res[0].GetReplayId(), res[2].GetReplayId()) || len(res[3].GetCorrelationKey()) != 36 {
			t.Errorf("results %v", res)
		}
		want := []string{"\xff garbage", "twice", "bare"}
		for i, e := range s.events(3) {
			if string(e.GetEvent().GetPayload()) != want[i] {
				t.Errorf("event %d is %q, want %q", i, e.GetEvent().GetPayload(), want[i])
			}
		}
		if n := r.Org.Ledger().Counts()["Shipment__e"]; n != 3 || r.Org.Published() != 3 {
			t.Errorf("%d in the ledger and %d published, want 3", n, r.Org.Published())
		}
	})
}

func TestPublish_BadRequests_RefusedWithCode(t *testing.T) {
	r := orgsimtest.Start(t, orgsim.Config{})
	client, ctx := r.Client(t), r.Context(t.Context())
	for name, c := range map[string]struct {
		channel string
		events  []*pubsubpb.ProducerEvent
		status  codes.Code
		code    string
	}{
		"no events":       {shipmentChannel, nil, codes.InvalidArgument, "publish.event.count.invalid"},
		"no channel":      {"", []*pubsubpb.ProducerEvent{producer("a", "x")}, codes.InvalidArgument, "publish.topic.validation.empty"},
		"unknown channel": {"/event/Nope__e", []*pubsubpb.ProducerEvent{producer("a", "x")}, codes.NotFound, "topic.not.found"},
		"change events":   {accountChannel, []*pubsubpb.ProducerEvent{producer("a", "x")}, codes.PermissionDenied, "topic.meta.permission"},
		"over 4 MB": {
			shipmentChannel, slices.Repeat([]*pubsubpb.ProducerEvent{producer("a", strings.Repeat("x", 900_000))}, 5),
			codes.Unavailable, "",
		},
	} {
		var trailer metadata.MD
		_, err := client.Publish(ctx, &pubsubpb.PublishRequest{TopicName: c.channel, Events: c.events}, grpc.Trailer(&trailer))
		t.Log(name)
		wantRefusal(t, err, trailer, c.status, c.code)
	}
}

func TestPublish_HourlyLimit_PerEventErrorUntilTheHourPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := orgsimtest.StartMem(t, orgsim.Config{PublishLimit: 2})
		client := r.Client(t)
		publish := func() int {
			resp, err := client.Publish(r.Context(t.Context()), &pubsubpb.PublishRequest{
				TopicName: shipmentChannel,
				Events:    []*pubsubpb.ProducerEvent{producer("a", "x"), producer("b", "x"), producer("c", "x")},
			})
			if err != nil {
				t.Fatal(err)
			}
			good := 0
			for _, res := range resp.GetResults() {
				if res.GetError() == nil {
					good++
				}
			}
			return good
		}
		first, second := publish(), publish()
		time.Sleep(61 * time.Minute)
		if third := publish(); first != 2 || second != 0 || third != 2 {
			t.Errorf("published %d, %d and %d, want 2, 0 and 2", first, second, third)
		}
	})
}

func TestPublish_FaultsAndLimits_RefuseSomeEventsOrTheRequest(t *testing.T) {
	r := orgsimtest.Start(t, orgsim.Config{MaxPublishEvents: 200})
	inject(t, r.Org, orgsim.Fault{Kind: orgsim.FaultPublish, After: 49, Every: 49, Count: -1, Message: "no luck"})
	client, ctx := r.Client(t), r.Context(t.Context())
	req := &pubsubpb.PublishRequest{TopicName: shipmentChannel, Events: slices.Repeat([]*pubsubpb.ProducerEvent{producer("a", "x")}, 200)}
	resp, err := client.Publish(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	var failed []int
	for i, res := range resp.GetResults() {
		if res.GetError() != nil {
			failed = append(failed, i)
		}
	}
	if !slices.Equal(failed, []int{49, 99, 149, 199}) {
		t.Errorf("failed %v, want every 50th", failed)
	}
	req.Events = append(req.Events, producer("b", "x"))
	var trailer metadata.MD
	_, err = client.Publish(ctx, req, grpc.Trailer(&trailer))
	wantRefusal(t, err, trailer, codes.InvalidArgument, "publish.event.count.invalid")
}

func TestSubscribe_LargeEvents_ResponsesStayUnderFourMegabytes(t *testing.T) {
	r := orgsimtest.Start(t, orgsim.Config{})
	client, ctx := r.Client(t), r.Context(t.Context())
	for range 9 {
		req := &pubsubpb.PublishRequest{TopicName: shipmentChannel, Events: []*pubsubpb.ProducerEvent{producer("", strings.Repeat("x", 1<<20))}}
		if _, err := client.Publish(ctx, req); err != nil {
			t.Fatal(err)
		}
	}
	subscribe(t, r, earliest(shipmentChannel, 100)).events(9) // the client refuses more than 4 MiB
}

func TestPublishStream_ManyRequests_OneResponseEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := orgsimtest.StartMem(t, orgsim.Config{PublishIdle: 70 * time.Second})
		open := func() grpc.BidiStreamingClient[pubsubpb.PublishRequest, pubsubpb.PublishResponse] {
			s, err := r.Client(t).PublishStream(r.Context(t.Context()))
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		send := func(s grpc.BidiStreamingClient[pubsubpb.PublishRequest, pubsubpb.PublishResponse], channel, id string) {
			if err := s.Send(&pubsubpb.PublishRequest{TopicName: channel, Events: []*pubsubpb.ProducerEvent{producer(id, "x")}}); err != nil {
				t.Fatal(err)
			}
		}
		s := open()
		send(s, shipmentChannel, "a")
		send(s, "", "b")
		for _, id := range []string{"a", "b"} {
			resp, err := s.Recv()
			if err != nil || resp.GetResults()[0].GetCorrelationKey() != id {
				t.Fatalf("%v, %v", resp, err)
			}
		}
		start := time.Now()
		_, err := s.Recv()
		if d := time.Since(start); d != 70*time.Second {
			t.Errorf("closed after %v, want 70s", d)
		}
		wantRefusal(t, err, s.Trailer(), codes.Canceled, "publish.stream.sweeper.timeout")

		s = open()
		send(s, shipmentChannel, "a")
		send(s, "/event/Other__e", "b")
		if _, err = s.Recv(); err == nil {
			_, err = s.Recv()
		}
		wantRefusal(t, err, s.Trailer(), codes.InvalidArgument, "publish.topic.mismatch")

		s = open()
		send(s, shipmentChannel, "a")
		if err := s.CloseSend(); err != nil {
			t.Fatal(err)
		}
		if _, err = s.Recv(); err == nil {
			_, err = s.Recv()
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("after the client closed its side: %v, want EOF", err)
		}
	})
}

func TestGetTopic_Forms_SchemaIDOnlyForSingleOnes(t *testing.T) {
	r := orgsimtest.Start(t, orgsim.Config{Channels: []orgsim.ChannelDef{
		{Name: "/data/Sales__chn", Members: []orgsim.ChannelMember{{Object: "Account"}}},
		{Name: "/event/Ops__chn", Members: []orgsim.ChannelMember{{Object: "Shipment__e"}}},
	}})
	client, ctx := r.Client(t), r.Context(t.Context())
	for channel, publish := range map[string]bool{
		accountChannel: false, "/data/Order__ChangeEvent": false, shipmentChannel: true, "/data/ChangeEvents": false, "/data/Sales__chn": false, "/event/Ops__chn": false,
	} {
		info, err := client.GetTopic(ctx, &pubsubpb.TopicRequest{TopicName: channel})
		if err != nil {
			t.Fatalf("%s: %v", channel, err)
		}
		single := !strings.HasSuffix(channel, "__chn") && channel != "/data/ChangeEvents"
		if info.GetTopicName() != channel || (info.GetSchemaId() != "") != single || info.GetCanPublish() != publish || !info.GetCanSubscribe() ||
			!strings.HasSuffix(info.GetTenantGuid(), r.Org.OrgID()) {
			t.Errorf("%s: %v", channel, info)
		}
	}
	for _, channel := range []string{"/data/AccountChangeEvent ", "/data/accountchangeevent", "/event/Account__e", "AccountChangeEvent"} {
		var trailer metadata.MD
		_, err := client.GetTopic(ctx, &pubsubpb.TopicRequest{TopicName: channel}, grpc.Trailer(&trailer))
		wantRefusal(t, err, trailer, codes.NotFound, "topic.not.found")
	}
}

func TestGetSchema_PastVersions_Served(t *testing.T) {
	r := orgsimtest.Start(t, orgsim.Config{})
	client, ctx := r.Client(t), r.Context(t.Context())
	old, text, err := r.Org.EventSchema("Shipment__e")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Org.AlterObject("Shipment__e", func(def *orgsim.ObjectDef) {
		def.Fields = append(def.Fields, &orgsim.FieldDef{Name: "Gate__c", Type: orgsim.TypeString})
	}); err != nil {
		t.Fatal(err)
	}
	now, _, _ := r.Org.EventSchema("Shipment__e")
	for _, id := range []event.SchemaID{old, now} {
		info, err := client.GetSchema(ctx, &pubsubpb.SchemaRequest{SchemaId: string(id)})
		if err != nil || info.GetSchemaId() != string(id) || (id == old) != (info.GetSchemaJson() == text) {
			t.Errorf("schema %s: %v, %v", id, info, err)
		}
	}
	for id, want := range map[string]codes.Code{"": codes.InvalidArgument, "nope": codes.NotFound} {
		var trailer metadata.MD
		_, err := client.GetSchema(ctx, &pubsubpb.SchemaRequest{SchemaId: id}, grpc.Trailer(&trailer))
		wantRefusal(t, err, trailer, want, "schema.validation.failed")
	}
}

func TestCalls_Log_SaysWhatWasAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := orgsimtest.StartMem(t, orgsim.Config{MaxCalls: 3})
		accounts(t, r.Org, 3)
		s := subscribe(t, r, earliest(accountChannel, 2))
		id := s.events(2)[1].GetReplayId()
		time.Sleep(5 * time.Second)
		s.ask(1)
		s.events(1)
		if err := s.CloseSend(); err != nil {
			t.Fatal(err)
		}
		_ = s.ended()
		subscribe(t, r, after(accountChannel, id, 1)).events(1)
		subscribe(t, r, earliest("/data/Nope", 1)).refused(codes.NotFound, "topic.not.found")
		calls := r.Org.Calls()
		if len(calls) != 3 {
			t.Fatalf("calls %+v", calls)
		}
		c := calls[0]
		if c.Method != "Subscribe" || c.Channel != accountChannel || c.Preset != "EARLIEST" || c.Events != 3 || c.Requests != 2 || c.LongestWait != 5*time.Second ||
			len(c.Credits) != 2 || c.Credits[1].Outstanding != 1 || c.Status != "OK" || c.End.IsZero() || c.UserID != r.Org.IntegrationUser() {
			t.Errorf("first call %+v", c)
		}
		if !slices.Contains(c.Metadata, "accesstoken") || strings.Contains(strings.Join(c.Metadata, " "), orgsimtest.Token) {
			t.Errorf("metadata keys %v", c.Metadata)
		}
		if calls[1].Preset != "CUSTOM" || !bytes.Equal(calls[1].ReplayID, id) || calls[2].ErrorCode != "topic.not.found" {
			t.Errorf("calls %+v", calls[1:])
		}
	})
}

func TestServePubSub_TLS_FaultsStillActOnFrames(t *testing.T) {
	web := httptest.NewUnstartedServer(nil)
	web.StartTLS() // for its certificate
	defer web.Close()
	org := newOrg(t, orgsim.Config{})
	org.AddToken(orgsimtest.Token, org.IntegrationUser())
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- org.ServePubSub(lis, &tls.Config{Certificates: web.TLS.Certificates}) }()
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	conn, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots, ServerName: "example.com"})))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	accounts(t, org, 3)
	inject(t, org, orgsim.Fault{Kind: orgsim.FaultReset, After: 2})
	r := &orgsimtest.Running{Org: org, HTTPURL: "https://acme.example"}
	s, err := pubsubpb.NewPubSubClient(conn).Subscribe(r.Context(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(earliest(accountChannel, 100)); err != nil {
		t.Fatal(err)
	}
	st := &stream{t, s}
	st.events(2)
	if err := st.ended(); status.Code(err) != codes.Internal || len(s.Trailer()) != 0 {
		t.Errorf("got %v with trailer %v, want a bare reset", err, s.Trailer())
	}
	org.Close()
	if err := <-done; err != nil {
		t.Errorf("ServePubSub after Close: %v", err)
	}
}

func TestRegisterPubSub_OwnServer_ServesTheSame(t *testing.T) {
	org := newOrg(t, orgsim.Config{})
	org.AddToken(orgsimtest.Token, org.IntegrationUser())
	srv := grpc.NewServer()
	defer srv.Stop()
	org.RegisterPubSub(srv)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = srv.Serve(lis) }()
	accounts(t, org, 3)
	r := &orgsimtest.Running{Org: org, HTTPURL: "https://acme.example", PubSubAddr: lis.Addr().String()}
	subscribe(t, r, earliest(accountChannel, 100)).events(3)
}

func TestPings_OneASecond_ToleratedUnlessStrict(t *testing.T) {
	for _, strict := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := orgsimtest.StartMem(t, orgsim.Config{Switches: orgsim.Switches{StrictPings: strict}, Keepalive: 4 * time.Minute})
			conn, err := grpc.NewClient("passthrough:///"+r.PubSubAddr, grpc.WithTransportCredentials(insecure.NewCredentials()),
				grpc.WithContextDialer(r.Net.DialAddr), grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second}))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			s, err := pubsubpb.NewPubSubClient(conn).Subscribe(r.Context(t.Context()))
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Send(latest(accountChannel, 1)); err != nil {
				t.Fatal(err)
			}
			_, err = s.Recv()
			if failed := err != nil; failed != strict {
				t.Errorf("strict %v: first response %v", strict, err)
			}
		})
	}
}
