package schemas

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"
)

// maxJSONDepth bounds the nesting of JSON values.
const maxJSONDepth = 64

// parseJSON reads one JSON value. Numbers keep their digits; of a key that comes
// twice the last one counts. What encoding/json would mend in silence, text that
// is not UTF-8 and halves of surrogate pairs, is refused. The error is a
// *FormatError.
func parseJSON(data []byte) (any, error) {
	if !utf8.Valid(data) {
		return nil, &FormatError{Reason: "not JSON: the text is not UTF-8"}
	}
	if err := scanJSON(data); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		e := &FormatError{Reason: "not JSON: the value ends too early", Offset: len(data)}
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok && err != io.ErrUnexpectedEOF && err != io.EOF {
			e.Reason, e.Offset = "not JSON", int(syntax.Offset)
		}
		return nil, e
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, &FormatError{Reason: "more than one JSON value", Offset: int(dec.InputOffset())}
	}
	return v, nil
}

// scanJSON bounds the depth, and finds halves of surrogate pairs. Whether the
// text is JSON is not its business.
func scanJSON(data []byte) error {
	depth, inString, high := 0, false, false
	for i := 0; i < len(data); i++ {
		b := data[i]
		unit := uint16(0)
		switch {
		case !inString && b == '"':
			inString = true
		case !inString && (b == '{' || b == '['):
			if depth++; depth > maxJSONDepth {
				return &FormatError{Reason: "JSON nested deeper than 64", Offset: i}
			}
		case !inString && (b == '}' || b == ']'):
			depth--
		case !inString:
		case b == '\\' && i+5 < len(data) && data[i+1] == 'u':
			unit = hex4(data[i+2 : i+6])
			i += 5
		case b == '\\':
			i++
		case b == '"':
			inString = false
		}
		low := unit&0xfc00 == 0xdc00
		if high != low {
			return &FormatError{Reason: "JSON text with half of a surrogate pair", Offset: i}
		}
		high = unit&0xfc00 == 0xd800
	}
	return nil
}

// hex4 reads four hexadecimal digits; 0 if they are none.
func hex4(b []byte) (v uint16) {
	for _, d := range b {
		switch {
		case '0' <= d && d <= '9':
			v = v<<4 | uint16(d-'0')
		case 'a' <= d|0x20 && d|0x20 <= 'f':
			v = v<<4 | uint16(d|0x20-'a'+10)
		default:
			return 0
		}
	}
	return v
}
