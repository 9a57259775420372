package pubsub_test

import (
	"fmt"
	"testing"

	"sfbridge/pubsub"
	"sfbridge/pubsub/pubsubpb"
)

// BenchmarkRecv receives responses of 100 events of 500 bytes from a server in
// the process. One operation is one event; the server's share is included.
func BenchmarkRecv(b *testing.B) {
	org := newOrg(b)
	events := make([]*pubsubpb.ConsumerEvent, 100)
	for i := range events {
		events[i] = consumerEvent(fmt.Sprintf("%08d-2222-4333-8444-555555555555", i), replayID(i))
		events[i].Event.Payload = make([]byte, 500)
	}
	org.before = func(_ int, _ *pubsubpb.FetchRequest, s subscribeStream) error {
		for left := 100; ; {
			for ; left >= len(events); left -= len(events) {
				if err := s.Send(&pubsubpb.FetchResponse{Events: events, LatestReplayId: events[99].ReplayId}); err != nil {
					return err
				}
			}
			req, err := s.Recv()
			if err != nil {
				return err
			}
			left += int(req.NumRequested)
		}
	}
	sub, err := org.client(b).Subscribe(b.Context(), pubsub.SubscribeConfig{Channel: accounts})
	if err != nil {
		b.Fatal(err)
	}
	defer sub.Close()
	b.ReportAllocs()
	b.SetBytes(500)
	have := 0
	for b.Loop() {
		if have == 0 {
			batch, err := sub.Recv(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			have = len(batch.Events)
		}
		have--
	}
}
