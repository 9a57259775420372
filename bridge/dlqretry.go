package bridge

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"sfbridge/internal/flow"
	"sfbridge/kafka"
)

// RetryRequest says which dead letters to send again.
type RetryRequest struct {
	Filter LetterFilter
	Limit  int  // the oldest so many; 0 for all
	Force  bool // also where a newer record of the same key came meanwhile
	DryRun bool // change nothing
}

// RetryReport is what a retry did, letter by letter.
type RetryReport struct {
	Retried []RetriedLetter `json:"retried"`
	LeftOut []LeftOutLetter `json:"left_out"`
}

// RetriedLetter is a letter whose record was sent again.
type RetriedLetter struct {
	ID     LetterID `json:"letter"`
	Flow   string   `json:"flow"`
	Record string   `json:"record"` // topic/partition/offset as it was first read
}

// LeftOutLetter is a letter that was chosen and not sent again.
type LeftOutLetter struct {
	ID  LetterID `json:"letter"`
	Why string   `json:"why"`
}

// Bounds of one transaction of a retry.
const (
	retryBatchLetters = 500
	retryBatchBytes   = 4 << 20
)

func (c *Config) dlqTransactionalID() string {
	if c.AtLeastOnce {
		return ""
	}
	return "sfbridge-" + c.Name + "-dlq"
}

// Retry sends the records of dead letters to their flows again, in the order in
// which they stood in their topics. Records and the markers that say so are
// committed together, so that a letter is retried once, whatever happens on the
// way; with delivery at-least-once it may happen twice.
func (b *Bridge) Retry(ctx context.Context, req RetryRequest) (*RetryReport, error) {
	r := &retry{b: b, req: req, report: &RetryReport{Retried: []RetriedLetter{}, LeftOut: []LeftOutLetter{}}, flows: make(map[string]*flowNames)}
	flows := b.cfg.flows()
	for i := range flows {
		r.flows[flows[i].kind+flows[i].flow] = &flows[i]
	}
	if !req.DryRun {
		p, err := b.kafka.NewProducer(ctx, kafka.ProducerConfig{
			TransactionalID: b.cfg.dlqTransactionalID(), TransactionTimeout: b.cfg.TransactionTimeout,
			RetryFor: b.cfg.TransactionTimeout / 2,
		}) // another retry that runs ends here, before the letters are read
		if err != nil {
			return r.report, fmt.Errorf("producer of retries: %w", err)
		}
		defer p.Close()
		r.producer = p
	}
	letters, err := r.choose(ctx)
	if err != nil {
		return r.report, err
	}
	return r.report, r.send(ctx, letters)
}

// retry is one call of Retry at work.
type retry struct {
	b        *Bridge
	req      RetryRequest
	report   *RetryReport
	flows    map[string]*flowNames // by kind and name
	producer *kafka.Producer       // nil for a dry run
	reader   letterReader

	records []kafka.Record  // of the transaction that is being filled
	letters []RetriedLetter // that they stand for
	bytes   int
	sent    map[string]bool // retry topics and places of records that were sent
}

func (r *retry) leaveOut(id LetterID, why string) {
	r.report.LeftOut = append(r.report.LeftOut, LeftOutLetter{id, why})
}

// choose gives the letters to send, in the order of their records.
func (r *retry) choose(ctx context.Context) ([]LetterInfo, error) {
	found, err := r.b.letters(ctx, &r.req.Filter)
	if err != nil {
		return nil, err
	}
	for _, id := range r.req.Filter.IDs {
		if !slices.ContainsFunc(found, func(l LetterInfo) bool { return l.ID == id }) {
			r.leaveOut(id, "no such letter, or the other filters leave it out")
		}
	}
	named := len(r.req.Filter.IDs) > 0
	found = slices.DeleteFunc(found, func(l LetterInfo) bool {
		why := r.refuse(&l)
		if l.State == LetterRetried && !named {
			return true // a filter means those that are open
		}
		if why != "" {
			r.leaveOut(l.ID, why)
		}
		return why != ""
	})
	slices.SortStableFunc(found, func(x, y LetterInfo) int {
		a, _ := x.origin()
		b, _ := y.origin()
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset), x.ID.compare(y.ID))
	})
	if r.req.Limit > 0 && len(found) > r.req.Limit {
		found = found[:r.req.Limit]
	}
	return found, nil
}

// refuse tells why a letter cannot be retried, "" if it can.
func (r *retry) refuse(l *LetterInfo) string {
	_, placed := l.origin()
	switch {
	case l.State == LetterRetried:
		return "was retried at " + l.RetriedAt.UTC().Format(time.RFC3339) + "; if that failed too, there is a newer letter"
	case l.Kind == kindCapture:
		return "is of capture, which has nothing to send again: once the cause is mended, take the event from the letter's payload, " +
			"or change the record in the org once more"
	case !l.outbound() || !placed:
		return "is no letter of this version of sfbridge"
	case r.flows[l.Kind+l.Flow] == nil:
		return fmt.Sprintf("its flow %s is not in the configuration any more", l.Flow)
	}
	return ""
}

