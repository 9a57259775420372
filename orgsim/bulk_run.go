package orgsim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	bulkTransaction = 200     // rows that commit together
	bulkBatch       = 10_000  // rows of an internal batch, the unit of the daily allocation
	maxHeader       = 32_000  // characters of a header
	maxColumns      = 5_000   // of an upload
	maxCSVRecord    = 400_000 // characters
	maxCSVField     = 131_072 // characters
)

// enqueue closes a job and lets it start after a while. The caller holds mu.
func (b *bulk) enqueue(j *bulkJob) {
	j.set(jobUploadComplete)
	b.after(j, b.cfg.StartDelay, b.start)
}

// after sets a job's next step. The caller holds mu.
func (b *bulk) after(j *bulkJob, d time.Duration, step func(*bulkJob)) {
	if !b.closed {
		j.timer = time.AfterFunc(max(d, 0), func() { step(j) })
	}
}

// start begins work on a job. Its data, which no longer changes, is looked
// through without the lock.
func (b *bulk) start(j *bulkJob) {
	b.mu.Lock()
	if j.state != jobUploadComplete || b.closed {
		b.mu.Unlock()
		return
	}
	j.set(jobInProgress)
	j.started = j.changed
	j.fault = b.strike(j)
	b.mu.Unlock()
	if j.kind == "query" {
		b.runQuery(j)
		return
	}
	columns, rows, err := j.prepare()

	b.mu.Lock()
	defer b.mu.Unlock()
	j.columns, j.rows = columns, rows
	if j.state != jobInProgress {
		return
	}
	if err == nil {
		err = b.allocate(len(rows))
	}
	if err != nil {
		j.end(jobFailed, jobMessage(err))
		return
	}
	b.after(j, b.cfg.BatchTime, b.step)
}

// errBatchQuota is the end of a job beyond the day's allocation.
var errBatchQuota = badRequest("EXCEEDEDQUOTA", "ExceededQuota : ApiBatchItems Limit exceeded.")

// allocate takes the batches of a job from the day's allocation. The caller
// holds mu.
func (b *bulk) allocate(rows int) error {
	now, n := time.Now(), (rows+bulkBatch-1)/bulkBatch
	if int(b.batches.sum(now))+n > b.cfg.DailyBatches {
		return errBatchQuota
	}
	b.batches.add(now, int64(n))
	return nil
}

// jobMessage is the errorMessage that an error becomes.
func jobMessage(err error) string {
	if e, ok := errors.AsType[*apiError](err); ok {
		return e.Message
	}
	return err.Error()
}

// prepare reads the header of the data and finds the records behind it.
func (j *bulkJob) prepare() ([]bulkColumn, []csvRow, error) {
	if strings.Trim(j.data, "\r\n") == "" {
		return nil, nil, fmt.Errorf("InvalidBatch : Failed to parse CSV header")
	}
	head := j.form.read(j.data, 0, nil)
	rows, wrong := j.form.rows(j.data, head.next)
	wrong = wrong || head.wrongEnding
	switch {
	case wrong && j.form.crlf:
		return nil, rows, fmt.Errorf("ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is CRLF")
	case wrong:
		return nil, rows, fmt.Errorf("ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF")
	case head.bad != "":
		return nil, rows, fmt.Errorf("InvalidBatch : Failed to parse CSV header: %s", head.bad)
	case head.next > maxHeader || len(head.fields) > maxColumns:
		return nil, rows, fmt.Errorf("InvalidBatch : The CSV header is limited to %d characters and %d columns", maxHeader, maxColumns)
	}
	columns, err := j.columnsOf(head.fields)
	return columns, rows, err
}

// step commits the next 200 rows, and is the whole life of a job in progress.
func (b *bulk) step(j *bulkJob) {
	b.mu.Lock()
	if j.state != jobInProgress || b.closed || b.fail(j) {
		b.mu.Unlock()
		return
	}
	from := len(j.done)
	rows := j.rows[from:min(from+bulkTransaction, len(j.rows))]
	b.mu.Unlock()

	outcomes, err := j.commit(rows)

	b.mu.Lock()
	defer b.mu.Unlock()
	j.done = append(j.done, outcomes...) // they are committed even if the job was aborted meanwhile
	for _, o := range outcomes {
		if o.err != "" {
			j.failed++
		}
	}
	switch {
	case j.state != jobInProgress:
	case err != nil:
		j.end(jobFailed, "InternalError : "+err.Error())
	case b.fail(j):
	case len(j.done) == len(j.rows):
		b.finish(j)
	default:
		b.after(j, b.pause(j), b.step)
	}
}

