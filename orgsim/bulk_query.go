package orgsim

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"sfbridge/orgsim/soql"
)

// bulkPage is how many rows a page of results has when nobody says.
const bulkPage = 250_000

// createQueryJob makes a query job, which starts by itself.
func (c *call) createQueryJob() error {
	var in struct {
		Operation       string `json:"operation"`
		Query           string `json:"query"`
		ContentType     string `json:"contentType"`
		LineEnding      string `json:"lineEnding"`
		ColumnDelimiter string `json:"columnDelimiter"`
	}
	text, err := c.body()
	if err != nil {
		return err
	}
	if err := decodeJSON(text, &in); err != nil {
		return jsonError(text, err)
	}
	if in.Operation != "query" && in.Operation != "queryAll" {
		return badRequest("INVALIDJOB", "InvalidJob : Unknown operation: "+in.Operation)
	}
	j := &bulkJob{kind: "query", operation: in.Operation, query: in.Query}
	if err := c.shape(j, in.ContentType, in.LineEnding, in.ColumnDelimiter); err != nil {
		return err
	}
	if j.plan, err = c.bulkPlan(in.Query); err != nil {
		return err
	}
	j.def = c.rest.org.Object(j.plan.Object)
	b := c.rest.bulk
	b.mu.Lock()
	now := time.Now()
	if int(b.queries.sum(now)) >= b.cfg.DailyQueries {
		err = badRequest("API_ERROR", fmt.Sprintf("Max bulk v2 query jobs (%d) per 24 hrs has been reached", b.cfg.DailyQueries))
	} else {
		err = b.add(j)
	}
	if err == nil {
		b.queries.add(now, 1)
		b.enqueue(j)
	}
	info := j.info(false)
	b.mu.Unlock()
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, info)
}

// bulkPlan binds a query and refuses what a query job cannot do.
func (c *call) bulkPlan(text string) (*soql.Plan, error) {
	q, err := soql.Parse(text)
	if err != nil {
		return nil, err
	}
	if def := c.rest.org.Object(q.From); def != nil && def.Event {
		return nil, errEntity(q.From)
	}
	refuse := func(what string) error { return badRequest("API_ERROR", what+" not supported in Bulk Query") }
	for _, item := range q.Select {
		switch {
		case item.Aggregate != nil:
			return nil, refuse("Selecting aggregates")
		case item.Children != nil:
			return nil, refuse("Aggregate Relationship")
		}
	}
	if q.Offset > 0 {
		return nil, refuse("OFFSET clause")
	}
	plan, err := soql.Bind(q, catalog{c.rest.org, c.access}, time.Now())
	if err != nil {
		return nil, err
	}
	for _, col := range plan.Columns() {
		if f := c.rest.org.Object(col.Object).Field(col.Field); f.Type == TypeAddress || f.Type == TypeLocation {
			return nil, refuse("Selecting compound data")
		}
	}
	return plan, nil
}

// runQuery runs the query of a job in progress and ends the job.
func (b *bulk) runQuery(j *bulkJob) {
	result := j.plan.Run(rowSource{b.org}, soql.Options{Deleted: j.operation == "queryAll"})
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case j.state != jobInProgress || b.fail(j):
	default:
		b.after(j, b.pause(j), func(j *bulkJob) {
			b.mu.Lock()
			defer b.mu.Unlock()
			if j.state == jobInProgress {
				j.result = result
				b.finish(j)
			}
		})
	}
}

// queryJobCall is what stands below a query job; names go without case.
func (c *call) queryJobCall(j *bulkJob, name string) error {
	if name != "results" && name != "resultpages" || name == "resultpages" && c.version < 58 {
		return errNotFound()
	}
	if err := c.allow(http.MethodGet); err != nil {
		return err
	}
	if c.version != j.call.version {
		return &apiError{
			Status: http.StatusConflict, Code: "INVALIDVERSION",
			Message: "InvalidVersion : The job was made with version " + strconv.Itoa(j.call.version) + ".0; its results have the same.",
		}
	}
	b := c.rest.bulk
	b.mu.Lock()
	state, result := j.state, j.result
	b.mu.Unlock()
	if state != jobComplete {
		return errJobState("InvalidJobState : The results of a job with state " + string(state) + " cannot be read.")
	}
	from, size, err := c.pageOf(j, result.Len())
	if err != nil {
		return err
	}
	if name == "resultpages" {
		return c.resultPages(j, from, size, result.Len())
	}
	return c.resultPage(j, result, from, size)
}

