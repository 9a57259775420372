package soql

// Query is a parsed query, not yet bound to an org's objects.
type Query struct {
	From    string
	Alias   string
	Select  []Item
	Where   Expr // nil when absent
	OrderBy []Order
	Limit   int // -1 when absent
	Offset  int
	AllRows bool // ALL ROWS: deleted rows too

	src     string
	fromPos int
}

// Item is one thing selected. Exactly one of its parts is set.
type Item struct {
	Path      string // a field, or a path through parents
	Fields    string // ALL, STANDARD or CUSTOM, of FIELDS()
	Children  *Query // a sub-query over a child relationship
	Aggregate *Aggregate
	pos       int
}

// Aggregate is COUNT(), or a function over one field.
type Aggregate struct {
	Func  string // COUNT, COUNT_DISTINCT, MIN, MAX
	Path  string // empty for COUNT()
	Alias string // expr0, expr1, ... when the query gives none
}

// Order is one term of ORDER BY.
type Order struct {
	Path      string
	Desc      bool
	NullsLast bool
	pos       int
}

// Expr is a condition: *Logic, *Not or *Compare.
type Expr interface{ expr() }

// Logic joins conditions by AND or OR.
type Logic struct {
	Or    bool
	Terms []Expr
}

// Not turns a condition round.
type Not struct{ Term Expr }

// Compare holds a field against literals.
type Compare struct {
	Path   string
	Op     string // = != < <= > >= LIKE IN, NOT IN, INCLUDES, EXCLUDES
	Values []Literal
	Query  *Query // IN (SELECT ...)
	pos    int
}

func (*Logic) expr()   {}
func (*Not) expr()     {}
func (*Compare) expr() {}

type literalKind uint8

const (
	litNull literalKind = iota
	litString
	litBool
	litNumber
	litDate
	litDateTime
	litTime
	litRange // a date literal: a span of days
)

// Literal is one value of a condition, as written.
type Literal struct {
	kind literalKind
	text string // string value; number as written
	raw  string // string between its quotes, with escapes
	n    int64  // bool 0 or 1; days; milliseconds
	pos  int
}
