package pubsub_test

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	"sfbridge/pubsub"
)

// TestIdleSubscriptions_StaySmall holds a thousand quiet subscriptions, client
// and server together, to a bound of memory and to one goroutine each on the
// client's side beside those of the transport.
func TestIdleSubscriptions_StaySmall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t, grpc.MaxConcurrentStreams(100))
		org.keepalive = 4 * time.Minute
		c := org.client(t)
		const n = 1000
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range n {
			sub := subscribe(t, c, pubsub.SubscribeConfig{Channel: fmt.Sprintf("/event/E%d__e", i)})
			go func() {
				for {
					if _, err := sub.Recv(t.Context()); err != nil {
						return
					}
				}
			}()
		}
		time.Sleep(15 * time.Minute)
		synctest.Wait()
		runtime.GC()
		runtime.ReadMemStats(&after)
		perSub := (int64(after.HeapAlloc+after.StackInuse) - int64(before.HeapAlloc+before.StackInuse)) / n
		t.Logf("%d bytes a subscription, both sides; %d connections", perSub, org.net.Conns(addr))
		if perSub > 256<<10 {
			t.Errorf("%d bytes a subscription, want at most 256 KiB", perSub)
		}
		if calls := len(org.subscribed()); calls != n {
			t.Errorf("%d calls, want %d", calls, n)
		}
	})
}
