package pubsub_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"sfbridge/pubsub"
	"sfbridge/pubsub/pubsubpb"
)

const shipments = "/event/Shipment__e"

// strictPublish stores events as the service does: within its limits, one
// result an event; every failEvery-th event fails the first time it comes.
type strictPublish struct {
	t         *testing.T
	failEvery int

	mu       sync.Mutex
	seen     int
	failed   map[string]bool
	stored   []string
	requests int
}

func (p *strictPublish) handle(req *pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests++
	if n := len(req.Events); n == 0 || n > 200 {
		p.t.Errorf("request of %d events, want 1 to 200", n)
	}
	if size := proto.Size(req); size > 3_000_000 {
		p.t.Errorf("request of %d bytes, want at most 3 MB", size)
	}
	if p.failed == nil {
		p.failed = make(map[string]bool)
	}
	res := &pubsubpb.PublishResponse{}
	for _, e := range req.Events {
		r := &pubsubpb.PublishResult{CorrelationKey: e.Id}
		p.seen++
		if p.failEvery > 0 && p.seen%p.failEvery == 0 && !p.failed[e.Id] {
			p.failed[e.Id] = true
			r.Error = &pubsubpb.Error{Code: pubsubpb.ErrorCode_PUBLISH, Msg: "try again"}
		} else {
			p.stored = append(p.stored, e.Id)
			r.ReplayId = replayID(len(p.stored))
		}
		res.Results = append(res.Results, r)
	}
	return res, nil
}

// publishers are both ways to publish.
func publishers(t *testing.T, c *pubsub.Client) map[string]func(context.Context, []pubsub.Event) ([]pubsub.Result, error) {
	t.Helper()
	p, err := c.Publisher(shipments)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]func(context.Context, []pubsub.Event) ([]pubsub.Result, error){
		"Publish": func(ctx context.Context, e []pubsub.Event) ([]pubsub.Result, error) {
			return c.Publish(ctx, shipments, e)
		},
		"Publisher": p.Publish,
	}
}

func TestC13_Publish_SplitsAndRepeatsOnlyWhatFailed(t *testing.T) {
	for _, way := range []string{"Publish", "Publisher"} {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				org := newOrg(t)
				sink := &strictPublish{t: t, failEvery: 50}
				org.onPublish = sink.handle
				events := make([]pubsub.Event, 1000)
				for i := range events {
					events[i] = pubsub.Event{ID: fmt.Sprintf("id-%d", i), SchemaID: "AAAAAAAAAAAAAAAAAAAAAA", Payload: make([]byte, 30_000)}
				}
				results, err := publishers(t, org.client(t))[way](t.Context(), events)
				if err != nil || len(results) != 1000 {
					t.Fatalf("%d results, error %v", len(results), err)
				}
				for i, r := range results {
					if r.ID != events[i].ID || r.Err != nil || len(r.ReplayID) == 0 {
						t.Fatalf("result %d: %+v", i, r)
					}
				}
				if len(sink.stored) != 1000 || len(sink.failed) < 10 {
					t.Errorf("%d stored, %d failed once; want 1,000 and at least 10", len(sink.stored), len(sink.failed))
				}
				slices.Sort(sink.stored)
				if n := len(slices.Compact(sink.stored)); n != 1000 {
					t.Errorf("%d different events stored, want 1,000", n)
				}
			})
		})
	}
}

func TestPublish_EventThatIsNeverTaken_FailsAlone(t *testing.T) {
	for _, way := range []string{"Publish", "Publisher"} {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				org := newOrg(t)
				tries := 0
				org.onPublish = func(req *pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, error) {
					res := &pubsubpb.PublishResponse{}
					for _, e := range req.Events {
						r := &pubsubpb.PublishResult{CorrelationKey: e.Id, ReplayId: replayID(1)}
						if e.Id == "bad" {
							tries++
							r = &pubsubpb.PublishResult{CorrelationKey: e.Id, Error: &pubsubpb.Error{Code: pubsubpb.ErrorCode_PUBLISH, Msg: "no"}}
						}
						res.Results = append(res.Results, r)
					}
					return res, nil
				}
				results, err := publishers(t, org.client(t))[way](t.Context(), []pubsub.Event{
					{Payload: []byte("a")}, {ID: "bad"}, {ID: "big", Payload: make([]byte, 1<<20+1)}, {Payload: []byte("b")},
				})
				refused, ok := errors.AsType[*pubsub.PublishError](err)
				if !ok || refused.ID != "bad" || refused.Message != "no" || tries != 4 {
					t.Errorf("error %v after %d tries, want the refusal of bad after 4", err, tries)
				}
				for i, bad := range []bool{false, true, true, false} {
					if (results[i].Err != nil) != bad {
						t.Errorf("result %d: %+v", i, results[i])
					}
				}
				if a, b := results[0].ID, results[3].ID; len(a) != 36 || a == b {
					t.Errorf("made ids %q and %q, want two UUIDs", a, b)
				}
			})
		})
	}
}

