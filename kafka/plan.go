package kafka

import (
	"context"
	"fmt"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/compress"
)

// targetBatchBytes is how large a batch may grow before the next begins. Beyond it nothing is won: the checksum, the
// packing and the request's overhead are paid off long before, while larger buffers stay in memory.
const targetBatchBytes = 512 << 10

// topicPartition names a partition.
type topicPartition struct {
	topic     string
	partition int32
}

// queue is what one commit sends to one partition: batches in order, encoded before anything is sent.
type queue struct {
	topicPartition
	sequence int32 // of the next batch; stays between commits
	enrolled bool  // part of the open transaction

	used    bool // in this commit
	builder batchBuilder
	batches []batch
	sent    int // batches acknowledged
}

func (q *queue) done() bool { return q.sent == len(q.batches) }

// plan is one commit being encoded.
type plan struct {
	p      *Producer
	queues []*queue // those used, in order of first use
	now    int64    // milliseconds, for records without a time
	topics map[string]*planTopic
}

// planTopic is what the plan needs to know of a topic, asked for once.
type planTopic struct {
	*topicInfo
	limit   limit
	keyless int32 // partition of records without a key, -1 until one is needed
}

// encode sorts records into batches by partition, in order. It sends nothing, and an error leaves the producer as it was.
func (p *Producer) encode(ctx context.Context, recs []Record, first int) (_ *plan, err error) {
	pl := &plan{p: p, now: time.Now().UnixMilli()}
	defer func() {
		if err != nil {
			pl.release()
		}
	}()
	var q *queue
	var topic *planTopic
	for i := range recs {
		rec := &recs[i]
		if topic == nil || topic.name != rec.Topic {
			if topic, err = pl.topic(ctx, rec.Topic); err != nil {
				return nil, err
			}
		}
		partition, err := pl.partition(topic, rec)
		if err != nil {
			return nil, err
		}
		if q == nil || q.partition != partition || q.topic != rec.Topic {
			q = pl.queue(rec.Topic, partition)
		}
		if err := pl.add(q, rec, first+i, topic.limit); err != nil {
			return nil, err
		}
	}
	for _, q := range pl.queues {
		if err := pl.flush(q); err != nil {
			return nil, err
		}
	}
	return pl, nil
}

// topic looks a topic up, with patience: it may have been made a moment ago.
func (pl *plan) topic(ctx context.Context, name string) (*planTopic, error) {
	if t := pl.topics[name]; t != nil {
		return t, nil
	}
	info, err := pl.p.client.topicSoon(ctx, name)
	if err != nil {
		return nil, err
	}
	lim, err := pl.p.client.limit(ctx, name)
	if err != nil {
		return nil, err
	}
	if pl.topics == nil {
		pl.topics = map[string]*planTopic{}
	}
	t := &planTopic{topicInfo: info, limit: lim, keyless: -1}
	pl.topics[name] = t
	return t, nil
}

// partition resolves AnyPartition.
func (pl *plan) partition(t *planTopic, rec *Record) (int32, error) {
	switch {
	case rec.Partition >= 0 && int(rec.Partition) < len(t.leaders):
		return rec.Partition, nil
	case rec.Partition != AnyPartition:
		return 0, fmt.Errorf("topic %s has %d partitions, no partition %d", t.name, len(t.leaders), rec.Partition)
	case rec.Key != nil:
		balancer := kafkago.Murmur2Balancer{Consistent: true}
		return int32(balancer.Balance(kafkago.Message{Key: rec.Key}, t.numbers...)), nil
	}
	if t.keyless < 0 {
		pl.p.turn++
		t.keyless = int32(pl.p.turn % uint32(len(t.leaders)))
	}
	return t.keyless, nil
}

func (pl *plan) queue(topic string, partition int32) *queue {
	key := topicPartition{topic, partition}
	q := pl.p.queues[key]
	if q == nil {
		q = &queue{topicPartition: key}
		pl.p.queues[key] = q
	}
	if !q.used {
		q.used = true
		pl.queues = append(pl.queues, q)
	}
	return q
}

// add puts rec into q's current batch, or into a new one when that is full. A record over the topic's limit gets a batch
// of its own, since packed it may still pass.
func (pl *plan) add(q *queue, rec *Record, index int, lim limit) error {
	ms := millis(rec.Time, pl.now)
	target := min(targetBatchBytes, lim.bytes)
	if size := q.builder.sizeWith(rec, ms); size > target && q.builder.records > 0 {
		if err := pl.flush(q); err != nil {
			return err
		}
	}
	size := q.builder.sizeWith(rec, ms)
	large := size > lim.bytes
	if large && (lim.plain || pl.p.client.pack.codec == compress.None) {
		return &TooLargeError{Topic: q.topic, Partition: q.partition, Index: index, Size: size, Limit: lim.bytes}
	}
	q.builder.add(rec, ms)
	if !large {
		return nil
	}
	if err := pl.flush(q); err != nil {
		return err
	}
	if size := len(q.batches[len(q.batches)-1].buf); size > lim.bytes {
		return &TooLargeError{Topic: q.topic, Partition: q.partition, Index: index, Size: size, Limit: lim.bytes}
	}
	return nil
}

// flush seals q's current batch.
func (pl *plan) flush(q *queue) error {
	if q.builder.records == 0 {
		return nil
	}
	var spare []byte
	if pl.p.client.pack.codec != compress.None {
		spare = pl.p.takeBuffer()
	}
	b, err := q.builder.seal(&pl.p.client.pack, spare)
	if err != nil {
		return fmt.Errorf("pack batch for topic %s partition %d: %w", q.topic, q.partition, err)
	}
	switch {
	case q.builder.buf != nil: // packed: the builder keeps its buffer, and spare, or what it grew into, is the batch
	case spare != nil:
		q.builder.buf = spare
	default:
		q.builder.buf = pl.p.takeBuffer()
	}
	q.batches = append(q.batches, b)
	return nil
}

// sign numbers the batches and makes them the producer's.
func (pl *plan) sign() {
	for _, q := range pl.queues {
		for i := range q.batches {
			b := &q.batches[i]
			if pl.p.id < 0 {
				b.sign(-1, -1, -1, false)
				continue
			}
			b.sign(pl.p.id, pl.p.epoch, q.sequence, true)
			q.sequence = nextSequence(q.sequence, b.records)
		}
	}
}

// totals counts what the plan holds.
func (pl *plan) totals() (records, bytes int) {
	for _, q := range pl.queues {
		for _, b := range q.batches {
			records += b.records
			bytes += len(b.buf)
		}
	}
	return records, bytes
}

// release gives the buffers back. No request that uses them may be under way.
func (pl *plan) release() {
	for _, q := range pl.queues {
		for _, b := range q.batches {
			pl.p.giveBuffer(b.buf)
		}
		clear(q.batches)
		q.batches, q.sent, q.used = q.batches[:0], 0, false
		q.builder.records = 0
	}
}
