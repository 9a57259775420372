package orgsim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Limits of one composite request (REST API guide, "Composite").
const (
	maxSubrequests = 25
	maxQueries     = 5 // queries and collections among them
)

// subrequest is one call inside of a composite request.
type subrequest struct {
	Method      string            `json:"method"`
	URL         string            `json:"url"`
	ReferenceID string            `json:"referenceId"`
	HTTPHeaders map[string]string `json:"httpHeaders"`
	Body        any               `json:"body"`
}

// subresult is the answer to one.
type subresult struct {
	Body        any               `json:"body"`
	HTTPHeaders map[string]string `json:"httpHeaders"`
	Status      int               `json:"httpStatusCode"`
	ReferenceID string            `json:"referenceId"`
}

// compositeCalls answers /composite: up to 25 calls that count as one, each
// of which may use what the ones before it answered.
func (c *call) compositeCalls() error {
	if err := c.allow(http.MethodPost); err != nil {
		return err
	}
	var in struct {
		AllOrNone bool         `json:"allOrNone"`
		Requests  []subrequest `json:"compositeRequest"`
	}
	text, err := c.body()
	if err != nil {
		return err
	}
	if err := decodeJSON(text, &in); err != nil {
		return jsonError(text, err)
	}
	if err := c.checkComposite(in.Requests); err != nil {
		return err
	}
	run := &compositeRun{outer: c, answers: map[string]any{}, results: make([]subresult, len(in.Requests))}
	if !in.AllOrNone {
		for i, sub := range in.Requests {
			run.results[i] = run.do(sub)
		}
	} else if err := run.together(in.Requests); err != nil {
		return err
	}
	return c.json(http.StatusOK, map[string]any{"compositeResponse": run.results})
}

// checkComposite refuses requests that are wrong as a whole.
func (c *call) checkComposite(requests []subrequest) error {
	if len(requests) == 0 {
		return badRequest("REQUIRED_FIELD_MISSING", "Required fields are missing: [compositeRequest]")
	}
	if len(requests) > maxSubrequests {
		return badRequest("LIMIT_EXCEEDED", fmt.Sprintf("Limit reached: at most %d subrequests", maxSubrequests))
	}
	queries, seen := 0, map[string]bool{}
	for _, sub := range requests {
		switch {
		case !validReference(sub.ReferenceID, c.version):
			return badRequest(CodeJSONParserError, "Invalid reference ID '"+sub.ReferenceID+"': it starts with a letter or digit and has letters, digits and underscores only.")
		case seen[sub.ReferenceID]:
			return badRequest("INVALID_INPUT", "Duplicate reference ID: "+sub.ReferenceID)
		case sub.Method == "" || !strings.HasPrefix(sub.URL, "/services/data/"):
			return badRequest("INVALID_INPUT", "A subrequest needs a method and a URL that starts with /services/data/: "+sub.ReferenceID)
		}
		for name := range sub.HTTPHeaders {
			switch strings.ToLower(name) {
			case "accept", "authorization", "content-type":
				return badRequest("INVALID_INPUT", "The header "+name+" is not allowed in a subrequest.")
			}
		}
		seen[sub.ReferenceID] = true
		if strings.Contains(sub.URL, "/query") || strings.Contains(sub.URL, "/composite/sobjects") {
			queries++
		}
	}
	if queries > maxQueries {
		return badRequest("LIMIT_EXCEEDED", fmt.Sprintf("Limit reached: at most %d queries and collections", maxQueries))
	}
	return nil
}

// validReference checks a reference id; hyphens were tolerated before 54.0.
func validReference(id string, version int) bool {
	for i, r := range id {
		word := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !word && (i == 0 || r != '_' && (r != '-' || version >= 54)) {
			return false
		}
	}
	return id != ""
}

// compositeRun is a composite request under way.
type compositeRun struct {
	outer   *call
	within  *txStore       // of all or none
	answers map[string]any // bodies of the calls that succeeded, by reference id
	results []subresult
}

// halted is the answer to a call that was not made, or was undone.
func halted(sub subrequest, why string) subresult {
	return subresult{
		Body:        []*apiError{{Code: "PROCESSING_HALTED", Message: why}},
		HTTPHeaders: map[string]string{}, Status: http.StatusBadRequest, ReferenceID: sub.ReferenceID,
	}
}

