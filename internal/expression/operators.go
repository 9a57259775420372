package expression

import (
	"encoding/json"
	"math"
	"reflect"
	"time"
	"unicode/utf8"

	"github.com/expr-lang/expr/vm/runtime"
)

// operate does one of the arithmetic operators. Of nil it makes nil.
func operate(op string, a, b any) (any, error) {
	if a == nil || b == nil {
		return nil, nil
	}
	if s, ok := a.(string); ok && op == "+" {
		if t, ok := b.(string); ok {
			if len(s)+len(t) > maxTextBytes {
				return nil, errTextTooLong
			}
			return s + t, nil
		}
	}
	if timely(a) || timely(b) {
		return operateOnTimes(op, a, b)
	}
	a, b = whole(a), whole(b)
	if !isNumber(a) || !isNumber(b) {
		return nil, problemf("%s does not take %s and %s", op, kindOf(a), kindOf(b))
	}
	switch op {
	case "+", "-", "*":
		if v, ok := exact(op, a, b); ok {
			return v, nil
		}
	}
	return inexact(op, number(a), number(b))
}

// whole makes an int of what is an integer of 64 bits.
func whole(v any) any {
	if i, ok := number(v).(int); ok {
		return i
	}
	return v
}

func inexact(op string, a, b any) (any, error) {
	switch op {
	case "+":
		return runtime.Add(a, b), nil
	case "-":
		return runtime.Subtract(a, b), nil
	case "*":
		return runtime.Multiply(a, b), nil
	case "/":
		if runtime.ToFloat64(b) == 0 {
			return nil, problemf("a division by zero")
		}
		return runtime.Divide(a, b), nil
	case "%":
		x, xok := a.(int)
		y, yok := b.(int)
		switch {
		case !xok || !yok:
			return nil, problemf("%% takes integers")
		case y == 0:
			return nil, problemf("a division by zero")
		case y == -1:
			return 0, nil
		}
		return x % y, nil
	}
	return math.Pow(runtime.ToFloat64(a), runtime.ToFloat64(b)), nil
}

func timely(v any) bool {
	switch v.(type) {
	case time.Time, time.Duration:
		return true
	}
	return false
}

func operateOnTimes(op string, a, b any) (v any, err error) {
	defer func() {
		if recover() != nil { // how the runtime says no
			err = problemf("%s does not take %s and %s", op, kindOf(a), kindOf(b))
		}
	}()
	a, b = number(a), number(b)
	switch op {
	case "+":
		return runtime.Add(a, b), nil
	case "-":
		return runtime.Subtract(a, b), nil
	case "*":
		return runtime.Multiply(a, b), nil
	}
	return nil, problemf("%s does not take %s and %s", op, kindOf(a), kindOf(b))
}

// compare does <, <=, > and >=, on numbers, texts, times and durations.
func compare(op string, a, b any) (any, error) {
	if a == nil || b == nil {
		return nil, problemf("%s compares with nil: give a default, as in (field ?? 0)", op)
	}
	a, b = number(a), number(b)
	if !(isNumber(a) && isNumber(b)) && reflect.TypeOf(a) != reflect.TypeOf(b) {
		return nil, problemf("%s does not compare %s with %s", op, kindOf(a), kindOf(b))
	}
	switch a.(type) {
	case int, float64, string, time.Time, time.Duration:
	default:
		return nil, problemf("%s does not compare %s with %s", op, kindOf(a), kindOf(b))
	}
	switch op {
	case "<":
		return runtime.Less(a, b), nil
	case "<=":
		return runtime.LessOrEqual(a, b), nil
	case ">":
		return runtime.More(a, b), nil
	}
	return runtime.MoreOrEqual(a, b), nil
}

func isNumber(v any) bool {
	switch v.(type) {
	case int, int64, float64, json.Number:
		return true
	}
	return false
}

// kindOf names what v is, for messages that must not quote it.
func kindOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "nil"
	case bool:
		return "a boolean"
	case string:
		return "text"
	case time.Time:
		return "a time"
	case time.Duration:
		return "a duration"
	default:
		if isNumber(v) {
			return "a number"
		}
	}
	switch reflect.TypeOf(v).Kind() {
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map:
		return "a record"
	case reflect.Func:
		return "a function"
	}
	return "a value without a name"
}

// member gives a part of v: of a record by name, of a list or text by place,
// from the end if the place is negative. What is not there is nil.
func (e *evaluation) member(v, key any) (any, error) {
	out, ok, err := memberOf(v, number(key))
	if err == nil && !ok {
		e.missing = e.missing || v == nil || !isText(v)
	}
	return out, err
}

func isText(v any) bool {
	_, ok := v.(string)
	return ok
}

func memberOf(v, key any) (out any, ok bool, err error) {
	name, named := key.(string)
	switch v := v.(type) {
	case nil:
		return nil, false, nil
	case map[string]any:
		out, ok = v[name]
		return out, ok && named, nil
	case map[string]string:
		s, ok := v[name]
		if !ok || !named {
			return nil, false, nil
		}
		return s, true, nil
	case time.Time, time.Duration:
		return method(v, name)
	}
	at, placed := key.(int)
	rv := reflect.ValueOf(v)
	switch {
	case placed && rv.Kind() == reflect.String && isText(v):
		runes := []rune(v.(string))
		if at, ok = place(at, len(runes)); ok {
			out = string(runes[at])
		}
		return out, ok, nil
	case placed && rv.Kind() == reflect.Slice:
		if at, ok = place(at, rv.Len()); ok {
			out = rv.Index(at).Interface()
		}
		return out, ok, nil
	case rv.Kind() == reflect.Map && key != nil && reflect.TypeOf(key).AssignableTo(rv.Type().Key()) && reflect.TypeOf(key).Comparable():
		if item := rv.MapIndex(reflect.ValueOf(key)); item.IsValid() {
			return item.Interface(), true, nil
		}
		return nil, false, nil
	}
	return nil, false, problemf("%s has no member that is told by %s", kindOf(v), kindOf(key))
}

func method(v any, name string) (any, bool, error) {
	if m := reflect.ValueOf(v).MethodByName(name); name != "" && m.IsValid() {
		return m.Interface(), true, nil
	}
	return nil, false, problemf("%s has no such method", kindOf(v))
}

// place counts from the end if it is negative.
func place(at, length int) (int, bool) {
	if at < 0 {
		at += length
	}
	return at, 0 <= at && at < length
}

// slice gives v[from:to], of text by characters. Bounds beyond the ends are the
// ends; of nil it is nil.
func slice(v, from, to any) (any, error) {
	if v == nil {
		return nil, nil
	}
	s, isString := v.(string)
	rv := reflect.ValueOf(v)
	if !isString && rv.Kind() != reflect.Slice {
		return nil, problemf("%s has no parts from and to a place", kindOf(v))
	}
	length := utf8.RuneCountInString(s)
	if !isString {
		length = rv.Len()
	}
	i, iok := bound(from, 0, length)
	j, jok := bound(to, length, length)
	if !iok || !jok {
		return nil, problemf("places are integers, not %s and %s", kindOf(from), kindOf(to))
	}
	j = max(i, j)
	if isString {
		return string([]rune(s)[i:j]), nil
	}
	return rv.Slice(i, j).Interface(), nil
}

// bound gives a place within 0 and length.
func bound(v any, none, length int) (int, bool) {
	if v == nil {
		return none, true
	}
	at, ok := number(v).(int)
	if at < 0 {
		at += length
	}
	return min(max(at, 0), length), ok
}
