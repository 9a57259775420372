package rows

// Merge gives the row that has the effect of older and then newer, which are of
// one Identity. ok is false if they have to be written one after the other: an
// insert is one row each time, and an update in front of an upsert has to fail
// where there is no row. The version is the newer's: whoever compares versions
// drops those that are older before they come here.
func (m *Mapper) Merge(older, newer *Row) (merged *Row, ok bool) {
	if older.Key == "" || older.Shape != newer.Shape || !m.sameKey(older.Key, newer.Key) {
		return nil, false
	}
	switch {
	case older.Op == Delete && newer.Op == Delete:
		return newer, true
	case newer.Op == Update && (older.Op == Update || older.Op == Upsert):
	case newer.Op == Upsert && older.Op == Upsert:
	default:
		return nil, false
	}
	set := m.columns.set()
	r := *newer
	r.Op = older.Op
	r.Values = set.merge(older.Values, newer.Values)
	r.Parent = set.parentOf(r.Values)
	return &r, true
}

// merge takes the newer value of each field, whichever way it is filled.
func (s *columnSet) merge(older, newer []Value) []Value {
	out := make([]Value, 0, max(len(older), len(newer)))
	given := make([]bool, len(s.list))
	for _, v := range newer {
		given[s.list[v.Column].slot] = true
	}
	j := 0
	for _, v := range older {
		if given[s.list[v.Column].slot] {
			continue
		}
		for j < len(newer) && newer[j].Column < v.Column {
			out = append(out, newer[j])
			j++
		}
		out = append(out, v)
	}
	return append(out, newer[j:]...)
}
