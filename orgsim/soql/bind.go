package soql

import (
	"slices"
	"strings"
	"time"
)

// Plan is a query bound to objects, ready to run.
type Plan struct {
	Object  string // API name of what FROM names
	Query   *Query
	columns []column
	where   predicate // nil: every row
	order   []sortKey
	ids     []string // when not nil, only these records can match
	counts  bool     // COUNT(): only the number matters
	groups  bool     // aggregates: one row
	long    int      // long text fields selected, which make pages smaller
}

// column is one thing selected, bound.
type column struct {
	name     string  // as the org spells it
	path     refPath // the steps to the row that holds it
	field    string  // field of that row
	children *childPlan
	agg      *Aggregate
}

// refPath walks through parents: each step reads a reference field and goes
// on to the row that it names.
type refPath []Relation

type childPlan struct {
	plan *Plan
	key  string // the child's field that points to the parent
}

type sortKey struct {
	path      refPath
	field     Field
	desc      bool
	nullsLast bool
}

type binder struct {
	cat Catalog
	obj Object
	q   *Query
	now time.Time
}

// Bind resolves the query's names against the catalog. Date literals are
// taken at the time now. Errors are of type *Error.
func Bind(q *Query, cat Catalog, now time.Time) (*Plan, error) {
	obj, ok := cat.Object(q.From)
	if !ok {
		return nil, errorAt(q.src, q.fromPos, CodeInvalidType,
			"sObject type '%s' is not supported. %s", q.From, columnOnEntityTip)
	}
	return bindTo(q, cat, obj, now)
}

func bindTo(q *Query, cat Catalog, obj Object, now time.Time) (*Plan, error) {
	b := &binder{cat: cat, obj: obj, q: q, now: now}
	p := &Plan{Object: obj.Name(), Query: q}
	for _, it := range q.Select {
		if err := b.item(p, it); err != nil {
			return nil, err
		}
	}
	if err := b.checkShape(p); err != nil {
		return nil, err
	}
	if q.Where != nil {
		where, err := b.expr(q.Where)
		if err != nil {
			return nil, err
		}
		p.where, p.ids = where, b.onlyIDs(q.Where)
	}
	for _, o := range q.OrderBy {
		path, f, err := b.resolve(o.Path, o.pos)
		if err != nil {
			return nil, err
		}
		if f.Kind == LongText || f.Kind == Compound || f.Kind == Multi {
			return nil, errorAt(q.src, o.pos, CodeMalformed,
				"field '%s' can not be sorted in a query call", f.Name)
		}
		p.order = append(p.order, sortKey{path: path, field: f, desc: o.Desc, nullsLast: o.NullsLast})
	}
	return p, nil
}

// checkShape refuses what cannot be asked together.
func (b *binder) checkShape(p *Plan) error {
	for _, it := range b.q.Select {
		if it.Fields == "ALL" && (b.q.Limit < 0 || b.q.Limit > 200) {
			return errorAt(b.q.src, it.pos, CodeMalformed,
				"The SOQL FIELDS function must have a LIMIT of at most 200")
		}
	}
	if (p.counts || p.groups) && len(b.q.OrderBy) > 0 {
		return errorAt(b.q.src, b.q.OrderBy[0].pos, CodeMalformed, "Ordered field must be grouped or aggregated")
	}
	return nil
}

func (b *binder) item(p *Plan, it Item) error {
	switch {
	case it.Fields != "":
		return b.allFields(p, it.Fields)
	case it.Children != nil:
		return b.children(p, it)
	case it.Aggregate != nil:
		return b.aggregate(p, it)
	case p.groups:
		return errorAt(b.q.src, it.pos, CodeMalformed, "Field must be grouped or aggregated: %s", it.Path)
	}
	path, f, err := b.resolve(it.Path, it.pos)
	if err != nil {
		return err
	}
	return b.add(p, column{name: f.Name, path: path, field: f.Name}, f, it.pos)
}

func (b *binder) add(p *Plan, c column, f Field, pos int) error {
	for _, have := range p.columns {
		if have.name == c.name && have.agg == nil && slices.Equal(have.path, c.path) {
			if pos < 0 { // FIELDS() beside a field of its own
				return nil
			}
			return errorAt(b.q.src, pos, CodeInvalidField, "duplicate field selected: %s", c.name)
		}
	}
	if f.Kind == LongText {
		p.long++
	}
	p.columns = append(p.columns, c)
	return nil
}