func TestF17_IdlePublishStream_IsReopened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		sink := &strictPublish{t: t}
		org.onPublish = sink.handle
		org.onPublishStream = func(n int) error {
			if n == 2 {
				return status.Error(codes.Canceled, "No publish request was received during the timeout period of 1,800 seconds.")
			}
			return nil
		}
		p, err := org.client(t).Publisher(shipments)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			if _, err := p.Publish(t.Context(), []pubsub.Event{{ID: fmt.Sprint(i)}}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
		}
		if fmt.Sprint(sink.stored) != "[0 1 2 3 4]" {
			t.Errorf("stored %v, want each once", sink.stored)
		}
	})
}

func TestPublisher_ManyCallers_EachGetsItsOwnResults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		sink := &strictPublish{t: t}
		org.onPublish = sink.handle
		p, err := org.client(t).Publisher(shipments)
		if err != nil {
			t.Fatal(err)
		}
		var callers sync.WaitGroup
		for i := range 50 {
			callers.Go(func() {
				for j := range 20 {
					id := fmt.Sprintf("%d-%d", i, j)
					if r, err := p.Publish(t.Context(), []pubsub.Event{{ID: id}}); err != nil || r[0].ID != id {
						t.Errorf("%s: %v, %v", id, r, err)
					}
					if j == 10 && i == 0 {
						org.net.Cut(addr)
					}
				}
			})
		}
		callers.Wait()
		slices.Sort(sink.stored)
		if n := len(slices.Compact(sink.stored)); n != 1000 {
			t.Errorf("%d different events stored, want 1,000", n)
		}
	})
}

func TestPublisher_CloseWhileWaiting_EndsTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t)
		hang := make(chan struct{})
		defer close(hang)
		org.onPublish = func(*pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, error) {
			<-hang
			return nil, status.Error(codes.Unavailable, "over")
		}
		p, err := org.client(t).Publisher(shipments)
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan error)
		go func() {
			_, err := p.Publish(context.Background(), []pubsub.Event{{}})
			got <- err
		}()
		synctest.Wait()
		for range 2 {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := <-got; !errors.Is(err, pubsub.ErrClosed) {
			t.Errorf("error %v, want ErrClosed", err)
		}
	})
}

func TestPublish_ServiceAway_SaysWhatIsNotKnown(t *testing.T) {
	for _, way := range []string{"Publish", "Publisher"} {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				org := newOrg(t)
				org.onPublish = func(*pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, error) {
					return nil, status.Error(codes.Unavailable, "upstream connect error")
				}
				results, err := publishers(t, org.client(t))[way](t.Context(), make([]pubsub.Event, 300))
				if !pubsub.Retryable(err) {
					t.Errorf("error %v, want a retryable one", err)
				}
				for i, r := range results {
					if r.Err == nil {
						t.Fatalf("result %d has no error", i)
					}
					if _, refused := errors.AsType[*pubsub.PublishError](r.Err); refused {
						t.Fatalf("result %d: %v, want no refusal: it was not answered", i, r.Err)
					}
				}
			})
		})
	}
}

func TestPublisher_Send_LeavesRefusedEventsToTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		strict := &strictPublish{t: t, failEvery: 3}
		f := newOrg(t)
		f.onPublish = strict.handle
		p, err := f.client(t).Publisher(shipments)
		if err != nil {
			t.Fatal(err)
		}
		events := make([]pubsub.Event, 5)
		for i := range events {
			events[i] = pubsub.Event{ID: fmt.Sprint(i), Payload: []byte{1}}
		}
		began := time.Now()
		results, err := p.Send(t.Context(), events)
		if _, refused := errors.AsType[*pubsub.PublishError](err); !refused {
			t.Errorf("error %v, want the refusal", err)
		}
		for i, r := range results {
			if (r.Err != nil) != (i == 2) {
				t.Errorf("result %d: %v", i, r.Err)
			}
		}
		if strict.requests != 1 || time.Since(began) > time.Second {
			t.Errorf("%d requests in %v, want one at once", strict.requests, time.Since(began))
		}
	})
}
