package kafka

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/produce"
)

const (
	// maxProduceBytes bounds one request well below the broker's socket.request.max.bytes of 100 MiB.
	maxProduceBytes = 32 << 20
	// produceTimeout is how long a broker may wait for its replicas before it answers REQUEST_TIMED_OUT.
	produceTimeout = 5 * time.Second
)

// send writes all batches of the queues. Batches of a partition go one after the other; all partitions of one leader go
// into one request, and a leader has one request under way at a time. What fails for a reason that passes is sent again as
// it is: same producer id, epoch and sequence, so the broker recognises a batch that it has already.
func (p *Producer) send(ctx context.Context, queues []*queue) error {
	wait := newWaiter(5*time.Millisecond, 500*time.Millisecond)
	for attempt := 1; ; attempt++ {
		err := p.sendOnce(ctx, queues)
		if err == nil {
			return nil
		}
		if !Retryable(err) {
			return p.explainProduce(ctx, err)
		}
		if _, broken := errors.AsType[*connError](err); broken {
			p.lost = true
		}
		p.client.metrics.retries.WithLabelValues(reason(err)).Inc()
		p.client.log.Log(ctx, wait.level(), "write not accepted, sending it again", "attempt", attempt, "err", err)
		if wait.wait(ctx) != nil {
			return err
		}
		p.relocate(ctx, queues, err)
	}
}

