package schemas

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"sfbridge/event"
)

const (
	// unknownFor is how long the registry has to go on not knowing an id before
	// that is the record's own fault: followers of a registry's leader learn of
	// a schema a little later.
	unknownFor = 5 * time.Second

	maxUnknown    = 4096
	maxReferences = 256 // schemas behind one
)

// writer is the schema that values were written with.
type writer struct {
	codec *Codec // nil: the values are JSON
}

func (w *writer) decode(payload []byte) (any, error) {
	switch {
	case w.codec == nil:
		return parseJSON(payload)
	case w.codec.header != nil:
		return w.codec.changeTree(payload)
	}
	return w.codec.tree(payload)
}

// writer gives the compiled schema of id. One that is new is asked for once,
// however many wait. An error is believed for a second, one that lasts for a
// minute.
func (d *Decoder) writer(ctx context.Context, id ID) (*writer, error) {
	return d.writers.get(ctx, id, func() (*writer, time.Duration, error) {
		w, err := d.lookup(ctx, id)
		switch {
		case err == nil:
			return w, 0, nil
		case Retryable(err):
			return nil, keepFailedFetch, err
		}
		return nil, keepBadSchema, err
	})
}

func (d *Decoder) lookup(ctx context.Context, id ID) (*writer, error) {
	s, err := d.registry.registered(ctx, id)
	if err != nil {
		return nil, d.lookupError(id, err)
	}
	switch s.Type {
	case sr.TypeJSON:
		return &writer{}, nil
	case sr.TypeAvro:
	default:
		return nil, schemaError(id, fmt.Errorf("its type is %s, and only AVRO and JSON are read", s.Type))
	}
	texts, err := d.referenced(ctx, s)
	if _, ok := errors.AsType[*RegistryError](err); ok {
		return nil, d.lookupError(id, err)
	} else if err != nil {
		return nil, schemaError(id, err)
	}
	codec, err := compileForeign(append(texts, s.Schema))
	if err != nil {
		return nil, schemaError(id, err)
	}
	d.mu.Lock()
	delete(d.unknown, id)
	d.mu.Unlock()
	return &writer{codec: codec}, nil
}

func schemaError(id ID, err error) *SchemaError {
	return &SchemaError{ID: event.SchemaID(strconv.Itoa(int(id))), Err: fmt.Errorf("schema %d of the registry: %w", id, err)}
}

// referenced gives the texts of the schemas that s refers to, each after those
// that it refers to itself.
func (d *Decoder) referenced(ctx context.Context, s sr.Schema) (texts []string, err error) {
	type version struct {
		subject string
		number  int
	}
	seen := make(map[version]bool)
	var visit func(sr.Schema) error
	visit = func(s sr.Schema) error {
		for _, ref := range s.References {
			v := version{ref.Subject, ref.Version}
			if seen[v] {
				continue
			}
			if seen[v] = true; len(seen) > maxReferences {
				return fmt.Errorf("it refers to more than %d schemas", maxReferences)
			}
			inner, err := d.registry.version(ctx, ref.Subject, ref.Version)
			if err != nil {
				return err
			}
			if err := visit(inner); err != nil {
				return err
			}
			texts = append(texts, inner.Schema)
		}
		return nil
	}
	err = visit(s)
	return texts, err
}

// lookupError tells a registry that cannot answer from one that does not know
// the id, nor did some seconds ago.
func (d *Decoder) lookupError(id ID, err error) *LookupError {
	e := &LookupError{ID: id, Err: err}
	if re, ok := errors.AsType[*RegistryError](err); !ok || re.Status != http.StatusNotFound || !notFound(re.Code) {
		return e
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	since, known := d.unknown[id]
	if !known {
		if len(d.unknown) >= maxUnknown {
			clear(d.unknown)
		}
		since = time.Now()
		d.unknown[id] = since
	}
	e.Unknown = time.Since(since) >= unknownFor
	return e
}

// notFound tells whether a registry says that it lacks a subject, version or
// schema. Any other 404 is that of a server that is no registry.
func notFound(code int) bool {
	return code == sr.ErrSubjectNotFound.Code || code == sr.ErrVersionNotFound.Code || code == sr.ErrSchemaNotFound.Code
}

// LookupError says that the schema of a record could not be had.
type LookupError struct {
	ID ID
	// Unknown: the registry has said twice, some seconds apart, that it does
	// not know the id. Then the record is at fault; otherwise the registry is.
	Unknown bool
	Err     error // a *RegistryError
}

// Error names the id and gives the registry's words.
func (e *LookupError) Error() string {
	if e.Unknown {
		return fmt.Sprintf("schema %d of the registry is not known to it: the record comes from elsewhere, or its schema was deleted: %v", e.ID, e.Err)
	}
	return fmt.Sprintf("schema %d of the registry: %v", e.ID, e.Err)
}

// Unwrap gives the cause.
func (e *LookupError) Unwrap() error { return e.Err }

// Retryable tells whether the schema may be there later.
func (e *LookupError) Retryable() bool { return !e.Unknown }
