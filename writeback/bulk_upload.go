package writeback

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"sfbridge/internal/flow"
	"sfbridge/salesforce"
	"sfbridge/salesforce/bulk"
	"sfbridge/writeback/rows"
)

// upload is a batch on its way into a job's data. Rows become CSV one at a time
// as the data is read, so that a job of a hundred thousand takes no more memory
// than its rows do. A row that CSV cannot say is left out; from the first that
// has no room, all are.
type upload struct {
	b       *batch
	columns []string
	limit   int64 // bytes; 0: as many as a job takes

	mu   sync.Mutex
	last *rowReader // of the latest reading
}

func newUpload(b *batch) *upload {
	all := make([]*rows.Row, len(b.items))
	for i, it := range b.items {
		all[i] = it.row
	}
	u := &upload{b: b}
	switch key := b.target.mapper.KeyField(); b.op {
	case rows.Delete:
		u.columns = []string{"Id"}
	case rows.Update:
		u.columns = b.target.mapper.Columns(all)
		u.columns = slices.DeleteFunc(slices.Clone(u.columns), func(c string) bool { return c == key || c == "Id" })
		u.columns = append([]string{"Id"}, u.columns...)
	default:
		u.columns = b.target.mapper.Columns(all)
	}
	return u
}

// open begins the data anew. It is a bulk.Source.
func (u *upload) open() (io.ReadCloser, error) {
	r := &rowReader{u: u, bad: map[int]*salesforce.ValueError{}}
	w, err := bulk.NewWriter(&r.buf, u.columns, u.limit)
	if err != nil {
		return nil, err
	}
	r.w = w
	u.mu.Lock()
	defer u.mu.Unlock()
	u.last = r
	return r, nil
}

// written is how many rows the latest reading gave.
func (u *upload) written() int {
	r := u.reading()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.w.Rows()
}

func (u *upload) reading() *rowReader {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.last
}

// verdicts has a verdict for each row that is not in the data, and an empty one
// for each that is.
func (u *upload) verdicts() []verdict {
	out := make([]verdict, len(u.b.items))
	r := u.reading()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, e := range r.bad {
		out[i] = verdict{err: &refusal{reason: flow.BadValue, fields: []string{e.Field}, text: fmt.Sprintf("field %s: %s", e.Field, e.Reason)}}
	}
	for i := r.next; i < len(out); i++ {
		out[i] = verdict{err: &refusal{class: salesforce.ClassTransient, free: true, text: "the job had no room for the row"}}
	}
	return out
}

// rowReader is one reading of the data. The transport may still hold it when
// the answer is there, hence the lock.
type rowReader struct {
	u *upload

	mu   sync.Mutex
	w    *bulk.Writer
	buf  bytes.Buffer
	next int // item to be written
	full bool
	bad  map[int]*salesforce.ValueError
}

// Read gives the next bytes.
func (r *rowReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	items := r.u.b.items
	for r.buf.Len() < len(p) && r.next < len(items) && !r.full {
		err := r.w.Write(r.u.b.target.record(items[r.next]))
		value, bad := errors.AsType[*salesforce.ValueError](err)
		switch {
		case errors.Is(err, bulk.ErrFull):
			r.full = true
			continue
		case bad:
			r.bad[r.next] = value
		case err != nil:
			return 0, err
		}
		r.next++
	}
	return r.buf.Read(p)
}

// Close is for io.ReadCloser.
func (r *rowReader) Close() error { return nil }
