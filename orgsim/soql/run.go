package soql

import "sort"

// Options of one run.
type Options struct {
	Deleted bool // queryAll: deleted rows too
}

// Result is what a query found. Its records are made when they are asked for,
// from the rows as they were when the query ran.
type Result struct {
	Total int
	plan  *Plan
	run   *run
	rows  []Row
	sums  *Record // the one row of aggregates
}

// Record is one row of a result.
type Record struct {
	Object string // AggregateResult for aggregates
	ID     string
	Cells  []Cell
}

// Cell is one selected thing. Value is a Value, a *Record for a parent, or a
// *Result for a child sub-query.
type Cell struct {
	Name  string
	Value any
}

// run is one execution: it holds what is worked out once.
type run struct {
	src      Source
	deleted  bool
	semis    map[*Plan]map[string]bool
	children map[*childPlan]map[string][]Row
}

// Run executes the plan.
func (p *Plan) Run(src Source, opts Options) *Result {
	r := &run{
		src: src, deleted: opts.Deleted || p.Query.AllRows,
		semis: map[*Plan]map[string]bool{}, children: map[*childPlan]map[string][]Row{},
	}
	rows := r.rows(p, nil)
	res := &Result{Total: len(rows), plan: p, run: r, rows: rows}
	switch {
	case p.counts:
		res.rows = nil
	case p.groups:
		res.Total, res.sums, res.rows = 1, r.aggregate(p, rows), nil
	}
	return res
}

// Len is the number of records; 0 for COUNT(), whose answer is Total.
func (r *Result) Len() int {
	if r.sums != nil {
		return 1
	}
	return len(r.rows)
}

// LongFields says how many long text fields each record carries.
func (r *Result) LongFields() int { return r.plan.long }

// Slice makes the records from the index from up to, not including, to.
func (r *Result) Slice(from, to int) []*Record {
	if r.sums != nil && from == 0 && to > 0 {
		return []*Record{r.sums}
	}
	to = min(to, len(r.rows))
	out := make([]*Record, 0, max(0, to-from))
	for i := max(0, from); i < to; i++ {
		out = append(out, r.run.record(r.plan, r.rows[i]))
	}
	return out
}

// rows finds, sorts and cuts the rows of a plan. keep narrows further.
func (r *run) rows(p *Plan, keep func(Row) bool) []Row {
	var rows []Row
	stopAt := -1
	if len(p.order) == 0 && p.Query.Limit >= 0 {
		stopAt = p.Query.Offset + p.Query.Limit
	}
	visit := func(row Row) bool {
		if stopAt >= 0 && len(rows) >= stopAt {
			return false
		}
		if (keep == nil || keep(row)) && (p.where == nil || p.where(r, row)) {
			rows = append(rows, row)
		}
		return true
	}
	if p.ids != nil {
		for _, id := range p.ids {
			if row, ok := r.src.Row(p.Object, id, r.deleted); ok && !visit(row) {
				break
			}
		}
	} else {
		r.src.Scan(p.Object, r.deleted, visit)
	}
	return cut(r.sort(p, rows), p.Query)
}

// cut applies OFFSET and LIMIT.
func cut(rows []Row, q *Query) []Row {
	rows = rows[min(q.Offset, len(rows)):]
	if q.Limit >= 0 {
		rows = rows[:min(q.Limit, len(rows))]
	}
	return rows
}

func (r *run) sort(p *Plan, rows []Row) []Row {
	if len(p.order) == 0 {
		return rows
	}
	type keyed struct {
		row  Row
		keys []Value
	}
	all := make([]keyed, len(rows))
	for i, row := range rows {
		all[i] = keyed{row: row, keys: make([]Value, len(p.order))}
		for j, k := range p.order {
			all[i].keys[j] = r.follow(row, k.path).Value(k.field.Name)
		}
	}
	sort.SliceStable(all, func(i, j int) bool {
		for n, k := range p.order {
			if s := k.compare(all[i].keys[n], all[j].keys[n]); s != 0 {
				return s < 0
			}
		}
		return false
	})
	for i := range all {
		rows[i] = all[i].row
	}
	return rows
}

// compare orders two keys. Nulls come first unless asked otherwise, ascending
// and descending alike.
func (k sortKey) compare(a, b Value) int {
	if a == nil || b == nil {
		s := bit(b == nil) - bit(a == nil)
		if k.nullsLast {
			return -s
		}
		return s
	}
	s := compareValues(k.field, a, b)
	if k.desc {
		return -s
	}
	return s
}

// noRow stands for a parent that is not there: all its fields are null.
type noRow struct{}

func (noRow) Value(string) Value { return nil }

// follow walks from a row through its parents.
func (r *run) follow(row Row, path refPath) Row {
	for _, step := range path {
		id, _ := row.Value(step.Field).(string)
		next, ok := r.src.Row(step.Object, id, true)
		if id == "" || !ok {
			return noRow{}
		}
		row = next
	}
	return row
}

// semi runs a sub-query of IN once and keeps its ids.
func (r *run) semi(p *Plan) map[string]bool {
	if set, ok := r.semis[p]; ok {
		return set
	}
	set := map[string]bool{}
	r.semis[p] = set
	for _, row := range r.rows(p, nil) {
		if id, ok := r.follow(row, p.columns[0].path).Value(p.columns[0].field).(string); ok {
			set[id] = true
		}
	}
	return set
}
