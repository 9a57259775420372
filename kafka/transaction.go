package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/addpartitionstotxn"
	"github.com/segmentio/kafka-go/protocol/endtxn"
	"github.com/segmentio/kafka-go/protocol/initproducerid"
)

// The transaction protocol (KIP-98) in its first form: InitProducerID once, and for each transaction AddPartitionsToTxn,
// Produce, EndTxn. All of these may be repeated within a transaction: a partition is added once, a batch is recognised by
// its sequence, and a repeated EndTxn is answered by the outcome.
//
// Repeating is not safe across transactions. A request whose connection broke may still wait in the broker, and be carried
// out after its repetition was answered and the next transaction has begun: an EndTxn of that kind would commit the first
// half of the next transaction. So a transaction that has lost a connection ends with a new epoch (InitProducerID with
// the current id and epoch, KIP-360), which turns away whatever is still under way.

// transactionKey is where the coordinator is looked up.
func (p *Producer) transactionKey() coordinatorKey {
	return coordinatorKey{p.cfg.TransactionalID, transactionCoordinator}
}

// minInitVersion is InitProducerID's first version that takes the current id and epoch: Kafka 2.5.
const minInitVersion = 3

// errOldBroker is the answer to a broker whose transactions cannot be made safe.
var errOldBroker = errors.New("exactly-once needs Kafka 2.5 or later")

// init asks for the producer id and a new epoch. At the start both are -1, "none yet", which fences any earlier owner; later
// the current ones are sent, and a newer owner then fences us.
func (p *Producer) init(ctx context.Context) error {
	req := &initproducerid.Request{
		TransactionalID:      p.cfg.TransactionalID,
		TransactionTimeoutMs: int32(p.cfg.TransactionTimeout / time.Millisecond),
		ProducerID:           p.id,
		ProducerEpoch:        p.epoch,
	}
	m, err := p.askCoordinator(ctx, p.transactionKey(), req, func(m protocol.Message) int16 { return m.(*initproducerid.Response).ErrorCode })
	if err != nil {
		hint := ""
		switch code, _ := codeOf(err); code {
		case kafkago.InvalidTransactionTimeout:
			hint = "the broker's transaction.max.timeout.ms is less than the transaction timeout"
		case kafkago.TransactionalIDAuthorizationFailed, kafkago.ClusterAuthorizationFailed:
			hint = "allow Write and Describe on the transactional id, or set kafka.delivery to at-least-once"
		}
		if errors.Is(err, errOldBroker) {
			hint = "set kafka.delivery to at-least-once"
		}
		return &Error{Op: "init producer", Err: err, Hint: hint}
	}
	res := m.(*initproducerid.Response)
	p.id, p.epoch, p.lost = res.ProducerID, res.ProducerEpoch, false
	for _, q := range p.queues { // a new epoch counts from 0
		q.sequence, q.enrolled = 0, false
	}
	return nil
}

// addPartitions makes the queues' partitions part of the transaction.
func (p *Producer) addPartitions(ctx context.Context, queues []*queue) error {
	req := &addpartitionstotxn.Request{TransactionalID: p.cfg.TransactionalID, ProducerID: p.id, ProducerEpoch: p.epoch}
	byTopic := map[string]int{}
	for _, q := range queues {
		if q.enrolled {
			continue
		}
		i, ok := byTopic[q.topic]
		if !ok {
			i = len(req.Topics)
			byTopic[q.topic] = i
			req.Topics = append(req.Topics, addpartitionstotxn.RequestTopic{Name: q.topic})
		}
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, q.partition)
	}
	if len(req.Topics) == 0 {
		return nil
	}
	if _, err := p.askCoordinator(ctx, p.transactionKey(), req, addPartitionsCode); err != nil {
		return fmt.Errorf("add partitions to transaction: %w", p.settle(ctx, err))
	}
	for _, q := range queues {
		q.enrolled = true
	}
	return nil
}

