package soql

import "strings"

// Column is one field that a plan selects.
type Column struct {
	Path   string // Name, or Account.Name for a parent's field
	Object string // that has the field
	Field  string // its API name
}

// Columns lists the fields that the plan selects, in order. Aggregates and
// child sub-queries are left out.
func (p *Plan) Columns() []Column {
	var out []Column
	for _, c := range p.columns {
		if c.agg != nil || c.children != nil {
			continue
		}
		col, names := Column{Object: p.Object, Field: c.field}, []string{}
		for _, step := range c.path {
			names, col.Object = append(names, step.Name), step.Object
		}
		col.Path = strings.Join(append(names, c.name), ".")
		out = append(out, col)
	}
	return out
}
