package writeback

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"sfbridge/salesforce"
	"sfbridge/writeback/rows"
)

// describeAgain is how soon the object may be described again because a field
// was refused: a field that is gone would else cost a call for each row.
const describeAgain = 30 * time.Second

// description is what the org last said about the object.
type description struct {
	turn   chan struct{} // one describes at a time
	mu     sync.Mutex    // guards the rest
	at     time.Time
	object *salesforce.Object
}

func newDescription() *description {
	d := &description{turn: make(chan struct{}, 1)}
	d.turn <- struct{}{}
	return d
}

func (d *description) set(o *salesforce.Object) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at, d.object = time.Now(), o
}

func (d *description) get() (*salesforce.Object, time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.object, d.at
}

// describe asks the org about the object and fits the mapping to the answer.
func (f *Flow) describe(ctx context.Context) (*target, error) {
	o, err := f.cfg.API.Describe(ctx, f.cfg.Rows.Object)
	if err != nil {
		return nil, fmt.Errorf("describe %s of org %s: %w", f.cfg.Rows.Object, f.cfg.Org, err)
	}
	f.described.set(o)
	m, err := f.fit(ctx, o)
	if err != nil {
		return nil, err
	}
	return &target{mapper: m, object: o}, nil
}

// fit fits the mapping to the object, and to the parents that it refers to.
func (f *Flow) fit(ctx context.Context, o *salesforce.Object) (*rows.Mapper, error) {
	var parents []*salesforce.Object
	for _, name := range rows.Parents(f.cfg.Rows, o) {
		p, err := f.cfg.API.Describe(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("describe %s of org %s, to which fields refer: %w", name, f.cfg.Org, err)
		}
		parents = append(parents, p)
	}
	m, err := rows.New(f.cfg.Rows, o, parents...)
	if err != nil {
		return nil, &misfit{err}
	}
	return m, nil
}

// misfit is a configuration that does not fit the org: waiting does not mend it.
type misfit struct{ err error }

func (e *misfit) Error() string   { return e.err.Error() }
func (e *misfit) Unwrap() error   { return e.err }
func (e *misfit) Retryable() bool { return false }

// refresh describes the object again after the org refused a field of a row
// made for old, and returns the target to go on with: old, if nothing
// changed, or if the mapping does not fit what the object has become. Then
// missing tells which rows are at fault.
func (f *Flow) refresh(ctx context.Context, old *target) (*target, error) {
	select {
	case <-f.described.turn:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { f.described.turn <- struct{}{} }()
	if t := f.target.Load(); t != old {
		return t, nil
	}
	if _, at := f.described.get(); time.Since(at) < describeAgain {
		return old, nil
	}
	o, err := f.cfg.API.Describe(ctx, f.cfg.Rows.Object)
	if err != nil {
		return nil, fmt.Errorf("describe %s of org %s again: %w", f.cfg.Rows.Object, f.cfg.Org, err)
	}
	f.described.set(o)
	if o == old.object {
		return old, nil
	}
	m, err := f.fit(ctx, o)
	if salesforce.Retryable(err) {
		return nil, err
	}
	if err != nil {
		f.log.Warn("the object has changed and the mapping does not fit it any more: records with the fields concerned are set aside",
			"sobject", o.Name, "err", err)
		return old, nil
	}
	f.log.Warn("the object has changed: records are mapped anew", "sobject", o.Name)
	t := &target{mapper: m, object: o}
	f.target.Store(t)
	return t, nil
}

// missing names what a row sets that the object does not have, by the
// latest description.
func (f *Flow) missing(t *target, r *rows.Row) []string {
	o, _ := f.described.get()
	if o == nil || o == t.object {
		return nil
	}
	has := make(map[string]bool, 2*len(o.Fields))
	for i := range o.Fields {
		has[o.Fields[i].Name] = true
		if rel := o.Fields[i].Relationship; rel != "" {
			has[rel] = true
		}
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(t.mapper.Record(r))) {
		if !has[name] && name != "attributes" {
			names = append(names, name)
		}
	}
	return names
}

// hasParents tells whether a row names parents by external ids.
func hasParents(t *target, r *rows.Row) bool {
	for _, v := range t.mapper.Record(r) {
		if _, nested := v.(map[string]any); nested {
			return true
		}
		if _, nested := v.(salesforce.Record); nested {
			return true
		}
	}
	return false
}
