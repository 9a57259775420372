package orgsim

import (
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// fieldMask is a set of fields of an event: positions in its record, and
// positions inside compound fields.
type fieldMask struct {
	top    []byte // bit i%8 of byte i/8: position i
	nested map[int][]byte
}

func setBit(b []byte, i int) []byte {
	for len(b) <= i/8 {
		b = append(b, 0)
	}
	b[i/8] |= 1 << (i % 8)
	return b
}

func hasBit(b []byte, i int) bool { return i/8 < len(b) && b[i/8]&(1<<(i%8)) != 0 }

// add puts in position i, or part j of the compound at position i when j >= 0.
func (m *fieldMask) add(i, j int) {
	if j < 0 {
		m.top = setBit(m.top, i)
		return
	}
	if m.nested == nil {
		m.nested = map[int][]byte{}
	}
	m.nested[i] = setBit(m.nested[i], j)
}

// has tells whether position i, or part j of it when j >= 0, is in the set.
func (m *fieldMask) has(i, j int) bool {
	if j < 0 {
		return hasBit(m.top, i)
	}
	return hasBit(m.nested[i], j)
}

// hasParts tells whether any part of the compound at position i is in the set.
func (m *fieldMask) hasParts(i int) bool { return len(m.nested[i]) > 0 }

// count is the number of fields, parts of compounds counted one by one.
func (m *fieldMask) count() int {
	n := bitCount(m.top)
	for _, b := range m.nested {
		n += bitCount(b)
	}
	return n
}

func bitCount(b []byte) int {
	n := 0
	for i := range len(b) * 8 {
		if hasBit(b, i) {
			n++
		}
	}
	return n
}

// strings writes the set as the header carries it: one hex number for the
// record, then <position>-0x... for each compound, ascending. The first is
// left out when only parts are in the set, unless emptyFirst.
func (m *fieldMask) strings(emptyFirst bool) []string {
	var out []string
	switch {
	case len(m.top) > 0:
		out = append(out, hexBits(m.top))
	case emptyFirst && len(m.nested) > 0:
		out = append(out, "0x00")
	}
	for _, i := range slices.Sorted(maps.Keys(m.nested)) {
		out = append(out, strconv.Itoa(i)+"-"+hexBits(m.nested[i]))
	}
	return out
}

// hexBits writes bits as one big-endian number in whole bytes.
func hexBits(b []byte) string {
	be := slices.Clone(b)
	slices.Reverse(be)
	return "0x" + strings.ToUpper(hex.EncodeToString(be))
}
