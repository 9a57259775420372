package bridge

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestQueue_TakesWholeUnitsUpToTheBudget(t *testing.T) {
	q := newQueue()
	for i := range 5 {
		q.put(unit{events: i + 1, bytes: 40})
	}
	<-q.ready
	units, closed := q.take(nil, 100)
	if len(units) != 2 || closed {
		t.Fatalf("took %d units, closed %v; want 2 and open", len(units), closed)
	}
	<-q.ready // what is left wakes the lane again
	q.close()
	units, closed = q.take(nil, 1000)
	if len(units) != 3 || units[0].events != 3 || !closed {
		t.Errorf("took %d units from %d on, closed %v; want 3 from 3 on, closed", len(units), units[0].events, closed)
	}
}

func TestQueue_OversizeUnitGoesAlone(t *testing.T) {
	q := newQueue()
	q.put(unit{bytes: 500})
	q.put(unit{bytes: 1})
	if units, _ := q.take(nil, 100); len(units) != 1 {
		t.Errorf("took %d units, want the large one alone", len(units))
	}
}

func TestBudget_FullBlocksUntilRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(100)
		held, err := b.acquire(t.Context(), 1000) // larger than all: takes all
		if err != nil || held != 100 {
			t.Fatalf("acquired %d, %v; want 100", held, err)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := b.acquire(short, 1); err == nil {
			t.Fatal("a spent budget gave more")
		}
		time.AfterFunc(time.Minute, func() { b.release(held) })
		if _, err := b.acquire(t.Context(), 1); err != nil {
			t.Errorf("no room after release: %v", err)
		}
	})
}

func TestChannelLag_GrowsWhileTheStreamIsGone(t *testing.T) {
	now := time.Now()
	caught := ChannelStatus{State: stateStreaming, LastCommit: now.Add(-time.Hour)}
	if lag := caught.lag(now); lag != 0 {
		t.Errorf("lag of a caught-up channel: %s, want 0", lag)
	}
	gone := ChannelStatus{State: stateReconnecting, LastCommit: now.Add(-time.Hour), caughtUp: now.Add(-time.Minute)}
	if lag := gone.lag(now); lag != time.Minute {
		t.Errorf("lag without a stream: %s, want 1m from when it was last caught up", lag)
	}
	behind := ChannelStatus{State: stateStreaming, InHand: 3, LastCommit: now.Add(-time.Second)}
	if lag := behind.lag(now); lag != time.Second {
		t.Errorf("lag with events in hand: %s, want 1s", lag)
	}
}
