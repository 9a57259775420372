package writeback

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"sfbridge/internal/backoff"
	"sfbridge/internal/expression"
	"sfbridge/internal/flow"
	"sfbridge/kafka"
	"sfbridge/schemas"
	"sfbridge/writeback/rows"
)

// handful is how many records are mapped before the scheduler hears of them.
const handful = 512

// intake turns delivered records into items until ctx ends. Records that are
// not to be applied are settled here.
func (c *carrier) intake(ctx context.Context) error {
	for {
		ds, err := c.share.Poll(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		polled := len(ds)
		if ds, err = c.withoutSuperseded(ctx, ds); err != nil {
			return err
		}
		c.handed.Add(int64(polled - len(ds)))
		for len(ds) > 0 {
			n := min(handful, len(ds))
			if c.settler.room.wait(ctx) != nil {
				return nil
			}
			items, err := c.items(ctx, ds[:n])
			if err != nil {
				return err
			}
			if ds = ds[n:]; len(items) > 0 {
				select {
				case c.arrivals <- items:
				case <-ctx.Done():
					return nil
				}
			}
			c.handed.Add(int64(n))
		}
	}
}

// items maps records, on all processors if there are many: a backlog is to go
// with one job, which waits for the last of them. An error means that ctx ended.
func (c *carrier) items(ctx context.Context, ds []*kafka.Delivery) ([]*item, error) {
	parts := make([][]*item, max(1, min(runtime.GOMAXPROCS(0), len(ds)/aside)))
	if len(parts) == 1 {
		return c.itemsOf(ctx, ds)
	}
	g, gctx := errgroup.WithContext(ctx)
	for i := range parts {
		g.Go(func() (err error) {
			parts[i], err = c.itemsOf(gctx, ds[i*len(ds)/len(parts):(i+1)*len(ds)/len(parts)])
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(parts...), nil
}

// aside is how many records are worth a goroutine.
const aside = 64

func (c *carrier) itemsOf(ctx context.Context, ds []*kafka.Delivery) ([]*item, error) {
	items := make([]*item, 0, len(ds))
	for _, d := range ds {
		it := &item{d: d, retryOf: header(&d.Record, flow.HeaderRetryOf)}
		wanted, err := c.admit(ctx, it)
		if err != nil {
			return nil, err
		}
		if wanted {
			c.settler.room.take(it)
			items = append(items, it)
		}
	}
	return items, nil
}

// admit maps an item's record, or settles it if it is not to be applied.
func (c *carrier) admit(ctx context.Context, it *item) (bool, error) {
	if !c.f.cfg.ApplyEchoes && header(&it.d.Record, flow.HeaderEcho) == "true" {
		c.settler.skip(it, flow.SkipEcho)
		return false, nil
	}
	why, err := c.mapRow(ctx, it)
	switch {
	case err != nil:
		return false, err
	case why != nil:
		return false, c.settler.refuse(ctx, it, why)
	case it.row == nil:
		c.settler.skip(it, flow.SkipTombstone)
		return false, nil
	}
	return c.former(ctx, it)
}

// former deals with records that the owner before had in hand: an insert that
// was made is settled, one that may have been made is looked up before it is
// made again.
func (c *carrier) former(ctx context.Context, it *item) (bool, error) {
	n, noted := c.before[kafka.TopicPartition{Topic: it.d.Topic, Partition: it.d.Partition}]
	if !noted || it.row.Op != rows.Insert {
		return true, nil
	}
	switch {
	case n.Made.has(it.d.Offset):
		c.settler.done(it, verdict{done: flow.Created, reason: "made before the partition changed hands"}, "")
		return false, nil
	case !n.Inserts.has(it.d.Offset):
		return true, nil
	case it.row.Key == "" || it.target.mapper.KeyField() == "Id":
		return false, c.settler.refuse(ctx, it, unknownOutcome("the process ended while the row was inserted"))
	}
	it.unknown, it.alone = true, true
	return true, nil
}

// mapRow decodes and maps an item's record for the present target. why tells
// that it cannot become a row; no row and no why is a tombstone to be ignored.
// An error means that ctx ended.
func (c *carrier) mapRow(ctx context.Context, it *item) (why *refusal, err error) {
	in, why, err := c.decode(ctx, &it.d.Record)
	if why != nil || err != nil {
		return why, err
	}
	it.target = c.f.target.Load()
	row, err := it.target.mapper.Row(in)
	if err != nil {
		return rejected(err), nil
	}
	if row != nil {
		if gone := c.f.missing(it.target, row); len(gone) > 0 {
			return &refusal{
				reason: flow.UnknownField, fields: gone,
				text: fmt.Sprintf("%s has no such field any more, or the integration user may not see it", it.target.object.Name),
			}, nil
		}
		if c.f.cfg.Conflict == Overwrite {
			row.Version = "" // nobody asks
		}
		pack(row)
	}
	it.row, it.plain = row, nil
	return nil, nil
}

func rejected(err error) *refusal {
	r := &refusal{reason: flow.BadMapping, text: err.Error()}
	if no, ok := errors.AsType[*rows.Rejection](err); ok {
		r.reason, r.code, r.fields = no.Reason, no.Code, no.Fields
	}
	return r
}

// decode reads value and key. It waits while the registry cannot be asked.
func (c *carrier) decode(ctx context.Context, rec *kafka.Record) (*expression.Input, *refusal, error) {
	in := &expression.Input{
		Topic: rec.Topic, Partition: rec.Partition, Offset: rec.Offset, Timestamp: rec.Time.UnixMilli(),
	}
	if len(rec.Headers) > 0 {
		in.Headers = make(map[string]string, len(rec.Headers))
		for _, h := range rec.Headers {
			in.Headers[h.Key] = string(h.Value)
		}
	}
	var err error
	if rec.Value != nil {
		if in.Value, err = c.ask(ctx, rec.Value, c.f.cfg.Decoder.Decode); err != nil {
			if ctx.Err() != nil {
				return nil, nil, context.Cause(ctx)
			}
			return nil, &refusal{reason: flow.Undecodable, text: err.Error()}, nil
		}
	}
	if in.Key, err = c.ask(ctx, rec.Key, c.f.cfg.Decoder.DecodeKey); err != nil {
		return nil, nil, err
	}
	return in, nil, nil
}

// ask decodes a value or a key, and asks the registry again while it is away.
func (c *carrier) ask(ctx context.Context, data []byte, decode func(context.Context, []byte, schemas.Format) (any, error)) (any, error) {
	policy := backoff.Policy{Base: 500 * time.Millisecond, Max: 30 * time.Second}
	for n := 1; ; n++ {
		v, err := decode(ctx, data, c.f.cfg.Format)
		if err == nil || !schemas.Retryable(err) || ctx.Err() != nil {
			if n > 1 {
				c.trouble("")
			}
			return v, err
		}
		c.trouble(fmt.Sprintf("schema registry: %v", err))
		if sleep := backoff.Sleep(ctx, policy.Wait(n, 0)); sleep != nil {
			return nil, sleep
		}
	}
}

// header is the value of a record's header, "" for none.
func header(r *kafka.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}
