package writeback

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"sfbridge/internal/backoff"
	"sfbridge/internal/flow"
	"sfbridge/salesforce"
	"sfbridge/salesforce/bulk"
	"sfbridge/writeback/rows"
)

// jobNotes keeps ids of jobs where a successor finds them.
type jobNotes interface {
	// jobBegins returns once the id is safe. The job has not begun then.
	jobBegins(ctx context.Context, id string) error
	// jobEnded says that the job does nothing more.
	jobEnded(id string)
}

// jobFarewell is how long a job may take to be aborted and its results to be
// read, once its flow has no time left.
const jobFarewell = 10 * time.Second

// bulkTakes tells whether a row may go into a bulk job now: the operation and
// the values have a form in CSV, an insert can be looked up if its job is lost,
// the job can say what calls say in headers, and jobs are not out of use for a
// while.
func (f *Flow) bulkTakes(r *rows.Row) bool {
	switch r.Op {
	case rows.Insert:
		if r.Key == "" {
			return false
		}
	case rows.Update, rows.Upsert, rows.Delete:
	default:
		return false
	}
	t := f.target.Load()
	_, ruled := f.assignmentRule(t, r.Op)
	return ruled && r.FitsBulk() && t.mapper.BulkOK() && !f.jobs.resting()
}

// assignmentRule is the assignment rule that a job is to run. A call runs the
// org's active rule unless its header says otherwise; a job runs none unless it
// names one (Bulk API 2.0 guide, "Create a Job"; REST API guide, "Assignment
// Rule Header"). So where the active rule is wanted, ok is false: no job will
// do.
func (f *Flow) assignmentRule(t *target, op rows.Operation) (id string, ok bool) {
	if op == rows.Delete || t.object.Name != "Lead" && t.object.Name != "Case" {
		return "", true
	}
	switch rule := f.cfg.API.Options().AutoAssign; {
	case strings.EqualFold(rule, "false"):
		return "", true
	case rule == "", strings.EqualFold(rule, "true"):
		return "", false
	default:
		return rule, true
	}
}

// sendBulk writes a batch in one job and returns a verdict for each item, or a
// *callError. It waits for as long as the job takes. If ctx ends, the job is
// aborted, and what it did until then still has its verdicts: that takes ten
// seconds at most.
//
// A job that could not be seen to end stays noted. Rows that no job has room
// for come back with a refusal that is free and transient.
func (f *Flow) sendBulk(ctx context.Context, b *batch, notes jobNotes) ([]verdict, error) {
	if len(b.items) == 0 {
		return nil, nil
	}
	last, cancel := linger(ctx, jobFarewell)
	defer cancel()
	r := &jobRun{f: f, b: b, notes: notes, up: newUpload(b), last: last}
	defer func() { f.jobs.end(r.id) }()
	job, err := r.run(ctx)
	switch {
	case errors.Is(err, errNoRows):
		return r.up.verdicts(), nil
	case err != nil:
		return nil, err
	}
	return r.harvest(job), nil
}

// jobRun is one job on its way.
type jobRun struct {
	f     *Flow
	b     *batch
	notes jobNotes
	up    *upload
	id    string          // once it is noted
	last  context.Context // for last words, when the flow has no time left
	left  bool            // the job was aborted for want of time
}

// errNoRows says that none of a batch's rows can be said in CSV.
var errNoRows = errors.New("no row is left for the job")

// run makes the job and stays with it to its end, or to the end of ctx. The job
// is nil if its end was not seen. The error is errNoRows or a *callError.
func (r *jobRun) run(ctx context.Context) (*bulk.Job, error) {
	spec := bulk.Spec{Object: r.b.target.object.Name, Operation: bulk.Operation(r.b.op)}
	spec.AssignmentRule, _ = r.f.assignmentRule(r.b.target, r.b.op)
	switch key := r.b.target.mapper.KeyField(); {
	case r.b.op == rows.Upsert && key == "Id": // no row is made with an id that somebody else chose
		spec.Operation = bulk.Update
	case r.b.op == rows.Upsert:
		spec.ExternalIDField = key
	}
	_, err := r.f.cfg.Bulk.Submit(ctx, spec, r.up.open, func(job *bulk.Job) error {
		if r.up.written() == 0 {
			return errNoRows
		}
		if err := r.notes.jobBegins(ctx, job.ID); err != nil {
			r.notes.jobEnded(job.ID) // it is thrown away, and does nothing while it is open
			return fmt.Errorf("note bulk job %s: %w", job.ID, err)
		}
		r.id = job.ID
		return nil
	})
	if r.id == "" {
		return nil, r.notMade(err)
	}
	r.f.jobs.begin(r.id, r.up.written())
	if err != nil && !r.close(ctx) {
		return r.leave(err)
	}
	job, err := r.wait(ctx)
	if err != nil {
		return r.leave(err)
	}
	r.notes.jobEnded(r.id)
	return job, nil
}

// notMade says why there is no job. Nothing was written, whatever became of the
// upload.
func (r *jobRun) notMade(err error) error {
	if errors.Is(err, errNoRows) {
		return err
	}
	out := *asCallError(err)
	out.unknown, out.nothing = false, true
	if out.class == salesforce.ClassData {
		// Not for its rows, which nobody has looked at: the org takes no job of
		// this kind. Calls tell more, row by row.
		r.f.jobs.rest()
		r.f.log.Warn("bulk job refused, sending rows by sObject Collections for a while", "object", r.b.target.object.Name, "wait", jobRest, "err", err)
		out.class = salesforce.ClassTransient
	}
	return &out
}

