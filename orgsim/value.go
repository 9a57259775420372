package orgsim

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Kind is the storage kind of a Value.
type Kind uint8

// The storage kinds. Each field type maps to one of them (FieldType.Kind).
const (
	KindNull     Kind = iota
	KindString        // text, picklist values, ids
	KindBool          //
	KindInt           // 64-bit integers
	KindDecimal       // exact decimal text, canonical
	KindDate          // days since 1970-01-01
	KindTime          // milliseconds since midnight UTC
	KindDateTime      // milliseconds since the epoch, UTC
)

// Value is one typed field value; the zero Value is null. Values are
// comparable with ==: equal values have equal representations.
type Value struct {
	kind Kind
	text string
	num  int64
}

// String makes a text value. An empty text is null, as the platform stores
// it; what is no UTF-8 becomes the replacement character.
func String(s string) Value {
	if s == "" {
		return Value{}
	}
	return Value{kind: KindString, text: strings.ToValidUTF8(s, "\uFFFD")}
}

// Bool makes a checkbox value.
func Bool(b bool) Value {
	v := Value{kind: KindBool}
	if b {
		v.num = 1
	}
	return v
}

// Int makes an integer value.
func Int(n int64) Value { return Value{kind: KindInt, num: n} }

// Decimal makes an exact number from its decimal text, such as "12.50" or
// "-3e2". It fails on anything that is no decimal number.
func Decimal(text string) (Value, error) {
	canon, err := canonicalDecimal(text)
	if err != nil {
		return Value{}, err
	}
	return Value{kind: KindDecimal, text: canon}, nil
}

// MustDecimal is Decimal for literals; it panics on bad text.
func MustDecimal(text string) Value {
	v, err := Decimal(text)
	if err != nil {
		panic(err)
	}
	return v
}

// Date makes a calendar date from days since 1970-01-01.
func Date(days int64) Value { return Value{kind: KindDate, num: days} }

// DateOf makes the calendar date that t has in UTC.
func DateOf(t time.Time) Value { return Date(floorDiv(t.UTC().Unix(), 86400)) }

// TimeOfDay makes a time of day from milliseconds since midnight UTC.
func TimeOfDay(ms int64) Value { return Value{kind: KindTime, num: ms} }

// DateTime makes a moment from milliseconds since the epoch.
func DateTime(ms int64) Value { return Value{kind: KindDateTime, num: ms} }

// DateTimeOf makes a moment from t, cut to milliseconds.
func DateTimeOf(t time.Time) Value { return DateTime(t.UnixMilli()) }

// Kind tells how the value is stored.
func (v Value) Kind() Kind { return v.kind }

// IsNull tells whether the value is null.
func (v Value) IsNull() bool { return v.kind == KindNull }

// Text is the text of a string or decimal, and empty for the others.
func (v Value) Text() string { return v.text }

// True tells whether the value is a checked checkbox.
func (v Value) True() bool { return v.kind == KindBool && v.num != 0 }

// Int64 is the number of an integer, the days of a date, the milliseconds of
// a time or moment, and the whole part of a decimal.
func (v Value) Int64() int64 {
	if v.kind == KindDecimal {
		return int64(v.Float64())
	}
	return v.num
}

// Float64 is the nearest float of a number; events carry it.
func (v Value) Float64() float64 {
	if v.kind == KindDecimal {
		f, _ := strconv.ParseFloat(v.text, 64) // canonical text always parses; out of range gives ±Inf
		return f
	}
	return float64(v.num)
}

// Time is the moment of a datetime, or midnight UTC of a date.
func (v Value) Time() time.Time {
	if v.kind == KindDate {
		return time.Unix(v.num*86400, 0).UTC()
	}
	return time.UnixMilli(v.num).UTC()
}

// The text forms of the REST API.
const (
	dateLayout     = "2006-01-02"
	timeLayout     = "15:04:05.000Z"
	dateTimeLayout = "2006-01-02T15:04:05.000-0700"
)

// String is the text form that REST and Bulk show: dates as 2026-03-02, times
// as 09:15:07.000Z, moments as 2026-03-02T09:15:07.000+0000; null is empty.
func (v Value) String() string {
	switch v.kind {
	case KindString, KindDecimal:
		return v.text
	case KindBool:
		return strconv.FormatBool(v.num != 0)
	case KindInt:
		return strconv.FormatInt(v.num, 10)
	case KindDate:
		return v.Time().Format(dateLayout)
	case KindTime:
		return v.Time().Format(timeLayout)
	case KindDateTime:
		return v.Time().Format(dateTimeLayout)
	}
	return ""
}

// GoString names kind and text, for test failures.
func (v Value) GoString() string { return fmt.Sprintf("%s(%q)", v.kind, v.String()) }

// String names the kind.
func (k Kind) String() string {
	names := [...]string{"null", "string", "bool", "int", "decimal", "date", "time", "datetime"}
	if int(k) < len(names) {
		return names[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