// sendOnce sends what is left to each leader, side by side. Of several errors the one that ends the commit wins.
func (p *Producer) sendOnce(ctx context.Context, queues []*queue) error {
	leaders := map[string][]*queue{}
	for _, q := range queues {
		if q.done() {
			continue
		}
		addr, err := p.client.leader(ctx, q.topic, q.partition)
		if err != nil {
			return err
		}
		leaders[addr] = append(leaders[addr], q)
	}
	if len(leaders) == 1 {
		for addr, qs := range leaders {
			return p.sendTo(ctx, addr, qs)
		}
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var worst error
	for addr, qs := range leaders {
		wg.Go(func() {
			err := p.sendTo(ctx, addr, qs)
			mu.Lock()
			defer mu.Unlock()
			worst = graver(worst, err)
		})
	}
	wg.Wait()
	return worst
}

// graver prefers an error that cannot be retried.
func graver(a, b error) error {
	if a == nil || b != nil && Retryable(a) && !Retryable(b) {
		return b
	}
	return a
}

// sendTo sends round after round to one leader until everything is acknowledged or something fails.
func (p *Producer) sendTo(ctx context.Context, addr string, queues []*queue) error {
	for {
		round := nextRound(queues)
		if len(round) == 0 {
			return nil
		}
		if err := p.sendRound(ctx, addr, round); err != nil {
			return err
		}
	}
}

// nextRound takes the next batch of each queue, as many as one request may hold. The protocol allows one batch a
// partition in a request.
func nextRound(queues []*queue) []*queue {
	var round []*queue
	size := 0
	for _, q := range queues {
		if q.done() {
			continue
		}
		if size += len(q.batches[q.sent].buf); size > maxProduceBytes && len(round) > 0 {
			break
		}
		round = append(round, q)
	}
	return round
}

// sendRound sends one request and notes what was acknowledged.
func (p *Producer) sendRound(ctx context.Context, addr string, round []*queue) error {
	var res *produce.Response
	_, err := p.client.onConnOnce(ctx, addr, requestTimeout, func(cn *conn) (err error) {
		res, err = cn.produce(p.cfg.TransactionalID, round)
		return err
	})
	if err != nil {
		return err
	}
	answered := make(map[topicPartition]int16, len(round))
	for _, t := range res.Topics {
		for _, part := range t.Partitions {
			answered[topicPartition{t.Topic, part.Partition}] = part.ErrorCode
		}
	}
	var worst error
	for _, q := range round {
		code, ok := answered[q.topicPartition]
		if !ok {
			return fmt.Errorf("write to topic %s partition %d: broker %s gave no answer for it", q.topic, q.partition, addr)
		}
		switch kafkago.Error(code) {
		case 0, kafkago.DuplicateSequenceNumber: // a batch that the broker has already, from an attempt before
			q.sent++
		default:
			worst = graver(worst, &partitionError{q.topicPartition, len(q.batches[q.sent].buf), kafkago.Error(code)})
		}
	}
	return worst
}

// partitionError is a broker's answer for one partition.
type partitionError struct {
	topicPartition
	size int // of the batch
	code kafkago.Error
}

func (e *partitionError) Error() string {
	return fmt.Sprintf("write to topic %s partition %d: %v", e.topic, e.partition, e.code)
}
func (e *partitionError) Unwrap() error { return e.code }

// explainProduce works out what an error that ends the commit means.
func (p *Producer) explainProduce(ctx context.Context, err error) error {
	code, _ := codeOf(err)
	pe, ok := errors.AsType[*partitionError](err)
	switch {
	case ok && (code == kafkago.MessageSizeTooLarge || code == kafkago.RecordListTooLarge):
		p.client.refused(ctx, pe.topic, pe.size)
	case code == kafkago.TopicAuthorizationFailed:
		return &Error{Op: "write", Err: err, Hint: "allow Write on the topic"}
	case p.id >= 0:
		return p.settle(ctx, err)
	}
	return err
}

// relocate asks again who leads the partitions whose leader did not take the batch.
func (p *Producer) relocate(ctx context.Context, queues []*queue, err error) {
	if code, ok := codeOf(err); ok && !movedCode(code) {
		return
	}
	asked := map[string]bool{}
	for _, q := range queues {
		if !q.done() && !asked[q.topic] {
			asked[q.topic] = true
			p.client.refreshTopic(ctx, q.topic) // an error shows again when the batch is sent
		}
	}
}

// produce writes a Produce request, version 3 to 8, around the batches as they lie in memory, and reads the response.
// kafka-go's rawproduce would copy every byte twice on its way to the socket.
func (cn *conn) produce(transactionalID string, round []*queue) (*produce.Response, error) {
	version := cn.versions[protocol.Produce]
	cn.lastID++
	bufs := produceRequest(cn.clientID, version, cn.lastID, transactionalID, round)
	if _, err := bufs.WriteTo(cn.nc); err != nil {
		return nil, cn.fail("send to", err)
	}
	id, m, err := protocol.ReadResponse(cn.rw, protocol.Produce, version)
	if err != nil {
		return nil, cn.fail("receive from", err)
	}
	if id != cn.lastID {
		return nil, cn.fail("receive from", fmt.Errorf("response %d to request %d", id, cn.lastID))
	}
	return m.(*produce.Response), nil
}

// produceRequest lays the request out as headers and batches in turn.
func produceRequest(clientID string, version int16, correlation int32, transactionalID string, round []*queue) net.Buffers {
	topics := map[string]int32{}
	order := make([]string, 0, 4)
	size := 0
	for _, q := range round {
		if topics[q.topic]++; topics[q.topic] == 1 {
			order = append(order, q.topic)
		}
		size += len(q.topic) + 16
	}
	head := make([]byte, 4, 64+len(clientID)+len(transactionalID)+size)
	head = binary.BigEndian.AppendUint16(head, uint16(protocol.Produce))
	head = binary.BigEndian.AppendUint16(head, uint16(version))
	head = binary.BigEndian.AppendUint32(head, uint32(correlation))
	head = appendString(head, clientID)
	if transactionalID == "" {
		head = binary.BigEndian.AppendUint16(head, 0xffff) // null
	} else {
		head = appendString(head, transactionalID)
	}
	head = binary.BigEndian.AppendUint16(head, 0xffff) // acks -1: all in-sync replicas
	head = binary.BigEndian.AppendUint32(head, uint32(produceTimeout/time.Millisecond))
	head = binary.BigEndian.AppendUint32(head, uint32(len(order)))

	bufs := make(net.Buffers, 0, 2*len(round))
	start := 0
	for _, topic := range order {
		head = appendString(head, topic)
		head = binary.BigEndian.AppendUint32(head, uint32(topics[topic]))
		for _, q := range round {
			if q.topic != topic {
				continue
			}
			b := q.batches[q.sent].buf
			head = binary.BigEndian.AppendUint32(head, uint32(q.partition))
			head = binary.BigEndian.AppendUint32(head, uint32(len(b)))
			bufs = append(bufs, head[start:len(head):len(head)], b)
			start = len(head)
		}
	}
	total := -4
	for _, b := range bufs {
		total += len(b)
	}
	binary.BigEndian.PutUint32(bufs[0], uint32(total))
	return bufs
}

func appendString(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(s))), s...)
}
