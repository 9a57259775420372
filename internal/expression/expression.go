package expression

import "errors"

// Expression is a compiled path or expression. It is safe for use by many
// goroutines.
type Expression struct{ source string }

// Compile compiles a path or an expression. The error names the place.
func Compile(source string) (*Expression, error) { return nil, errors.ErrUnsupported }

// String is the source.
func (e *Expression) String() string { return e.source }

// Path tells whether the expression is a plain path, and its first name.
func (e *Expression) Path() (first string, ok bool) { return "", false }

// Input is the record that expressions look at. Value is its decoded value:
// nil, bool, string, json.Number, []any, map[string]any. The names of a map's
// fields are in reach as they are; the rest as _value, _key, _topic,
// _partition, _offset, _timestamp (milliseconds) and _headers.
type Input struct {
	Value     any
	Key       any // decoded key, or its text
	Topic     string
	Partition int32
	Offset    int64
	Timestamp int64
	Headers   map[string]string
}

// Eval evaluates. present is false if a path leads nowhere, or the expression
// gave absent(). Numbers come as json.Number, times as text in RFC 3339.
func (e *Expression) Eval(in *Input) (v any, present bool, err error) {
	return nil, false, errors.ErrUnsupported
}
