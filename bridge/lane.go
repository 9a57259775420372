package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"sfbridge/event"
	"sfbridge/internal/crashpoint"
	"sfbridge/kafka"
)

// lane is one partition of the assignments topic at work: one producer, and
// the channels that hash to it. Whatever happens, it recovers in one way only:
// drop what is in hand, take a new producer epoch, read the checkpoint, resume.
type lane struct {
	b        *Bridge
	id       int32
	log      *slog.Logger
	channels []*channel
	queue    *queue
	producer *kafka.Producer
	records  []kafka.Record // room for the next transaction
}

// runLane keeps a lane going until ctx ends.
func (b *Bridge) runLane(ctx context.Context, id int32) {
	l := &lane{b: b, id: id, log: b.log.With("lane", id)}
	for _, ch := range b.channels {
		if ch.lane == id {
			l.channels = append(l.channels, ch)
		}
	}
	if len(l.channels) == 0 {
		return // nothing hashes here: no producer, no connection
	}
	l.assigned(true)
	defer l.assigned(false)
	bo := retrying(100*time.Millisecond, 15*time.Second)
	for ctx.Err() == nil {
		began := time.Now()
		err := l.run(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		if time.Since(began) > time.Minute {
			bo.reset()
		}
		reason := "kafka"
		if errors.Is(err, kafka.ErrFenced) {
			reason = "fenced"
		}
		b.health.part(partKafka, err)
		b.metrics.laneRestarts.WithLabelValues(reason).Inc()
		l.log.Warn("lane dropped what was in hand, resuming from the checkpoint", "reason", reason, "err", err)
		l.wait(err)
		if bo.wait(ctx) != nil {
			return
		}
	}
}

func (l *lane) assigned(yes bool) {
	for _, ch := range l.channels {
		ch.enter(stateWaiting, "")
		ch.update(func(s *ChannelStatus) { s.Assigned = yes })
	}
}

func (l *lane) wait(err error) {
	for _, ch := range l.channels {
		ch.enter(stateReconnecting, err.Error())
	}
}

// run is one life of the lane: fence, read positions, pull and commit until
// ctx ends or the producer is in doubt. On the way out it stops pulling,
// commits what is in hand, and only then lets go of the producer.
func (l *lane) run(ctx context.Context) error {
	cfg := &l.b.cfg
	producer, err := l.b.kafka.NewProducer(ctx, kafka.ProducerConfig{
		TransactionalID: cfg.transactionalID(l.id), TransactionTimeout: cfg.TransactionTimeout,
		RetryFor: cfg.TransactionTimeout / 2, // or the broker gives up first, and fences
	})
	if err != nil {
		return fmt.Errorf("producer of lane %d: %w", l.id, err)
	}
	defer producer.Close()
	l.producer = producer
	positions, err := kafka.LoadTable(ctx, l.b.kafka, cfg.checkpointTopic(), l.id)
	if err != nil {
		return fmt.Errorf("read %s/%d: %w", cfg.checkpointTopic(), l.id, err)
	}
	if err := l.resume(positions); err != nil {
		return err
	}
	l.b.health.part(partKafka, nil)
	return l.work(ctx)
}

func (l *lane) resume(positions map[string][]byte) error {
	for _, ch := range l.channels {
		pos, err := l.b.storedPosition(ch, positions)
		if err != nil {
			return err
		}
		ch.resume(pos)
	}
	return nil
}

// work pulls all channels and commits what they hand over.
func (l *lane) work(ctx context.Context) error {
	l.queue = newQueue()
	pull, stopPulling := context.WithCancel(ctx)
	defer stopPulling()
	done := make(chan error, 1)
	go func() {
		err := l.commitAll(context.WithoutCancel(ctx))
		stopPulling() // nobody takes from the queue any more
		done <- err
	}()
	var pulls sync.WaitGroup
	for _, ch := range l.channels {
		pulls.Go(func() { l.b.capture(pull, l, ch) })
	}
	pulls.Wait()
	l.queue.close()
	err := <-done
	l.dropQueue() // only now, since a channel may hand over while the lane fails
	return err
}

// commitAll turns the queue into transactions until it is closed and empty.
func (l *lane) commitAll(ctx context.Context) error {
	idle := newIdlePositions(l.b.cfg.Retention)
	defer idle.stop()
	batches := batcher{queue: l.queue}
	var units []unit
	for {
		var closed bool
		select {
		case <-l.queue.ready:
		case <-idle.due():
			if err := l.commit(ctx, idle.take(nil)); err != nil {
				return err
			}
			continue
		}
		units, closed = batches.next(units)
		units = idle.keep(units)
		if len(units) > 0 || closed {
			units = idle.take(units)
			if err := l.commit(ctx, units); err != nil {
				return err
			}
		}
		if closed {
			return nil
		}
	}
}

// dropQueue gives back the room of what will not be committed.
func (l *lane) dropQueue() {
	units, _ := l.queue.take(nil, 1<<62)
	l.b.release(units)
}

// release gives back the room of units that are committed or dropped.
func (b *Bridge) release(units []unit) {
	for i := range units {
		b.budget.release(units[i].bytes)
		b.metrics.buffered.Sub(float64(units[i].size))
	}
}

// commit writes units, and the position that each of their channels reaches,
// in one transaction.
func (l *lane) commit(ctx context.Context, units []unit) error {
	if len(units) == 0 {
		return nil
	}
	defer l.b.release(units)
	n := 0
	last := make(map[*channel]event.Position, len(l.channels))
	for i := range units {
		n += len(units[i].records)
		last[units[i].ch] = units[i].pos
	}
	recs := slices.Grow(l.records[:0], n+len(last))
	for i := range units {
		recs = append(recs, units[i].records...)
	}
	positions, err := l.positions(last)
	if err != nil {
		return err
	}
	crashpoint.Here("before-commit")
	if err := l.write(ctx, recs, positions); err != nil {
		l.b.metrics.transactions.WithLabelValues("failed").Inc()
		return fmt.Errorf("commit lane %d: %w", l.id, err)
	}
	crashpoint.Here("after-commit")
	l.committed(units)
	l.recycle(units, recs)
	return nil
}

// maxSpareRecords is how many records' room a lane keeps between transactions.
const maxSpareRecords = 20_000

// recycle takes back the memory of what is committed.
func (l *lane) recycle(units []unit, recs []kafka.Record) {
	for i := range units {
		l.b.arenas.give(units[i].arena)
	}
	l.records = nil
	if cap(recs) <= maxSpareRecords {
		clear(recs)
		l.records = recs
	}
}

// write is one transaction, or, without transactions, the records first and
// the positions only once all of them are safe.
func (l *lane) write(ctx context.Context, recs, positions []kafka.Record) error {
	ctx, cancel := context.WithTimeout(ctx, l.b.cfg.TransactionTimeout)
	defer cancel()
	if !l.b.cfg.AtLeastOnce {
		return l.producer.Commit(ctx, append(recs, positions...))
	}
	if len(recs) > 0 {
		if err := l.producer.Commit(ctx, recs); err != nil {
			return err
		}
	}
	return l.producer.Commit(ctx, positions)
}

func (l *lane) positions(last map[*channel]event.Position) ([]kafka.Record, error) {
	recs := make([]kafka.Record, 0, len(last))
	now := time.Now()
	for _, pos := range last {
		if len(pos.ReplayID) == 0 && len(pos.OpenReplayID) == 0 {
			continue
		}
		value, err := json.Marshal(pos)
		if err != nil {
			return nil, fmt.Errorf("position of %s: %w", pos.Key(), err)
		}
		recs = append(recs, kafka.Record{
			Topic: l.b.cfg.checkpointTopic(), Partition: l.id,
			Key: []byte(pos.Key()), Value: value, Time: now,
		})
	}
	return recs, nil
}

func (l *lane) committed(units []unit) {
	m := l.b.metrics
	m.transactions.WithLabelValues("committed").Inc()
	now := time.Now()
	for i := range units {
		u := &units[i]
		u.ch.committed(u.pos, u.events)
		if u.events == 0 {
			continue
		}
		u.arena.count(m)
		org, channel := u.ch.capture.Org, u.ch.capture.Channel
		m.events.WithLabelValues(org, channel).Add(float64(u.events))
		m.records.WithLabelValues(org, channel).Add(float64(len(u.records)))
		m.lastEvent.WithLabelValues(org, channel).Set(float64(u.pos.CommitTimestamp) / 1000)
		latency := m.latency.WithLabelValues(org, channel)
		for j := range u.records {
			latency.Observe(max(0, now.Sub(u.records[j].Time).Seconds()))
		}
	}
}
