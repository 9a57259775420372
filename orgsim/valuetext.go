package orgsim

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// FromText reads a value in the text form of REST and Bulk for the field's
// type. Empty text is null. A refusal is a *FieldError.
func (f *FieldDef) FromText(text string) (Value, error) {
	if text == "" {
		return Value{}, nil
	}
	switch f.Type.Kind() {
	case KindBool:
		switch strings.ToLower(text) {
		case "true", "1":
			return Bool(true), nil
		case "false", "0":
			return Bool(false), nil
		}
	case KindInt:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return Int(n), nil
		}
	case KindDecimal:
		if v, err := Decimal(text); err == nil {
			return v, nil
		}
	case KindDate:
		if t, err := time.Parse(dateLayout, text); err == nil {
			return DateOf(t), nil
		}
		if v, ok := parseDateTime(text); ok {
			return DateOf(v.Time()), nil
		}
	case KindDateTime:
		if v, ok := parseDateTime(text); ok {
			return v, nil
		}
	case KindTime:
		if v, ok := parseTimeOfDay(text); ok {
			return v, nil
		}
	case KindString:
		return String(text), nil
	}
	return Value{}, f.badValue(text)
}

func (f *FieldDef) badValue(text string) *FieldError {
	if f.Type.IsCompound() {
		return fieldErr(CodeInvalidFieldForWrite, []string{f.Name}, "%s is made of other fields: write its components", f.Name)
	}
	return fieldErr(CodeJSONParserError, []string{f.Name}, "Cannot deserialize instance of %s from value %.80s", f.DescribeType(), text)
}

// parseDateTime accepts the offsets Z, +00:00 and +0000, with and without
// fractions, and a bare date as its midnight UTC.
func parseDateTime(text string) (Value, bool) {
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999-0700", "2006-01-02T15:04:05.999999999", dateLayout} {
		if t, err := time.Parse(layout, text); err == nil {
			return DateTimeOf(t), true
		}
	}
	return Value{}, false
}

func parseTimeOfDay(text string) (Value, bool) {
	text = strings.TrimSuffix(text, "Z")
	for _, layout := range [...]string{"15:04:05.999999999", "15:04"} {
		if t, err := time.Parse(layout, text); err == nil {
			return TimeOfDay(t.Sub(t.Truncate(24 * time.Hour)).Milliseconds()), true
		}
	}
	return Value{}, false
}

// FromJSON reads a decoded JSON value (nil, bool, string, json.Number, and
// also float64 and int64) for the field's type. A refusal is a *FieldError.
func (f *FieldDef) FromJSON(v any) (Value, error) {
	kind := f.Type.Kind()
	switch v := v.(type) {
	case nil:
		return Value{}, nil
	case bool:
		if kind == KindBool {
			return Bool(v), nil
		}
		return Value{}, f.badValue(strconv.FormatBool(v))
	case json.Number:
		return f.fromNumber(string(v))
	case float64:
		return f.fromNumber(strconv.FormatFloat(v, 'g', -1, 64))
	case int64:
		return f.fromNumber(strconv.FormatInt(v, 10))
	case int:
		return f.fromNumber(strconv.Itoa(v))
	case string:
		return f.FromText(v)
	}
	return Value{}, f.badValue("a JSON object or array")
}

func (f *FieldDef) fromNumber(text string) (Value, error) {
	switch f.Type.Kind() {
	case KindDecimal, KindString:
		return f.FromText(text)
	case KindInt:
		if canon, err := canonicalDecimal(text); err == nil {
			return f.FromText(canon)
		}
	}
	return Value{}, f.badValue(text)
}

// AppendJSON appends the JSON form of v that the REST API shows for the
// field: decimals keep a fraction (5.0), moments have the offset +0000.
func (f *FieldDef) AppendJSON(dst []byte, v Value) []byte {
	switch v.kind {
	case KindNull:
		return append(dst, "null"...)
	case KindBool:
		return strconv.AppendBool(dst, v.num != 0)
	case KindInt:
		return strconv.AppendInt(dst, v.num, 10)
	case KindDecimal:
		dst = append(dst, v.text...)
		if !strings.Contains(v.text, ".") {
			dst = append(dst, ".0"...)
		}
		return dst
	}
	text, err := json.Marshal(v.String())
	if err != nil {
		return append(dst, "null"...) // a string always marshals
	}
	return append(dst, text...)
}

// JSON gives v as a value for encoding/json with the same rules.
func (f *FieldDef) JSON(v Value) any { return json.RawMessage(f.AppendJSON(nil, v)) }
