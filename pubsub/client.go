package pubsub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"sfbridge/event"
	"sfbridge/internal/backoff"
	"sfbridge/pubsub/pubsubpb"
	"sfbridge/salesforce/auth"
)

// Client calls the Pub/Sub API for one org. It is safe for use by many
// goroutines.
type Client struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics
	pool    *pool

	mu     sync.Mutex // guards what follows
	closed bool
	open   map[closer]struct{}
}

// closer is a Subscription or a Publisher.
type closer interface{ Close() error }

// New checks the configuration and returns a client. It connects when first
// used.
func New(cfg Config) (*Client, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	c := &Client{
		cfg:     cfg,
		log:     cfg.Logger.With("component", "pubsub"),
		metrics: newMetrics(cfg.Registerer),
		open:    make(map[closer]struct{}),
	}
	c.pool = &pool{cfg: &c.cfg, metrics: c.metrics}
	return c, nil
}

// Close ends all subscriptions, publishers and connections, and waits for
// their goroutines. It may be called twice.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	var all []closer
	for s := range c.open {
		all = append(all, s)
	}
	c.mu.Unlock()
	for _, s := range all {
		_ = s.Close() // ends a goroutine; has nothing to report
	}
	return c.pool.close()
}

// add registers what Close has to end.
func (c *Client) add(s closer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	c.open[s] = struct{}{}
	return nil
}

func (c *Client) remove(s closer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, s)
}

// Topic is what the org tells about a channel.
type Topic struct {
	Name       string
	TenantGUID string
	// SchemaID is the schema in force; empty for channels of several kinds of
	// events, whose every event names its own.
	SchemaID     event.SchemaID
	CanPublish   bool
	CanSubscribe bool
}

// Topic describes a channel. A channel that does not exist or may not be seen
// is an *Error for which IsPermanent is true.
func (c *Client) Topic(ctx context.Context, channel string) (Topic, error) {
	var info *pubsubpb.TopicInfo
	err := c.unary(ctx, "GetTopic", channel, func(ctx context.Context, api pubsubpb.PubSubClient, opts ...grpc.CallOption) (err error) {
		info, err = api.GetTopic(ctx, &pubsubpb.TopicRequest{TopicName: channel}, opts...)
		return err
	})
	if err != nil {
		return Topic{}, err
	}
	return Topic{
		Name: info.GetTopicName(), TenantGUID: info.GetTenantGuid(), SchemaID: event.SchemaID(info.GetSchemaId()),
		CanPublish: info.GetCanPublish(), CanSubscribe: info.GetCanSubscribe(),
	}, nil
}

// Schema returns the Avro schema with an id, as JSON text. Old versions are
// served too, as long as events written with them are kept.
func (c *Client) Schema(ctx context.Context, id event.SchemaID) (string, error) {
	if id == "" {
		return "", &Error{
			Op: "GetSchema", Status: codes.InvalidArgument, Code: "schema.validation.failed",
			Message: "the schema id is blank", Hint: meanings["schema.validation.failed"].hint, class: stop,
		}
	}
	var info *pubsubpb.SchemaInfo
	err := c.unary(ctx, "GetSchema", string(id), func(ctx context.Context, api pubsubpb.PubSubClient, opts ...grpc.CallOption) (err error) {
		info, err = api.GetSchema(ctx, &pubsubpb.SchemaRequest{SchemaId: string(id)}, opts...)
		return err
	})
	if err != nil {
		return "", err
	}
	if got := info.GetSchemaId(); got != string(id) {
		return "", fmt.Errorf("GetSchema %s: the service answered with schema %q", id, got)
	}
	return info.GetSchemaJson(), nil
}

// unaryTries is how often a unary call is made while the service is away.
const unaryTries = 4

// unary makes a call that may be repeated: again after a pause while the
// service is away, and with a new token once if the one in hand is refused.
func (c *Client) unary(ctx context.Context, op, channel string, call func(context.Context, pubsubpb.PubSubClient, ...grpc.CallOption) error) error {
	renewed := false
	for attempt := 1; ; attempt++ {
		tok, err := c.cfg.Session.Token(ctx)
		if err == nil {
			err = c.once(ctx, op, channel, tok, call)
		}
		e, answered := errors.AsType[*Error](err)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("%s %s: %w", op, channel, errors.Join(context.Cause(ctx), err))
		case answered && e.class == relogin && !renewed:
			renewed = true
			c.cfg.Session.Invalidate(tok)
			continue
		case !answered || e.class != resume || attempt >= unaryTries:
			return err
		}
		if err := backoff.Sleep(ctx, (backoff.Policy{Max: 8 * time.Second}).Wait(attempt, 0)); err != nil {
			return fmt.Errorf("%s %s: %w", op, channel, err)
		}
	}
}

// once makes one attempt under OpenTimeout.
func (c *Client) once(ctx context.Context, op, channel string, tok auth.Token, call func(context.Context, pubsubpb.PubSubClient, ...grpc.CallOption) error) error {
	conn, err := c.pool.take()
	if err != nil {
		return fmt.Errorf("%s %s: %w", op, channel, err)
	}
	defer c.pool.give(conn, false)
	ctx, cancel := context.WithTimeout(ctx, c.cfg.OpenTimeout)
	defer cancel()
	var trailer metadata.MD
	err = call(c.outgoing(ctx, tok), pubsubpb.NewPubSubClient(conn.cc), grpc.Trailer(&trailer))
	if err != nil {
		return fromCall(op, channel, err, trailer)
	}
	return nil
}

// outgoing adds what every call has to carry (Pub/Sub API guide,
// authentication).
func (c *Client) outgoing(ctx context.Context, tok auth.Token) context.Context {
	md := metadata.Pairs(
		"accesstoken", tok.AccessToken.Reveal(),
		"instanceurl", tok.InstanceURL,
		"tenantid", tok.OrgID,
	)
	if c.cfg.ClientTraceID != "" {
		md.Set("x-client-trace-id", c.cfg.ClientTraceID)
	}
	return metadata.NewOutgoingContext(ctx, md)
}
