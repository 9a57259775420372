package bulk

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"sfbridge/internal/backoff"
	"sfbridge/salesforce"
)

// StartQuery makes a query job, which begins at once; all adds the rows in the
// recycle bin. The rows are not in one order, nor of one moment. If an answer
// is lost, a second job is made.
func (c *Client) StartQuery(ctx context.Context, soql string, all bool) (*Job, error) {
	operation := "query"
	if all {
		operation = "queryAll"
	}
	return c.call(ctx, Query, http.MethodPost, "/jobs/query", map[string]string{
		"operation": operation, "query": soql, "contentType": "CSV", "lineEnding": "LF", "columnDelimiter": "COMMA",
	})
}

// Rows yields the rows of a query job that is complete, page after page, from
// the page of the locator on; "" is the first. To go on after a crash, begin
// with the Page of the last row that is safe: its page comes again. Null and
// empty text are both "". A page whose reading breaks off is read again, and
// the rows of it that were yielded are passed over. The loop ends with the
// first error.
func (c *Client) Rows(ctx context.Context, job *Job, locator string) iter.Seq2[*Row, error] {
	return func(yield func(*Row, error) bool) {
		for {
			p := &page{locator: locator, seed: maphash.MakeSeed(), yield: yield}
			err := c.wholePage(ctx, job, p)
			switch {
			case p.stopped:
				return
			case err != nil:
				yield(nil, fmt.Errorf("read page %q of bulk query job %s: %w", locator, job.ID, err))
				return
			case p.next == "":
				return
			}
			locator = p.next
		}
	}
}

// page is a page of results, and how far it was read.
type page struct {
	locator string
	next    string // locator of the page that follows; empty for none
	yield   func(*Row, error) bool
	stopped bool // the loop wants no more
	yielded int
	sum     uint64 // over the rows yielded
	seed    maphash.Seed
}

// wholePage reads a page to its end, in several attempts if need be.
func (c *Client) wholePage(ctx context.Context, job *Job, p *page) error {
	for attempt := 1; ; attempt++ {
		before := p.yielded
		err := c.readPage(ctx, job, p)
		if err == nil || p.stopped || !salesforce.Retryable(err) || ctx.Err() != nil {
			return err
		}
		if p.yielded > before {
			attempt = 1 // there was progress
		}
		if attempt == c.cfg.Attempts {
			return err
		}
		wait := c.cfg.Backoff.Wait(attempt, salesforce.RetryAfter(err))
		c.log.Warn("page not read to its end, reading it again", "job", job.ID, "attempt", attempt, "wait", wait, "err", err)
		if backoff.Sleep(ctx, wait) != nil {
			return err
		}
	}
}

var (
	errShortPage = errors.New("the page ended before the rows that it announced")
	errOtherPage = &CSVError{Reason: "the page came with other rows when it was read again"}
)

// readPage reads a page once, and yields what was not yielded before.
func (c *Client) readPage(ctx context.Context, job *Job, p *page) error {
	q := url.Values{"maxRecords": {strconv.Itoa(c.cfg.PageRows)}} // without it, huge pages were seen to hang
	if p.locator != "" {
		q.Set("locator", p.locator)
	}
	path := jobPath(Query, job.ID) + "/results?" + q.Encode()
	header, body, err := c.cfg.API.Stream(ctx, salesforce.Request{Method: http.MethodGet, Path: path, Accept: "text/csv"})
	if err != nil {
		return err
	}
	defer body.Close()
	p.next = header.Get("Sforce-Locator")
	if p.next == "null" { // the word, at the end (Bulk API 2.0 guide, "Get Results for a Query Job")
		p.next = ""
	}
	if p.next != "" && p.next == p.locator {
		return &CSVError{Reason: "the next page is the page itself"}
	}
	n, err := p.read(body, job.Delimiter)
	if err != nil || p.stopped {
		return err
	}
	if announced, err := strconv.Atoi(header.Get("Sforce-NumberOfRecords")); err == nil && announced > n {
		return errShortPage
	}
	return nil
}

// read yields the rows after those that were yielded before.
func (p *page) read(body io.Reader, delimiter string) (n int, err error) {
	var sum uint64
	t, err := openTable(body, delimiter)
	for err == nil {
		var row *Row
		if row, err = t.next(); err != nil {
			break
		}
		n++
		sum = p.add(sum, row.Values)
		if n < p.yielded {
			continue
		}
		if n == p.yielded {
			if sum != p.sum {
				return n, errOtherPage
			}
			continue
		}
		row.Page = p.locator
		p.yielded, p.sum = n, sum
		if !p.yield(row, nil) {
			p.stopped = true
			return n, nil
		}
	}
	switch {
	case !errors.Is(err, io.EOF):
		return n, err
	case n < p.yielded:
		return n, errOtherPage
	}
	return n, nil
}

func (p *page) add(sum uint64, values []string) uint64 {
	for _, v := range values {
		sum = sum*31 + maphash.String(p.seed, v)
	}
	return sum
}
