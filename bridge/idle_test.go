package bridge

import (
	"testing"
	"testing/synctest"
	"time"

	"sfbridge/event"
)

// stored is a channel that has a committed position.
func stored() *channel {
	ch := &channel{}
	ch.state.PositionAt = time.Now()
	return ch
}

func idleUnit(ch *channel, id string) unit {
	return unit{ch: ch, pos: event.Position{ReplayID: event.ReplayID(id)}}
}

func TestIdlePositions_WaitForData_TheNewestOfEachChannel(t *testing.T) {
	p := newIdlePositions(72 * time.Hour)
	defer p.stop()
	a, b, c := stored(), stored(), stored()
	if rest := p.keep([]unit{idleUnit(a, "1"), idleUnit(b, "1"), idleUnit(a, "2")}); len(rest) != 0 {
		t.Fatalf("%d units are to be committed, want none yet", len(rest))
	}
	rest := p.take(p.keep([]unit{{ch: c, events: 1}, {ch: b, events: 1}}))
	if len(rest) != 3 {
		t.Fatalf("%d units go together, want data of two channels and one position", len(rest))
	}
	if u := rest[2]; u.ch != a || string(u.pos.ReplayID) != "2" {
		t.Errorf("the position that rides along is %s, want the newest of the channel without data", u.pos.ReplayID)
	}
	if again := p.take(nil); len(again) != 0 {
		t.Errorf("%d units are still waiting, want none", len(again))
	}
}

func TestIdlePositions_FirstPosition_DoesNotWait(t *testing.T) {
	p := newIdlePositions(72 * time.Hour)
	defer p.stop()
	if rest := p.keep([]unit{idleUnit(&channel{}, "1")}); len(rest) != 1 {
		t.Errorf("%d units are to be committed, want the first position at once", len(rest))
	}
}

func TestIdlePositions_AreDue_BeforeTheOrgForgetsThem(t *testing.T) {
	for retention, want := range map[time.Duration]time.Duration{72 * time.Hour: 5 * time.Minute, 10 * time.Minute: 6 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			p := newIdlePositions(retention)
			defer p.stop()
			began := time.Now()
			ch := stored()
			p.keep([]unit{idleUnit(ch, "1")})
			time.Sleep(want / 2)
			p.keep([]unit{idleUnit(ch, "2")}) // does not put it off
			<-p.due()
			if waited := time.Since(began); waited != want {
				t.Errorf("retention %s: due after %s, want %s", retention, waited, want)
			}
			if u := p.take(nil); len(u) != 1 || string(u[0].pos.ReplayID) != "2" {
				t.Errorf("due: %v, want the newest", u)
			}
		})
	}
}
