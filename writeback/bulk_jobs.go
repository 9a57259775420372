package writeback

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"sfbridge/salesforce/bulk"
)

// jobRest is how long no jobs are made after the org would not run them.
const jobRest = 10 * time.Minute

// jobs is what a flow knows of its bulk jobs.
type jobs struct {
	mu       sync.Mutex
	waiting  map[string]jobWait // by job id
	failures int                // jobs in a row that came to nothing for one reason
	reason   string             // of these
	until    time.Time          // no jobs before
}

// jobWait is a job that is being waited for.
type jobWait struct {
	id    string
	rows  int
	since time.Time
	err   error // of the latest look, if its state could not be told
}

func (w jobWait) String() string {
	s := fmt.Sprintf("waiting for bulk job %s of %d rows since %s", w.id, w.rows, w.since.UTC().Format(time.RFC3339))
	if w.err != nil {
		s += ": " + w.err.Error()
	}
	return s
}

func (j *jobs) begin(id string, rows int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.waiting == nil {
		j.waiting = map[string]jobWait{}
	}
	j.waiting[id] = jobWait{id: id, rows: rows, since: time.Now()}
}

func (j *jobs) end(id string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.waiting, id)
}

// trouble keeps why a job's state cannot be told, for people.
func (j *jobs) trouble(id string, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if w, ok := j.waiting[id]; ok {
		w.err = err
		j.waiting[id] = w
	}
}

// list gives the jobs that are being waited for, the oldest first.
func (j *jobs) list() []jobWait {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.SortedFunc(maps.Values(j.waiting), func(a, b jobWait) int {
		if c := a.since.Compare(b.since); c != 0 {
			return c
		}
		return strings.Compare(a.id, b.id)
	})
}

// rest takes jobs out of use for a while.
func (j *jobs) rest() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.until = time.Now().Add(jobRest)
	j.failures, j.reason = 0, ""
}

// resting tells whether jobs are out of use.
func (j *jobs) resting() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return time.Now().Before(j.until)
}

// count counts jobs in a row that came to nothing for one reason. Any other end
// begins anew.
func (j *jobs) count(reason string, nothing bool) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case !nothing:
		j.failures, j.reason = 0, ""
	case reason == j.reason:
		j.failures++
	default:
		j.failures, j.reason = 1, reason
	}
	return j.failures
}

// judgeJob takes jobs out of use when the second in a row comes to nothing for
// one reason: a field that the org does not know fails a whole job, whatever
// its rows, and whoever aborts a job may abort the next. The rows then go by
// sObject Collections, which tells of each what is wrong with it.
func (f *Flow) judgeJob(job *bulk.Job, done, told int) {
	bad := job.State != bulk.JobComplete
	if bad {
		f.log.Warn("bulk job ended early, sending again what it left", "job", job.ID, "state", string(job.State), "done", done,
			"refused", told-done, "reason", job.Message)
	}
	if n := f.jobs.count(string(job.State)+" "+job.Message, bad && done == 0); n >= 2 {
		f.jobs.rest()
		f.log.Warn("bulk jobs come to nothing, sending rows by sObject Collections for a while", "job", job.ID, "wait", jobRest, "reason", job.Message)
	}
}
