package schemas

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// bitmaps resolves the elements of changedFields, nulledFields and diffFields
// into field names. An element is either "0x<hex>", a bitmap over the fields of
// the event's record, or "<N>-0x<hex>", a bitmap over the fields of the record
// in field N; bit 0 is the lowest bit of the last digit and stands for field 0,
// which is ChangeEventHeader. (Pub/Sub API guide, "Event Deserialization
// Considerations"; the same as both official examples.)
//
// The same few bitmaps come again and again, so resolved elements are kept.
type bitmaps struct {
	root  *node
	paths int // how many fields and inner fields there are to name

	mu    sync.RWMutex
	known map[string][]string // guarded by mu; its slices are never changed
}

const (
	maxKnownBitmaps = 1024 // then the cache starts anew
	maxKnownLength  = 512  // longer elements are resolved each time
)

// appendNames appends the names that set stands for: elements in their order,
// bits from the lowest, nothing twice.
func (m *bitmaps) appendNames(dst, set []string) ([]string, error) {
	if len(set) > m.paths {
		return dst, errTooManyElements // more than there are things to name
	}
	from, sure := len(dst), distinct(set)
	for _, element := range set {
		names, err := m.names(element)
		if err != nil {
			return dst[:from], err
		}
		dst = append(dst, names...)
	}
	if !sure {
		dst = withoutRepeats(dst, from)
	}
	return dst, nil
}

// distinct tells whether the elements of set cannot name a field twice, as each
// speaks of another record. It is true of every sample, and cheap to see for
// sets as short as those.
func distinct(set []string) bool {
	if len(set) > 8 {
		return false
	}
	for i, element := range set {
		for _, earlier := range set[:i] {
			if parentOf(earlier) == parentOf(element) {
				return false
			}
		}
	}
	return true
}

// parentOf gives the field number before a nested bitmap, "" for one over the
// event's record, and a name itself.
func parentOf(element string) string {
	if strings.HasPrefix(element, "0x") {
		return ""
	}
	parent, _, _ := strings.Cut(element, "-")
	return parent
}

// withoutRepeats removes names from dst[from:] that stand there before.
func withoutRepeats(dst []string, from int) []string {
	seen := make(map[string]bool, len(dst)-from)
	kept := dst[:from]
	for _, name := range dst[from:] {
		if !seen[name] {
			seen[name] = true
			kept = append(kept, name)
		}
	}
	return kept
}

// names resolves one element; the result is shared and must not be changed.
func (m *bitmaps) names(element string) ([]string, error) {
	m.mu.RLock()
	names, ok := m.known[element]
	m.mu.RUnlock()
	if ok {
		return names, nil
	}
	names, err := m.resolve(element)
	if err != nil || len(element) > maxKnownLength {
		return names, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil || len(m.known) >= maxKnownBitmaps {
		m.known = make(map[string][]string)
	}
	m.known[strings.Clone(element)] = names // the element may be part of a payload
	return names, nil
}

// countPaths counts the fields of root and of the records in them, which
// bounds how many elements a set may sensibly have.
func countPaths(root *node) int {
	n := 0
	for _, f := range root.fields {
		n++
		if inner := f.node.record(); inner != nil {
			n += len(inner.fields)
		}
	}
	return n
}

func (m *bitmaps) resolve(element string) ([]string, error) {
	hex, of, prefix := element, m.root, ""
	if n, rest, nested := strings.Cut(element, "-"); nested {
		i, err := strconv.ParseUint(n, 10, 31)
		if err != nil || int(i) >= len(m.root.fields) {
			return nil, fmt.Errorf("bitmap %s: %s has %d fields: is this the event's own schema?", quoted(element), m.root.name, len(m.root.fields))
		}
		parent := m.root.fields[i]
		if of = parent.node.record(); of == nil {
			return nil, fmt.Errorf("bitmap %s: field %s has no fields of its own: is this the event's own schema?", quoted(element), parent.name)
		}
		hex, prefix = rest, parent.name+"."
	}
	digits, ok := strings.CutPrefix(hex, "0x")
	if !ok {
		if m.isField(element) { // resolved already, by us
			return []string{strings.Clone(element)}, nil
		}
		return nil, fmt.Errorf("%s is neither a bitmap nor a field of %s", quoted(element), m.root.name)
	}
	names, err := namesOf(digits, of, prefix)
	if err != nil {
		return nil, fmt.Errorf("bitmap %s: %w", quoted(element), err)
	}
	return names, nil
}

// namesOf walks the digits from the last, four fields each, so that a bitmap
// may have any length.
func namesOf(digits string, of *node, prefix string) ([]string, error) {
	if digits == "" {
		return nil, errEmptyBitmap
	}
	var names []string
	for i := len(digits) - 1; i >= 0; i-- {
		d, err := strconv.ParseUint(digits[i:i+1], 16, 4)
		if err != nil {
			return nil, fmt.Errorf("a digit is not hexadecimal")
		}
		for bit := range 4 {
			if d>>bit&1 == 0 {
				continue
			}
			at := (len(digits)-1-i)*4 + bit
			if at >= len(of.fields) {
				return nil, fmt.Errorf("bit %d is set and %s has %d fields: is this the event's own schema?", at, of.name, len(of.fields))
			}
			names = append(names, prefix+of.fields[at].name)
		}
	}
	return names, nil
}

// isField tells whether path is a field, or Parent.Child.
func (m *bitmaps) isField(path string) bool {
	name, child, nested := strings.Cut(path, ".")
	for _, f := range m.root.fields {
		if f.name != name {
			continue
		}
		if !nested {
			return true
		}
		inner := f.node.record()
		return inner != nil && hasField(inner, child)
	}
	return false
}

func hasField(n *node, name string) bool {
	for _, f := range n.fields {
		if f.name == name {
			return true
		}
	}
	return false
}

// quoted shortens what a hostile payload may have made long.
func quoted(s string) string {
	if len(s) > 64 {
		s = s[:64] + "…"
	}
	return strconv.Quote(s)
}
