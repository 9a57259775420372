package writeback

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"sfbridge/kafka"
	"sfbridge/salesforce"
	"sfbridge/writeback/rows"
)

// world is a scheduler with calls that end when the test says so.
type world struct {
	t      *testing.T
	rng    *rand.Rand
	s      *scheduler
	now    time.Time
	most   int
	sent   map[string]int64 // offset that was settled last, by identity
	flying map[string]bool  // identities in calls
	calls  []*batch
	done   map[int64]bool
	locked bool

	last      map[string]trail // settled last, by identity
	committed int64
}

func newWorld(t *testing.T, seed uint64) *world {
	cfg := Config{BulkAbove: 300, BulkRows: 500, MaxWait: 250 * time.Millisecond, Conflict: Overwrite}
	w := &world{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), s: newScheduler(&cfg), now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), most: 5,
		sent: map[string]int64{}, flying: map[string]bool{}, done: map[int64]bool{}, last: map[string]trail{},
	}
	w.s.bulkTakes = func(r *rows.Row) bool { return r.Op != rows.Insert }
	w.s.merge = func(older, newer *item) bool {
		if older.row.Op != rows.Upsert || newer.row.Op != rows.Upsert {
			return false
		}
		row := *newer.row
		combine(older, newer, &row)
		return true
	}
	return w
}

func upsertOf(key string, offset int64) *item {
	return &item{
		d:   &kafka.Delivery{Record: kafka.Record{Topic: "t", Offset: offset}},
		row: &rows.Row{Op: rows.Upsert, Key: key, Identity: key},
	}
}

func (w *world) look(more int64) outlook {
	return outlook{now: w.now, calls: w.most, more: more, exclusive: w.locked}
}

// send takes a batch and checks what must hold of each.
func (w *world) send(b *batch) {
	w.t.Helper()
	seen, parents := map[string]bool{}, map[string]bool{}
	for _, it := range b.items {
		id := it.row.Identity
		if id != "" && (seen[id] || w.flying[id]) {
			w.t.Fatalf("two rows of %s are in calls", id)
		}
		seen[id] = true
		if it.row.Op != b.op || it.row.Shape != b.items[0].row.Shape {
			w.t.Fatalf("a batch of %s has a %s", b.op, it.row.Op)
		}
		parents[it.row.Parent] = true
		if last, ok := w.last[id]; ok && last.spoils(it.row.Op) && last.offset >= w.committed {
			w.t.Fatalf("row %s: %s goes before the outcome of %s at offset %d is committed", id, it.row.Op, last.op, last.offset)
		}
		if it.after.After(w.now) {
			w.t.Fatalf("an item goes %s before its time", it.after.Sub(w.now))
		}
	}
	if w.locked {
		for _, other := range w.calls {
			for _, p := range other.parents {
				if parents[p] {
					w.t.Fatalf("rows of parent %s are in two calls", p)
				}
			}
		}
	}
	for id := range seen {
		w.flying[id] = id != ""
	}
	switch n := len(b.items); {
	case n == 0:
		w.t.Fatal("an empty batch")
	case b.api == apiBulk && n > w.s.bulkRows, b.api != apiBulk && n > salesforce.MaxCollection, b.api == apiREST && n != 1:
		w.t.Fatalf("%d rows by %s", n, b.api)
	}
	w.calls = append(w.calls, b)
}

// settle notes that an item has its outcome, and the records it carries.
func (w *world) settle(it *item) {
	w.t.Helper()
	for _, one := range append(it.under, it) {
		o := one.d.Offset
		if w.done[o] {
			w.t.Fatalf("offset %d is settled twice", o)
		}
		w.done[o] = true
		if id := it.row.Identity; id != "" {
			if w.sent[id] > o {
				w.t.Fatalf("row %s: offset %d is settled after %d", id, o, w.sent[id])
			}
			w.sent[id] = o
			w.last[id] = trail{offset: o, op: it.row.Op}
		}
	}
}

// commit lets the outcomes of the settled front be committed, all or some.
func (w *world) commit() {
	for w.done[w.committed] && w.rng.IntN(50) > 0 {
		w.committed++
	}
	w.s.committed(w.now, []kafka.SharePosition{{TopicPartition: kafka.TopicPartition{Topic: "t"}, Committed: w.committed}})
}

