package writeback

import (
	"context"
	"errors"
	"sync"
	"time"

	"sfbridge/writeback/rows"
)

// jobNotes keeps ids of jobs where a successor finds them.
type jobNotes interface {
	// jobBegins returns once the id is safe. The job has not begun then.
	jobBegins(ctx context.Context, id string) error
	// jobEnded says that the job does nothing more.
	jobEnded(id string)
}

// bulkTakes tells whether a row may go into a bulk job now: the operation and
// the values have a form in CSV, an insert can be looked up if its job is lost,
// and jobs are not out of use for a while.
func (f *Flow) bulkTakes(r *rows.Row) bool { return false }

// sendBulk writes a batch in one job and returns a verdict for each item, or a
// *callError. It waits for as long as the job takes. If ctx ends, the job is
// aborted, and what it did until then still has its verdicts: that takes ten
// seconds at most.
//
// A job that could not be seen to end stays noted. Rows that no job has room
// for come back with a refusal that is free and transient.
func (f *Flow) sendBulk(ctx context.Context, b *batch, notes jobNotes) ([]verdict, error) {
	return nil, &callError{err: errors.ErrUnsupported}
}

// endJobs makes sure that jobs of a former owner write nothing more. It tries
// until ctx ends.
func (f *Flow) endJobs(ctx context.Context, ids []string) error { return nil }

// jobs is what a flow knows of its bulk jobs.
type jobs struct {
	mu      sync.Mutex
	waiting map[string]jobWait // by job id
}

// jobWait is a job that is being waited for.
type jobWait struct {
	id    string
	rows  int
	since time.Time
	err   error // of the latest look, if its state could not be told
}

// list gives the jobs that are being waited for, the oldest first.
func (j *jobs) list() []jobWait { return nil }
