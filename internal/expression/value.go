package expression

import (
	"encoding/json"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"time"
)

// absent is what absent() gives: leave the field as it is.
var absent any = absentValue{}

type absentValue struct{}

const (
	maxResultNodes = 100000
	maxResultDepth = 64
)

// plain makes a result one of nil, bool, string, json.Number, []any and
// map[string]any. left is how many values it may have.
func plain(v any, depth int, left *int) (any, error) {
	if *left--; *left < 0 || depth > maxResultDepth {
		return nil, problemf("the result is too large or nested too deep")
	}
	switch v := v.(type) {
	case nil, bool, string, json.Number:
		return v, nil
	case int:
		return integerNumber(int64(v)), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, problemf("the result is no number")
		}
		return json.Number(strconv.FormatFloat(v, 'f', -1, 64)), nil
	case time.Time:
		return timeText(v)
	case time.Duration:
		return nil, problemf("a duration is no value of a field: give a number, as in text(d.Hours())")
	case absentValue:
		return nil, problemf("absent() stands for the whole result and cannot be a part of it")
	case []any:
		return plainList(reflect.ValueOf(v), depth, left)
	case map[string]string:
		return anyMap(v), nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, inner := range v {
			var err error
			if out[k], err = plain(inner, depth+1, left); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	switch rv := reflect.ValueOf(v); rv.Kind() {
	case reflect.Slice:
		return plainList(rv, depth, left)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return integerNumber(rv.Int()), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return json.Number(strconv.FormatUint(rv.Uint(), 10)), nil
	}
	return nil, problemf("the result is %s, which is no value of a field", kindOf(v))
}

func plainList(list reflect.Value, depth int, left *int) (any, error) {
	if list.Type().Elem().Kind() == reflect.Uint8 {
		return nil, problemf("the result is bytes, which are no value of a field: use toBase64")
	}
	out := make([]any, list.Len())
	for i := range out {
		var err error
		if out[i], err = plain(list.Index(i).Interface(), depth+1, left); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// text gives a value as text: numbers with all their digits and without an
// exponent, times in RFC 3339. Of nil it is nil.
func text(v any) (any, error) {
	switch v := v.(type) {
	case nil, string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int:
		return strconv.Itoa(v), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case json.Number:
		if d, ok := parseDecimal(string(v)); ok {
			return d.text(), nil
		}
		return string(v), nil
	case time.Time:
		return timeText(v)
	}
	return nil, problemf("text does not take %s", kindOf(v))
}

// timeText gives a time in UTC, in milliseconds, or in as many digits of a
// second as it has.
func timeText(t time.Time) (string, error) {
	t = t.UTC()
	if t.Year() < 0 || t.Year() > 9999 {
		return "", problemf("the time is not in the years 0 to 9999")
	}
	switch {
	case t.Nanosecond()%1e6 == 0:
		return t.Format("2006-01-02T15:04:05.000Z"), nil
	case t.Nanosecond()%1e3 == 0:
		return t.Format("2006-01-02T15:04:05.000000Z"), nil
	}
	return t.Format("2006-01-02T15:04:05.000000000Z"), nil
}

// epoch gives the time that is v parts of a second after 1970, exactly.
func epoch(v any, perSecond int64) (any, error) {
	if v == nil {
		return nil, nil
	}
	d, ok := toDecimal(v)
	if !ok {
		return nil, problemf("a time since 1970 is a number, not %s", kindOf(v))
	}
	nanos := new(big.Int).Mul(d.unscaled, big.NewInt(1e9/perSecond))
	nanos.Div(nanos, tenTo(d.scale)) // downward, as time goes
	seconds, rest := new(big.Int).DivMod(nanos, big.NewInt(1e9), new(big.Int))
	if !seconds.IsInt64() || seconds.Int64() > 1<<40 || seconds.Int64() < -1<<40 {
		return nil, problemf("the time is not in the years 0 to 9999")
	}
	return timeText(time.Unix(seconds.Int64(), rest.Int64()))
}

// days gives the date that is v days after 1970-01-01.
func days(v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	n, ok := number(v).(int)
	if !ok {
		return nil, problemf("a count of days is an integer, not %s", kindOf(v))
	}
	if n < -719528 || n > 2932896 {
		return nil, problemf("the date is not in the years 0 to 9999")
	}
	return time.Unix(int64(n)*86400, 0).UTC().Format(time.DateOnly), nil
}