// end lets a call end, with rows that are refused now and then.
func (w *world) end(i int) {
	b := w.calls[i]
	w.calls = append(w.calls[:i], w.calls[i+1:]...)
	again := map[*item][]*item{}
	whole := w.rng.IntN(8) == 0
	for _, it := range b.items {
		w.flying[it.row.Identity] = false
		switch n := w.rng.IntN(20); {
		case whole:
			again[it] = []*item{it}
		case n == 0 && it.attempts < 3:
			it.attempts++
			it.after = w.now.Add(time.Duration(w.rng.IntN(3000)) * time.Millisecond)
			again[it] = []*item{it}
		case n == 1 && len(it.under) > 0:
			again[it] = it.apart()
		case n == 2:
			it.limit = (len(b.items) + 1) / 2
			again[it] = []*item{it}
		default:
			w.settle(it)
		}
	}
	w.s.end(w.now, b, again)
}

func (w *world) arrivals(next int64, n int) (items []*item) {
	for range n {
		it := upsertOf(fmt.Sprint("k", w.rng.IntN(40)), next)
		switch w.rng.IntN(10) {
		case 0:
			it.row.Op = rows.Delete
		case 1:
			it.row.Op = rows.Insert
		case 2:
			it.row.Op, it.row.Key, it.row.Identity = rows.Insert, "", ""
		case 3:
			it = upsertOf(fmt.Sprint("wide", w.rng.IntN(5000)), next)
		}
		it.row.Parent = []string{"", "p1", "p2", "p3"}[w.rng.IntN(4)]
		it.row.Shape = []string{"", "", "", "person"}[w.rng.IntN(4)]
		items = append(items, it)
		next++
	}
	return items
}

func TestScheduler_AnyDay_EachRecordOnceAndInOrderOfItsRow(t *testing.T) {
	for seed := range uint64(60) {
		w := newWorld(t, seed)
		total, next := int64(2000), int64(0)
		for step := 0; int64(len(w.done)) < total; step++ {
			if step > 500_000 {
				t.Fatalf("seed %d: %d of %d settled, %d wait, %d calls", seed, len(w.done), total, w.s.waiting, len(w.calls))
			}
			switch {
			case next < total && w.rng.IntN(3) == 0:
				n := min(int(total-next), 1+w.rng.IntN(60))
				w.s.add(w.now, w.arrivals(next, n))
				next += int64(n)
			case len(w.calls) > 0 && w.rng.IntN(3) == 0:
				w.end(w.rng.IntN(len(w.calls)))
			default:
				w.now = w.now.Add(time.Duration(w.rng.IntN(200)) * time.Millisecond)
			}
			w.locked = step/50%3 == 1
			w.commit()
			for {
				b, wake := w.s.next(w.look(max(0, total-next)))
				if b == nil {
					if w.s.waiting > 0 && len(w.calls) == 0 && wake.IsZero() && len(w.s.trails.held) == 0 {
						t.Fatalf("seed %d: %d rows wait for nothing", seed, w.s.waiting)
					}
					break
				}
				w.send(b)
			}
		}
		if w.s.waiting != 0 || len(w.s.lanes) != 0 || len(w.s.single) != 0 || len(w.s.parents) != 0 || w.s.calls+w.s.jobs != 0 {
			t.Errorf("seed %d: something is left: %d waiting, %d lanes, %d single, parents %v", seed, w.s.waiting, len(w.s.lanes), len(w.s.single), w.s.parents)
		}
	}
}

func TestScheduler_FirstRow_GoesAtOnce(t *testing.T) {
	w := newWorld(t, 1)
	w.s.add(w.now, []*item{upsertOf("a", 0)})
	if b, _ := w.s.next(w.look(0)); b == nil || b.api != apiREST {
		t.Errorf("batch %+v", b)
	}
}

func TestScheduler_WhileACallRuns_RowsGatherForAShortTime(t *testing.T) {
	w := newWorld(t, 1)
	w.s.add(w.now, []*item{upsertOf("a", 0)})
	first, _ := w.s.next(w.look(0))
	began := w.now
	for i := range 5 {
		w.s.add(w.now, []*item{upsertOf(fmt.Sprint("b", i), int64(i+1))})
		w.now = w.now.Add(10 * time.Millisecond)
		if b, _ := w.s.next(w.look(0)); b != nil {
			t.Fatalf("a second call after %s", w.now.Sub(began))
		}
	}
	_, wake := w.s.next(w.look(0))
	if wake != began.Add(w.s.maxWait) {
		t.Errorf("wakes after %s, want %s", wake.Sub(began), w.s.maxWait)
	}
	w.now = wake
	if b, _ := w.s.next(w.look(0)); b == nil || len(b.items) != 5 || b.api != apiCollections {
		t.Errorf("batch %+v", b)
	}
	w.s.end(w.now, first, nil)
}

