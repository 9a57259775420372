package orgsim

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// BulkFault is a bad day of Bulk API 2.0: jobs that match go wrong. Calls
// that are cut or refused are HTTP faults.
type BulkFault struct {
	// Kind is fail (the job ends as Failed), abort (an administrator aborts
	// it), slow (every transaction takes Delay longer) or late (all rows are
	// done, and the job stays in progress for Delay longer).
	Kind      string `json:"kind" yaml:"kind"`
	Object    string `json:"object" yaml:"object"`       // empty = any
	Operation string `json:"operation" yaml:"operation"` // empty = any; query and queryAll too
	// Rows are done before the fault strikes, to whole transactions; 0 = half
	// of the job, negative = none.
	Rows  int           `json:"rows" yaml:"rows"`
	Count int           `json:"count" yaml:"count"` // jobs struck; 0 = all that follow
	Delay time.Duration `json:"delay" yaml:"delay"`
	Text  string        `json:"text" yaml:"text"` // errorMessage of a job that fails
}

// InjectBulk makes jobs of Bulk API 2.0 go wrong, those that start from now on.
func (o *Org) InjectBulk(f BulkFault) error {
	switch f.Kind {
	case "fail", "abort", "slow", "late":
	default:
		return fmt.Errorf("bulk fault of kind %q: want fail, abort, slow or late", f.Kind)
	}
	b := o.web.rest.bulk
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = append(b.faults, &f)
	return nil
}

// ClearBulk takes back every fault of Bulk API 2.0; jobs that were struck stay so.
func (o *Org) ClearBulk() {
	b := o.web.rest.bulk
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = nil
}

// strike finds the fault for a job that starts and counts it. The caller
// holds mu.
func (b *bulk) strike(j *bulkJob) *BulkFault {
	for i, f := range b.faults {
		if f.Object != "" && !strings.EqualFold(f.Object, j.def.Name) || f.Operation != "" && f.Operation != j.operation {
			continue
		}
		struck := *f
		if f.Count > 0 {
			if f.Count--; f.Count == 0 {
				b.faults = append(b.faults[:i:i], b.faults[i+1:]...)
			}
		}
		return &struck
	}
	return nil
}

// fail ends a job whose fault is due. The caller holds mu.
func (b *bulk) fail(j *bulkJob) bool {
	f := j.fault
	if f == nil || f.Kind == "slow" || f.Kind == "late" {
		return false
	}
	due := f.Rows
	if due == 0 {
		due = len(j.rows) / 2
	}
	if len(j.done) < due {
		return false
	}
	if f.Kind == "abort" {
		j.end(jobAborted, "")
		return true
	}
	text := f.Text
	if text == "" {
		text = "InternalServerError : The job was retried more than 20 times"
		if j.kind == "query" {
			text = "QUERY_TIMEOUT: Your query request was running for too long."
		}
	}
	j.end(jobFailed, text)
	return true
}

// pause is the time until a job's next transaction.
func (b *bulk) pause(j *bulkJob) time.Duration {
	d := max(b.cfg.BatchTime, 0)
	if j.fault != nil && j.fault.Kind == "slow" {
		d += j.fault.Delay
	}
	return d
}

// finish ends a job whose rows are all done. The caller holds mu.
func (b *bulk) finish(j *bulkJob) {
	if j.fault == nil || j.fault.Kind != "late" {
		j.end(jobComplete, "")
		return
	}
	b.after(j, j.fault.Delay, func(j *bulkJob) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if j.state == jobInProgress && !b.closed {
			j.end(jobComplete, "")
		}
	})
}

// injectBulk makes jobs of Bulk API 2.0 go wrong.
func (k *control) injectBulk(r *http.Request) (any, error) {
	var f BulkFault
	if err := read(r, &f); err != nil {
		return nil, err
	}
	if err := k.org.InjectBulk(f); err != nil {
		return nil, err
	}
	return map[string]any{"injected": f}, nil
}
