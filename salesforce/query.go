package salesforce

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"strings"
)

// Record is a row of a query: field names to values. Numbers are json.Number,
// parents are maps, children of a sub-query are maps with a list of records;
// "attributes" has the type.
type Record map[string]any

// page is one answer of the query resource.
type page struct {
	Total   int      `json:"totalSize"`
	Done    bool     `json:"done"`
	Next    string   `json:"nextRecordsUrl"`
	Records []Record `json:"records"`
}

// Query runs a query and yields its rows, page after page; pages are fetched
// as the loop goes on, and may be smaller than the 2,000 rows asked for. The
// loop ends with the first error. A cursor that is lost half-way is an *Error
// of ClassRestart: what came before it has been yielded.
func (c *Client) Query(ctx context.Context, soql string) iter.Seq2[Record, error] {
	return c.rows(ctx, "/query", soql)
}

// QueryAll is Query with the rows in the recycle bin too.
func (c *Client) QueryAll(ctx context.Context, soql string) iter.Seq2[Record, error] {
	return c.rows(ctx, "/queryAll", soql)
}

// Count runs a query with COUNT() and returns the number.
func (c *Client) Count(ctx context.Context, soql string) (int, error) {
	var p page
	err := c.call(ctx, &request{method: http.MethodGet, path: c.queryPath("/query", soql)}, &p)
	return p.Total, err
}

func (c *Client) queryPath(resource, soql string) string {
	return c.base() + resource + "?q=" + url.QueryEscape(soql)
}

func (c *Client) rows(ctx context.Context, resource, soql string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		path := c.queryPath(resource, soql)
		for {
			var p page
			r := &request{method: http.MethodGet, path: path}
			if err := c.call(ctx, r, &p); err != nil {
				yield(nil, err)
				return
			}
			for _, rec := range p.Records {
				if !yield(rec, nil) {
					return
				}
			}
			if p.Done {
				return
			}
			if err := checkNext(p.Next, path); err != nil {
				yield(nil, &answerError{r.op(), err})
				return
			}
			path = p.Next
		}
	}
}

// checkNext refuses a next page that is not a path of the same host, or that
// is the page just read.
func checkNext(next, current string) error {
	switch {
	case next == "":
		return errors.New("query is not done and names no next page")
	case !strings.HasPrefix(next, "/services/data/"):
		return errors.New("the next page is not a path under /services/data/")
	case next == current:
		return errors.New("the next page is the page itself")
	}
	return nil
}
