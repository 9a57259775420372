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

func TestBatcher_WaitsForMoreOnlyWhenBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		b := batcher{queue: q}
		next := func() (int64, time.Duration) {
			began := time.Now()
			<-q.ready
			units, _ := b.next(nil)
			return bytesOf(units), time.Since(began)
		}
		q.put(unit{bytes: 100})
		if size, took := next(); size != 100 || took != 0 {
			t.Errorf("first batch of %d bytes after %s, want 100 at once", size, took)
		}
		q.put(unit{bytes: busyBatch})
		if size, took := next(); size != busyBatch || took != 0 {
			t.Errorf("batch after a small one has %d bytes after %s, want %d at once", size, took, busyBatch)
		}
		q.put(unit{bytes: 100})
		time.AfterFunc(fillTime/2, func() { q.put(unit{bytes: 200}) })
		if size, took := next(); size != 300 || took != fillTime {
			t.Errorf("batch after a large one has %d bytes after %s, want 300 after %s", size, took, fillTime)
		}
		q.put(unit{bytes: busyBatch})
		next()
		q.put(unit{bytes: 100})
		time.AfterFunc(fillTime/2, func() { q.put(unit{bytes: fullBatch}) })
		if size, took := next(); size != 100+fullBatch || took != fillTime/2 {
			t.Errorf("full batch has %d bytes after %s, want it as soon as it is full", size, took)
		}
	})
}
