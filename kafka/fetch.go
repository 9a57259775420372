package kafka

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

// readCommitted is the isolation level that hides what is not committed (KIP-98).
const readCommitted = 1

// fetchSlack is how far a response may exceed the bytes asked for: a broker sends the first batch whole, however large it is.
const fetchSlack = 128 << 20

// fetched is one partition's part of a Fetch response, parsed. kafka-go's own decoding of it drops the offsets of
// batches that compaction has emptied, without which a reader would ask for the same batch for ever.
type fetched struct {
	code       int16
	high       int64 // high watermark: end of what is replicated
	stable     int64 // last stable offset: end of what is decided, committed or aborted
	start      int64 // first offset kept
	aborted    []abortedTxn
	recordData []byte
}

// abortedTxn says that the producer's transactional records from first on are aborted, up to its next abort marker.
type abortedTxn struct {
	producerID int64
	first      int64
}

// fetch asks a partition's leader for records from offset on, waiting up to wait for the first byte.
func (c *Client) fetch(ctx context.Context, tp topicPartition, offset int64, maxBytes int, wait time.Duration) (fetched, error) {
	addr, err := c.leader(ctx, tp.topic, tp.partition)
	if err != nil {
		return fetched{}, err
	}
	req := &fetch.Request{
		ReplicaID:      -1,
		MaxWaitTime:    int32(wait / time.Millisecond),
		MinBytes:       1,
		MaxBytes:       int32(maxBytes),
		IsolationLevel: readCommitted,
		SessionEpoch:   -1, // no fetch session
		Topics: []fetch.RequestTopic{{Topic: tp.topic, Partitions: []fetch.RequestPartition{{
			Partition: tp.partition, CurrentLeaderEpoch: -1, FetchOffset: offset, LogStartOffset: -1, PartitionMaxBytes: int32(maxBytes),
		}}}},
	}
	var f fetched
	err = c.onConn(ctx, addr, wait+requestTimeout, func(cn *conn) error {
		data, version, err := cn.exchange(req, maxBytes+fetchSlack)
		if err != nil {
			return err
		}
		if f, err = parseFetch(data, version, tp); err != nil {
			return fmt.Errorf("fetch from %s: %w", addr, err)
		}
		return nil
	})
	if err != nil {
		return fetched{}, err
	}
	return f, brokerError(f.code)
}

// exchange sends a request and returns the body of its response, unparsed, of at most limit bytes.
func (cn *conn) exchange(req protocol.Message, limit int) ([]byte, int16, error) {
	version := cn.versions[req.ApiKey()]
	cn.lastID++
	if err := protocol.WriteRequest(cn.rw, version, cn.lastID, cn.clientID, req); err != nil {
		return nil, 0, cn.fail("send to", err)
	}
	data, err := cn.receive(limit)
	return data, version, err
}

// receive reads the response to the last request: its body, unparsed, of at most limit bytes.
func (cn *conn) receive(limit int) ([]byte, error) {
	var head [8]byte
	if _, err := io.ReadFull(cn.rw, head[:]); err != nil {
		return nil, cn.fail("receive from", err)
	}
	size := int(int32(binary.BigEndian.Uint32(head[:]))) - 4
	if id := int32(binary.BigEndian.Uint32(head[4:])); id != cn.lastID || size < 0 || size > limit {
		return nil, cn.fail("receive from", fmt.Errorf("response %d of %d bytes to request %d", id, size, cn.lastID))
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(cn.rw, data); err != nil {
		return nil, cn.fail("receive from", err)
	}
	return data, nil
}

// parseFetch reads a Fetch response, version 4 to 11, that must be about one partition.
func parseFetch(data []byte, version int16, tp topicPartition) (fetched, error) {
	c := cursor{buf: data}
	c.take(4) // throttle time
	if version >= 7 {
		if code := c.int16(); code != 0 {
			return fetched{}, kafkago.Error(code)
		}
		c.take(4) // session id
	}
	if n := c.count(8); n != 1 {
		return fetched{}, fmt.Errorf("response about %d topics, asked for one", n)
	}
	topic := c.string()
	if n := c.count(20); n != 1 {
		return fetched{}, fmt.Errorf("response about %d partitions, asked for one", n)
	}
	partition := c.int32()
	f := fetched{code: c.int16(), high: c.int64(), stable: c.int64(), start: -1}
	if version >= 5 {
		f.start = c.int64()
	}
	for range c.count(16) {
		f.aborted = append(f.aborted, abortedTxn{producerID: c.int64(), first: c.int64()})
	}
	if version >= 11 {
		c.take(4) // preferred read replica: we give no rack, so there is none
	}
	if n := c.int32(); n > 0 {
		f.recordData = c.take(int64(n))
	}
	if c.err != nil {
		return fetched{}, fmt.Errorf("fetch response %w", c.err)
	}
	if topic != tp.topic || partition != tp.partition {
		return fetched{}, fmt.Errorf("response about %s partition %d, asked for %s partition %d", topic, partition, tp.topic, tp.partition)
	}
	return f, nil
}

// committed returns the committed records from offset on and the offset to go on from. Aborted ranges are told by the
// response: records of a producer from an aborted transaction's first offset up to that producer's abort marker.
func (f *fetched) committed(d *decoder, tp topicPartition, offset int64) (recs []Record, next int64, hidden int, err error) {
	next = offset
	slices.SortFunc(f.aborted, func(a, b abortedTxn) int { return cmp.Compare(a.first, b.first) })
	pending := f.aborted
	var aborting map[int64]bool
	for data := f.recordData; ; {
		b, rest, ok, err := nextBatch(data)
		if err == nil && !ok && next == offset && len(f.recordData) > 0 {
			err = fmt.Errorf("%d bytes hold no whole batch", len(f.recordData)) // since KIP-74 the first comes whole
		}
		if err != nil || !ok {
			return recs, next, hidden, err
		}
		data = rest
		for len(pending) > 0 && pending[0].first <= b.last {
			if aborting == nil {
				aborting = map[int64]bool{}
			}
			aborting[pending[0].producerID] = true
			pending = pending[1:]
		}
		switch {
		case b.control():
			if abortMarker(b) {
				delete(aborting, b.producerID)
			}
		case b.transactional() && aborting[b.producerID]:
			hidden += b.count
		case b.last >= offset:
			if recs, err = d.appendRecords(recs, b, tp.topic, tp.partition, offset); err != nil {
				return recs, next, hidden, err
			}
		}
		next = max(next, b.last+1)
	}
}
