package publish

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"sfbridge/internal/flow"
	"sfbridge/salesforce"
)

// put converts a value for a field and stores it.
func (t *target) put(out map[string]any, v any) *refusal {
	c, err := t.convert(v)
	if err != nil {
		return &refusal{reason: flow.BadValue, text: fmt.Sprintf("field %s: %v", t.name, err), fields: []string{t.name}}
	}
	out[t.name] = c
	return nil
}

// convert makes a decoded value one that the schema takes. Nothing is cut and
// nothing guessed; errors hold no values. Empty text is null, as everywhere in
// Salesforce.
func (t *target) convert(v any) (any, error) {
	if v == nil || v == "" {
		return nil, nil
	}
	switch t.avro {
	case "string":
		return t.text(v)
	case "boolean":
		return boolean(v)
	case "double", "float":
		return number(v)
	case "int":
		return whole(v)
	case "long":
		return t.long(v)
	}
	return v, nil // the codec takes it or says why not
}

func (t *target) text(v any) (any, error) {
	var s string
	switch v := v.(type) {
	case string:
		s = v
	case bool:
		s = strconv.FormatBool(v)
	case json.Number:
		digits, err := salesforce.Digits(v)
		if err != nil {
			return nil, err
		}
		s = digits
	case []any: // a multi-select list
		for i, each := range v {
			part, ok := each.(string)
			if !ok || strings.Contains(part, ";") {
				return nil, errors.New("a list for text holds something else than text without semicolons")
			}
			s += strings.Repeat(";", min(i, 1)) + part
		}
	default:
		return nil, fmt.Errorf("%s is no text", kindOf(v))
	}
	if !utf8.ValidString(s) {
		return nil, errors.New("the text is not UTF-8")
	}
	if n := salesforce.TextLength(s); t.length > 0 && n > t.length {
		return nil, fmt.Errorf("the text has %d characters, the field takes %d", n, t.length)
	}
	return s, nil
}

func boolean(v any) (any, error) {
	switch v := v.(type) {
	case bool:
		return v, nil
	case string:
		switch strings.ToLower(v) {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
	case json.Number:
		switch v {
		case "0":
			return false, nil
		case "1":
			return true, nil
		}
	}
	return nil, fmt.Errorf("%s is neither true nor false", kindOf(v))
}

// number takes JSON numbers, also as text; 1.234,56 is none.
func number(v any) (json.Number, error) {
	n, isNumber := v.(json.Number)
	if s, ok := v.(string); ok {
		n, isNumber = json.Number(s), true
	}
	if !isNumber {
		return "", fmt.Errorf("%s is no number", kindOf(v))
	}
	digits, err := salesforce.Digits(n)
	return json.Number(digits), err
}

func whole(v any) (any, error) {
	n, err := number(v)
	if err != nil {
		return nil, err
	}
	whole, fraction, _ := strings.Cut(string(n), ".")
	if strings.Trim(fraction, "0") != "" {
		return nil, errors.New("the number has a fraction, and the field takes none")
	}
	i, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return nil, errors.New("the number is out of range")
	}
	return i, nil
}

const dayMillis = 24 * 60 * 60 * 1000

// long makes what events carry as milliseconds: a date and time, a date at
// midnight UTC, a time of day. Numbers are milliseconds already.
func (t *target) long(v any) (any, error) {
	s, isText := v.(string)
	if !isText {
		n, err := whole(v)
		if ms, ok := n.(int64); ok && t.kind == "date" && ms%dayMillis != 0 {
			return nil, errors.New("the number is no midnight UTC in milliseconds")
		}
		return n, err
	}
	s = strings.TrimSpace(s)
	switch t.kind {
	case "date":
		return date(s)
	case "time":
		return timeOfDay(s)
	case "datetime":
		return dateTime(s)
	}
	if at, err := dateTime(s); err == nil {
		return at, nil
	}
	return whole(s)
}

// dateTimeForms are those that people and systems write: RFC 3339, and
// Salesforce's own offset without a colon.
var dateTimeForms = [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700"}

func dateTime(s string) (any, error) {
	for _, form := range dateTimeForms {
		if at, err := time.Parse(form, s); err == nil {
			return at.UnixMilli(), nil
		}
	}
	return nil, errors.New("the text is no date and time with an offset, such as 2024-10-27T01:30:00Z")
}

// date takes a date, or a date and time that is midnight UTC: any other would
// be another day somewhere.
func date(s string) (any, error) {
	if at, err := time.Parse(time.DateOnly, s); err == nil {
		return at.UnixMilli(), nil
	}
	if ms, err := dateTime(s); err == nil && ms.(int64)%dayMillis == 0 {
		return ms, nil
	}
	return nil, errors.New("the text is no date such as 2024-02-29")
}

func timeOfDay(s string) (any, error) {
	at, err := time.Parse("15:04:05.999999999", strings.TrimSuffix(s, "Z"))
	if err != nil {
		return nil, errors.New("the text is no time of day such as 23:59:59.999Z")
	}
	return at.Sub(time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, time.UTC)).Milliseconds(), nil
}

// kindOf names the kind of a decoded value.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case string:
		return "a text"
	case json.Number:
		return "a number"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return fmt.Sprintf("a %T", v)
}
