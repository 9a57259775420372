package expression

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/conf"
)

// maxTextBytes bounds each text that an expression makes: more than a record of
// Kafka or a field of Salesforce holds.
const maxTextBytes = 4 << 20

var errTextTooLong = &problem{"the text is longer than 4 MiB"}

var (
	anyType  = reflect.TypeFor[any]()
	boolType = reflect.TypeFor[bool]()
)

// carriers are functions of the language that only hand values on: numbers go
// through them with all their digits.
var carriers = map[string]bool{
	"first": true, "last": true, "take": true, "keys": true, "values": true, "toPairs": true, "fromPairs": true,
	"reverse": true, "uniq": true, "concat": true, "flatten": true, "toJSON": true, "string": true,
}

// knowsNil are functions of the language to which nil is a value like others.
// Of the rest, nil comes back for a first argument that is nil.
var knowsNil = map[string]bool{
	"type": true, "toJSON": true, "max": true, "min": true, "mean": true, "median": true, "concat": true, "now": true,
}

// functions are all that an expression may call, besides those that take a
// predicate, and those that stand for operators.
func functions() conf.FunctionsTable {
	table := make(conf.FunctionsTable)
	for _, f := range builtin.Builtins {
		if !f.Predicate {
			table[f.Name] = adapt(f)
		}
	}
	for _, f := range ours() {
		table[f.Name] = f
	}
	return table
}

// adapt makes a function of the language take a record's numbers and nil, and
// give errors that quote no values.
func adapt(f *builtin.Function) *builtin.Function {
	call := f.Func
	switch {
	case f.Fast != nil:
		call = func(args ...any) (any, error) { return f.Fast(args[0]), nil }
	case f.Safe != nil:
		call = func(args ...any) (any, error) { v, _, err := f.Safe(args...); return v, err }
	}
	return &builtin.Function{
		Name: f.Name,
		Func: func(args ...any) (v any, err error) {
			if len(args) > 0 && args[0] == nil && !knowsNil[f.Name] {
				return nil, nil
			}
			defer func() {
				if r := recover(); r != nil || err != nil {
					v, err = nil, refused(f.Name, args)
				}
			}()
			if !carriers[f.Name] {
				for i := range args {
					args[i] = number(args[i])
				}
			}
			return call(args...)
		},
		Validate: func(args []reflect.Type) (reflect.Type, error) { return anyType, takes(f, args) },
	}
}

// refused says what a function got, without the values.
func refused(name string, args []any) error {
	kinds := make([]string, len(args))
	for i, arg := range args {
		kinds[i] = kindOf(arg)
	}
	return problemf("%s does not take %s", name, strings.Join(kinds, " and "))
}

// takes tells whether f may be called with arguments of these types, of which
// most are not known before there is a record.
func takes(f *builtin.Function, args []reflect.Type) error {
	if f.Validate != nil {
		if _, err := f.Validate(args); err != nil && !slices.Contains(args, anyType) {
			return err
		} else if err != nil && len(args) == 0 {
			return err
		}
		return nil
	}
	for _, t := range f.Types {
		if fits(t, args) {
			return nil
		}
	}
	if len(f.Types) == 0 {
		return nil
	}
	return fmt.Errorf("%s does not take %d arguments of these types", f.Name, len(args))
}

func fits(t reflect.Type, args []reflect.Type) bool {
	if t.NumIn() != len(args) && !(t.IsVariadic() && len(args) >= t.NumIn()-1) {
		return false
	}
	for i, arg := range args {
		if arg == nil || arg.Kind() == reflect.Interface {
			continue
		}
		in := t.In(min(i, t.NumIn()-1))
		if t.IsVariadic() && i >= t.NumIn()-1 {
			in = in.Elem()
		}
		if !arg.AssignableTo(in) && !arg.ConvertibleTo(in) {
			return false
		}
	}
	return true
}

