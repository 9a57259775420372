package schemas_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sfbridge/event"
	"sfbridge/schemas"
)

// fetcher is a Fetcher made of a function.
type fetcher func(ctx context.Context, id event.SchemaID) (string, error)

func (f fetcher) Schema(ctx context.Context, id event.SchemaID) (string, error) { return f(ctx, id) }

func TestCache_ManyAtOnce_OneFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fetches := 0
		c := schemas.NewCache(fetcher(func(context.Context, event.SchemaID) (string, error) {
			fetches++
			time.Sleep(time.Second)
			return read(t, "shipment.avsc"), nil
		}))
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if codec, err := c.Codec(t.Context(), shipmentID); err != nil || codec.Name() != "Shipment__ChangeEvent" {
					t.Errorf("%v", err)
				}
			})
		}
		wg.Wait()
		time.Sleep(1000 * time.Hour)
		if _, err := c.Codec(t.Context(), shipmentID); err != nil || fetches != 1 {
			t.Errorf("%d fetches, %v; want one for ever", fetches, err)
		}
	})
}

func TestCache_FetchFails_AskedAgainAfterASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fetches, away := 0, errors.New("away")
		c := schemas.NewCache(fetcher(func(context.Context, event.SchemaID) (string, error) {
			if fetches++; fetches == 1 {
				return "", away
			}
			return `"int"`, nil
		}))
		for range 100 {
			if _, err := c.Codec(t.Context(), "x"); !errors.Is(err, away) || !strings.Contains(err.Error(), "schema x") {
				t.Fatalf("%v; want the fetcher's error with the id", err)
			}
		}
		time.Sleep(time.Second)
		if _, err := c.Codec(t.Context(), "x"); err != nil || fetches != 2 {
			t.Errorf("after a second: %v, %d fetches; want 2", err, fetches)
		}
	})
}

func TestCache_BrokenSchema_NotFetchedForEveryEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fetches := 0
		c := schemas.NewCache(fetcher(func(context.Context, event.SchemaID) (string, error) {
			fetches++
			return `{"type":"record"}`, nil
		}))
		for range 119 { // just below two minutes
			_, err := c.Codec(t.Context(), "x")
			if se, ok := errors.AsType[*schemas.SchemaError](err); !ok || se.ID != "x" {
				t.Fatalf("%v; want a SchemaError of x", err)
			}
			time.Sleep(time.Second)
		}
		if fetches != 2 {
			t.Errorf("%d fetches in two minutes, want 2", fetches)
		}
	})
}

// The one who fetches may be called away; the others must not fail with it.
func TestCache_FetchingCallerLeaves_NextTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := schemas.NewCache(fetcher(func(ctx context.Context, _ event.SchemaID) (string, error) {
			select {
			case <-time.After(time.Minute):
				return `"int"`, nil
			case <-ctx.Done():
				return "", ctx.Err()
			}
		}))
		first, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.Codec(first, "x"); !errors.Is(err, context.Canceled) {
				t.Errorf("the caller who left: %v", err)
			}
		})
		synctest.Wait()
		for range 3 {
			wg.Go(func() {
				if _, err := c.Codec(t.Context(), "x"); err != nil {
					t.Errorf("a caller who waited: %v", err)
				}
			})
		}
		impatient, cancelImpatient := context.WithTimeout(t.Context(), time.Second)
		defer cancelImpatient()
		wg.Go(func() {
			if _, err := c.Codec(impatient, "x"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a caller who waits a second: %v", err)
			}
		})
		time.Sleep(10 * time.Second)
		cancel()
		wg.Wait()
	})
}

func TestCache_ManySchemas_Bounded(t *testing.T) {
	fetches := map[event.SchemaID]int{}
	c := schemas.NewCache(fetcher(func(_ context.Context, id event.SchemaID) (string, error) {
		fetches[id]++
		return `"int"`, nil
	}))
	for i := range 5000 {
		if _, err := c.Codec(t.Context(), event.SchemaID(strings.Repeat("x", i))); err != nil {
			t.Fatal(err)
		}
	}
	again := 0
	for i := range 5000 {
		id := event.SchemaID(strings.Repeat("x", i))
		if _, err := c.Codec(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		again += fetches[id] - 1
	}
	if again < 5000-4096 {
		t.Errorf("only %d of 5000 were dropped, more than 4096 are kept", again)
	}
}
