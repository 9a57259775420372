package writeback

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"sfbridge/kafka"
)

// note is what stands beside a partition's offset while writes are under way
// that must not be repeated blindly: whoever has the partition next reads it.
// In JSON it takes at most maxNote bytes.
type note struct {
	Inserts spans    `json:"inserts,omitempty"` // offsets of records that may have been inserted
	Made    spans    `json:"made,omitempty"`    // offsets of records that were inserted
	Jobs    []string `json:"jobs,omitempty"`    // bulk jobs that may still write
}

const maxNote = kafka.MaxNoteBytes

func (n *note) empty() bool { return len(n.Inserts)+len(n.Made)+len(n.Jobs) == 0 }

// text is the note as it is committed, "" for none.
func (n *note) text() string {
	if n.empty() {
		return ""
	}
	b, err := json.Marshal(n)
	if err != nil {
		panic("writeback: a note that is no JSON: " + err.Error())
	}
	return string(b)
}

// readNote reads a note. One that is not ours, or damaged, is an error: it may
// stand for inserts.
func readNote(text string) (note, error) {
	var n note
	if text == "" {
		return n, nil
	}
	if err := json.Unmarshal([]byte(text), &n); err != nil {
		return note{}, fmt.Errorf("note of %d bytes beside a committed offset: %w", len(text), err)
	}
	return n, nil
}

// span is a run of offsets, both ends included.
type span struct{ from, to int64 }

// spans are offsets in JSON as "100-103" and "110".
type spans []span

func (s spans) has(offset int64) bool {
	return slices.ContainsFunc(s, func(x span) bool { return x.from <= offset && offset <= x.to })
}

// spansOf makes runs of a set of offsets.
func spansOf(set map[int64]struct{}) spans {
	var s spans
	for _, o := range slices.Sorted(maps.Keys(set)) {
		if n := len(s); n > 0 && s[n-1].to+1 == o {
			s[n-1].to = o
		} else {
			s = append(s, span{o, o})
		}
	}
	return s
}

// MarshalText gives one run.
func (x span) MarshalText() ([]byte, error) {
	b := strconv.AppendInt(nil, x.from, 10)
	if x.to != x.from {
		b = strconv.AppendInt(append(b, '-'), x.to, 10)
	}
	return b, nil
}

// UnmarshalText reads one run.
func (x *span) UnmarshalText(text []byte) (err error) {
	from, to, ranged := strings.Cut(string(text), "-")
	if x.from, err = strconv.ParseInt(from, 10, 64); err != nil {
		return err
	}
	x.to = x.from
	if ranged {
		if x.to, err = strconv.ParseInt(to, 10, 64); err != nil {
			return err
		}
	}
	if x.from < 0 || x.to < x.from {
		return fmt.Errorf("offsets %q run backwards", text)
	}
	return nil
}

// noter is what a notebook needs of a share.
type noter interface {
	Note(ctx context.Context, tp kafka.TopicPartition, text string) error
	Positions() []kafka.SharePosition
}

// notebook keeps the notes of one share: what is under way, by partition.
type notebook struct {
	share noter
	// turn holds the one token of whoever writes notes: they have to reach the
	// broker in the order in which they were made.
	turn  chan struct{}
	pages map[kafka.TopicPartition]*page
}

type page struct {
	inserts map[int64]struct{}
	made    map[int64]struct{}
	jobs    map[string]struct{}
	text    string // as committed
}

func newNotebook(s noter) *notebook {
	b := &notebook{share: s, turn: make(chan struct{}, 1), pages: map[kafka.TopicPartition]*page{}}
	b.turn <- struct{}{}
	return b
}

// adopt takes over a note of the owner before. Its jobs are kept until
// jobsEnded; of its inserts, those that are delivered again have their own say.
func (b *notebook) adopt(tp kafka.TopicPartition, text string, n *note) {
	p := b.page(tp)
	p.text = text
	for _, id := range n.Jobs {
		p.jobs[id] = struct{}{}
	}
	for set, runs := range map[*map[int64]struct{}]spans{&p.inserts: n.Inserts, &p.made: n.Made} {
		for _, x := range runs {
			for o := x.from; o <= x.to && o-x.from < maxNote*100; o++ {
				(*set)[o] = struct{}{}
			}
		}
	}
}

// jobsEnded drops jobs that do nothing more.
func (b *notebook) jobsEnded(ids []string) {
	<-b.turn
	defer func() { b.turn <- struct{}{} }()
	for _, p := range b.pages {
		for _, id := range ids {
			delete(p.jobs, id)
		}
	}
}

