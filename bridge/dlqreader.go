package bridge

import (
	"context"
	"errors"
	"fmt"

	"sfbridge/kafka"
)

// letterReader reads letters whole that were chosen from a list. They are asked
// for in the order of their records, which is nearly the order in which they
// stand in each partition: so what a fetch brings of later ones is kept for a
// while.
type letterReader struct {
	b      *Bridge
	wanted map[LetterID]bool // not handed out yet
	held   map[LetterID][]byte
	bytes  int
}

// Bounds of a letterReader.
const (
	letterFetchBytes = 1 << 20
	letterHeldBytes  = 32 << 20
)

func newLetterReader(b *Bridge, letters []LetterInfo) letterReader {
	r := letterReader{b: b, wanted: make(map[LetterID]bool, len(letters)), held: make(map[LetterID][]byte)}
	for i := range letters {
		r.wanted[letters[i].ID] = true
	}
	return r
}

// value gives a letter as it stands in the topic. It is for one call per letter.
func (r *letterReader) value(ctx context.Context, id LetterID) ([]byte, error) {
	if _, ok := r.held[id]; !ok {
		err := r.fetch(ctx, id)
		if gone := new(goneError); errors.As(err, &gone) {
			return nil, gone
		}
		if err != nil {
			return nil, fmt.Errorf("dead letter %s: %w", id, err)
		}
	}
	value := r.held[id]
	delete(r.held, id)
	delete(r.wanted, id)
	r.bytes -= len(value)
	return value, nil
}

func (r *letterReader) fetch(ctx context.Context, id LetterID) error {
	reader, err := r.b.kafka.NewReader(ctx, kafka.ReaderConfig{
		Topic: r.b.cfg.deadLetterTopic(), Partition: id.Partition, Offset: id.Offset, MaxBytes: letterFetchBytes,
	})
	if err != nil {
		return err
	}
	recs, err := reader.Next(ctx)
	if _, out := errors.AsType[*kafka.OffsetError](err); out {
		return &goneError{errLetterGone}
	}
	if err != nil {
		return err
	}
	for i := range recs {
		at := LetterID{recs[i].Partition, recs[i].Offset}
		if _, have := r.held[at]; have || !r.wanted[at] || at != id && r.bytes > letterHeldBytes {
			continue
		}
		r.held[at] = recs[i].Value
		r.bytes += len(recs[i].Value)
	}
	if _, ok := r.held[id]; !ok {
		return &goneError{errLetterGone}
	}
	return nil
}

var errLetterGone = errors.New("is not in the topic any more: retention took it")
