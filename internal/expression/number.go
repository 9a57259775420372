package expression

import (
	"encoding/json"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// Numbers of a record are json.Number, and stay so while an expression only
// hands them on. Operators and functions turn them into what the VM knows: int
// if the number is an integer of 64 bits, otherwise float64.

// number makes v, and the items of a list, the VM's.
func number(v any) any {
	switch v := v.(type) {
	case json.Number:
		return vmNumber(v)
	case int64: // these come from methods of times
		return int(v)
	case time.Month:
		return int(v)
	case time.Weekday:
		return int(v)
	case []any:
		for i := range v {
			if n := number(v[i]); changed(v[i], n) {
				return numbersFrom(v, i)
			}
		}
	}
	return v
}

// changed tells whether number has made another value of v.
func changed(v, n any) bool {
	switch v := v.(type) {
	case json.Number, int64, time.Month, time.Weekday:
		return true
	case []any:
		return len(v) > 0 && &v[0] != &n.([]any)[0]
	}
	return false
}

// numbersFrom copies a list, since the record's own is not to be changed.
func numbersFrom(list []any, from int) []any {
	out := make([]any, len(list))
	copy(out, list[:from])
	for i := from; i < len(list); i++ {
		out[i] = number(list[i])
	}
	return out
}

func vmNumber(n json.Number) any {
	if i, err := strconv.ParseInt(string(n), 10, 64); err == nil {
		return int(i)
	}
	f, _ := strconv.ParseFloat(string(n), 64) // beyond the range: infinite
	return f
}

// decimal is an exact number: unscaled / 10^scale.
type decimal struct {
	unscaled *big.Int
	scale    int
}

// maxExponent bounds exponents and scales, so that no number of few bytes takes
// many. A float64 has less than 310 digits before the point.
const maxExponent = 400

// toDecimal gives a number exactly, a float64 by the shortest text that means
// it. ok is false for what is no number, and beyond maxExponent.
func toDecimal(v any) (d decimal, ok bool) {
	switch v := v.(type) {
	case int:
		return decimal{big.NewInt(int64(v)), 0}, true
	case float64:
		return parseDecimal(strconv.FormatFloat(v, 'e', -1, 64))
	case json.Number:
		return parseDecimal(string(v))
	}
	return decimal{}, false
}

func parseDecimal(text string) (d decimal, ok bool) {
	mantissa, exponent := text, 0
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		e, err := strconv.Atoi(text[i+1:])
		if err != nil {
			return decimal{}, false
		}
		mantissa, exponent = text[:i], e
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if len(mantissa) > maxExponent || exponent < -maxExponent || exponent > maxExponent {
		return decimal{}, false
	}
	unscaled, ok := new(big.Int).SetString(whole+fraction, 10)
	if !ok {
		return decimal{}, false
	}
	d = decimal{unscaled, len(fraction) - exponent}
	if d.scale < 0 {
		d.unscaled.Mul(d.unscaled, tenTo(-d.scale))
		d.scale = 0
	}
	return d, true
}

func tenTo(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// at gives the unscaled value at a larger scale.
func (d decimal) at(scale int) *big.Int {
	if d.scale == scale {
		return d.unscaled
	}
	return new(big.Int).Mul(d.unscaled, tenTo(scale-d.scale))
}

// text gives the digits without an exponent, and without zeros at the end of a
// fraction that grew by computing.
func (d decimal) text() string {
	digits := d.unscaled.String()
	sign := ""
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	if d.scale == 0 {
		return sign + digits
	}
	if pad := d.scale + 1 - len(digits); pad > 0 {
		digits = strings.Repeat("0", pad) + digits
	}
	point := len(digits) - d.scale
	return sign + digits[:point] + "." + digits[point:]
}

// exact does +, - and * on numbers: on integers of 64 bits as long as the
// result is one, otherwise in decimals.
func exact(op string, a, b any) (any, bool) {
	if i, ok := a.(int); ok {
		if j, ok := b.(int); ok {
			if v, ok := integer(op, i, j); ok {
				return v, true
			}
		}
	}
	x, xok := toDecimal(a)
	y, yok := toDecimal(b)
	if !xok || !yok {
		return nil, false
	}
	scale := max(x.scale, y.scale)
	out := new(big.Int)
	switch op {
	case "+":
		out.Add(x.at(scale), y.at(scale))
	case "-":
		out.Sub(x.at(scale), y.at(scale))
	default:
		out.Mul(x.unscaled, y.unscaled)
		scale = x.scale + y.scale
	}
	d := decimal{out, scale}
	return json.Number(d.text()), true
}

// integer is exact on ints; ok is false if the result is beyond 64 bits.
func integer(op string, a, b int) (v int, ok bool) {
	switch op {
	case "+":
		v = a + b
		return v, (v > a) == (b > 0)
	case "-":
		v = a - b
		return v, (v < a) == (b > 0)
	}
	if a == 0 || b == 0 {
		return 0, true
	}
	v = a * b
	return v, v/b == a && !(a == -1 && b == math.MinInt) && !(b == -1 && a == math.MinInt)
}
