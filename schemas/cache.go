package schemas

import (
	"context"
	"fmt"
	"time"

	"sfbridge/event"
)

// Fetcher gives the text of a schema by Salesforce's id: the Pub/Sub API client.
type Fetcher interface {
	Schema(ctx context.Context, id event.SchemaID) (string, error)
}

const (
	maxCachedCodecs = 4096        // each some 50 KiB for a large object
	keepBadSchema   = time.Minute // before a schema that does not compile is asked for again
	keepFailedFetch = time.Second // the same for one that could not be fetched
)

// Cache keeps compiled schemas by id, without expiry: an id is a fingerprint, so
// its schema never changes.
type Cache struct {
	fetch  Fetcher
	codecs *flight[event.SchemaID, *Codec]
}

// NewCache returns an empty cache in front of f.
func NewCache(f Fetcher) *Cache {
	return &Cache{fetch: f, codecs: newFlight[event.SchemaID, *Codec](maxCachedCodecs)}
}

// Codec gives the compiled schema of id. One that is new is fetched once,
// however many wait. A schema that does not compile is a *SchemaError and is not
// fetched again for a minute; an error of the fetcher is handed on, wrapped, to
// all who ask within a second.
func (c *Cache) Codec(ctx context.Context, id event.SchemaID) (*Codec, error) {
	return c.codecs.get(ctx, id, func() (*Codec, time.Duration, error) {
		text, err := c.fetch.Schema(ctx, id)
		if err != nil {
			return nil, keepFailedFetch, fmt.Errorf("fetch schema %s: %w", id, err)
		}
		codec, err := Compile(id, text)
		if err != nil {
			return nil, keepBadSchema, &SchemaError{ID: id, Err: err}
		}
		return codec, 0, nil
	})
}

// SchemaError says that a schema cannot be used, be it an org's or one of the
// registry. It will be the same tomorrow: what was written with it belongs with
// the dead letters.
type SchemaError struct {
	ID  event.SchemaID // of the org, or the registry's number
	Err error
}

// Error names the id and says what is wrong.
func (e *SchemaError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *SchemaError) Unwrap() error { return e.Err }
