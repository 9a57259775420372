package salesforce

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ValueError is a record that cannot be sent as it is. It is found before any
// call, and the values themselves are not in its text.
type ValueError struct {
	Index  int    // of the record among those given
	Field  string // its name, with its parents' names before it
	Reason string // what is wrong and what would be right
}

func (e *ValueError) Error() string {
	return fmt.Sprintf("record %d: field %s: %s", e.Index, e.Field, e.Reason)
}

// Retryable is false: the record has to change first.
func (e *ValueError) Retryable() bool { return false }

// Numbers are written as the digits they came with. A float has lost them: it
// turned 9007199254740993 into another row's key (C58 of the users' cases).
const noFloats = "a float cannot hold every number: give a json.Number with the digits"

// Digits returns the plain decimal form of a JSON number, exactly: 3.8861788E7
// is 38861788. What is not a JSON number, such as 1.234,56, is refused.
func Digits(n json.Number) (string, error) {
	s := string(n)
	if !isNumber(s) {
		return "", errors.New("not a number in JSON's form: digits with a dot as the decimal sign and no grouping")
	}
	mantissa, exponent, scientific := strings.Cut(strings.ToLower(s), "e")
	if !scientific {
		return s, nil
	}
	shift, err := strconv.Atoi(exponent)
	if err != nil || shift < -400 || shift > 400 {
		return "", errors.New("exponent is out of range")
	}
	mantissa, negative := strings.CutPrefix(mantissa, "-")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits, point := whole+fraction, len(whole)+shift
	if point < 1 {
		digits, point = strings.Repeat("0", 1-point)+digits, 1
	}
	if point > len(digits) {
		digits += strings.Repeat("0", point-len(digits))
	}
	out := strings.TrimLeft(digits[:point], "0")
	if out == "" {
		out = "0"
	}
	if rest := strings.TrimRight(digits[point:], "0"); rest != "" {
		out += "." + rest
	}
	if negative {
		out = "-" + out
	}
	return out, nil
}

func isNumber(s string) bool {
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	return s != "" && (s[0] == '-' || digit(s[0])) && digit(s[len(s)-1]) && json.Valid([]byte(s))
}

// Text returns the text of a plain value, for a key in a path or a cell of
// CSV: a string as it is, a number by its digits. It refuses floats, text that
// is not UTF-8, and what is not a plain value.
func Text(v any) (string, error) {
	switch v := v.(type) {
	case string:
		if !utf8.ValidString(v) {
			return "", errors.New("text is not UTF-8")
		}
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case json.Number:
		return Digits(v)
	case int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64:
		return fmt.Sprint(v), nil
	case float32, float64:
		return "", errors.New(noFloats)
	}
	return "", fmt.Errorf("%T is not a value of a field", v)
}

// appendValue appends a value in JSON. The path is where errors say it is.
func appendValue(b []byte, path string, v any) ([]byte, *ValueError) {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case string:
		if !utf8.ValidString(v) {
			return b, &ValueError{Field: path, Reason: "text is not UTF-8"}
		}
		return appendString(b, v), nil
	case json.Number:
		if !isNumber(string(v)) {
			_, err := Digits(v)
			return b, &ValueError{Field: path, Reason: err.Error()}
		}
		return append(b, v...), nil
	case Record:
		return appendFields(b, path+".", v, "", nil)
	case map[string]any:
		return appendFields(b, path+".", v, "", nil)
	}
	text, err := Text(v)
	if err != nil {
		return b, &ValueError{Field: path, Reason: err.Error()}
	}
	return append(b, text...), nil
}

// appendFields appends a record as a JSON object: its type first, if there is
// one, then its fields by name, less those to leave out.
func appendFields(b []byte, path string, rec Record, object string, leave func(string) bool) ([]byte, *ValueError) {
	b = append(b, '{')
	first := true
	if object != "" {
		b = appendString(append(b, `"attributes":{"type":`...), object)
		b = append(b, '}')
		first = false
	}
	for _, name := range slices.Sorted(maps.Keys(rec)) {
		if object != "" && name == "attributes" || leave != nil && leave(name) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		var err *ValueError
		if b, err = appendValue(append(appendString(b, name), ':'), path+name, rec[name]); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

const hex = "0123456789abcdef"

// appendString appends a JSON string: UTF-8 as it is, with what must be
// escaped escaped.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch ch := s[i]; {
		case ch == '"', ch == '\\':
			b = append(b, '\\', ch)
		case ch == '\n':
			b = append(b, '\\', 'n')
		case ch < 0x20:
			b = append(b, '\\', 'u', '0', '0', hex[ch>>4], hex[ch&15])
		default:
			b = append(b, ch)
		}
	}
	return append(b, '"')
}

// TextLength counts a text as Salesforce counts the length of a field: in
// UTF-16 units, of which an emoji takes two.
func TextLength(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}
