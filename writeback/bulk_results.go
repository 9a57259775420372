package writeback

import (
	"context"
	"fmt"

	"sfbridge/internal/backoff"
	"sfbridge/salesforce"
	"sfbridge/salesforce/bulk"
	"sfbridge/writeback/rows"
)

// harvest reads what became of the rows of a job that has ended. Each row of
// the batch gets a verdict, whatever the org tells.
func (r *jobRun) harvest(job *bulk.Job) []verdict {
	ctx := r.last
	h := &harvest{jobRun: r, job: job, out: r.up.verdicts(), index: r.index()}
	if job.State == bulk.JobComplete && job.Failed == 0 && job.Processed >= r.up.written() {
		h.lighten()
	}
	succeeded := h.gather(ctx, bulk.Succeeded, job.Processed-job.Failed)
	failed := h.gather(ctx, bulk.FailedRows, job.Failed)
	if left := r.up.written() - h.told; left > 0 && r.b.op == rows.Insert {
		h.gather(ctx, bulk.Unprocessed, left) // only what is told to be undone may be done again
	}
	h.rest(succeeded && failed)
	if !r.left {
		r.f.judgeJob(job, h.done, h.told)
	}
	return h.out
}

// lighten lets go of the values of rows that the job says are all written: they
// are a third of what a job holds, while its results come in. A row that is not
// among the results after all is mapped anew, as its missing target says.
func (h *harvest) lighten() {
	for i, it := range h.b.items {
		if h.out[i].err == nil {
			it.row.Values, it.target = nil, nil
		}
	}
}

// index finds rows by the column that tells them apart. The order of results is
// not that of the data, so nothing else does.
func (r *jobRun) index() *keyIndex {
	t, field := r.b.target, r.b.target.mapper.KeyField()
	if r.b.op == rows.Update || r.b.op == rows.Delete {
		field = "Id"
	}
	x := newKeyIndex(keysOf(t.object, field), len(r.b.items))
	for i, it := range r.b.items {
		key := it.row.Key
		if x.id {
			key = t.recordID(it)
		}
		x.add(key, i)
	}
	return x
}

// harvest is the reading of one job's results.
type harvest struct {
	*jobRun
	job   *bulk.Job
	index *keyIndex
	out   []verdict
	told  int // rows with a verdict of the org's
	done  int // of these, those that were written
}

// gather reads one set of results, again if it ends before the rows that the job
// counts: a download can be cut at the end of a line. It tells whether it was
// read to its end.
func (h *harvest) gather(ctx context.Context, set bulk.Set, want int) bool {
	for attempt := 1; want > 0; attempt++ {
		n := 0
		var err error
		for row, e := range h.f.cfg.Bulk.Results(ctx, h.job, set) {
			if err = e; err != nil {
				break
			}
			n++
			h.take(row, set)
		}
		switch {
		case err == nil && n >= want:
			return true
		case err == nil:
			err = fmt.Errorf("%d rows in %s of bulk job %s, which counts %d", n, set, h.job.ID, want)
		case jobGone(err):
			return false
		}
		// A set that is short each time is not going to grow: the job may have
		// counted what it undid. One that cannot be reached is read in the end.
		if attempt >= 5 && (n > 0 || asCallError(err).class == salesforce.ClassData) {
			h.f.log.Warn("bulk job's results are not whole", "job", h.job.ID, "err", err)
			return false
		}
		h.f.jobs.trouble(h.id, err)
		h.f.log.Warn("bulk job's results not read to their end, reading them again", "job", h.job.ID, "attempt", attempt, "err", err)
		if backoff.Sleep(ctx, patience.Wait(attempt, salesforce.RetryAfter(err))) != nil {
			return false
		}
	}
	return true
}

// take gives the row's verdict to its item.
func (h *harvest) take(row *bulk.Row, set bulk.Set) {
	i, ok := h.place(row)
	if !ok || h.out[i].done != "" || h.out[i].err != nil { // the org's first word counts
		return
	}
	h.told++
	switch {
	case set == bulk.Unprocessed:
		h.out[i] = h.undone("the job ended before the row's turn")
	case row.Err == nil:
		h.done++
		h.out[i] = verdict{done: doneBy(h.b.op, row.Created), id: row.ID, job: h.job.ID}
	case deletedAlready(h.b.op, row.Err):
		h.done++
		h.out[i] = verdict{done: doneBy(h.b.op, false), id: row.ID, job: h.job.ID}
	case row.Err.Code == codeDuplicates && h.f.cfg.API.Options().AllowDuplicates:
		// Calls say in a header that rules that only alert are to be passed over;
		// for jobs there is none.
		h.b.items[i].limit = salesforce.MaxCollection
		h.out[i] = h.undone("a duplicate rule alerts, which a job cannot pass over")
	default:
		h.out[i] = verdict{id: row.ID, job: h.job.ID, err: refused(row.Err)}
	}
}

// codeDuplicates is a duplicate rule's refusal, of a rule that alerts as of one
// that blocks.
const codeDuplicates = "DUPLICATES_DETECTED"

func (h *harvest) place(row *bulk.Row) (int, bool) {
	key, ok := row.Get(h.index.field)
	if !ok || key == "" {
		if !h.index.id || row.ID == "" {
			return 0, false
		}
		key = row.ID
	}
	return h.index.find(key)
}

// undone is the verdict on a row that may be sent again at no cost.
func (h *harvest) undone(text string) verdict {
	if h.job.Message != "" {
		text += ": " + h.job.Message
	}
	return verdict{job: h.job.ID, err: &refusal{class: salesforce.ClassTransient, free: true, text: text}}
}

// rest gives verdicts to rows of which the org told nothing. They were not
// reached if the org told of all that it did. If not, they are tried again, but
// not for ever; what must not be done twice is looked up first.
func (h *harvest) rest(whole bool) {
	for i, v := range h.out {
		if v.done != "" || v.err != nil {
			continue
		}
		switch {
		case h.b.op == rows.Insert:
			h.b.items[i].unknown = true
			h.out[i] = verdict{job: h.job.ID, err: &refusal{class: salesforce.ClassTransient, untold: true, text: "the job's results do not tell of the row"}}
		case whole && h.job.Processed < h.up.written():
			h.out[i] = h.undone("the job ended before the row's turn")
		default:
			h.out[i] = verdict{job: h.job.ID, err: &refusal{class: salesforce.ClassTransient, untold: true, text: "the job's results do not tell of the row"}}
		}
	}
}
