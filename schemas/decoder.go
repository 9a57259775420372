package schemas

import (
	"context"
	"fmt"
	"sync"
	"time"
	"unicode/utf8"
)

// Format says how values of a topic are read.
type Format string

// The formats. Auto takes what begins with a zero byte, as the Schema Registry's
// wire format does and no JSON, for that, and anything else for JSON.
const (
	Auto Format = "auto"
	Avro Format = "avro" // wire format: Avro, or JSON if the registry says so
	JSON Format = "json" // plain JSON
)

// Decoder turns the values of any topic into trees of nil, bool, string,
// json.Number, []any and map[string]any. It is safe for use by many goroutines.
type Decoder struct {
	registry *Registry
	writers  *flight[ID, *writer]

	mu      sync.Mutex
	unknown map[ID]time.Time // guarded by mu; when the registry first did not know an id
}

// NewDecoder returns a decoder that asks the registry for writers' schemas. With
// a nil registry it reads plain JSON alone.
func NewDecoder(r *Registry) *Decoder {
	return &Decoder{registry: r, writers: newFlight[ID, *writer](maxCachedCodecs), unknown: make(map[ID]time.Time)}
}

// Decode decodes a value. Avro of any writer's schema comes without the tags of
// unions: numbers and decimals with all their digits, floats in the shortest text
// that means the same, a date as 2006-01-02, a time of day as 15:04:05.000Z, a
// timestamp in RFC 3339 in UTC, symbols and UUIDs as text, bytes and fixed as
// base64. Of a change event, what it does not speak of is not in the tree: see
// changeTree. JSON comes as it is.
//
// An error for which Retryable is true is the registry's: the record may be
// tried again. Any other is the record's own fault, unless ctx has ended: a
// *FormatError, *PayloadError, *SchemaError, or a *LookupError for an id that the
// registry does not know.
func (d *Decoder) Decode(ctx context.Context, data []byte, format Format) (any, error) {
	v, err := d.decode(ctx, data, format)
	if err == nil && v == nil {
		return nil, &FormatError{Reason: "the value is null: a tombstone has no bytes at all"}
	}
	return v, err
}

func (d *Decoder) decode(ctx context.Context, data []byte, format Format) (any, error) {
	switch {
	case len(data) == 0:
		return nil, &FormatError{Reason: "the value is empty"}
	case data[0] != 0 && format == Avro:
		return nil, &FormatError{
			Reason: fmt.Sprintf("%v: the first byte is %#02x, not 0", ErrNotFramed, data[0]),
			Hint:   "for plain JSON the format is json, and auto tells the two apart",
		}
	case data[0] != 0:
		return parseJSON(data)
	case format == JSON:
		return nil, &FormatError{
			Reason: "not JSON: the first byte is 0, as in the Schema Registry's wire format",
			Hint:   "for that the format is avro, and auto tells the two apart",
		}
	case d.registry == nil:
		return nil, &FormatError{
			Reason: "the value is in the Schema Registry's wire format, and no registry is known",
			Hint:   "set schema_registry.url",
		}
	}
	id, payload, err := ParseFrame(data)
	if err != nil || id <= 0 {
		return nil, &FormatError{Reason: fmt.Sprintf("%v: the first byte is 0, but no schema id follows", ErrNotFramed)}
	}
	w, err := d.writer(ctx, id)
	if err != nil {
		return nil, err
	}
	return w.decode(payload)
}

// DecodeKey decodes a key. Keys are often plain text, so whatever is neither in
// the wire format nor a JSON object, list or string is taken for text: 42 and
// {abc} come as they are spelt. No key, and one that cannot be read as anything,
// is nil. The error is always one that may pass: see Decode.
func (d *Decoder) DecodeKey(ctx context.Context, data []byte, format Format) (any, error) {
	if len(data) == 0 {
		return nil, nil
	}
	framed := data[0] == 0 && format != JSON && len(data) > frameBytes && d.registry != nil
	if framed || data[0] == '{' || data[0] == '[' || data[0] == '"' {
		v, err := d.decode(ctx, data, Auto)
		if err == nil || Retryable(err) || ctx.Err() != nil {
			return v, err
		}
	}
	if !utf8.Valid(data) || data[0] == 0 {
		return nil, nil
	}
	return string(data), nil
}

// FormatError says that bytes are not in the format that they are read as.
type FormatError struct {
	Reason string
	Offset int    // of the byte where that shows, as far as it is known
	Hint   string // what to do, if we know
}

// Error gives the reason, the place and the hint, and never a value.
func (e *FormatError) Error() string {
	text := e.Reason
	if e.Offset > 0 {
		text = fmt.Sprintf("%s, at byte %d", text, e.Offset)
	}
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	return text
}
