package writeback

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"sfbridge/kafka"
)

// fakeShare keeps notes as a broker does.
type fakeShare struct {
	notes     map[kafka.TopicPartition]string
	committed int64
	written   int
	err       error
}

func (s *fakeShare) Note(_ context.Context, tp kafka.TopicPartition, text string) error {
	if s.err != nil {
		return s.err
	}
	if s.notes == nil {
		s.notes = map[kafka.TopicPartition]string{}
	}
	s.notes[tp] = text
	s.written++
	return nil
}

func (s *fakeShare) Positions() []kafka.SharePosition {
	return []kafka.SharePosition{{TopicPartition: kafka.TopicPartition{Topic: "t"}, Committed: s.committed}}
}

func at(partition int32, offsets ...int64) (items []*item) {
	for _, o := range offsets {
		items = append(items, &item{d: &kafka.Delivery{Record: kafka.Record{Topic: "t", Partition: partition, Offset: o}}})
	}
	return items
}

func TestNotebook_TellsWhatIsUnderWay(t *testing.T) {
	s := &fakeShare{}
	b := newNotebook(s)
	zero := kafka.TopicPartition{Topic: "t"}
	step := func(want string, do func() error) {
		t.Helper()
		if err := do(); err != nil {
			t.Fatal(err)
		}
		if s.notes[zero] != want {
			t.Errorf("note %s, want %s", s.notes[zero], want)
		}
	}
	ctx := t.Context()
	step(`{"inserts":["100-103","110"]}`, func() error { return b.begin(ctx, at(0, 100, 101, 102, 103, 110)) })
	b.end(at(0, 100, 101), true)
	b.end(at(0, 102), false)
	step(`{"inserts":["103","110","120"],"made":["100-101"]}`, func() error { return b.begin(ctx, at(0, 120)) })
	if other := s.notes[kafka.TopicPartition{Topic: "t", Partition: 1}]; other != "" {
		t.Errorf("note of another partition: %s", other)
	}
	job := &batchNotes{b, at(0, 130)}
	step(`{"inserts":["103","110","120"],"made":["100-101"],"jobs":["750x"]}`, func() error { return job.jobBegins(ctx, "750x") })
	job.jobEnded("750x")
	s.committed = 111
	step(`{"inserts":["120"]}`, func() error { return b.flush(ctx) })
	s.committed = 121
	step("", func() error { return b.flush(ctx) })
	written := s.written
	if err := b.flush(ctx); err != nil || s.written != written {
		t.Error("a note that has not changed is written again")
	}
}

func TestNotebook_RecordsCarriedByOthers_AreNotedToo(t *testing.T) {
	s := &fakeShare{}
	b := newNotebook(s)
	it := at(0, 5)[0]
	it.under = at(1, 3)
	if err := (&batchNotes{b, []*item{it}}).jobBegins(t.Context(), "750x"); err != nil {
		t.Fatal(err)
	}
	if len(s.notes) != 2 {
		t.Errorf("notes %v", s.notes)
	}
}

func TestNotebook_NoRoom_NothingIsNoted(t *testing.T) {
	s := &fakeShare{}
	b := newNotebook(s)
	var scattered []int64
	for i := range int64(2000) {
		scattered = append(scattered, i*1_000_003)
	}
	if err := b.begin(t.Context(), at(0, scattered...)); !errors.Is(err, errNoteFull) || len(s.notes) != 0 {
		t.Fatalf("error %v, notes %v", err, s.notes)
	}
	if err := b.begin(t.Context(), at(0, 1, 2)); err != nil || s.notes[kafka.TopicPartition{Topic: "t"}] != `{"inserts":["1-2"]}` {
		t.Errorf("error %v, notes %v", err, s.notes)
	}
}

func TestNotebook_FailedNote_IsAnError(t *testing.T) {
	s := &fakeShare{err: errors.New("broker away")}
	b := newNotebook(s)
	if err := b.begin(t.Context(), at(0, 1)); !errors.Is(err, s.err) || !strings.Contains(err.Error(), "t partition 0") {
		t.Errorf("error %v", err)
	}
	s.err = nil
	if err := b.begin(t.Context(), at(0, 2)); err != nil || s.notes[kafka.TopicPartition{Topic: "t"}] != `{"inserts":["1-2"]}` {
		t.Errorf("error %v, notes %v: what failed may have been written", err, s.notes)
	}
}

func TestNotebook_AdoptsWhatTheOwnerBeforeLeft(t *testing.T) {
	s := &fakeShare{committed: 3}
	b := newNotebook(s)
	tp := kafka.TopicPartition{Topic: "t"}
	text := `{"inserts":["1-5"],"made":["7"],"jobs":["750x"]}`
	n, err := readNote(text)
	if err != nil {
		t.Fatal(err)
	}
	b.adopt(tp, text, &n)
	if err := b.begin(t.Context(), at(0, 9)); err != nil || s.notes[tp] != `{"inserts":["3-5","9"],"made":["7"],"jobs":["750x"]}` {
		t.Errorf("error %v, notes %v", err, s.notes)
	}
	b.jobsEnded([]string{"750x"})
	if err := b.flush(t.Context()); err != nil || s.notes[tp] != `{"inserts":["3-5","9"],"made":["7"]}` {
		t.Errorf("error %v, notes %v", err, s.notes)
	}
}

func FuzzReadNote(f *testing.F) {
	for _, s := range []string{"", `{"inserts":["100-103","110"],"jobs":["750"]}`, `{"inserts":["9-1"]}`, `{"made":[1]}`, `[]`, `{"inserts":["-1"]}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := readNote(s)
		if err != nil {
			return
		}
		again, err := readNote(n.text())
		if err != nil || fmt.Sprint(again) != fmt.Sprint(n) {
			t.Errorf("%q is read as %v, then as %v, %v", s, n, again, err)
		}
		for _, x := range append(n.Inserts, n.Made...) {
			if x.from < 0 || x.to < x.from {
				t.Errorf("%q: span %v", s, x)
			}
		}
	})
}
