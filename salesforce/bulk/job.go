package bulk

import (
	"encoding/json"
	"fmt"
	"time"
)

// Kind is which way a job moves rows.
type Kind string

// The kinds, as the API's paths have them.
const (
	Ingest Kind = "ingest"
	Query  Kind = "query"
)

// Operation is what an ingest job does with its rows.
type Operation string

// The operations. HardDelete needs the permission Bulk API Hard Delete and
// does not use the recycle bin.
const (
	Insert     Operation = "insert"
	Update     Operation = "update"
	Upsert     Operation = "upsert"
	Delete     Operation = "delete"
	HardDelete Operation = "hardDelete"
)

// State is where a job is.
type State string

// The states. Open is for data; the last three are ends.
const (
	Open           State = "Open"
	UploadComplete State = "UploadComplete"
	InProgress     State = "InProgress"
	JobComplete    State = "JobComplete"
	Failed         State = "Failed"
	Aborted        State = "Aborted"
)

// Ended tells whether a job in this state will do nothing more.
func (s State) Ended() bool { return s == JobComplete || s == Failed || s == Aborted }

// Spec says what an ingest job is to do.
type Spec struct {
	Object          string
	Operation       Operation
	ExternalIDField string // of an upsert
	AssignmentRule  string // id; of Case and Lead
}

// Job is a job as the org describes it.
type Job struct {
	ID              string
	Kind            Kind
	Operation       string // an Operation, query or queryAll
	Object          string
	ExternalIDField string
	State           State
	CreatedBy       string // user id
	Created         time.Time
	Delimiter       string // COMMA, for the jobs of this package
	Processed       int    // rows, those that failed too
	Failed          int    // rows
	Retries         int
	Took            time.Duration
	Message         string // why it failed
}

// jobForm is a job in JSON (Bulk API 2.0 guide, "Get Information About an
// Ingest Job").
type jobForm struct {
	ID              string      `json:"id"`
	Operation       string      `json:"operation"`
	Object          string      `json:"object"`
	ExternalIDField string      `json:"externalIdFieldName"`
	State           State       `json:"state"`
	CreatedBy       string      `json:"createdById"`
	Created         string      `json:"createdDate"`
	Delimiter       string      `json:"columnDelimiter"`
	Processed       json.Number `json:"numberRecordsProcessed"`
	Failed          json.Number `json:"numberRecordsFailed"`
	Retries         json.Number `json:"retries"`
	Took            json.Number `json:"totalProcessingTime"`
	Message         string      `json:"errorMessage"`
}

func (f *jobForm) job(kind Kind) *Job {
	created, _ := time.Parse("2006-01-02T15:04:05.000Z0700", f.Created) // zero if it is told otherwise
	return &Job{
		ID: f.ID, Kind: kind, Operation: f.Operation, Object: f.Object, ExternalIDField: f.ExternalIDField, State: f.State,
		CreatedBy: f.CreatedBy, Created: created, Delimiter: f.Delimiter, Message: f.Message,
		Processed: count(f.Processed), Failed: count(f.Failed), Retries: count(f.Retries),
		Took: time.Duration(count(f.Took)) * time.Millisecond,
	}
}

// count is a number that not every answer has.
func count(n json.Number) int {
	v, _ := n.Int64()
	return int(v)
}

// JobError is a job that ended without doing all of its work. What it did
// before stays done.
type JobError struct{ Job Job }

// Error gives the job, its end, and the org's reason.
func (e *JobError) Error() string {
	s := fmt.Sprintf("bulk job %s (%s of %s) ended %s after %d rows", e.Job.ID, e.Job.Operation, e.Job.Object, e.Job.State, e.Job.Processed)
	if e.Job.Message != "" {
		s += ": " + e.Job.Message
	}
	if e.Job.Kind == Ingest {
		s += "; read its failed and unprocessed rows to see what is left to send"
	}
	return s
}

// Retryable is false: the job will not run again.
func (e *JobError) Retryable() bool { return false }
