package publish

import (
	"errors"

	"sfbridge/event"
	"sfbridge/internal/expression"
	"sfbridge/salesforce"
	"sfbridge/schemas"
)

// Convert makes a value one for a field with a type in the schema, a type in
// describe, and a length.
func Convert(avro, kind string, length int, v any) (any, error) {
	t := target{name: "F", avro: avro, kind: kind, length: length}
	return t.convert(v)
}

// UUIDOf makes a UUID of a name.
func UUIDOf(name string) string { return uuidOf(name) }

// Encoder gives the step that makes the bytes of an event of a decoded record.
func Encoder(fields map[string]string, id event.SchemaID, schemaJSON string) (func(*expression.Input) ([]byte, error), error) {
	codec, err := schemas.Compile(id, schemaJSON)
	if err != nil {
		return nil, err
	}
	f := &Flow{cfg: Config{Event: codec.Name(), Fields: fields}}
	if err := f.compile(); err != nil {
		return nil, err
	}
	s := &shape{id: id, codec: codec, user: "005000000000000AAA"}
	s.describe(&salesforce.Object{})
	s.bind(f)
	return func(in *expression.Input) ([]byte, error) {
		payload, why := f.encode(s, in)
		if why != nil {
			return nil, errors.New(why.text)
		}
		return payload, nil
	}, nil
}