// take waits for the turn to write notes.
func (b *notebook) take(ctx context.Context) error {
	select {
	case <-b.turn:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (b *notebook) page(tp kafka.TopicPartition) *page {
	p := b.pages[tp]
	if p == nil {
		p = &page{inserts: map[int64]struct{}{}, made: map[int64]struct{}{}, jobs: map[string]struct{}{}}
		b.pages[tp] = p
	}
	return p
}

// pagesOf are the pages of the partitions that the items' records are from.
func (b *notebook) pagesOf(items []*item) map[kafka.TopicPartition]*page {
	ps := map[kafka.TopicPartition]*page{}
	for _, it := range items {
		tp := kafka.TopicPartition{Topic: it.d.Topic, Partition: it.d.Partition}
		ps[tp] = b.page(tp)
		maps.Copy(ps, b.pagesOf(it.under))
	}
	return ps
}

// errNoteFull says that more inserts are under way than a note has room for.
var errNoteFull = fmt.Errorf("the inserts under way are too scattered for a note of %d bytes", maxNote)

// begin notes that the items are about to be inserted, and returns once that is
// safe. On errNoteFull nothing was noted.
func (b *notebook) begin(ctx context.Context, items []*item) error {
	if err := b.take(ctx); err != nil {
		return err
	}
	defer func() { b.turn <- struct{}{} }()
	ps := b.pagesOf(items)
	mark(items, b, func(p *page, o int64) { p.inserts[o] = struct{}{} })
	b.forget(ps)
	for _, p := range ps {
		if len(p.note().text()) > maxNote {
			mark(items, b, func(p *page, o int64) { delete(p.inserts, o) })
			return errNoteFull
		}
	}
	return b.write(ctx, ps)
}

// end notes what became of inserts: made, or surely not. Nothing is sent: the
// next note tells, and until then the old one errs on the safe side.
func (b *notebook) end(items []*item, made bool) {
	<-b.turn
	defer func() { b.turn <- struct{}{} }()
	mark(items, b, func(p *page, o int64) {
		delete(p.inserts, o)
		if made {
			p.made[o] = struct{}{}
		}
	})
}

// batchNotes are the notes of one batch's job.
type batchNotes struct {
	book  *notebook
	items []*item
}

var _ jobNotes = (*batchNotes)(nil)

// jobBegins notes a bulk job with the items in each of their partitions.
func (n *batchNotes) jobBegins(ctx context.Context, id string) error {
	b := n.book
	if err := b.take(ctx); err != nil {
		return err
	}
	defer func() { b.turn <- struct{}{} }()
	ps := b.pagesOf(n.items)
	for _, p := range ps {
		p.jobs[id] = struct{}{}
	}
	b.forget(ps)
	return b.write(ctx, ps)
}

// jobEnded takes the note of a job back, with the next one that is written.
func (n *batchNotes) jobEnded(id string) {
	n.book.jobsEnded([]string{id})
}

// flush brings notes up to date that say more than is true.
func (b *notebook) flush(ctx context.Context) error {
	if err := b.take(ctx); err != nil {
		return err
	}
	defer func() { b.turn <- struct{}{} }()
	b.forget(b.pages)
	return b.write(ctx, b.pages)
}

// mark calls fn for each record of the items, those merged into others included.
func mark(items []*item, b *notebook, fn func(*page, int64)) {
	for _, it := range items {
		fn(b.page(kafka.TopicPartition{Topic: it.d.Topic, Partition: it.d.Partition}), it.d.Offset)
		mark(it.under, b, fn)
	}
}

// forget drops what lies before the committed offsets: no successor sees it.
func (b *notebook) forget(ps map[kafka.TopicPartition]*page) {
	for _, at := range b.share.Positions() {
		p := ps[at.TopicPartition]
		if p == nil {
			continue
		}
		old := func(o int64, _ struct{}) bool { return o < at.Committed }
		maps.DeleteFunc(p.inserts, old)
		maps.DeleteFunc(p.made, old)
	}
}

func (p *page) note() *note {
	return &note{Inserts: spansOf(p.inserts), Made: spansOf(p.made), Jobs: slices.Sorted(maps.Keys(p.jobs))}
}

// write commits the notes that have changed.
func (b *notebook) write(ctx context.Context, ps map[kafka.TopicPartition]*page) error {
	for tp, p := range ps {
		text := p.note().text()
		if text == p.text {
			continue
		}
		if err := b.share.Note(ctx, tp, text); err != nil {
			return fmt.Errorf("note writes under way of %s partition %d: %w", tp.Topic, tp.Partition, err)
		}
		p.text = text
	}
	return nil
}
