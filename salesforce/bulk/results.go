package bulk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"

	"sfbridge/internal/backoff"
	"sfbridge/salesforce"
)

// Set is one of the three files that an ingest job's rows end in.
type Set string

// The sets, as the API's paths have them. Each row is in one of them.
const (
	Succeeded   Set = "successfulResults"
	FailedRows  Set = "failedResults"
	Unprocessed Set = "unprocessedrecords" // the job ended before their turn
)

// Row is a row of results.
type Row struct {
	ID      string            // of the record; may be empty for a row that failed
	Created bool              // by this row
	Err     *salesforce.Error // why the row failed; its Class tells whether it may be sent again
	Columns []string          // all of the file, shared by its rows
	Values  []string          // under the columns
	Page    string            // locator of the page that the row is in; of queries only
}

// Get returns the value under a column, whose name may be in another case. A
// job's own columns come back only if they were sent in the field's case.
func (r *Row) Get(column string) (string, bool) {
	for i, name := range r.Columns {
		if strings.EqualFold(name, column) {
			return r.Values[i], true
		}
	}
	return "", false
}

// Results yields the rows of one set of a job that has ended, as they arrive.
// Their order is not that of the data. The loop ends with the first error; if
// that is Retryable, read the set from its beginning.
func (c *Client) Results(ctx context.Context, job *Job, set Set) iter.Seq2[*Row, error] {
	return func(yield func(*Row, error) bool) {
		body, err := c.results(ctx, jobPath(Ingest, job.ID)+"/"+string(set)+"/")
		if err != nil {
			yield(nil, err)
			return
		}
		defer body.Close()
		t, err := openTable(body, job.Delimiter)
		for err == nil {
			var row *Row
			if row, err = t.next(); err != nil {
				break
			}
			row.outcome("bulk job "+job.ID, set)
			if !yield(row, nil) {
				return
			}
		}
		if !errors.Is(err, io.EOF) {
			yield(nil, fmt.Errorf("read %s of bulk job %s: %w", set, job.ID, err))
		}
	}
}

// results opens a file of results, and tries again if that fails in a way that
// may pass.
func (c *Client) results(ctx context.Context, path string) (io.ReadCloser, error) {
	for attempt := 1; ; attempt++ {
		_, body, err := c.cfg.API.Stream(ctx, salesforce.Request{Method: http.MethodGet, Path: path, Accept: "text/csv"})
		if err == nil || !salesforce.Retryable(err) || attempt == c.cfg.Attempts {
			return body, err
		}
		if backoff.Sleep(ctx, c.cfg.Backoff.Wait(attempt, salesforce.RetryAfter(err))) != nil {
			return nil, err
		}
	}
}

// outcome reads the columns that the org puts in front.
func (r *Row) outcome(op string, set Set) {
	r.ID, _ = r.Get("sf__Id")
	created, _ := r.Get("sf__Created")
	r.Created = strings.EqualFold(created, "true")
	if set == FailedRows {
		text, _ := r.Get("sf__Error")
		r.Err = ParseRowError(op, text)
	}
}

// table is CSV with a header, each of whose records has a value for each
// column.
type table struct {
	csv     *Reader
	columns []string
}

// openTable reads the header. An empty file is a table without rows.
func openTable(r io.Reader, delimiter string) (*table, error) {
	comma := byte(',')
	if d, known := delimiters[delimiter]; known {
		comma = d
	}
	t := &table{csv: newReader(r, comma)}
	var err error
	t.columns, err = t.csv.Read()
	return t, err
}

func (t *table) next() (*Row, error) {
	values, err := t.csv.Read()
	if err != nil {
		return nil, err
	}
	if len(values) != len(t.columns) {
		return nil, t.csv.bad(fmt.Sprintf("%d values for %d columns", len(values), len(t.columns)))
	}
	return &Row{Columns: t.columns, Values: values}, nil
}