// send commits batch after batch.
func (r *retry) send(ctx context.Context, letters []LetterInfo) error {
	r.sent = make(map[string]bool)
	r.reader = newLetterReader(r.b, letters)
	if !r.req.DryRun {
		if err := r.ensureTopics(ctx, letters); err != nil {
			return err
		}
	}
	for i := range letters {
		if err := r.add(ctx, &letters[i]); err != nil {
			return err
		}
		if len(r.letters) >= retryBatchLetters || r.bytes >= retryBatchBytes {
			if err := r.commit(ctx); err != nil {
				return err
			}
		}
	}
	return r.commit(ctx)
}

// ensureTopics makes the retry topics of the letters' flows, in case that no
// process of the bridge has run with them yet.
func (r *retry) ensureTopics(ctx context.Context, letters []LetterInfo) error {
	done := make(map[string]bool)
	for i := range letters {
		n := r.flows[letters[i].Kind+letters[i].Flow]
		if done[n.retry] {
			continue
		}
		if err := r.b.startSource(ctx, n); err != nil {
			return fmt.Errorf("%s: %w", n.part(), err)
		}
		done[n.retry] = true
	}
	return nil
}

// add puts a letter's record and its marker into the transaction.
func (r *retry) add(ctx context.Context, info *LetterInfo) error {
	rec, err := r.record(ctx, info)
	if gone := new(goneError); errors.As(err, &gone) {
		r.leaveOut(info.ID, gone.Error())
		return nil
	}
	if err != nil {
		return err
	}
	origin, _ := info.origin()
	from := place(origin)
	retry := r.flows[info.Kind+info.Flow].retry
	if !r.sent[retry+from] { // two letters of a flow may be of one record, with delivery at-least-once
		out := retryRecord(retry, origin, rec, r.req.Force)
		why, err := r.tooLarge(ctx, out)
		if err != nil {
			return err
		}
		if why != "" {
			r.leaveOut(info.ID, why)
			return nil
		}
		r.records = append(r.records, out)
		r.bytes += len(out.Key) + len(out.Value)
		r.sent[retry+from] = true
	}
	mark, err := json.Marshal(marker{Kind: kindRetried, Of: info.ID, At: time.Now().UTC()})
	if err != nil {
		return fmt.Errorf("marker of %s: %w", info.ID, err)
	}
	r.records = append(r.records, kafka.Record{
		Topic: r.b.cfg.deadLetterTopic(), Partition: info.ID.Partition, Value: mark, Time: time.Now(),
	})
	r.letters = append(r.letters, RetriedLetter{ID: info.ID, Flow: info.Flow, Record: from})
	return nil
}

// record gives the record that a letter was made of.
func (r *retry) record(ctx context.Context, info *LetterInfo) (source, error) {
	value, err := r.reader.value(ctx, info.ID)
	if err != nil {
		return source{}, err
	}
	return r.b.letterRecord(ctx, &LetterRecord{LetterInfo: *info, Letter: value})
}

// tooLarge tells why the retry topic cannot take a record, "" if it can.
func (r *retry) tooLarge(ctx context.Context, rec kafka.Record) (string, error) {
	if r.producer == nil || len(rec.Key)+len(rec.Value) < retryBatchBytes/8 {
		return "", nil // within what every topic takes
	}
	if ok, err := r.b.kafka.Fits(ctx, rec); ok || err != nil {
		return "", err
	}
	return "is too large for topic " + rec.Topic + ": raise its max.message.bytes", nil
}

// retryRecord is the record as it is sent again: to the partition with the
// number that it came from, so that whoever has the one has the other, and with
// its own timestamp, which conflict policies may take for its version.
func retryRecord(topic string, origin flow.Source, rec source, force bool) kafka.Record {
	out := kafka.Record{Topic: topic, Partition: origin.Partition, Key: rec.Key, Value: rec.Value, Time: rec.time}
	for _, h := range rec.headers {
		if h.Key != flow.HeaderRetryOf && h.Key != flow.HeaderRetryForce {
			out.Headers = append(out.Headers, kafka.Header{Key: h.Key, Value: h.Value})
		}
	}
	out.Headers = append(out.Headers, kafka.Header{Key: flow.HeaderRetryOf, Value: []byte(place(origin))})
	if force {
		out.Headers = append(out.Headers, kafka.Header{Key: flow.HeaderRetryForce, Value: []byte("true")})
	}
	return out
}

// commit ends the transaction that is being filled.
func (r *retry) commit(ctx context.Context) error {
	if len(r.records) == 0 {
		return nil
	}
	if r.producer != nil {
		if err := r.producer.Commit(ctx, r.records); err != nil {
			return fmt.Errorf("%d letters retried, then: %w (sfbridge dlq list tells which are open)", len(r.report.Retried), err)
		}
	}
	r.report.Retried = append(r.report.Retried, r.letters...)
	r.records, r.letters, r.bytes = nil, nil, 0
	return nil
}
