package pipenet_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"sfbridge/internal/pipenet"
)

func TestGRPC_InBubble_StreamsForAVirtualDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := pipenet.New()
		l, err := n.Listen("tcp", "org:7443")
		if err != nil {
			t.Fatal(err)
		}
		server := grpc.NewServer()
		state := health.NewServer()
		healthpb.RegisterHealthServer(server, state)
		go server.Serve(l)
		defer server.Stop()
		cl, err := grpc.NewClient("passthrough:///org:7443", grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return n.Dial(ctx, "tcp", addr) }),
			grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 5 * time.Minute, Timeout: 20 * time.Second, PermitWithoutStream: true}))
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		stream, err := healthpb.NewHealthClient(cl).Watch(t.Context(), &healthpb.HealthCheckRequest{})
		if err != nil {
			t.Fatal(err)
		}
		for hour := range 24 {
			want := healthpb.HealthCheckResponse_SERVING
			if hour%2 == 1 {
				want = healthpb.HealthCheckResponse_NOT_SERVING
			}
			resp, err := stream.Recv()
			if err != nil || resp.Status != want {
				t.Fatalf("hour %d: %v, %v; want %v", hour, resp, err, want)
			}
			time.Sleep(time.Hour)
			next := healthpb.HealthCheckResponse_NOT_SERVING
			if hour%2 == 1 {
				next = healthpb.HealthCheckResponse_SERVING
			}
			state.SetServingStatus("", next)
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
		// A path that goes silent: only keepalive pings can tell.
		n.Blackhole("org:7443")
		start := time.Now()
		if _, err := stream.Recv(); status.Code(err) != codes.Unavailable {
			t.Errorf("into a blackhole: %v, want Unavailable", err)
		}
		if waited := time.Since(start); waited > 6*time.Minute {
			t.Errorf("the dead path was seen after %v, want within ping and time-out", waited)
		}
		n.Heal("org:7443")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		if _, err := healthpb.NewHealthClient(cl).Check(ctx, &healthpb.HealthCheckRequest{}, grpc.WaitForReady(true)); err != nil {
			t.Errorf("after Heal: %v", err)
		}
	})
}

func BenchmarkConn_64KiB(b *testing.B) {
	n := pipenet.New()
	l, err := n.Listen("tcp", "a:1")
	if err != nil {
		b.Fatal(err)
	}
	near, err := n.Dial(b.Context(), "tcp", "a:1")
	if err != nil {
		b.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		buf := make([]byte, 64<<10)
		for {
			if _, err := far.Read(buf); err != nil {
				return
			}
		}
	}()
	msg := make([]byte, 64<<10)
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := near.Write(msg); err != nil {
			b.Fatal(err)
		}
	}
	near.Close()
}