// ours are functions that the language lacks, and those of its own that we do
// otherwise.
func ours() []*builtin.Function {
	all := []*builtin.Function{
		fixed("absent", 0, func(...any) (any, error) { return absent, nil }),
		fixed("text", 1, func(args ...any) (any, error) { return text(args[0]) }),
		fixed("days", 1, func(args ...any) (any, error) { return days(args[0]) }),
		fixed("fromJSON", 1, func(args ...any) (any, error) { return fromJSON(args[0]) }),
		fixed("get", 2, func(args ...any) (any, error) { v, _, err := memberOf(args[0], number(args[1])); return v, err }),
		ranged("join", 1, 2, join),
		ranged("replace", 3, 4, replace),
		fixed("repeat", 2, func(args ...any) (any, error) { return repeat(args[0], number(args[1])) }),
		fixed(fnField, 2, func(args ...any) (any, error) { return args[0].(*evaluation).field(args[1].(string)), nil }),
		fixed(fnMember, 3, func(args ...any) (any, error) { return args[0].(*evaluation).member(args[1], args[2]) }),
		fixed(fnSlice, 3, func(args ...any) (any, error) { return slice(args[0], args[1], args[2]) }),
		fixed(fnMark, 1, func(args ...any) (any, error) { return args[0].(*evaluation).missing, nil }),
		fixed(fnForget, 3, func(args ...any) (any, error) { args[0].(*evaluation).missing = args[1].(bool); return args[2], nil }),
		fixed(fnList, 1, func(args ...any) (any, error) { return list(args[0]) }),
		fixed(fnNumber, 1, func(args ...any) (any, error) { return number(args[0]), nil }),
	}
	for name, perSecond := range map[string]int64{"seconds": 1, "millis": 1e3, "micros": 1e6} {
		all = append(all, fixed(name, 1, func(args ...any) (any, error) { return epoch(args[0], perSecond) }))
	}
	for op := range operators {
		do, gives := operate, anyType
		if op[0] == '<' || op[0] == '>' {
			do, gives = compare, boolType
		}
		f := fixed(op+" ", 2, func(args ...any) (any, error) { return do(strings.Replace(op, "^", "**", 1), args[0], args[1]) })
		f.Validate = func([]reflect.Type) (reflect.Type, error) { return gives, nil }
		all = append(all, f)
	}
	return all
}

func fixed(name string, n int, call func(...any) (any, error)) *builtin.Function {
	return ranged(name, n, n, call)
}

func ranged(name string, least, most int, call func(...any) (any, error)) *builtin.Function {
	return &builtin.Function{Name: name, Func: call, Validate: func(args []reflect.Type) (reflect.Type, error) {
		if len(args) < least || len(args) > most {
			return anyType, fmt.Errorf("%s takes %d arguments, not %d", name, least, len(args))
		}
		return anyType, nil
	}}
}

// field reads a field of the record, or what the names with an underscore mean.
func (e *evaluation) field(name string) any {
	v, present := e.in.field(name)
	e.missing = e.missing || !present
	return v
}

// list lets lists and nil pass.
func list(v any) (any, error) {
	if v != nil && reflect.TypeOf(v).Kind() != reflect.Slice {
		return nil, problemf("a list is needed, not %s", kindOf(v))
	}
	return v, nil
}

// fromJSON reads JSON without rounding its numbers.
func fromJSON(v any) (any, error) {
	s, ok := v.(string)
	if !ok && v != nil {
		return nil, refused("fromJSON", []any{v})
	} else if v == nil {
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader([]byte(s)))
	dec.UseNumber()
	var out any
	if err := dec.Decode(&out); err != nil {
		return nil, problemf("the text is not JSON")
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, problemf("the text is more than one JSON value")
	}
	return out, nil
}

func join(args ...any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	glue := ""
	if len(args) == 2 {
		var ok bool
		if glue, ok = args[1].(string); !ok {
			return nil, refused("join", args)
		}
	}
	var parts []string
	total := 0
	switch list := args[0].(type) {
	case []string:
		parts = list
	case []any:
		for _, item := range list {
			s, err := text(item)
			if err != nil || item == nil {
				return nil, problemf("join takes a list of texts and numbers")
			}
			parts = append(parts, s.(string))
		}
	default:
		return nil, refused("join", args)
	}
	for _, p := range parts {
		if total += len(p) + len(glue); total > maxTextBytes {
			return nil, errTextTooLong
		}
	}
	return strings.Join(parts, glue), nil
}

func replace(args ...any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	s, sok := args[0].(string)
	old, ook := args[1].(string)
	by, bok := args[2].(string)
	n, nok := -1, true
	if len(args) == 4 {
		n, nok = number(args[3]).(int)
	}
	if !sok || !ook || !bok || !nok {
		return nil, refused("replace", args)
	}
	times := strings.Count(s, old)
	if n >= 0 {
		times = min(times, n)
	}
	if len(s)+times*len(by) > maxTextBytes {
		return nil, errTextTooLong
	}
	return strings.Replace(s, old, by, n), nil
}

func repeat(v, times any) (any, error) {
	if v == nil {
		return nil, nil
	}
	s, sok := v.(string)
	n, nok := times.(int)
	switch {
	case !sok || !nok || n < 0:
		return nil, refused("repeat", []any{v, times})
	case n > maxTextBytes || len(s)*n > maxTextBytes:
		return nil, errTextTooLong
	}
	return strings.Repeat(s, n), nil
}
