package pubsub

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"

	"sfbridge/event"
	"sfbridge/internal/backoff"
	"sfbridge/pubsub/pubsubpb"
)

// What one PublishRequest may hold (Pub/Sub API guide, publish limits): 200
// events and 3 MB are advised, over 4 MB kills the connection. One event may
// have 1 MB.
const (
	maxPublishEvents = 200
	maxPublishBytes  = 3_000_000
	maxEventBytes    = 1 << 20
)

// publishTries is how often events that failed are sent.
const publishTries = 4

// Event is one event to publish.
type Event struct {
	ID       string // UUID; made if empty. Subscribers see it as the event's UUID
	SchemaID event.SchemaID
	Payload  []byte // one bare Avro datum; the service does not check it
}

// Result tells what became of one event.
type Result struct {
	ID       string         // of the event
	ReplayID event.ReplayID // on success
	// Err is nil on success. *PublishError: the org refused this event. Another
	// error: the call failed, and whether the event was stored is not known, or
	// it was not sent.
	Err error
}

// PublishError is the org's refusal of one event.
type PublishError struct {
	ID      string // of the event
	Code    string // UNKNOWN or PUBLISH
	Message string // the org's; for people only
}

func (e *PublishError) Error() string {
	return fmt.Sprintf("publish event %s: %s: %s", e.ID, e.Code, e.Message)
}

// Publish publishes events and tells what became of each, in their order. It
// sends them in requests within the service's limits, one after another, and
// sends again only those that failed. When a call failed half-way, the events
// of that request may be stored twice, with the same UUID. The error is the
// first of the results', nil if all were stored.
func (c *Client) Publish(ctx context.Context, channel string, events []Event) ([]Result, error) {
	return c.publish(ctx, channel, events, publishTries, func(ctx context.Context, req *pubsubpb.PublishRequest) (res *pubsubpb.PublishResponse, err error) {
		err = c.unary(ctx, "Publish", channel, func(ctx context.Context, api pubsubpb.PubSubClient, opts ...grpc.CallOption) (err error) {
			res, err = api.Publish(ctx, req, opts...)
			return err
		})
		return res, err
	})
}

// sender sends one request and returns the response to it.
type sender func(context.Context, *pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, error)

func (c *Client) publish(ctx context.Context, channel string, events []Event, tries int, send sender) ([]Result, error) {
	job := &publishing{channel: channel, tries: tries, results: make([]Result, len(events)), events: make([]*pubsubpb.ProducerEvent, len(events)), send: send}
	for i, e := range events {
		id := e.ID
		if id == "" {
			id = newUUID()
		}
		job.results[i] = Result{ID: id, Err: errUnsent}
		job.events[i] = &pubsubpb.ProducerEvent{Id: id, SchemaId: string(e.SchemaID), Payload: e.Payload}
	}
	for _, part := range job.split() {
		if err := job.settle(ctx, part); err != nil {
			break // the rest keeps errUnsent
		}
	}
	return job.results, c.countPublished(job.results)
}

func (c *Client) countPublished(results []Result) error {
	var firstErr error
	for i := range results {
		outcome := "success"
		if err := results[i].Err; err != nil {
			outcome = "unknown"
			if _, refused := errors.AsType[*PublishError](err); refused {
				outcome = "refused"
			}
			if firstErr == nil {
				firstErr = err
			}
		}
		c.metrics.published.WithLabelValues(outcome).Inc()
	}
	return firstErr
}

var errUnsent = errors.New("not sent, since an earlier request failed")

// publishing is one call of Publish.
type publishing struct {
	channel string
	tries   int // at events that the org refuses
	events  []*pubsubpb.ProducerEvent
	results []Result
	send    sender
}

// split cuts the events into requests, as indexes. Events that can never be
// taken are settled here.
func (p *publishing) split() [][]int {
	var parts [][]int
	var part []int
	empty := len(p.channel) + 16
	size := empty
	for i, e := range p.events {
		if len(e.GetPayload()) > maxEventBytes {
			p.results[i].Err = &PublishError{ID: e.GetId(), Code: "PUBLISH", Message: fmt.Sprintf("payload of %d bytes is over the limit of 1 MB", len(e.GetPayload()))}
			continue
		}
		n := eventSize(e)
		if len(part) == maxPublishEvents || (len(part) > 0 && size+n > maxPublishBytes) {
			parts, part, size = append(parts, part), nil, empty
		}
		part, size = append(part, i), size+n
	}
	if len(part) > 0 {
		parts = append(parts, part)
	}
	return parts
}

// eventSize is at least what an event adds to a request.
func eventSize(e *pubsubpb.ProducerEvent) int {
	return len(e.GetPayload()) + len(e.GetId()) + len(e.GetSchemaId()) + 32
}

// settle sends one part until each of its events is stored or has been refused
// too often. An error means that the call itself failed.
func (p *publishing) settle(ctx context.Context, part []int) error {
	for attempt := 1; len(part) > 0; attempt++ {
		req := &pubsubpb.PublishRequest{TopicName: p.channel}
		for _, i := range part {
			req.Events = append(req.Events, p.events[i])
		}
		res, err := p.send(ctx, req)
		if err == nil && len(res.GetResults()) != len(part) {
			err = fmt.Errorf("publish %s: %d results for %d events", p.channel, len(res.GetResults()), len(part))
		}
		if err != nil {
			for _, i := range part {
				p.results[i].Err = err
			}
			return err
		}
		part = p.note(part, res)
		if len(part) == 0 || attempt == p.tries {
			return nil
		}
		if err := backoff.Sleep(ctx, (backoff.Policy{Base: 500 * time.Millisecond, Max: 8 * time.Second}).Wait(attempt, 0)); err != nil {
			return err // each of part has its PublishError
		}
	}
	return nil
}

// note stores the results of one response and returns the events that failed.
func (p *publishing) note(part []int, res *pubsubpb.PublishResponse) (failed []int) {
	for at, i := range part {
		r := res.GetResults()[at]
		if e := r.GetError(); e != nil {
			p.results[i].Err = &PublishError{ID: p.results[i].ID, Code: e.GetCode().String(), Message: e.GetMsg()}
			failed = append(failed, i)
			continue
		}
		p.results[i].ReplayID, p.results[i].Err = r.GetReplayId(), nil
	}
	return failed
}

// newUUID makes a random UUID, version 4.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
