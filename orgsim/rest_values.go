package orgsim

import (
	"slices"
	"strings"
)

// appendRow writes a row as JSON: its attributes, then the named fields in
// the order of the definition. nil names are all that the user may see.
func (c *call) appendRow(dst []byte, def *ObjectDef, r *Record, names map[string]bool) []byte {
	dst = append(dst, `{"attributes":`...)
	dst = c.appendAttributes(dst, def.Name, r.ID)
	for _, f := range def.Fields {
		if names != nil && !names[f.Name] || c.access.hides(def.Name, f.Name) {
			continue
		}
		dst = append(dst, ',', '"')
		dst = append(dst, f.Name...)
		dst = append(dst, '"', ':')
		dst = appendField(dst, def, f, r)
	}
	return append(dst, '}')
}

func (c *call) appendAttributes(dst []byte, object, id string) []byte {
	dst = append(dst, `{"type":"`...)
	dst = append(dst, object...)
	dst = append(dst, '"')
	if id != "" {
		dst = append(dst, `,"url":"`...)
		dst = append(dst, c.base+"/sobjects/"+object+"/"+id...)
		dst = append(dst, '"')
	}
	return append(dst, '}')
}

// appendField writes one field's value; addresses and locations are objects.
func appendField(dst []byte, def *ObjectDef, f *FieldDef, r *Record) []byte {
	if f.Type == TypeAddress || f.Type == TypeLocation {
		return appendCompound(dst, def, f, r)
	}
	return f.AppendJSON(dst, r.Get(f.Name))
}

// appendCompound writes the parts of a compound field, in the alphabetical
// order that REST has, or null when all of them are null.
func appendCompound(dst []byte, def *ObjectDef, f *FieldDef, r *Record) []byte {
	parts := def.Components(f.Name)
	empty := true
	for _, p := range parts {
		empty = empty && r.Get(p.Name).IsNull()
	}
	if empty {
		return append(dst, "null"...)
	}
	slices.SortFunc(parts, func(a, b *FieldDef) int { return strings.Compare(a.Component, b.Component) })
	for i, p := range parts {
		dst = append(dst, "{,"[min(i, 1)], '"')
		dst = append(dst, strings.ToLower(p.Component[:1])+p.Component[1:]...)
		dst = append(dst, '"', ':')
		dst = p.AppendJSON(dst, r.Get(p.Name))
	}
	return append(dst, '}')
}
