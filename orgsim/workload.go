package orgsim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// WorkConfig shapes people at work in an org.
type WorkConfig struct {
	Rate    float64  // record changes and events a second; default 10
	Seed    uint64   // equal seeds make equal decisions
	Objects []string // nil = every captured object and every platform event
	MaxRows int      // rows of an object beyond which old ones are cleared away; default 2,000
	Changes int64    // stop after so many; 0 = when the context ends
}

// WorkCounts tells what was done. Changes counts record changes and
// published events.
type WorkCounts struct {
	Transactions int64 `json:"transactions"`
	Inserts      int64 `json:"inserts"`
	Updates      int64 `json:"updates"`
	Deletes      int64 `json:"deletes"`
	Undeletes    int64 `json:"undeletes"`
	MassEdits    int64 `json:"mass_edits"` // transactions that changed many records alike
	Published    int64 `json:"published"`
	Refused      int64 `json:"refused"` // rows that the org did not accept
	Changes      int64 `json:"changes"`
}

// worker is one run of Work.
type worker struct {
	org     *Org
	cfg     WorkConfig
	rng     *rand.Rand
	objects []*ObjectDef
	events  []*ObjectDef
	live    map[string][]string // ids by object
	bin     map[string][]string // deleted ids by object
	counts  WorkCounts
}

// Work lets people work in the org: they enter records, change and delete
// them, edit many at once, and publish events, at about the given rate, until
// the context ends or enough is done. The end of the context is no error.
func (o *Org) Work(ctx context.Context, cfg WorkConfig) (WorkCounts, error) {
	if cfg.Rate <= 0 {
		cfg.Rate = 10
	}
	if cfg.MaxRows == 0 {
		cfg.MaxRows = 2000
	}
	w := &worker{org: o, cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 4)), live: map[string][]string{}, bin: map[string][]string{}}
	if err := w.choose(); err != nil {
		return WorkCounts{}, err
	}
	due := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for cfg.Changes == 0 || w.counts.Changes < cfg.Changes {
		select {
		case <-ctx.Done():
			return w.counts, nil
		case <-timer.C:
		}
		for now := time.Now(); !due.After(now) && ctx.Err() == nil && (cfg.Changes == 0 || w.counts.Changes < cfg.Changes); {
			before := w.counts.Changes
			if err := w.turn(ctx); err != nil {
				if ctx.Err() != nil {
					return w.counts, nil
				}
				return w.counts, fmt.Errorf("work: %w", err)
			}
			due = due.Add(time.Duration(float64(max(1, w.counts.Changes-before)) / cfg.Rate * float64(time.Second)))
		}
		if behind := time.Since(due); behind > time.Second {
			due = due.Add(behind) // the org is too slow for the rate: do not run after it
		}
		timer.Reset(max(time.Until(due), 0))
	}
	return w.counts, nil
}

// choose finds the objects to work with and the rows that are there.
func (w *worker) choose() error {
	names := w.cfg.Objects
	if names == nil {
		for _, def := range w.org.Objects() {
			if def.Event || w.org.Captured(def.Name) {
				names = append(names, def.Name)
			}
		}
	}
	for _, name := range names {
		def := w.org.Object(name)
		switch {
		case def == nil:
			return fmt.Errorf("work: no object or platform event %q", name)
		case def.Event:
			w.events = append(w.events, def)
		default:
			w.objects = append(w.objects, def)
			w.org.Scan(def.Name, true, func(r *Record) bool {
				if r.Deleted {
					w.bin[def.Name] = append(w.bin[def.Name], r.ID)
				} else {
					w.live[def.Name] = append(w.live[def.Name], r.ID)
				}
				return true
			})
		}
	}
	if len(w.objects)+len(w.events) == 0 {
		return fmt.Errorf("work: no objects to work with")
	}
	return nil
}

// turn does one thing that a person does.
func (w *worker) turn(ctx context.Context) error {
	dice := w.rng.IntN(100)
	if len(w.events) > 0 && (dice < 10 || len(w.objects) == 0) {
		return w.publish(ctx, w.events[w.rng.IntN(len(w.events))])
	}
	def := w.objects[w.rng.IntN(len(w.objects))]
	rows := len(w.live[def.Name])
	caller := w.caller()
	var err error
	switch {
	case rows < 5 || dice < 35 && rows < w.cfg.MaxRows:
		_, err = w.transact(ctx, caller, func(tx *Tx) { w.insert(tx, def, 1+w.rng.IntN(3)) })
	case dice < 80:
		_, err = w.transact(ctx, caller, func(tx *Tx) { w.update(tx, def, 1+w.rng.IntN(2)) })
	case dice < 84:
		w.counts.MassEdits++
		_, err = w.transact(ctx, caller, func(tx *Tx) { w.massEdit(tx, def, 5+w.rng.IntN(30)) })
	case dice < 88 && len(w.bin[def.Name]) > 0:
		_, err = w.transact(ctx, caller, func(tx *Tx) { w.undelete(tx, def) })
	default:
		_, err = w.transact(ctx, caller, func(tx *Tx) { w.delete(tx, def, 1+w.rng.IntN(3)) })
	}
	return err
}

