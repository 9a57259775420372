package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	readAllBytes = 8 << 20
	readAllWait  = 250 * time.Millisecond
	// stuckAfter is when waiting for an open transaction is worth a line in the log.
	stuckAfter = 5 * time.Second
)

// ReadAll calls fn with each committed record of a partition from the log's start to its end as it is now, in order. When
// a transaction that began before the end is still open, ReadAll waits until it is decided; the broker's transaction timeout
// bounds that. It passes over what compaction or retention removes meanwhile. An error of fn ends it.
func (c *Client) ReadAll(ctx context.Context, topic string, partition int32, fn func(Record) error) error {
	if err := c.readAll(ctx, topicPartition{topic, partition}, fn); err != nil {
		return fmt.Errorf("read all of topic %s partition %d: %w", topic, partition, err)
	}
	return nil
}

// ReadRange calls fn with each committed record of a partition from offset from up to, and without, offset to, or up to
// the log's end as it is now if that comes first. What compaction has removed is passed over; an *OffsetError says that
// from is not there any more, or never was. An error of fn ends it.
func (c *Client) ReadRange(ctx context.Context, topic string, partition int32, from, to int64, fn func(Record) error) error {
	err := func() error {
		r, err := c.NewReader(ctx, ReaderConfig{Topic: topic, Partition: partition, Offset: from})
		if err != nil {
			return err
		}
		return c.readUntil(ctx, r, min(to, r.HighWatermark()), false, fn)
	}()
	if err != nil {
		return fmt.Errorf("read topic %s partition %d from offset %d: %w", topic, partition, from, err)
	}
	return nil
}

func (c *Client) readAll(ctx context.Context, tp topicPartition, fn func(Record) error) error {
	r, err := c.NewReader(ctx, ReaderConfig{Topic: tp.topic, Partition: tp.partition, Offset: EarliestOffset, MaxBytes: readAllBytes})
	if err != nil {
		return err
	}
	return c.readUntil(ctx, r, r.HighWatermark(), true, fn)
}

// readUntil reads up to end. skip passes over a front that retention has taken.
func (c *Client) readUntil(ctx context.Context, r *Reader, end int64, skip bool, fn func(Record) error) error {
	began, told := time.Now(), false
	for r.Offset() < end {
		recs, err := r.poll(ctx, readAllWait)
		if gone, ok := errors.AsType[*OffsetError](err); ok && skip && gone.Start > gone.Offset {
			r.offset.Store(gone.Start) // retention took the front while we read
			continue
		}
		if err != nil {
			return err
		}
		for _, rec := range recs {
			if rec.Offset >= end {
				return nil
			}
			if err := fn(rec); err != nil {
				return err
			}
		}
		if !told && len(recs) == 0 && time.Since(began) > stuckAfter && r.LastStableOffset() < end {
			told = true
			c.log.Warn("waiting for an open transaction to be decided", "topic", r.tp.topic, "partition", r.tp.partition,
				"offset", r.Offset(), "end", end)
		}
	}
	return nil
}

// LoadTable reads a compacted partition as a map from key to its latest value. A tombstone removes its key, and records
// without a key are passed over.
func LoadTable(ctx context.Context, c *Client, topic string, partition int32) (map[string][]byte, error) {
	table := map[string][]byte{}
	err := c.ReadAll(ctx, topic, partition, func(rec Record) error {
		switch {
		case rec.Key == nil:
		case rec.Value == nil:
			delete(table, string(rec.Key))
		default:
			// A copy: the record's memory is that of a whole fetch, which a small table would hold on to.
			table[string(rec.Key)] = append([]byte{}, rec.Value...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return table, nil
}
