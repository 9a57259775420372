package rows

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// nearFields says which fields of the object a wrong name may stand for.
func (m *Mapper) nearFields(name string) string {
	names := make([]string, 0, len(m.object.Fields))
	for i := range m.object.Fields {
		f := &m.object.Fields[i]
		if strings.EqualFold(f.Label, name) && !strings.EqualFold(f.Name, name) {
			return fmt.Sprintf(" (%q is the label of %s)", name, f.Name)
		}
		names = append(names, f.Name)
	}
	return near(name, names)
}

func (m *Mapper) nearRelationships(name string) string {
	if f, ok := m.byName[name]; ok && f.Relationship != "" {
		return fmt.Sprintf(" (that of the field %s is %s)", name, f.Relationship)
	}
	return near(name, slices.Sorted(maps.Keys(m.byRelationship)))
}

// near lists up to three of the names that are like a wrong one.
func near(name string, names []string) string {
	type match struct {
		name     string
		distance int
	}
	var found []match
	lower := plain(name)
	for _, n := range names {
		if d := distance(lower, plain(n), 2); d <= 2 && 2*d < len(lower) {
			found = append(found, match{n, d})
		}
	}
	slices.SortStableFunc(found, func(a, b match) int { return a.distance - b.distance })
	if len(found) == 0 {
		return ""
	}
	like := make([]string, 0, 3)
	for _, f := range found[:min(3, len(found))] {
		like = append(like, f.name)
	}
	return " (is it " + list(like) + "?)"
}

// plain is what people remember of a name: without case, underscores and the
// suffix of custom names.
func plain(name string) string {
	name = strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(name), "__c"), "__r")
	return strings.ReplaceAll(name, "_", "")
}

// distance counts the letters to change from one name to the other, up to a
// bound beyond which it does not matter.
func distance(a, b string, bound int) int {
	if len(a)-len(b) > bound || len(b)-len(a) > bound || len(a) > 80 {
		return bound + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			changed := before
			if a[i] != b[j] {
				changed++
			}
			before = row[j+1]
			row[j+1] = min(changed, before+1, row[j]+1)
		}
	}
	return row[len(b)]
}
