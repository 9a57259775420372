package salesforce

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Insert creates a record and returns its id. The call is repeated only while
// the org surely created nothing; ErrUnknownOutcome says that it may have.
func (c *Client) Insert(ctx context.Context, object string, rec Record) (id string, err error) {
	body, err := c.rowBody(rec)
	if err != nil {
		return "", err
	}
	r := &request{method: http.MethodPost, path: c.rowPath(object), body: body, header: c.rowHeader(), insert: true}
	var out saved
	if _, err := c.write(ctx, r, &out); err != nil {
		return "", err
	}
	if out.ID == "" {
		return "", r.doubt(&answerError{r.op(), errors.New("answer without an id")})
	}
	return out.ID, nil
}

// Update sets the given fields of a record; nil clears a field, and what is
// not given stays. A transient failure is followed by further attempts.
func (c *Client) Update(ctx context.Context, object, id string, rec Record) error {
	body, err := c.rowBody(rec, "Id")
	if err != nil {
		return err
	}
	_, err = c.write(ctx, &request{method: http.MethodPatch, path: c.rowPath(object, id), body: body, header: c.rowHeader()}, nil)
	return err
}

// Upsert updates the record whose external id field has the key, or creates
// one. The key is text, an integer, or a json.Number with its digits; the same
// field in rec is left out. Where several records have the key, nothing is
// changed and the *Error is DUPLICATE_EXTERNAL_ID with the Candidates. After a
// lost answer the call is made again, so created may be false for a record
// that the first attempt created. Up to API version 45.0 an update answers
// without the id.
func (c *Client) Upsert(ctx context.Context, object, field string, key any, rec Record) (id string, created bool, err error) {
	text, err := Text(key)
	if err != nil || text == "" {
		reason := "a key must not be empty"
		if err != nil {
			reason = err.Error()
		}
		return "", false, &ValueError{Field: field, Reason: reason}
	}
	if strings.Contains(text, ".") {
		return c.upsertInBody(ctx, object, field, key, rec)
	}
	body, err := c.rowBody(rec, "Id", field)
	if err != nil {
		return "", false, err
	}
	var out saved
	r := &request{method: http.MethodPatch, path: c.rowPath(object, field, text), shown: c.rowPath(object, field) + "/...", body: body, header: c.rowHeader()}
	_, err = c.write(ctx, r, &out)
	return out.ID, out.Created, err
}

// upsertInBody upserts by a key that does not travel well in a path: a value
// that ends like a file's name (.com) was answered 404, and dots alone are
// removed from paths by what stands in front of the org.
func (c *Client) upsertInBody(ctx context.Context, object, field string, key any, rec Record) (string, bool, error) {
	with := make(Record, len(rec)+1)
	for name, v := range rec {
		if !strings.EqualFold(name, field) && !strings.EqualFold(name, "Id") {
			with[name] = v
		}
	}
	with[field] = key
	out, err := c.UpsertMany(ctx, object, field, []Record{with})
	if err != nil {
		return "", false, err
	}
	if out[0].Err != nil {
		return "", false, out[0].Err
	}
	return out[0].ID, out[0].Created, nil
}

// Delete moves a record to the recycle bin. A record that is there already is
// ENTITY_IS_DELETED, unless it may have been an earlier attempt of this call
// whose answer was lost that moved it.
func (c *Client) Delete(ctx context.Context, object, id string) error {
	again, err := c.write(ctx, &request{method: http.MethodDelete, path: c.rowPath(object, id)}, nil)
	if e, ok := errors.AsType[*Error](err); ok && again && e.Code == codeDeleted {
		return nil
	}
	return err
}

const codeDeleted = "ENTITY_IS_DELETED"

// saved is the answer to a write of one row.
type saved struct {
	ID      string `json:"id"`
	Created bool   `json:"created"`
}

// rowPath is the path of an object, a row of it, or a row by external id.
func (c *Client) rowPath(object string, parts ...string) string {
	p := c.base() + "/sobjects/" + escapeSegment(object)
	for _, part := range parts {
		p += "/" + escapeSegment(part)
	}
	return p
}

// escapeSegment makes any text one segment of a path. A plus sign is escaped
// too: it stands for itself in a path, but not everything in front of an org
// knows.
func escapeSegment(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(url.PathEscape(s), "+", "%2B"), ".", "%2E")
}

// rowBody is the body of a write of one row, without the fields named.
func (c *Client) rowBody(rec Record, without ...string) (*payload, error) {
	leave := func(name string) bool {
		for _, w := range without {
			if strings.EqualFold(name, w) {
				return true
			}
		}
		return name == "attributes"
	}
	text, bad := appendFields(nil, "", rec, "", leave)
	if bad != nil {
		return nil, bad
	}
	return jsonPayload(func() func([]byte) ([]byte, bool) {
		done := false
		return func(b []byte) ([]byte, bool) {
			if done {
				return b, false
			}
			done = true
			return append(b, text...), true
		}
	}), nil
}

// jsonPayload is a JSON body made in pieces; start begins it anew.
func jsonPayload(start func() func([]byte) ([]byte, bool)) *payload {
	return &payload{kind: "application/json; charset=UTF-8", open: func() (io.ReadCloser, error) {
		return io.NopCloser(&pieces{next: start()}), nil
	}}
}
