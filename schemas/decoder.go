package schemas

import (
	"context"
	"errors"
)

// Format says how values of a topic are read.
type Format string

// The formats. Auto takes what begins like the Schema Registry's wire format
// for that, and anything else for JSON.
const (
	Auto Format = "auto"
	Avro Format = "avro" // wire format, Avro
	JSON Format = "json" // plain JSON
)

// Decoder turns the values of any topic into trees of nil, bool, string,
// json.Number, []any and map[string]any. It is safe for use by many goroutines.
type Decoder struct{ registry *Registry }

// NewDecoder returns a decoder that asks the registry for writers' schemas.
func NewDecoder(r *Registry) *Decoder { return &Decoder{registry: r} }

// Decode decodes a value or a key. An error for which Retryable is false is the
// record's own fault.
func (d *Decoder) Decode(ctx context.Context, data []byte, format Format) (any, error) {
	return nil, errors.ErrUnsupported
}
