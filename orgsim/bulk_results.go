package orgsim

import (
	"compress/gzip"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
)

// ingestResults answers with one of the three files of a job that has ended.
func (c *call) ingestResults(j *bulkJob, name string) error {
	if err := c.allow(http.MethodGet); err != nil {
		return err
	}
	b := c.rest.bulk
	b.mu.Lock()
	ended, state, rows, done := j.finished(), j.state, j.rows, j.done
	b.mu.Unlock()
	if !ended {
		return errJobState("InvalidJobState : The results of a job with state " + string(state) + " are not there yet.")
	}
	return c.csv(j.file(name, rows, done))
}

// file writes a result file. Rows come in an order of their own, the same at
// every call.
func (j *bulkJob) file(name string, rows []csvRow, done []rowOutcome) []byte {
	head := j.form.read(j.data, 0, nil)
	if rows == nil { // aborted before anybody looked at the data
		rows, _ = j.form.rows(j.data, head.next)
	}
	var own []string
	switch name {
	case "successfulresults":
		own = []string{"sf__Id", "sf__Created"}
	case "failedresults":
		own = []string{"sf__Id", "sf__Error"}
	}
	out := j.form.appendRecord(nil, append(own, head.fields...)...)
	order := rand.New(rand.NewPCG(j.call.rest.org.cfg.Seed, j.number)).Perm(len(rows))
	var fields []string
	for _, i := range order {
		var o rowOutcome
		processed := i < len(done)
		if processed {
			o = done[i]
		}
		switch {
		case name == "unprocessedrecords" && !processed:
			own = own[:0]
		case name == "successfulresults" && processed && o.err == "":
			own = append(own[:0], o.id, strconv.FormatBool(o.created))
		case name == "failedresults" && processed && o.err != "":
			own = append(own[:0], o.id, o.err)
		default:
			continue
		}
		rec := j.form.read(j.data[:rows[i].end], rows[i].start, fields)
		out = j.form.appendRecord(out, append(own, fit(rec.fields, len(head.fields))...)...)
		fields = rec.fields
	}
	return out
}

// fit gives a row the number of columns that the header has.
func fit(fields []string, n int) []string {
	for len(fields) < n {
		fields = append(fields, "")
	}
	return fields[:n]
}

// csv answers with CSV text, packed if the client likes it so.
func (c *call) csv(body []byte) error {
	if c.cut {
		panic(http.ErrAbortHandler) // net/http cuts the connection and stays silent
	}
	h := c.w.Header()
	h.Set("Content-Type", "text/csv;charset=UTF-8") // simple-salesforce reads Latin-1 without the charset
	if len(body) < minGzip || !strings.Contains(c.r.Header.Get("Accept-Encoding"), "gzip") {
		c.w.WriteHeader(http.StatusOK)
		_, err := c.w.Write(body)
		return err
	}
	h.Set("Content-Encoding", "gzip")
	h.Set("Vary", "Accept-Encoding")
	c.w.WriteHeader(http.StatusOK)
	zw := gzip.NewWriter(c.w)
	_, err := zw.Write(body)
	return errors.Join(err, zw.Close())
}
