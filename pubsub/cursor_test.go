package pubsub_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc/codes"

	"sfbridge/event"
	"sfbridge/pubsub"
	"sfbridge/pubsub/pubsubpb"
)

func TestSharesReplayIDs_OnlyWhereEventsCanBeEnriched(t *testing.T) {
	for channel, want := range map[string]bool{
		"/data/ChangeEvents": true, "/data/Sales__chn": true, "/event/Sales__chn": true,
		"/data/AccountChangeEvent": false, "/data/Order__ChangeEvent": false, "/event/Shipment__e": false,
	} {
		if got := pubsub.SharesReplayIDs(channel); got != want {
			t.Errorf("%s: %v, want %v", channel, got, want)
		}
	}
}

func TestCursor_ResumesBeforeAnOpenGroup(t *testing.T) {
	type step = event.ReplayID // nil: a keepalive at 900
	a, b, keepalive := step("a"), step("b"), step(nil)
	for _, tt := range []struct {
		name    string
		channel string
		start   pubsub.Start
		steps   []step
		want    string // preset, after, open, count
		exact   bool
	}{
		{"nothing yet, latest", accounts, pubsub.FromLatest(), nil, "latest   0", false},
		{"nothing yet, earliest", accounts, pubsub.FromEarliest(), nil, "earliest   0", true},
		{"nothing yet, after", accounts, pubsub.AfterReplayID(a), nil, "after a  0", true},
		{"plain channel", accounts, pubsub.FromLatest(), []step{a, b}, "after b  0", true},
		{"keepalive on a plain channel", accounts, pubsub.FromLatest(), []step{a, keepalive}, "after 900  0", true},
		{"one group after earliest", sales, pubsub.FromEarliest(), []step{a, a}, "earliest  a 2", true},
		{"one group after latest", sales, pubsub.FromLatest(), []step{a, a}, "after a  0", false},
		{"second group", sales, pubsub.FromLatest(), []step{a, a, b}, "after a b 1", true},
		{"group after a position", sales, pubsub.AfterReplayID(a), []step{b, b, b}, "after a b 3", true},
		{"keepalive closes", sales, pubsub.AfterReplayID(a), []step{b, b, keepalive}, "after 900  0", true},
		{"group resumed", sales, pubsub.Start{Preset: pubsub.After, ReplayID: a, OpenReplayID: b, OpenCount: 2}, []step{b}, "after a b 3", true},
		{"event without id", accounts, pubsub.AfterReplayID(a), []step{step("")}, "after a  0", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := pubsub.NewCursor(tt.channel, tt.start)
			for _, id := range tt.steps {
				if id == nil {
					c.Keepalive(event.ReplayID("900"))
					continue
				}
				c.Event(id)
			}
			start, exact := c.Resume()
			preset := map[pubsub.Preset]string{pubsub.Latest: "latest", pubsub.Earliest: "earliest", pubsub.After: "after"}[start.Preset]
			got := fmt.Sprintf("%s %s %s %d", preset, []byte(start.ReplayID), []byte(start.OpenReplayID), start.OpenCount)
			if got != tt.want || exact != tt.exact {
				t.Errorf("resumes at %q, exact %v; want %q, %v", got, exact, tt.want, tt.exact)
			}
		})
	}
}

func TestCursor_KeepsItsOwnCopyOfIDs(t *testing.T) {
	for _, size := range []int{4, 24, 25, 100} {
		id := func(c byte) event.ReplayID { return bytes.Repeat([]byte{c}, size) }
		c := pubsub.NewCursor(sales, pubsub.AfterReplayID(id('0')))
		buf := id('a')
		c.Event(buf)
		copy(buf, id('b'))
		c.Event(buf)
		start, _ := c.Resume()
		saved := *c
		copy(buf, id('c'))
		c.Event(buf)
		c.Event(buf)
		again, _ := saved.Resume()
		for _, s := range []pubsub.Start{start, again} {
			if string(s.ReplayID) != string(id('a')) || string(s.OpenReplayID) != string(id('b')) || s.OpenCount != 1 {
				t.Errorf("ids of %d bytes: resumes at %s, open %s (%d); want a, b (1)", size, []byte(s.ReplayID), []byte(s.OpenReplayID), s.OpenCount)
			}
		}
		if s, _ := c.Resume(); string(s.ReplayID) != string(id('b')) || s.OpenCount != 2 {
			t.Errorf("ids of %d bytes: resumes at %s with %d of the next; want b, 2", size, []byte(s.ReplayID), s.OpenCount)
		}
	}
}