// close says again that the data is complete, after an answer was lost. It is
// false if ctx ended first.
func (r *jobRun) close(ctx context.Context) bool {
	for attempt := 1; ; attempt++ {
		_, err := r.f.cfg.Bulk.Close(ctx, r.id)
		if e, refused := errors.AsType[*salesforce.Error](err); err == nil || refused && e.Class() == salesforce.ClassData {
			return true // it is closed, or has ended, or is gone: to wait for it tells
		}
		r.f.jobs.trouble(r.id, err)
		if backoff.Sleep(ctx, patience.Wait(attempt, salesforce.RetryAfter(err))) != nil {
			return false
		}
	}
}

// patience is the back-off of what has to be done in the end.
var patience = backoff.Policy{Base: time.Second, Max: 30 * time.Second}

// wait waits for the job's end, for as long as ctx lasts. The error is what kept
// it from that, or that the job is gone.
func (r *jobRun) wait(ctx context.Context) (*bulk.Job, error) {
	for attempt := 1; ; attempt++ {
		var job *bulk.Job
		var err error
		if attempt == 1 {
			job, err = r.f.cfg.Bulk.WaitNew(ctx, bulk.Ingest, r.id, r.up.written())
		} else {
			job, err = r.f.cfg.Bulk.Wait(ctx, bulk.Ingest, r.id)
		}
		if _, failed := errors.AsType[*bulk.JobError](err); err == nil || failed {
			return job, nil
		}
		if jobGone(err) || ctx.Err() != nil {
			return nil, err
		}
		r.f.jobs.trouble(r.id, err)
		r.f.log.Warn("bulk job's state not known, asking again", "job", r.id, "attempt", attempt, "err", err)
		if backoff.Sleep(ctx, patience.Wait(attempt, salesforce.RetryAfter(err))) != nil {
			return nil, err
		}
	}
}

func jobGone(err error) bool {
	e, ok := errors.AsType[*salesforce.Error](err)
	return ok && e.Status == http.StatusNotFound
}

// leave ends a job that there is no time to wait for, or that cannot be found.
func (r *jobRun) leave(why error) (*bulk.Job, error) {
	out := &callError{class: salesforce.ClassTransient, unknown: r.b.op == rows.Insert}
	if jobGone(why) {
		r.notes.jobEnded(r.id)
		out.err = fmt.Errorf("bulk job %s is gone, with what it tells about its rows: %w", r.id, why)
		return nil, out
	}
	r.left = true
	job, err := r.f.abort(r.last, r.id)
	if err != nil {
		r.f.log.Warn("bulk job left behind, whoever comes next ends it", "job", r.id, "err", err)
		out.err = fmt.Errorf("bulk job %s was not seen to end: %w", r.id, why)
		return nil, out
	}
	r.notes.jobEnded(r.id)
	return job, nil
}

// linger gives a context that goes on for a while when ctx has ended.
func linger(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			cancel()
		case <-out.Done():
		}
	})
	return out, func() {
		stop()
		cancel()
	}
}

// abort ends a job and returns it as it ended. It tries until ctx ends or the
// job is gone.
func (f *Flow) abort(ctx context.Context, id string) (*bulk.Job, error) {
	for attempt := 1; ; attempt++ {
		job, err := f.cfg.Bulk.Get(ctx, bulk.Ingest, id)
		if err == nil && !job.State.Ended() {
			if _, err = f.cfg.Bulk.Abort(ctx, bulk.Ingest, id); err == nil {
				job, err = f.cfg.Bulk.Wait(ctx, bulk.Ingest, id) // whose answer counts the rows, as that of Abort does not
			}
			if _, failed := errors.AsType[*bulk.JobError](err); failed {
				err = nil
			}
		}
		if err == nil || jobGone(err) {
			return job, err
		}
		f.log.Warn("bulk job not ended, trying again", "job", id, "attempt", attempt, "err", err)
		if sleep := backoff.Sleep(ctx, patience.Wait(attempt, salesforce.RetryAfter(err))); sleep != nil {
			return nil, err
		}
	}
}

// endJobs makes sure that jobs of a former owner write nothing more: their rows
// come again, and must not be overtaken by what the job still does. It tries
// until ctx ends.
func (f *Flow) endJobs(ctx context.Context, ids []string) error {
	for _, id := range ids {
		job, err := f.abort(ctx, id)
		switch {
		case jobGone(err): // the org has forgotten it: it ended days ago
		case err != nil:
			return fmt.Errorf("end bulk job %s of the owner before: %w", id, err)
		default:
			f.log.Info("bulk job of the owner before has ended", "job", id, "state", string(job.State), "rows", job.Processed)
		}
	}
	return nil
}

// deletedAlready tells whether a refusal of a delete says that it is done.
func deletedAlready(op rows.Operation, e *salesforce.Error) bool {
	return op == rows.Delete && e.Code == codeDeleted
}

// doneBy is the outcome of a row that was written.
func doneBy(op rows.Operation, created bool) string {
	switch {
	case op == rows.Delete:
		return flow.Deleted
	case op == rows.Insert, op == rows.Upsert && created:
		return flow.Created
	}
	return flow.Updated
}