// caller is how the change comes in: mostly by hand, at times by a program.
func (w *worker) caller() Caller {
	switch w.rng.IntN(6) {
	case 0:
		return Caller{API: "rest", Client: "web-shop"}
	case 1:
		return Caller{API: "bulkapi"}
	case 2:
		return Caller{} // a trigger or a flow
	}
	return Caller{API: "soap", Client: "SfdcInternalAPI/"} // the user interface
}

func (w *worker) transact(ctx context.Context, caller Caller, fn func(tx *Tx)) (Result, error) {
	res, err := w.org.Transact(ctx, caller, func(tx *Tx) error { fn(tx); return nil })
	if err == nil {
		w.counts.Transactions++
		w.counts.Changes += int64(res.Changes)
	}
	return res, err
}

// try does one row; the org may refuse it, as it refuses people.
func (w *worker) try(tx *Tx, count *int64, fn func() error) bool {
	if err := tx.Try(fn); err != nil {
		w.counts.Refused++
		w.org.log.Debug("work refused", "err", err)
		return false
	}
	*count++
	return true
}

func (w *worker) insert(tx *Tx, def *ObjectDef, n int) {
	for range n {
		w.try(tx, &w.counts.Inserts, func() error {
			id, err := tx.Insert(def.Name, w.newRow(def))
			if err == nil {
				w.live[def.Name] = append(w.live[def.Name], id)
			}
			return err
		})
	}
}

func (w *worker) update(tx *Tx, def *ObjectDef, n int) {
	for range n {
		id, ok := w.pick(tx, def)
		if !ok {
			return
		}
		w.try(tx, &w.counts.Updates, func() error { return tx.Update(id, w.someChanges(def, tx.Get(id), 1+w.rng.IntN(4))) })
	}
}

// massEdit gives many records the same value, which makes one merged event.
func (w *worker) massEdit(tx *Tx, def *ObjectDef, n int) {
	values := w.someChanges(def, nil, 1)
	seen := map[string]bool{}
	for range n {
		id, ok := w.pick(tx, def)
		if !ok || seen[id] {
			continue
		}
		seen[id] = true
		w.try(tx, &w.counts.Updates, func() error { return tx.Update(id, values) })
	}
}

func (w *worker) delete(tx *Tx, def *ObjectDef, n int) {
	for range n {
		id, ok := w.pick(tx, def)
		if !ok {
			return
		}
		w.try(tx, &w.counts.Deletes, func() error { return tx.Delete(id) })
		w.bin[def.Name] = append(w.bin[def.Name], id)
	}
	if bin := w.bin[def.Name]; len(bin) > 100 { // the recycle bin is emptied from its old end
		for _, id := range bin[:50] {
			if r := tx.Get(id); r != nil && r.Deleted {
				_ = tx.Purge(id) // it cannot fail for a row in the bin; if it did, the row would stay there
			}
		}
		w.bin[def.Name] = slices.Clone(bin[50:])
	}
}

func (w *worker) undelete(tx *Tx, def *ObjectDef) {
	bin := w.bin[def.Name]
	i := w.rng.IntN(len(bin))
	id := bin[i]
	w.bin[def.Name] = slices.Delete(bin, i, i+1)
	if r := tx.Get(id); r == nil || !r.Deleted {
		return
	}
	if w.try(tx, &w.counts.Undeletes, func() error { return tx.Undelete(id) }) {
		w.live[def.Name] = append(w.live[def.Name], id)
	}
}

// pick finds a live row; ids of rows that cascades took away are dropped on
// the way.
func (w *worker) pick(tx *Tx, def *ObjectDef) (string, bool) {
	for ids := w.live[def.Name]; len(ids) > 0; ids = w.live[def.Name] {
		i := w.rng.IntN(len(ids))
		if r := tx.Get(ids[i]); r != nil && !r.Deleted {
			return r.ID, true
		}
		ids[i] = ids[len(ids)-1]
		w.live[def.Name] = ids[:len(ids)-1]
	}
	return "", false
}

func (w *worker) publish(ctx context.Context, def *ObjectDef) error {
	values := map[string]Value{}
	for _, f := range def.Fields {
		if f.Createable() && w.rng.IntN(4) > 0 {
			values[f.Name] = w.value(f)
		}
	}
	_, _, err := w.org.PublishEvent(ctx, Caller{API: "rest"}, def.Name, values)
	if err == nil {
		w.counts.Published++
		w.counts.Changes++
	}
	return err
}