func TestScheduler_ScarceCalls_AreSpread(t *testing.T) {
	w := newWorld(t, 1)
	w.s.bulkAbove = 0
	out := func() outlook {
		o := w.look(0)
		o.spacing = 30 * time.Second
		return o
	}
	w.s.add(w.now, []*item{upsertOf("a", 0)})
	_, wake := w.s.next(out())
	if wake != w.now.Add(30*time.Second) {
		t.Fatalf("wakes after %s", wake.Sub(w.now))
	}
	for i := range 199 {
		w.s.add(w.now, []*item{upsertOf(fmt.Sprint("b", i), int64(i+1))})
	}
	if b, _ := w.s.next(out()); b == nil || len(b.items) != 200 {
		t.Errorf("a full call waits: %+v", b)
	}
}

func TestScheduler_RecordsThatKeepComing_GoInOneJob(t *testing.T) {
	w := newWorld(t, 1)
	began := w.now
	var next int64
	for range 30 { // the log's end is reached each time
		var items []*item
		for range 16 {
			items = append(items, upsertOf(fmt.Sprint("a", next), next))
			next++
		}
		w.s.add(w.now, items)
		w.s.calls = 5 // no others may be made
		if b, _ := w.s.next(w.look(0)); b != nil {
			t.Fatalf("%d rows go by %s after %s", len(b.items), b.api, w.now.Sub(began))
		}
		w.now = w.now.Add(20 * time.Millisecond)
	}
	_, wake := w.s.next(w.look(0))
	if wake.Sub(w.now) > 2*gather {
		t.Fatalf("the job is made in %s", wake.Sub(w.now))
	}
	w.now = wake
	if b, _ := w.s.next(w.look(0)); b == nil || b.api != apiBulk || len(b.items) != 480 {
		t.Errorf("batch %+v", b)
	}
}

func TestScheduler_SmallerCalls_KeepTheirLimit(t *testing.T) {
	w := newWorld(t, 1)
	var items []*item
	for i := range 10 {
		it := upsertOf(fmt.Sprint("a", i), int64(i))
		it.limit = 4
		items = append(items, it)
	}
	w.s.add(w.now, items)
	var sizes []int
	for {
		b, _ := w.s.next(w.look(0))
		if b == nil {
			break
		}
		sizes = append(sizes, len(b.items))
	}
	if fmt.Sprint(sizes) != "[4 4]" { // the rest waits for company, since calls run
		t.Errorf("calls of %v rows", sizes)
	}
}

func BenchmarkScheduler(b *testing.B) {
	cfg := Config{BulkRows: 500, MaxWait: 250 * time.Millisecond, Conflict: Overwrite}
	s := newScheduler(&cfg)
	s.merge = func(older, newer *item) bool { return false }
	now := time.Now()
	const n = 10_000
	items := make([]*item, n)
	for i := range items {
		items[i] = upsertOf(fmt.Sprint("k", i), int64(i))
	}
	b.ReportAllocs()
	for b.Loop() {
		for at := 0; at < n; at += 500 {
			s.add(now, items[at:at+500])
		}
		for s.waiting > 0 {
			batch, _ := s.next(outlook{now: now, calls: 1})
			s.end(now, batch, nil)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
}

func TestScheduler_AnotherOperationOnARow_WaitsForTheCommit(t *testing.T) {
	for _, c := range []struct {
		first, then rows.Operation
		waits       bool
	}{
		{rows.Upsert, rows.Upsert, false},
		{rows.Upsert, rows.Update, false},
		{rows.Insert, rows.Upsert, false},
		{rows.Upsert, rows.Delete, true},
		{rows.Delete, rows.Upsert, true},
		{rows.Update, rows.Upsert, true},
		{rows.Delete, rows.Insert, true},
	} {
		w := newWorld(t, 1)
		older, newer := upsertOf("a", 0), upsertOf("a", 1)
		older.row.Op, newer.row.Op = c.first, c.then
		w.s.add(w.now, []*item{older})
		b, _ := w.s.next(w.look(0))
		w.s.end(w.now, b, nil)
		w.s.add(w.now, []*item{newer})
		if b, _ := w.s.next(w.look(0)); (b == nil) != c.waits {
			t.Errorf("%s after %s: batch %v, want it to wait: %v", c.then, c.first, b, c.waits)
		}
		w.s.committed(w.now, []kafka.SharePosition{{TopicPartition: kafka.TopicPartition{Topic: "t"}, Committed: 1}})
		if b, _ := w.s.next(w.look(0)); (b == nil) == c.waits {
			t.Errorf("%s after %s, once that is committed: batch %v", c.then, c.first, b)
		}
	}
}