// together makes all calls in one transaction; the first that fails undoes
// the others.
func (run *compositeRun) together(requests []subrequest) error {
	failed, c := -1, run.outer
	undo := errors.New("rolled back")
	_, err := c.rest.org.Transact(c.ctx, c.caller(), func(tx *Tx) error {
		run.within = &txStore{Org: c.rest.org}
		run.within.tx.Store(tx)
		defer run.within.tx.Store(nil)
		for i, sub := range requests {
			if run.results[i] = run.do(sub); run.results[i].Status >= http.StatusBadRequest {
				failed = i
				return undo
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, undo) {
		return err
	}
	for i, sub := range requests {
		if failed >= 0 && i != failed {
			run.results[i] = halted(sub, "The transaction was rolled back since another operation in the same transaction failed.")
		}
	}
	return nil
}

// do makes one call, once its references are filled in.
func (run *compositeRun) do(sub subrequest) subresult {
	url, err := run.fill(sub.URL, true)
	var body any
	if err == nil {
		body, err = run.fillBody(sub.Body)
	}
	if err != nil {
		return halted(sub, asAPIError(err).Message)
	}
	text, _ := url.(string)
	w := &subwriter{header: http.Header{}, status: http.StatusOK}
	run.serve(sub, text, body, w)
	out := subresult{HTTPHeaders: map[string]string{}, Status: w.status, ReferenceID: sub.ReferenceID}
	for _, name := range []string{"Location", "ETag"} {
		if v := w.header.Get(name); v != "" {
			out.HTTPHeaders[name] = v
		}
	}
	if w.body.Len() > 0 {
		out.Body = json.RawMessage(w.body.Bytes())
		var answer any
		if w.status < http.StatusBadRequest && decodeJSON(w.body.Bytes(), &answer) == nil {
			run.answers[sub.ReferenceID] = answer
		}
	}
	return out
}

// serve lets the API answer the call as if it had come alone.
func (run *compositeRun) serve(sub subrequest, url string, body any, w *subwriter) {
	c := *run.outer
	c.w, c.method, c.within, c.cut = &logged{ResponseWriter: w}, strings.ToUpper(sub.Method), run.within, false
	err := func() error {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		r, err := http.NewRequestWithContext(c.ctx, c.method, url, bytes.NewReader(text))
		if err != nil {
			return badRequest("INVALID_INPUT", "The URL of the subrequest cannot be read.")
		}
		for name, v := range sub.HTTPHeaders {
			r.Header.Set(name, v)
		}
		c.r = r
		segments, err := splitPath(strings.TrimPrefix(r.URL.EscapedPath(), "/services/data"))
		if err != nil {
			return err
		}
		if len(segments) < 2 {
			return errNotFound()
		}
		if err := c.useVersion(segments[0]); err != nil {
			return err
		}
		if c.path = segments[1:]; !c.composable() {
			return badRequest("INVALID_INPUT", "The resource cannot be used in a composite request: "+url)
		}
		return c.route()
	}()
	if err != nil {
		c.r = run.outer.r
		c.fail(err)
	}
}

// composable tells whether a resource may stand in a composite request. All
// or none takes those only that read and write rows.
func (c *call) composable() bool {
	switch c.path[0] {
	case "query", "queryAll":
		return true
	case "composite":
		return len(c.path) > 1
	case "sobjects":
		if c.within == nil {
			return true
		}
		rows := len(c.path) == 2 && c.method == http.MethodPost || len(c.path) == 3 || len(c.path) == 4
		def := c.store().Object(c.path[min(1, len(c.path)-1)])
		if rows && len(c.path) == 3 {
			last := c.path[2]
			rows = last != "describe" && last != "eventSchema" && last != "updated" && last != "deleted"
		}
		return rows && (def == nil || !def.Event)
	}
	return false
}

// subwriter keeps an answer.
type subwriter struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header gives the headers.
func (w *subwriter) Header() http.Header { return w.header }

// WriteHeader notes the status.
func (w *subwriter) WriteHeader(status int) { w.status = status }

// Write keeps the body.
func (w *subwriter) Write(b []byte) (int, error) { return w.body.Write(b) }

// fillBody replaces the references in all texts of a body.
func (run *compositeRun) fillBody(v any) (any, error) {
	var err error
	switch v := v.(type) {
	case string:
		return run.fill(v, false)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			if out[i], err = run.fillBody(v[i]); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, part := range v {
			if out[name], err = run.fillBody(part); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}

// fill replaces @{ref.path} in a text. A text that is nothing but a reference
// becomes the value itself.
func (run *compositeRun) fill(text string, inURL bool) (any, error) {
	var out strings.Builder
	for rest := text; ; {
		before, behind, ok := strings.Cut(rest, "@{")
		ref, after, closed := strings.Cut(behind, "}")
		if !ok || !closed {
			out.WriteString(rest)
			return out.String(), nil
		}
		v, found := run.resolve(ref)
		if !found {
			return nil, badRequest("PROCESSING_HALTED", "Invalid reference specified. No value for "+ref+" found")
		}
		if before == "" && after == "" && out.Len() == 0 && !inURL {
			return v, nil
		}
		value := fmt.Sprint(v)
		if inURL {
			value = escapeURL(value)
		}
		out.WriteString(before + value)
		rest = after
	}
}

// resolve follows a reference: ref.id, ref.records[0].Id, ref[0].id.
func (run *compositeRun) resolve(ref string) (any, bool) {
	steps := strings.FieldsFunc(strings.ReplaceAll(ref, "[", ".["), func(r rune) bool { return r == '.' })
	if len(steps) == 0 {
		return nil, false
	}
	v, ok := run.answers[steps[0]]
	for _, step := range steps[1:] {
		if index, isIndex := strings.CutPrefix(step, "["); isIndex {
			list, _ := v.([]any)
			n, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
			if err != nil || n < 0 || n >= len(list) {
				return nil, false
			}
			v = list[n]
			continue
		}
		m, isMap := v.(map[string]any)
		if v, ok = m[step]; !isMap || !ok {
			return nil, false
		}
	}
	return v, ok
}

// escapeURL makes a value fit for a path and for a parameter.
func escapeURL(v string) string {
	var b strings.Builder
	for i := range len(v) {
		if c := v[i]; c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
