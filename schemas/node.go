package schemas

// kind is an Avro type.
type kind uint8

const (
	kindInvalid kind = iota
	kindNull
	kindBoolean
	kindInt
	kindLong
	kindFloat
	kindDouble
	kindBytes
	kindString
	kindRecord
	kindEnum
	kindArray
	kindMap
	kindFixed
	kindUnion
)

var primitives = map[string]kind{
	"null": kindNull, "boolean": kindBoolean, "int": kindInt, "long": kindLong,
	"float": kindFloat, "double": kindDouble, "bytes": kindBytes, "string": kindString,
}

var kindNames = [...]string{
	"invalid", "null", "boolean", "int", "long", "float", "double", "bytes", "string",
	"record", "enum", "array", "map", "fixed", "union",
}

func (k kind) String() string { return kindNames[k] }

// node is one type of a compiled schema. Named types are shared, so the nodes
// of a recursive schema form a cycle. Immutable once compiled.
type node struct {
	kind    kind
	name    string   // full name of a named type, made legal
	fields  []field  // record
	symbols []string // enum
	spelt   []string // enum: the symbols as the schema spells them, if that is otherwise
	logical logical  // of int, long, bytes, fixed
	scale   int      // of a decimal
	items   *node    // array and map
	union   []*node
	size    int // fixed

	// min is the least number of bytes that a value takes, so that counts are
	// checked against the bytes that are left.
	min int
}

type field struct {
	name      string
	spelt     string // the name as the schema spells it, which may not be legal
	doc       string
	node      *node
	nullFirst bool // a union whose branch 0 is null: one zero byte is a value
}

// typeName is how the type is called in goavro's tagged unions.
func (n *node) typeName() string {
	if n.name != "" {
		return n.name
	}
	return n.kind.String()
}

// record finds the record of a node: itself, or the record branch of a union,
// in ["null", record] as well as in ["null", "string", record].
func (n *node) record() *node {
	if n.kind == kindRecord {
		return n
	}
	for _, b := range n.union {
		if b.kind == kindRecord {
			return b
		}
	}
	return nil
}

// endless is a minimum that no payload has.
const endless = 1 << 40

// settleMinimums gives every node its least size, by repetition until nothing
// changes, since types may refer to themselves. A node that stays endless is a
// record that always contains itself: no datum of it exists.
func settleMinimums(nodes []*node) {
	for _, n := range nodes {
		n.min = endless
	}
	for changed := true; changed; {
		changed = false
		for _, n := range nodes {
			if m := n.leastBytes(); m < n.min {
				n.min, changed = m, true
			}
		}
	}
}

func (n *node) leastBytes() int {
	switch n.kind {
	case kindNull:
		return 0
	case kindFloat:
		return 4
	case kindDouble:
		return 8
	case kindFixed:
		return n.size
	case kindRecord:
		sum := 0
		for _, f := range n.fields {
			sum = min(sum+f.node.min, endless)
		}
		return sum
	case kindUnion:
		least := endless
		for _, b := range n.union {
			least = min(least, 1+b.min)
		}
		return least
	}
	return 1
}
