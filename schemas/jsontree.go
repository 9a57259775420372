package schemas

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	maxSchemaBytes = 4 << 20 // a gRPC message; a schema of 800 fields has 0.1 MiB
	maxSchemaDepth = 64
)

// object is a JSON object that keeps the order of its keys, so that a schema
// is written again as people know it.
type object struct {
	keys   []string
	values map[string]any
}

func (o *object) get(key string) any { return o.values[key] }

func (o *object) has(key string) bool {
	_, ok := o.values[key]
	return ok
}

func (o *object) set(key string, v any) {
	if !o.has(key) {
		o.keys = append(o.keys, key)
	}
	o.values[key] = v
}

// text gives a string value, or "" if there is none.
func (o *object) text(key string) string {
	s, _ := o.values[key].(string)
	return s
}

// parseTree reads schema JSON into *object, []any, string, json.Number, bool
// and nil. A schema may also be the bare name of a primitive type, which some
// registries give without quotes.
func parseTree(text string) (any, error) {
	if len(text) > maxSchemaBytes {
		return nil, fmt.Errorf("%d bytes of schema, at most %d are read", len(text), maxSchemaBytes)
	}
	if bare := strings.TrimSpace(text); primitives[bare] != kindInvalid {
		return bare, nil
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	v, err := parseValue(dec, 0)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("more than one JSON value")
	}
	return v, nil
}

func parseValue(dec *json.Decoder, depth int) (any, error) {
	if depth > maxSchemaDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxSchemaDepth)
	}
	tok, err := dec.Token()
	if err != nil {
		return nil, unexpectedEOF(err)
	}
	switch tok {
	case json.Delim('{'):
		return parseObject(dec, depth)
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			v, err := parseValue(dec, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := dec.Token()
		return list, unexpectedEOF(err)
	}
	return tok, nil
}

func parseObject(dec *json.Decoder, depth int) (*object, error) {
	o := &object{values: make(map[string]any)}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, unexpectedEOF(err)
		}
		v, err := parseValue(dec, depth+1)
		if err != nil {
			return nil, err
		}
		o.set(key.(string), v) // inside an object the decoder allows no other key
	}
	_, err := dec.Token()
	return o, unexpectedEOF(err)
}

func unexpectedEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// writeTree writes a tree as compact JSON.
func writeTree(w *bytes.Buffer, v any) {
	switch v := v.(type) {
	case *object:
		w.WriteByte('{')
		for i, key := range v.keys {
			if i > 0 {
				w.WriteByte(',')
			}
			writeString(w, key)
			w.WriteByte(':')
			writeTree(w, v.values[key])
		}
		w.WriteByte('}')
	case []any:
		w.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				w.WriteByte(',')
			}
			writeTree(w, item)
		}
		w.WriteByte(']')
	case string:
		writeString(w, v)
	case json.Number:
		w.WriteString(v.String())
	case bool:
		fmt.Fprint(w, v)
	default:
		w.WriteString("null")
	}
}

// writeString writes a JSON string without the HTML escapes that json.Marshal
// adds: doc texts stay readable.
func writeString(w *bytes.Buffer, s string) {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.Encode(s)           // of a string: cannot fail
	w.Truncate(w.Len() - 1) // the newline
}
