package writeback

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"sfbridge/internal/flow"
	"sfbridge/kafka"
)

// origin is where a retried record stood when it was first read.
type origin struct {
	kafka.TopicPartition
	offset int64
}

// parseOrigin reads topic/partition/offset. Topics have no slash.
func parseOrigin(s string) (origin, bool) {
	parts := strings.Split(s, "/")
	if len(parts) != 3 || parts[0] == "" {
		return origin{}, false
	}
	partition, err1 := strconv.ParseInt(parts[1], 10, 32)
	offset, err2 := strconv.ParseInt(parts[2], 10, 64)
	if err1 != nil || err2 != nil || partition < 0 || offset < 0 {
		return origin{}, false
	}
	return origin{kafka.TopicPartition{Topic: parts[0], Partition: int32(partition)}, offset}, true
}

// withoutSuperseded settles retried records after which a newer one of the same
// key came: applying them now would undo it. The source partition is read once
// for all of them.
func (c *carrier) withoutSuperseded(ctx context.Context, ds []*kafka.Delivery) ([]*kafka.Delivery, error) {
	asked := map[kafka.TopicPartition]map[string]int64{} // newest offset by key
	from := map[kafka.TopicPartition]int64{}
	for _, d := range ds {
		o, check := c.origin(d)
		if !check {
			continue
		}
		if asked[o.TopicPartition] == nil {
			asked[o.TopicPartition], from[o.TopicPartition] = map[string]int64{}, o.offset
		}
		asked[o.TopicPartition][string(d.Key)] = -1
		from[o.TopicPartition] = min(from[o.TopicPartition], o.offset)
	}
	if len(asked) == 0 {
		return ds, nil
	}
	for tp, keys := range asked {
		if err := c.newest(ctx, tp, from[tp]+1, keys); err != nil {
			return nil, err
		}
	}
	kept := make([]*kafka.Delivery, 0, len(ds))
	for _, d := range ds {
		if o, check := c.origin(d); check && asked[o.TopicPartition][string(d.Key)] > o.offset {
			c.settler.skip(&item{d: d, retryOf: header(&d.Record, flow.HeaderRetryOf)}, flow.SkipSuperseded)
			continue
		}
		kept = append(kept, d)
	}
	return kept, nil
}

// origin tells where a retried record came from, if its order has to be
// checked. Records without a key have none.
func (c *carrier) origin(d *kafka.Delivery) (origin, bool) {
	if d.Topic == c.f.cfg.Consumer.Topic || d.Key == nil || header(&d.Record, flow.HeaderRetryForce) == "true" {
		return origin{}, false
	}
	o, ok := parseOrigin(header(&d.Record, flow.HeaderRetryOf))
	return o, ok && o.Topic == c.f.cfg.Consumer.Topic
}

// newest fills in the newest offset of each key, among the records from an
// offset to where the share reads next: what comes later is applied later.
func (c *carrier) newest(ctx context.Context, tp kafka.TopicPartition, from int64, keys map[string]int64) error {
	to, err := c.readTo(ctx, tp)
	if err != nil {
		return err
	}
	note := func(r kafka.Record) error {
		if last, asked := keys[string(r.Key)]; asked && r.Key != nil {
			keys[string(r.Key)] = max(last, r.Offset)
		}
		return nil
	}
	for from < to {
		err := c.f.cfg.Kafka.ReadRange(ctx, tp.Topic, tp.Partition, from, to, note)
		if gone, ok := errors.AsType[*kafka.OffsetError](err); ok && gone.Start > from {
			from = gone.Start // what retention removed is not to be compared with
			continue
		}
		if err != nil {
			return fmt.Errorf("look for newer records of retried keys: %w", err)
		}
		break
	}
	return nil
}

// readTo is where the share reads on; of a partition that it does not have, the
// end as it is now.
func (c *carrier) readTo(ctx context.Context, tp kafka.TopicPartition) (int64, error) {
	for _, at := range c.share.Positions() {
		if at.TopicPartition == tp {
			return at.Next, nil
		}
	}
	o, err := c.f.cfg.Kafka.Offsets(ctx, tp.Topic, tp.Partition)
	if err != nil {
		return 0, fmt.Errorf("end of %s partition %d: %w", tp.Topic, tp.Partition, err)
	}
	return o.Stable, nil
}