// addPartitionsCode picks the error that matters: one bad partition makes the broker refuse all, the others with
// OPERATION_NOT_ATTEMPTED (55).
func addPartitionsCode(m protocol.Message) int16 {
	code := int16(0)
	for _, t := range m.(*addpartitionstotxn.Response).Results {
		for _, p := range t.Results {
			if p.ErrorCode != 0 && (code == 0 || code == 55) {
				code = p.ErrorCode
			}
		}
	}
	return code
}

// endTxn commits or aborts. It returns nil only when the coordinator has written its decision.
func (p *Producer) endTxn(ctx context.Context, commit bool) error {
	req := &endtxn.Request{TransactionalID: p.cfg.TransactionalID, ProducerID: p.id, ProducerEpoch: p.epoch, Committed: commit}
	_, err := p.askCoordinator(ctx, p.transactionKey(), req, func(m protocol.Message) int16 { return m.(*endtxn.Response).ErrorCode })
	if err == nil {
		return nil
	}
	verb := "abort"
	if commit {
		verb, err = "commit", p.settle(ctx, err)
	}
	return fmt.Errorf("%s transaction: %w", verb, fenced(err))
}

// askCoordinator repeats a request until it is answered with something final, or ctx ends.
func (p *Producer) askCoordinator(ctx context.Context, key coordinatorKey, req protocol.Message, code func(protocol.Message) int16) (protocol.Message, error) {
	slow, busy := newWaiter(20*time.Millisecond, time.Second), newWaiter(time.Millisecond, 20*time.Millisecond)
	for attempt := 1; ; attempt++ {
		m, err := p.client.atCoordinator(ctx, key, code, func(addr string) (protocol.Message, error) {
			return p.callOnce(ctx, addr, req)
		})
		if err == nil {
			return m, nil
		}
		if !Retryable(err) {
			return m, fenced(err)
		}
		p.client.metrics.retries.WithLabelValues(reason(err)).Inc()
		wait := slow
		if c, _ := codeOf(err); c == kafkago.ConcurrentTransactions {
			// The markers of the transaction before are still being written; that takes a few milliseconds.
			wait = busy
		} else {
			p.client.log.Log(ctx, wait.level(), "coordinator not ready, asking again", "coordinator", key.name, "transactional_id", p.cfg.TransactionalID, "attempt", attempt, "err", err)
		}
		if wait.wait(ctx) != nil {
			return m, err
		}
	}
}

// callOnce sends a request of the transaction over one connection and notes if that broke: the request may still be
// carried out, at any time.
func (p *Producer) callOnce(ctx context.Context, addr string, req protocol.Message) (res protocol.Message, err error) {
	_, err = p.client.onConnOnce(ctx, addr, requestTimeout, func(cn *conn) error {
		if req.ApiKey() == protocol.InitProducerId && cn.versions[protocol.InitProducerId] < minInitVersion {
			return errOldBroker
		}
		res, err = cn.roundTrip(req)
		return err
	})
	if _, broken := errors.AsType[*connError](err); broken {
		p.lost = true
	}
	return res, err
}

// fenced makes the codes of a lost race recognisable as ErrFenced.
func fenced(err error) error {
	if code, ok := codeOf(err); ok && fencedCode(code) && !errors.Is(err, ErrFenced) {
		return fmt.Errorf("%w: %w", ErrFenced, err)
	}
	return err
}

// settle finds out what INVALID_TXN_STATE means. A partition's leader answers so when the transaction is no longer open,
// which may be our own doing or that of a newer producer. The coordinator knows: it fences the old epoch by its own code.
func (p *Producer) settle(ctx context.Context, err error) error {
	code, _ := codeOf(err)
	if code != kafkago.InvalidTransactionState && code != kafkago.InvalidProducerIDMapping {
		return fenced(err)
	}
	p.open = false
	if probe := p.endTxn(ctx, false); errors.Is(probe, ErrFenced) {
		return join(probe, err)
	}
	return err
}
