package writeback

import (
	"fmt"
	"strings"
	"time"

	"sfbridge/kafka"
	"sfbridge/salesforce"
	"sfbridge/writeback/rows"
)

// item is one record on its way: from its delivery until it is settled. Its
// fields belong to the goroutine that has it: the scheduler, or a call.
type item struct {
	d        *kafka.Delivery
	target   *target // that row was made for
	row      *rows.Row
	retryOf  string // topic/partition/offset, of a record that a dead letter was made of
	attempts int
	size     int32 // bytes that the room counts for it
	arrived  time.Time
	id       string // record id, once looked up or known
	// unknown marks a row whose insert may have been made already: look it up
	// before it is inserted.
	unknown bool
	// under are older records of the same row that this one's row carries as well.
	under []*item
	plain *rows.Row // the row before older ones were merged into it; nil if none were

	lane     *lane     // of the scheduler
	alone    bool      // not to be merged with others
	moved    bool      // sent on to the record that its own was merged into; that is done once
	remapped bool      // mapped again after the org refused a field; that is done once
	limit    int       // rows that a call with this one may have; 0: no limit
	after    time.Time // not to be tried before
	refused  time.Time // for the first time
}

// own is the row of the item's own record; nil if it has none.
func (it *item) own() *rows.Row {
	if it.plain != nil {
		return it.plain
	}
	return it.row
}

// batch is what goes into one call or job: one operation, shape and target, no
// two rows of one identity.
type batch struct {
	op     rows.Operation
	target *target
	items  []*item
	api    string // apiREST, apiCollections or apiBulk

	parents []string // of the rows as they were when the batch was made
}

// The APIs, values of the label of sfbridge_writeback_calls_total.
const (
	apiREST        = "rest"
	apiCollections = "collections"
	apiBulk        = "bulk"
)

// verdict is what became of one item of a batch. Exactly one of done and err is
// set.
type verdict struct {
	done   string // an outcome of package flow
	reason string // of a skipped one
	id     string // record id
	job    string
	// err is why it was not written. Retryable ones are tried again, item by item,
	// with back-off; the others become dead letters.
	err *refusal
}

// refusal is a row that was not written.
type refusal struct {
	reason string            // of package flow, for the dead letter
	class  salesforce.Class  // ClassData: never; ClassTransient: try again
	cause  *salesforce.Error // nil if the org did not say it
	code   string            // the org's, if the cause does not tell
	fields []string          // that it is about, if the cause does not tell
	text   string            // sentence for people
	free   bool              // the attempt does not count: the row was not reached (a job ended before its turn)
	untold bool              // nobody knows whether the row was written
}

// callError is a call that failed as a whole: all its items are tried again, since it
// surely had no effect or may be made again without harm, unless unknown is set.
type callError struct {
	err     error
	class   salesforce.Class
	after   time.Duration // that the org asked to wait
	unknown bool          // an insert that may have been made: look each row up before the next try
	nothing bool          // surely nothing was written: the org said so, or was not reached
}

func (e *callError) Error() string { return e.err.Error() }
func (e *callError) Unwrap() error { return e.err }

// place is where a record stands, as headers and dead letters tell it.
func place(topic string, partition int32, offset int64) string {
	return fmt.Sprintf("%s/%d/%d", topic, partition, offset)
}

// pack puts all texts of a row into one: tens of thousands of rows wait at a
// time, and each text of its own costs as much again in bookkeeping.
func pack(r *rows.Row) {
	n := len(r.Key)
	for _, v := range r.Values {
		n += len(v.Text)
	}
	var b strings.Builder
	b.Grow(n)
	b.WriteString(r.Key)
	for _, v := range r.Values {
		b.WriteString(v.Text)
	}
	all := b.String()
	next := func(s string) string {
		own := all[:len(s)]
		all = all[len(s):]
		return own
	}
	same := r.Identity == r.Key
	r.Key = next(r.Key)
	if same {
		r.Identity = r.Key
	}
	for i := range r.Values {
		v := &r.Values[i]
		parent := v.Text == r.Parent
		v.Text = next(v.Text)
		if parent {
			r.Parent = v.Text
		}
	}
}
