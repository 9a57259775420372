package orgsim

import (
	"encoding/json"
	"strconv"
	"time"

	"sfbridge/orgsim/soql"
)

// jobState is where a job is: Open, UploadComplete, InProgress, and one of
// the three ends.
type jobState string

const (
	jobOpen           jobState = "Open"
	jobUploadComplete jobState = "UploadComplete"
	jobInProgress     jobState = "InProgress"
	jobComplete       jobState = "JobComplete"
	jobFailed         jobState = "Failed"
	jobAborted        jobState = "Aborted"
)

// bulkJob is a job of Bulk API 2.0. bulk.mu guards what changes.
type bulkJob struct {
	id        string
	number    uint64
	kind      string // ingest or query
	operation string
	def       *ObjectDef
	key       *FieldDef // of an upsert
	call      *call     // version, user and access of whoever made it
	caller    Caller
	form      csvForm
	delimiter string
	created   time.Time

	state    jobState
	changed  time.Time
	started  time.Time
	timer    *time.Timer
	message  string // why it failed
	data     string // of the upload
	uploaded bool
	fault    *BulkFault

	// Of an ingest job:
	columns []bulkColumn
	rows    []csvRow
	done    []rowOutcome // of the first rows, as far as the job came
	failed  int

	// Of a query job:
	query  string
	plan   *soql.Plan
	result *soql.Result
}

// finished tells whether the job has come to an end.
func (j *bulkJob) finished() bool {
	return j.state == jobComplete || j.state == jobFailed || j.state == jobAborted
}

// size is about how many bytes the job keeps.
func (j *bulkJob) size() int { return len(j.data) + 80*len(j.rows) }

// set moves the job on.
func (j *bulkJob) set(s jobState) { j.state, j.changed = s, time.Now() }

// end stops the job for good.
func (j *bulkJob) end(s jobState, message string) {
	j.stop()
	j.set(s)
	j.message = message
}

func (j *bulkJob) stop() {
	if j.timer != nil {
		j.timer.Stop()
	}
}

// jobInfo is a job as the API shows it. Its keys stand in the order of the
// Bulk API 2.0 guide.
type jobInfo struct {
	ID                  string      `json:"id"`
	Operation           string      `json:"operation"`
	Object              string      `json:"object"`
	ExternalIDFieldName string      `json:"externalIdFieldName,omitempty"`
	CreatedByID         string      `json:"createdById"`
	CreatedDate         string      `json:"createdDate"`
	SystemModstamp      string      `json:"systemModstamp"`
	State               jobState    `json:"state"`
	ConcurrencyMode     string      `json:"concurrencyMode"`
	ContentType         string      `json:"contentType"`
	APIVersion          json.Number `json:"apiVersion"`
	JobType             string      `json:"jobType,omitempty"`
	ContentURL          string      `json:"contentUrl,omitempty"`
	LineEnding          string      `json:"lineEnding"`
	ColumnDelimiter     string      `json:"columnDelimiter"`
	*jobProgress
}

// jobProgress is what only a GET of one job tells.
type jobProgress struct {
	Processed   int    `json:"numberRecordsProcessed"`
	Failed      *int   `json:"numberRecordsFailed,omitempty"`
	Retries     int    `json:"retries"`
	TotalTime   int64  `json:"totalProcessingTime"`
	ActiveTime  *int64 `json:"apiActiveProcessingTime,omitempty"`
	ApexTime    *int64 `json:"apexProcessingTime,omitempty"`
	PKChunking  *bool  `json:"isPkChunkingSupported,omitempty"`
	ErrorReason string `json:"errorMessage,omitempty"`
}

// info shows the job; whole adds how far it came.
func (j *bulkJob) info(whole bool) jobInfo {
	ending, kind := "LF", "V2Ingest"
	if j.form.crlf {
		ending = "CRLF"
	}
	if j.kind == "query" {
		kind = "V2Query"
	}
	out := jobInfo{
		ID: j.id, Operation: j.operation, Object: j.def.Name, CreatedByID: j.caller.UserID,
		CreatedDate: DateTimeOf(j.created).String(), SystemModstamp: DateTimeOf(j.changed).String(),
		State: j.state, ConcurrencyMode: "Parallel", ContentType: "CSV",
		APIVersion: json.Number(strconv.Itoa(j.call.version) + ".0"), JobType: kind,
		LineEnding: ending, ColumnDelimiter: j.delimiter,
	}
	if j.key != nil {
		out.ExternalIDFieldName = j.key.Name
	}
	if j.kind == "ingest" && j.state == jobOpen {
		out.ContentURL = j.call.base[1:] + "/jobs/ingest/" + j.id + "/batches"
	}
	if whole {
		out.jobProgress = j.progress()
	}
	return out
}

func (j *bulkJob) progress() *jobProgress {
	p := &jobProgress{ErrorReason: j.message}
	if !j.started.IsZero() {
		until := time.Now()
		if j.finished() {
			until = j.changed
		}
		p.TotalTime = until.Sub(j.started).Milliseconds()
	}
	if j.kind == "query" {
		chunks := false
		p.PKChunking = &chunks
		if j.result != nil {
			p.Processed = j.result.Len()
		}
		return p
	}
	failed, active, apex := j.failed, p.TotalTime, int64(0)
	p.Processed, p.Failed, p.ActiveTime, p.ApexTime = len(j.done), &failed, &active, &apex
	return p
}