func (b *binder) allFields(p *Plan, which string) error {
	for _, f := range b.obj.Fields() {
		if which == "ALL" || f.Custom == (which == "CUSTOM") {
			if err := b.add(p, column{name: f.Name, field: f.Name}, f, -1); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *binder) children(p *Plan, it Item) error {
	q := it.Children
	rel, ok := b.obj.Child(q.From)
	if !ok {
		return errorAt(b.q.src, q.fromPos, CodeInvalidType,
			"Didn't understand relationship '%s' in FROM part of query call. %s", q.From, columnOnEntityTip)
	}
	child, ok := b.cat.Object(rel.Object)
	if !ok {
		return errorAt(b.q.src, q.fromPos, CodeInvalidType, "sObject type '%s' is not supported.", rel.Object)
	}
	plan, err := bindTo(q, b.cat, child, b.now)
	if err != nil {
		return err
	}
	if plan.counts || plan.groups {
		return errorAt(b.q.src, it.pos, CodeMalformed, "Aggregates are not allowed in a nested query")
	}
	p.columns = append(p.columns, column{name: rel.Name, children: &childPlan{plan: plan, key: rel.Field}})
	return nil
}

func (b *binder) aggregate(p *Plan, it Item) error {
	if it.Aggregate.Path == "" {
		if len(b.q.Select) > 1 {
			return errorAt(b.q.src, it.pos, CodeMalformed, "COUNT() must be the only element in the SELECT list")
		}
		p.counts = true
		return nil
	}
	if len(p.columns) > 0 && !p.groups {
		return errorAt(b.q.src, it.pos, CodeMalformed, "Field must be grouped or aggregated: %s", b.q.Select[0].Path)
	}
	path, f, err := b.resolve(it.Aggregate.Path, it.pos)
	if err != nil {
		return err
	}
	if f.Kind == LongText || f.Kind == Compound {
		return errorAt(b.q.src, it.pos, CodeMalformed, "field %s does not support aggregate operator %s", f.Name, it.Aggregate.Func)
	}
	p.groups = true
	p.columns = append(p.columns, column{name: it.Aggregate.Alias, path: path, field: f.Name, agg: it.Aggregate})
	return nil
}

// resolve walks a dotted path to its field. The object's name or alias may
// stand in front.
func (b *binder) resolve(path string, pos int) (refPath, Field, error) {
	parts := strings.Split(path, ".")
	if len(parts) > 1 && (strings.EqualFold(parts[0], b.obj.Name()) || b.q.Alias != "" && strings.EqualFold(parts[0], b.q.Alias)) {
		if _, isParent := b.obj.Parent(parts[0]); !isParent || strings.EqualFold(parts[0], b.q.Alias) {
			parts = parts[1:]
		}
	}
	obj := b.obj
	var steps refPath
	for _, name := range parts[:len(parts)-1] {
		rel, ok := obj.Parent(name)
		var next Object
		if ok {
			next, ok = b.cat.Object(rel.Object)
		}
		if !ok || len(steps) == 5 { // at most five levels up (SOQL relationship limits)
			return nil, Field{}, errorAt(b.q.src, pos, CodeInvalidField,
				"Didn't understand relationship '%s' in field path. %s", name, columnOnEntityTip)
		}
		steps = append(steps, rel)
		obj = next
	}
	last := parts[len(parts)-1]
	f, ok := obj.Field(last)
	if !ok {
		return nil, Field{}, errorAt(b.q.src, pos, CodeInvalidField,
			"No such column '%s' on entity '%s'. %s", last, obj.Name(), columnOnEntityTip)
	}
	return steps, f, nil
}

// onlyIDs finds the ids that a condition on Id narrows the query to, so that a
// look-up by id does not read the whole object. nil means no such condition.
func (b *binder) onlyIDs(e Expr) []string {
	switch e := e.(type) {
	case *Compare:
		if strings.EqualFold(e.Path, "Id") && e.Query == nil && (e.Op == "=" || e.Op == "IN") {
			ids := []string{}
			for _, v := range e.Values {
				ids = append(ids, To18(v.text))
			}
			slices.Sort(ids)
			return slices.Compact(ids)
		}
	case *Logic:
		if e.Or {
			return nil
		}
		for _, t := range e.Terms {
			if ids := b.onlyIDs(t); ids != nil {
				return ids
			}
		}
	}
	return nil
}
