package soql

import (
	"slices"
	"strconv"
)

// record makes the record of one row.
func (r *run) record(p *Plan, row Row) *Record {
	rec := &Record{Object: p.Object}
	rec.ID, _ = row.Value("Id").(string)
	for _, c := range p.columns {
		switch {
		case c.children != nil:
			rec.Cells = append(rec.Cells, Cell{Name: c.name, Value: r.childResult(c.children, rec.ID)})
		case len(c.path) > 0:
			r.placeParent(rec, row, c, c.path)
		default:
			rec.Cells = append(rec.Cells, Cell{Name: c.name, Value: row.Value(c.field)})
		}
	}
	return rec
}

// placeParent puts a field of a parent into the nested record of that parent,
// which is null when there is no parent.
func (r *run) placeParent(rec *Record, row Row, c column, path refPath) {
	step := path[0]
	i := slices.IndexFunc(rec.Cells, func(have Cell) bool { return have.Name == step.Name })
	if i < 0 {
		i = len(rec.Cells)
		rec.Cells = append(rec.Cells, Cell{Name: step.Name})
		if id, _ := row.Value(step.Field).(string); id != "" {
			if _, ok := r.src.Row(step.Object, id, true); ok {
				rec.Cells[i].Value = &Record{Object: step.Object, ID: id}
			}
		}
	}
	parent, ok := rec.Cells[i].Value.(*Record)
	if !ok {
		return
	}
	next, ok := r.src.Row(step.Object, parent.ID, true)
	if !ok {
		return
	}
	if len(path) > 1 {
		r.placeParent(parent, next, c, path[1:])
		return
	}
	parent.Cells = append(parent.Cells, Cell{Name: c.name, Value: next.Value(c.field)})
}

// childResult finds a parent's children. All children of the run are read at
// once on the first call and then looked up by parent.
func (r *run) childResult(c *childPlan, parent string) any {
	byParent, ok := r.children[c]
	if !ok {
		byParent = map[string][]Row{}
		r.children[c] = byParent
		all := *c.plan
		query := *c.plan.Query
		query.Limit, query.Offset = -1, 0 // they count per parent
		all.Query = &query
		for _, row := range r.rows(&all, nil) {
			if id, _ := row.Value(c.key).(string); id != "" {
				byParent[id] = append(byParent[id], row)
			}
		}
	}
	rows := cut(byParent[parent], c.plan.Query)
	if len(rows) == 0 {
		return nil
	}
	return &Result{Total: len(rows), plan: c.plan, run: r, rows: rows}
}

// aggregate makes the one row of a query with aggregates.
func (r *run) aggregate(p *Plan, rows []Row) *Record {
	rec := &Record{Object: "AggregateResult"}
	for _, c := range p.columns {
		var best Value
		seen, n := map[Value]bool{}, 0
		for _, row := range rows {
			v := r.follow(row, c.path).Value(c.field)
			if v == nil {
				continue
			}
			n++
			switch c.agg.Func {
			case "COUNT_DISTINCT":
				seen[v] = true
			case "MIN", "MAX":
				s := 0
				if best != nil {
					s = compareValues(Field{}, v, best)
				}
				if best == nil || s < 0 == (c.agg.Func == "MIN") && s != 0 {
					best = v
				}
			}
		}
		switch c.agg.Func {
		case "COUNT":
			best = Num(strconv.Itoa(n))
		case "COUNT_DISTINCT":
			best = Num(strconv.Itoa(len(seen)))
		}
		rec.Cells = append(rec.Cells, Cell{Name: c.name, Value: best})
	}
	return rec
}