// rowOutcome is what became of a row.
type rowOutcome struct {
	id      string
	created bool
	err     string // as sf__Error shows it; empty = the row succeeded
}

// commit runs up to 200 rows as one transaction in which each row succeeds or
// fails alone.
func (j *bulkJob) commit(rows []csvRow) ([]rowOutcome, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	batch := make([]bulkRow, len(rows))
	keys := make([]string, len(rows))
	for i, r := range rows {
		batch[i] = j.read(r)
		keys[i] = batch[i].dedupe
	}
	twice := repeated(keys)
	out := make([]rowOutcome, len(rows))
	_, err := j.call.rest.org.Transact(context.Background(), j.caller, func(tx *Tx) error {
		for i := range batch {
			row := &batch[i]
			err := tx.Try(func() error {
				if twice[row.dedupe] {
					return badRequest(CodeDuplicateValue, j.duplicateText()+row.key)
				}
				return j.apply(tx, row, &out[i])
			})
			if err != nil {
				out[i].err, out[i].created = bulkError(err), false
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (j *bulkJob) duplicateText() string {
	if j.key != nil && j.key.Type != TypeID {
		return "Duplicate external id specified: "
	}
	return "Duplicate id specified: "
}

// apply does to the org what a row asks for.
func (j *bulkJob) apply(tx *Tx, row *bulkRow, out *rowOutcome) (err error) {
	if row.err != nil {
		return row.err
	}
	byID := j.operation == "update" || j.operation == "delete" || j.operation == "hardDelete" || j.key != nil && j.key.Type == TypeID && row.key != ""
	if byID {
		if out.id, err = j.target(row.id); err != nil {
			return err
		}
	}
	switch j.operation {
	case "delete":
		return tx.Delete(out.id)
	case "hardDelete":
		return tx.Purge(out.id)
	}
	if !byID && row.id != "" {
		return badRequest(CodeInvalidFieldForWrite, "cannot specify Id in an insert call", "Id")
	}
	return j.write(tx, row, byID, out)
}

// write inserts, updates or upserts the row.
func (j *bulkJob) write(tx *Tx, row *bulkRow, byID bool, out *rowOutcome) error {
	key := ""
	if j.key != nil && j.key.Type != TypeID {
		key = j.key.Name
	}
	values, err := j.call.values(tx, j.def, row.body, key)
	switch {
	case err != nil:
		return err
	case byID:
		return tx.Update(out.id, values)
	case key == "":
		id, err := tx.Insert(j.def.Name, values)
		if err == nil {
			out.id, out.created = id, true
		}
		return err
	case row.key == "":
		return badRequest("MISSING_ARGUMENT", key+" not specified", key)
	}
	value, err := j.key.FromText(row.key)
	if err == nil {
		out.id, out.created, err = tx.Upsert(j.def.Name, key, value, values)
	}
	return err
}

// target is the row that a row of CSV names by its id.
func (j *bulkJob) target(id string) (string, error) {
	if id == "" {
		return "", badRequest("MISSING_ARGUMENT", "Id not specified in an update call", "Id")
	}
	full, err := ID18(id)
	if err != nil {
		return "", badRequest(CodeMalformedID, "malformed id "+id, "Id")
	}
	if full[:3] != j.def.KeyPrefix {
		return "", badRequest(CodeMalformedID, "id value of incorrect type: "+id, "Id")
	}
	return full, nil
}

// bulkError is a refusal as sf__Error shows it: CODE:message:fields --. A
// value of the wrong type has a code of its own, since there is no JSON here.
func bulkError(err error) string {
	e := asAPIError(err)
	code, message := e.Code, e.Message
	if code == CodeJSONParserError {
		code = CodeInvalidTypeOnField
		if _, text, ok := strings.Cut(message, " from value "); ok {
			message = strings.Join(e.Fields, ",") + ": value not of required type: " + text
		}
	}
	return code + ":" + message + ":" + strings.Join(e.Fields, ",") + " --"
}