// pageOf reads locator and maxRecords. A locator holds both offset and size,
// so that the pages that follow are like the first.
func (c *call) pageOf(j *bulkJob, total int) (from, size int, err error) {
	bad := badRequest("INVALIDQUERYLOCATOR", "InvalidQueryLocator : The locator does not belong to this job.")
	params := c.r.URL.Query()
	size = bulkPage
	if text := params.Get("locator"); text != "" {
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			return 0, 0, bad
		}
		n, err := fmt.Sscanf(string(raw), "%d/%d", &from, &size)
		if err != nil || n != 2 || from < 0 || from >= total || size < 1 {
			return 0, 0, bad
		}
	}
	if text := params.Get("maxRecords"); text != "" {
		if size, err = strconv.Atoi(text); err != nil || size < 1 {
			return 0, 0, badRequest("INVALIDJOB", "InvalidJob : maxRecords must be a positive number.")
		}
	}
	return from, size, nil
}

func locatorOf(from, size int) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d/%d", from, size))
}

// resultPage answers with a page, which repeats the header. Behind the last
// one the locator is the text null.
func (c *call) resultPage(j *bulkJob, result *soql.Result, from, size int) error {
	columns := j.plan.Columns()
	values := make([]string, len(columns))
	for i, col := range columns {
		values[i] = col.Path
	}
	out := j.form.appendRecord(nil, values...)
	b := c.rest.bulk
	b.mu.Lock() // a result makes its records when it is asked, one caller at a time
	records := result.Slice(from, min(from+size, result.Len()))
	b.mu.Unlock()
	for _, rec := range records {
		for i, col := range columns {
			values[i] = cellText(rec, col.Path)
		}
		out = j.form.appendRecord(out, values...)
	}
	next := "null"
	if to := from + len(records); to < result.Len() {
		next = locatorOf(to, size)
	}
	c.w.Header().Set("Sforce-NumberOfRecords", strconv.Itoa(len(records)))
	c.w.Header().Set("Sforce-Locator", next)
	return c.csv(out)
}

// cellText is a value of a record as CSV has it, by its path; null is empty.
func cellText(rec *soql.Record, path string) string {
	name, rest, deeper := strings.Cut(path, ".")
	for _, cell := range rec.Cells {
		if cell.Name != name {
			continue
		}
		if deeper {
			if parent, ok := cell.Value.(*soql.Record); ok {
				return cellText(parent, rest)
			}
			return ""
		}
		switch v := cell.Value.(type) {
		case nil:
			return ""
		case *soql.Record:
			continue // a parent with the name of the field
		case soql.Stamp:
			return DateTime(int64(v)).Time().Format("2006-01-02T15:04:05.000Z")
		case json.RawMessage:
			return string(v)
		default:
			return fmt.Sprint(fromSOQL(v))
		}
	}
	return ""
}

// resultPages lists up to five pages, to be read side by side.
func (c *call) resultPages(j *bulkJob, from, size, total int) error {
	base := c.base + "/jobs/query/" + j.id
	type page struct {
		URL string `json:"resultUrl"`
	}
	pages := []page{}
	for ; from < total && len(pages) < 5; from += size {
		pages = append(pages, page{base + "/results?locator=" + locatorOf(from, size)})
	}
	out := map[string]any{"resultPages": pages, "nextRecordsUrl": nil, "done": from >= total}
	if from < total {
		out["nextRecordsUrl"] = base + "/resultpages?locator=" + locatorOf(from, size)
	}
	return c.json(http.StatusOK, out)
}
