package writeback

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"sfbridge/writeback/rows"
)

func TestRoom_RecordsBeyondItWaitUntilOthersAreSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(3000)
		var held []*item
		for r.held.Load() < r.limit {
			if err := r.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			it := upsertOf("a", int64(len(held)))
			it.row.Values = []rows.Value{{Text: "some text"}}
			r.take(it)
			held = append(held, it)
		}
		if n := len(held); n < 2 || n > 6 {
			t.Errorf("%d rows have room in 3,000 bytes", n)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if r.wait(short) == nil {
			t.Error("there is room for more than fits")
		}
		time.AfterFunc(time.Minute, func() { r.give(held[0]); r.give(held[0]) })
		if err := r.wait(t.Context()); err != nil {
			t.Error(err)
		}
		for _, it := range held {
			r.give(it)
		}
		if n := r.held.Load(); n != 0 {
			t.Errorf("%d bytes are held when all is settled", n)
		}
	})
}
