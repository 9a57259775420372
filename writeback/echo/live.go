package echo

import (
	"slices"
	"sort"
	"strings"

	"sfbridge/event"
	"sfbridge/writeback/rows"
)

// live is an announcement with rows that no event has shown yet.
type live struct {
	*announcement
	key   objectKey
	at    int64 // when it was announced, ms since the epoch
	order int64 // position of the announcement among all messages
	left  int   // rows that are not used

	// open is true until it is known what became of the rows. Until then one whose
	// id was not known beforehand is found by its key, or by what it writes.
	open      bool
	doneAt    int64
	doneOrder int64

	index   *index            // of values; made when it is first needed
	holders []*loose          // by row: what one without a known record was used up by, while open; nil if none was
	taken   map[uint64]*loose // records that used rows up, while open; nil if their row was known
}

// index finds the rows that write a value.
type index struct {
	hashes []uint64 // sorted
	rows   []uint32 // ascending for equal hashes
}

func (x *index) Len() int { return len(x.hashes) }
func (x *index) Less(i, j int) bool {
	return x.hashes[i] < x.hashes[j] || x.hashes[i] == x.hashes[j] && x.rows[i] < x.rows[j]
}

func (x *index) Swap(i, j int) {
	x.hashes[i], x.hashes[j] = x.hashes[j], x.hashes[i]
	x.rows[i], x.rows[j] = x.rows[j], x.rows[i]
}

// with gives the rows that have a hash.
func (x *index) with(hash uint64) []uint32 {
	from, ok := slices.BinarySearch(x.hashes, hash)
	if !ok {
		return nil
	}
	n := sort.Search(len(x.hashes)-from, func(i int) bool { return x.hashes[from+i] > hash })
	return x.rows[from : from+n]
}

func (l *live) holder(row int) *loose {
	if l.holders == nil {
		return nil
	}
	return l.holders[row]
}

func newLive(a *announcement, at, order int64) *live {
	return &live{announcement: a, key: objectKey{a.org, strings.ToLower(a.object)}, at: at, order: order, left: len(a.rows), open: true}
}

// bytes is about what the batch holds in memory, the index aside, which lives
// only as long as a call.
func (l *live) bytes() int {
	return 256 + 8*len(l.values) + 80*len(l.rows) + 64*len(l.fields)
}

func (l *live) indexed() *index {
	if l.index != nil {
		return l.index
	}
	x := &index{hashes: make([]uint64, 0, len(l.values)), rows: make([]uint32, 0, len(l.values))}
	for i := range l.rows {
		if l.ids[i] != 0 {
			continue // found by its id
		}
		for _, h := range l.valuesOf(i) {
			x.hashes, x.rows = append(x.hashes, h), append(x.rows, uint32(i))
		}
		if h := l.keyHash[i]; h != 0 {
			x.hashes, x.rows = append(x.hashes, h), append(x.rows, uint32(i))
		}
	}
	sort.Sort(x)
	l.index = x
	return x
}

func (l *live) valuesOf(i int) []uint64 {
	r := &l.rows[i]
	return l.values[r.from : int(r.from)+len(l.shapes[r.shape].fields)]
}

func (l *live) opOf(i int) rows.Operation { return l.shapes[l.rows[i].shape].op }

// causes tells whether an operation can cause a change of this type.
func causes(op rows.Operation, t event.ChangeType) bool {
	switch t {
	case event.Create:
		return op == rows.Insert || op == rows.Upsert
	case event.Update:
		return op == rows.Update || op == rows.Upsert
	case event.Delete:
		return op == rows.Delete
	case event.Undelete:
		return op == rows.Undelete
	}
	return false
}

// slack is how far the clocks of this bridge and of the org may be apart.
const slack = 5 * 60 * 1000

// during tells whether a change of that moment can be this batch's: it comes
// after the announcement, and before the call's answer.
func (l *live) during(ms int64) bool {
	return ms >= l.at-slack && (l.open || ms <= l.doneAt+slack)
}

// explains tells whether row i writes all that the change shows.
func (l *live) explains(i int, c *change) bool {
	s := &l.shapes[l.rows[i].shape]
	if !causes(s.op, c.typ) {
		return false
	}
	values := l.valuesOf(i)
	switch c.typ {
	case event.Update:
		return c.eachChanged(func(path string, diff bool) bool {
			at := l.fieldAt(s, path, diff)
			if at < 0 {
				other := twin(path)
				return other != "" && c.isChanged(other) && l.fieldAt(s, other, false) >= 0
			}
			hash, known := c.hash(l.fields[s.fields[at]])
			return known && hash == values[at]
		})
	case event.Create:
		for at, f := range s.fields {
			if !c.carries(l.fields[f]) {
				continue
			}
			if hash, known := c.hash(l.fields[f]); !known || hash != values[at] {
				return false
			}
		}
		if l.keyHash[i] != 0 && c.carries(field{path: l.keyPath}) {
			return c.keyHash(l.keyPath) == l.keyHash[i]
		}
	}
	return true
}

// fieldAt finds a field among a shape's: its digest if the event carries a
// difference in place of the value.
func (l *live) fieldAt(s *shape, path string, diff bool) int {
	for at, f := range s.fields {
		if known := &l.fields[f]; known.path == path && (known.class == classDigest) == diff {
			return at
		}
	}
	return -1
}

// find looks for an unused row, of those whose ids are not known, that explains a
// change; it is negative if there is none.
func (l *live) find(c *change) int {
	for s := range l.shapes {
		if !causes(l.shapes[s].op, c.typ) {
			continue
		}
		candidates, all := l.candidates(&l.shapes[s], c)
		if all {
			return l.first(c)
		}
		for _, i := range candidates {
			if r := &l.rows[i]; !r.used && r.shape == uint32(s) && l.explains(int(i), c) {
				return int(i)
			}
		}
	}
	return -1
}

// first finds the first unused row that could have caused a change which shows
// no values, such as a delete.
func (l *live) first(c *change) int {
	for i := range l.rows {
		if !l.rows[i].used && l.ids[i] == 0 && causes(l.opOf(i), c.typ) {
			return i
		}
	}
	return -1
}

// candidates are the rows, of a shape among others, that write the rarest of the
// values that they have to write; all is true if they have to write none.
func (l *live) candidates(s *shape, c *change) (rows []uint32, all bool) {
	n := narrower{l: l, all: true}
	switch c.typ {
	case event.Create:
		if l.keyPath != "" && c.carries(field{path: l.keyPath}) {
			if with := l.indexed().with(c.keyHash(l.keyPath)); len(with) > 0 {
				return with, false
			}
		}
		for _, f := range s.fields {
			if c.carries(l.fields[f]) && !n.to(c.hash(l.fields[f])) {
				break
			}
		}
	case event.Update:
		c.eachChanged(func(path string, diff bool) bool {
			if at := l.fieldAt(s, path, diff); at >= 0 {
				return n.to(c.hash(l.fields[s.fields[at]]))
			}
			return twin(path) != "" || n.to(0, false) // a twin's cause is looked at with the rest
		})
		return n.rows, false
	}
	return n.rows, n.all
}

// narrower keeps the shortest list of rows.
type narrower struct {
	l    *live
	rows []uint32
	all  bool
}

// to narrows to the rows that write a value, and tells whether any are left.
func (n *narrower) to(hash uint64, known bool) bool {
	var with []uint32
	if known {
		with = n.l.indexed().with(hash)
	}
	if n.all || len(with) < len(n.rows) {
		n.rows, n.all = with, false
	}
	return len(n.rows) > 0
}
