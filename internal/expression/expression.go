package expression

import (
	"fmt"
	"strings"

	"github.com/expr-lang/expr/vm"
)

const (
	maxSourceBytes = 4096   // of an expression
	maxNodes       = 500    // of its syntax tree
	memoryBudget   = 100000 // items that one evaluation may make; the VM's measure
)

// Expression is a compiled path or expression. It is safe for use by many
// goroutines.
type Expression struct {
	source  string
	path    []step      // of a plain path
	program *vm.Program // of anything else
	// compares: the program is a comparison, which a missing field leaves open.
	compares bool
}

// Compile compiles a path or an expression. The error names the place.
func Compile(source string) (*Expression, error) {
	text := strings.TrimSpace(source)
	switch {
	case text == "":
		return nil, fmt.Errorf("an expression is empty: give a path such as address.city, or '...' for fixed text")
	case len(text) > maxSourceBytes:
		return nil, fmt.Errorf("an expression has %d bytes, at most %d are allowed", len(text), maxSourceBytes)
	}
	if path, ok := parsePath(text); ok {
		return &Expression{source: source, path: path}, nil
	}
	program, err := compile(text)
	if err != nil {
		return nil, fmt.Errorf("expression %s: %w", text, err)
	}
	return &Expression{source: source, program: program, compares: compares(program.Node())}, nil
}

// String is the source.
func (e *Expression) String() string { return e.source }

// Path tells whether the expression is a plain path, and its first name.
func (e *Expression) Path() (first string, ok bool) {
	if e.path == nil {
		return "", false
	}
	return e.path[0].name, true
}

// Input is the record that expressions look at. Value is its decoded value:
// nil, bool, string, json.Number, []any, map[string]any. The names of a map's
// fields are in reach as they are; the rest as _value, _key, _topic,
// _partition, _offset, _timestamp (milliseconds) and _headers. A field that has
// one of these names is in reach as _value._key.
type Input struct {
	Value     any
	Key       any // decoded key, or its text
	Topic     string
	Partition int32
	Offset    int64
	Timestamp int64
	Headers   map[string]string
}

// Eval evaluates. present is false if a path leads nowhere, if the expression
// gave absent(), or if it gave nil, or is a comparison, and read a field that is
// not there: upper(Name) and Active == 'Y' of a record without these say nothing.
// What stands before ?? and what is compared with nil may be missing. Numbers
// come as json.Number, times as text in RFC 3339. The error names the expression
// and the place in it, and no value.
func (e *Expression) Eval(in *Input) (v any, present bool, err error) {
	if e.path != nil {
		v, present = follow(in, e.path)
		return v, present, nil
	}
	run := evaluation{in: in}
	machine := vm.VM{MemoryBudget: memoryBudget}
	out, err := machine.Run(e.program, map[string]any{evaluationName: &run})
	if err != nil {
		return nil, false, fmt.Errorf("expression %s: %w", e.source, runError(err))
	}
	if out == absent || run.missing && (out == nil || e.compares) {
		return nil, false, nil
	}
	left := maxResultNodes
	if v, err = plain(out, 0, &left); err != nil {
		return nil, false, fmt.Errorf("expression %s: %w", e.source, err)
	}
	return v, true, nil
}