// groups fills a channel with groups of events that share a replay id: sizes
// says how many each has.
func groups(o *fakeOrg, channel string, sizes ...int) (total int) {
	for g, size := range sizes {
		for range size {
			total++
			o.addAt(channel, fmt.Sprint(total), 100*(g+1))
		}
	}
	return total
}

func TestEnrichedGroup_CutAnywhere_NoGapNoRepeat(t *testing.T) {
	sizes := []int{1, 4, 1, 7, 2, 3}
	for _, batch := range []int{1, 2, 3, 5} {
		for cut := batch; cut <= 18; cut += batch {
			t.Run(fmt.Sprintf("batches of %d, cut after %d", batch, cut), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					org := newOrg(t)
					org.batch = batch
					total := groups(org, sales, sizes...)
					org.during = func(n, sent int, s subscribeStream) error {
						// The first stream ends after cut events, those that follow after
						// enough to pass over the open group and one batch more.
						if n == 1 && sent >= cut || n > 1 && n < 4 && sent >= 8 {
							return fail(s.Context(), codes.Internal, "service.unavailable")
						}
						return nil
					}
					sub := subscribe(t, org.client(t), pubsub.SubscribeConfig{Channel: sales, Start: pubsub.AfterReplayID(replayID(1))})
					receive(t, sub, 1, total)
					// Nothing is left over, and nothing comes twice.
					org.addAt(sales, "last", 10_000)
					b, err := sub.Recv(t.Context())
					if err != nil || len(b.Events) != 1 || b.Events[0].UUID != "last" {
						t.Errorf("received %v, %v; want the last event alone", b.Events, err)
					}
				})
			})
		}
	}
}

func TestEnrichedGroup_ResumedByPosition_PassesOverWhatIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		groups(org, sales, 2, 5, 1)
		sub := subscribe(t, org.client(t), pubsub.SubscribeConfig{
			Channel: sales,
			Start:   pubsub.Start{Preset: pubsub.After, ReplayID: replayID(100), OpenReplayID: replayID(200), OpenCount: 3},
		})
		receive(t, sub, 6, 3)
	})
}

func TestResume_GroupIsGone_NothingIsPassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		groups(org, sales, 2, 3)
		sub := subscribe(t, org.client(t), pubsub.SubscribeConfig{
			Channel: sales,
			Start:   pubsub.Start{Preset: pubsub.After, ReplayID: replayID(100), OpenReplayID: replayID(150), OpenCount: 2},
		})
		receive(t, sub, 3, 3)
	})
}

func TestResume_ServiceSendsOldEventsAgain_PassedOver(t *testing.T) {
	for _, tt := range []struct {
		channel      string
		again, batch int
	}{
		{accounts, 1, 100}, {accounts, 1, 1}, {accounts, 20, 100}, {accounts, 20, 3}, {sales, 5, 100}, {sales, 5, 2},
	} {
		t.Run(fmt.Sprintf("%d again in batches of %d on %s", tt.again, tt.batch, tt.channel), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				org := newOrg(t)
				org.batch = tt.batch
				org.add(tt.channel, 100)
				org.before = func(n int, req *pubsubpb.FetchRequest, _ subscribeStream) error {
					if n > 1 {
						at := binary.BigEndian.Uint64(req.ReplayId)
						req.ReplayId = replayID(int(at) - 100*tt.again)
					}
					return nil
				}
				org.during = func(n, sent int, s subscribeStream) error {
					if n < 4 && sent >= 40 {
						return fail(s.Context(), codes.Internal, "service.unavailable")
					}
					return nil
				}
				sub := subscribe(t, org.client(t), pubsub.SubscribeConfig{Channel: tt.channel, Start: pubsub.AfterReplayID(replayID(1))})
				receive(t, sub, 1, 100)
			})
		})
	}
}

func TestStart_ServiceSendsOldEventsAgain_PassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		org.add(accounts, 10)
		org.before = func(_ int, req *pubsubpb.FetchRequest, _ subscribeStream) error {
			req.ReplayId = replayID(200) // four events too early, in a new process
			return nil
		}
		sub := subscribe(t, org.client(t), pubsub.SubscribeConfig{Channel: accounts, Start: pubsub.AfterReplayID(replayID(600))})
		receive(t, sub, 7, 4)
	})
}
