package orgsim

import (
	"context"
	"sync/atomic"
)

// store is what resources ask of the org: the org itself, or a transaction in
// progress, which they then see and add to.
type store interface {
	Object(name string) *ObjectDef
	Objects() []*ObjectDef
	Get(id string) *Record
	Scan(object string, includeDeleted bool, fn func(*Record) bool)
	FindByExternalID(object, field string, v Value) []*Record
	Transact(ctx context.Context, caller Caller, fn func(tx *Tx) error) (Result, error)
}

// store is where a call reads and writes.
func (c *call) store() store {
	if c.within != nil {
		return c.within
	}
	return c.rest.org
}

// txStore is a transaction that several calls share. Once it is over, what
// was found in it, such as an open query, reads the org.
type txStore struct {
	*Org
	tx atomic.Pointer[Tx] // nil when it is over
}

// Object gives a definition.
func (s *txStore) Object(name string) *ObjectDef {
	if s.tx.Load() == nil {
		return s.Org.Object(name)
	}
	if t := s.table(name); t != nil {
		return t.def
	}
	return nil
}

// Objects lists all definitions by name.
func (s *txStore) Objects() []*ObjectDef {
	if s.tx.Load() == nil {
		return s.Org.Objects()
	}
	var out []*ObjectDef
	for _, name := range sortedKeys(s.tables) {
		out = append(out, s.tables[name].def)
	}
	return out
}

// Get reads a row.
func (s *txStore) Get(id string) *Record {
	if tx := s.tx.Load(); tx != nil {
		return tx.Get(id)
	}
	return s.Org.Get(id)
}

// Scan walks the rows of an object.
func (s *txStore) Scan(object string, includeDeleted bool, fn func(*Record) bool) {
	if tx := s.tx.Load(); tx != nil {
		tx.Scan(object, includeDeleted, fn)
		return
	}
	s.Org.Scan(object, includeDeleted, fn)
}

// FindByExternalID finds live rows by the value of a field.
func (s *txStore) FindByExternalID(object, field string, v Value) []*Record {
	if tx := s.tx.Load(); tx != nil {
		return tx.Find(object, field, v)
	}
	return s.Org.FindByExternalID(object, field, v)
}

// Transact does its work within the transaction, wholly or not at all.
func (s *txStore) Transact(ctx context.Context, caller Caller, fn func(tx *Tx) error) (Result, error) {
	if tx := s.tx.Load(); tx != nil {
		return Result{}, tx.Try(func() error { return fn(tx) })
	}
	return s.Org.Transact(ctx, caller, fn)
}
