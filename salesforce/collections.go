package salesforce

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// MaxCollection is how many records one collections call takes (REST API
// guide, "sObject Collections").
const MaxCollection = 200

// Outcome is what became of one record of a call.
type Outcome struct {
	ID      string // empty if the record was not written and has no id of its own
	Created bool   // by an insert, or an upsert that found nothing
	Err     *Error // why the record was not written; its Class tells whether the record may be sent again
}

// InsertMany creates up to MaxCollection records in one call. There is one
// outcome for each record, in their order; one that fails does not keep others
// from being created. ErrUnknownOutcome says that the answer was lost: any of
// them may have been created.
func (c *Client) InsertMany(ctx context.Context, object string, recs []Record) ([]Outcome, error) {
	r := &request{method: http.MethodPost, path: c.base() + "/composite/sobjects", insert: true}
	out, _, err := c.collection(ctx, r, object, recs, "")
	for i := range out {
		out[i].Created = out[i].Err == nil
	}
	return out, err
}

// UpdateMany updates up to MaxCollection records, each with its Id. No two may
// have the same. The call is repeated while it fails in a way that may pass.
func (c *Client) UpdateMany(ctx context.Context, object string, recs []Record) ([]Outcome, error) {
	r := &request{method: http.MethodPatch, path: c.base() + "/composite/sobjects"}
	out, _, err := c.collection(ctx, r, object, recs, "Id")
	return out, err
}

// UpsertMany updates or creates up to MaxCollection records, each with its
// external id in the field. No two may have the same: the org refuses every
// record that shares one. The call is repeated as UpdateMany's is.
func (c *Client) UpsertMany(ctx context.Context, object, field string, recs []Record) ([]Outcome, error) {
	r := &request{method: http.MethodPatch, path: c.base() + "/composite/sobjects/" + escapeSegment(object) + "/" + escapeSegment(field)}
	out, _, err := c.collection(ctx, r, object, recs, field)
	return out, err
}

// DeleteMany moves up to MaxCollection records to the recycle bin. A record
// that is there already is treated as Delete treats it.
func (c *Client) DeleteMany(ctx context.Context, ids []string) ([]Outcome, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	if err := checkCount(len(ids)); err != nil {
		return nil, err
	}
	path := c.base() + "/composite/sobjects?allOrNone=false&ids=" + url.QueryEscape(strings.Join(ids, ","))
	r := &request{method: http.MethodDelete, path: path}
	out, again, err := c.outcomes(ctx, r, len(ids))
	for i := range out {
		if out[i].ID == "" {
			out[i].ID = ids[i]
		}
		if again && out[i].Err != nil && out[i].Err.Code == codeDeleted {
			out[i].Err = nil
		}
	}
	return out, err
}

func checkCount(n int) error {
	if n > MaxCollection {
		return &ValueError{Index: MaxCollection, Field: "-", Reason: fmt.Sprintf("a call takes %d records, not %d", MaxCollection, n)}
	}
	return nil
}

// collection writes records of one object, each of which must have the key.
func (c *Client) collection(ctx context.Context, r *request, object string, recs []Record, key string) ([]Outcome, bool, error) {
	if len(recs) == 0 {
		return nil, false, nil
	}
	if err := checkRecords(recs, object, key); err != nil {
		return nil, false, err
	}
	r.header = c.rowHeader()
	r.body = jsonPayload(func() func([]byte) ([]byte, bool) { return recordsBody(object, recs) })
	return c.outcomes(ctx, r, len(recs))
}

// checkRecords finds what cannot be sent before anything is: the body is
// encoded a second time as it goes out, so that it is never whole in memory.
func checkRecords(recs []Record, object, key string) error {
	if err := checkCount(len(recs)); err != nil {
		return err
	}
	var b []byte
	for i, rec := range recs {
		var bad *ValueError
		if b, bad = appendFields(b[:0], "", rec, object, nil); bad != nil {
			bad.Index = i
			return bad
		}
		if key == "" {
			continue
		}
		found := false
		for name, v := range rec {
			found = found || strings.EqualFold(name, key) && v != nil && v != ""
		}
		if !found {
			return &ValueError{Index: i, Field: key, Reason: "the record has no value for its key"}
		}
	}
	return nil
}

// recordsBody makes the body of a collections call, record by record.
func recordsBody(object string, recs []Record) func([]byte) ([]byte, bool) {
	next := 0
	return func(b []byte) ([]byte, bool) {
		switch {
		case next > len(recs):
			return b, false
		case next == len(recs):
			b = append(b, "]}"...)
		case next == 0:
			b = append(b, `{"allOrNone":false,"records":[`...)
			b, _ = appendFields(b, "", recs[next], object, nil)
		default:
			b, _ = appendFields(append(b, ','), "", recs[next], object, nil)
		}
		next++
		return b, true
	}
}

// outcomes makes a collections call. Its status is 200 even if every record
// failed.
func (c *Client) outcomes(ctx context.Context, r *request, n int) ([]Outcome, bool, error) {
	var results []struct {
		ID      string `json:"id"`
		Success bool   `json:"success"`
		Created bool   `json:"created"`
		Errors  []struct {
			Code    string   `json:"statusCode"`
			Message string   `json:"message"`
			Fields  []string `json:"fields"`
		} `json:"errors"`
	}
	again, err := c.write(ctx, r, &results)
	if err != nil {
		return nil, again, err
	}
	if len(results) != n {
		return nil, again, r.doubt(&answerError{r.op(), fmt.Errorf("%d results for %d records", len(results), n)})
	}
	out := make([]Outcome, n)
	for i, res := range results {
		out[i] = Outcome{ID: res.ID, Created: res.Created && res.Success}
		if res.Success {
			continue
		}
		e := &Error{Op: r.op(), Status: http.StatusOK, Message: errNoReason.Error()}
		if len(res.Errors) > 0 {
			first := res.Errors[0]
			e.Code, e.Message, e.Fields, e.More = first.Code, first.Message, first.Fields, len(res.Errors)-1
		}
		out[i].Err = e
	}
	return out, again, nil
}

var errNoReason = errors.New("the record failed and the org does not say why")
