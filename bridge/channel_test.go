package bridge

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sfbridge/event"
)

func TestLag_IsZeroOnlyWhenNothingIsKnownToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := &channel{}
		lag := func() time.Duration { s := ch.snapshot(); return s.lag(time.Now()) }
		is := func(what string, want time.Duration) {
			t.Helper()
			if got := lag(); got != want {
				t.Errorf("%s: lag %s, want %s", what, got, want)
			}
		}
		ch.enter(stateConnecting, "")
		time.Sleep(10 * time.Second)
		is("not connected yet", 10*time.Second)
		ch.enter(stateStreaming, "")
		ch.received(0)
		is("a keepalive", 0)
		ch.received(3)
		time.Sleep(2 * time.Second)
		is("three events in hand", 2*time.Second)
		commit := time.Now().Add(-time.Second)
		ch.committed(event.Position{CommitTimestamp: commit.UnixMilli()}, 2)
		is("one event in hand", time.Second)
		ch.committed(event.Position{CommitTimestamp: commit.UnixMilli()}, 1)
		is("all committed", 0)
		time.Sleep(time.Hour)
		is("a quiet hour", 0)
		ch.received(1)
		time.Sleep(time.Second)
		is("one event in hand after a quiet hour", time.Second)
		ch.committed(event.Position{CommitTimestamp: commit.UnixMilli()}, 1)
		ch.enter(stateReconnecting, "transport")
		time.Sleep(time.Minute)
		is("cut for a minute", time.Minute)
		ch.enter(stateStreaming, "")
		is("open again, and nothing heard", time.Minute)
		ch.received(5)
		is("what was missed has come", time.Minute)
		ch.dropped(5)
		ch.enter(stateStopped, "registry")
		time.Sleep(time.Minute)
		is("and could not be used", 2*time.Minute)
		ch.enter(stateStreaming, "")
		time.Sleep(settle)
		is("open and silent for a while", 0)
	})
}

func TestChannelProblem_TellsWhatAPersonHasToKnow(t *testing.T) {
	b := &Bridge{cfg: Config{Retention: 72 * time.Hour}}
	now := time.Now()
	for _, tt := range []struct {
		name string
		s    ChannelStatus
		want string // in the reason; empty: no problem
	}{
		{"not ours", ChannelStatus{State: stateStopped, Reason: "x"}, ""},
		{"stopped", ChannelStatus{Assigned: true, State: stateStopped, Reason: "schema refused"}, "stopped: schema refused"},
		{"connecting", ChannelStatus{Assigned: true, State: stateConnecting}, "connecting"},
		{"waiting", ChannelStatus{Assigned: true, State: stateWaiting}, "waiting"},
		{"streaming", ChannelStatus{Assigned: true, State: stateStreaming, PositionAt: now}, ""},
		{"passing", ChannelStatus{Assigned: true, State: stateReconnecting, Since: now.Add(-20 * time.Second)}, ""},
		{"not passing", ChannelStatus{Assigned: true, State: stateReconnecting, Reason: "silence", Since: now.Add(-40 * time.Second)}, "40s: silence"},
		{"window closing", ChannelStatus{Assigned: true, State: stateStreaming, PositionAt: now.Add(-60 * time.Hour)}, "forgets this channel's position in 12h"},
	} {
		p, bad := b.channelProblem(tt.s, now)
		if bad != (tt.want != "") || !strings.Contains(p.Reason, tt.want) {
			t.Errorf("%s: %v %q, want %q", tt.name, bad, p.Reason, tt.want)
		}
	}
}
