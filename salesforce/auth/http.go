package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxAnswer bounds what is read of any answer: real ones have a few kilobytes.
const maxAnswer = 1 << 20

// newHTTPClient copies c, or makes a client, so that redirects are not
// followed: a form with secrets must reach the host that was configured alone.
func newHTTPClient(c *http.Client) *http.Client {
	if c == nil {
		c = &http.Client{}
	}
	own := *c
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// post sends a form to the token endpoint and decodes its answer.
func (s *Session) post(ctx context.Context, endpoint string, form url.Values, answer any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return fmt.Errorf("build request: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return s.do(req, answer)
}

// get asks the org itself, with a token.
func (s *Session) get(ctx context.Context, endpoint string, token Secret, answer any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, nil)
	if err != nil {
		return fmt.Errorf("build request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token.Reveal())
	return s.do(req, answer)
}

func (s *Session) do(req *http.Request, answer any) error {
	req.Header.Set("Accept", "application/json")
	res, err := s.http.Do(req)
	if err != nil {
		return fmt.Errorf("call: %w", err) // *url.Error names method and URL; no secret is in either
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if len(body) > maxAnswer {
		return &Error{Status: res.StatusCode, Description: "answer longer than 1 MiB", Hint: "check that login_url is a Salesforce host"}
	}
	if res.StatusCode != http.StatusOK {
		return s.refusal(res, body)
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return &Error{
			Status: res.StatusCode, Description: describeBody(res.Header, body),
			Hint: "check that login_url is a Salesforce host and not a page in front of it",
		}
	}
	return nil
}

// refusal reads an answer that is not 200. OAuth answers are objects, REST
// answers arrays, and those of the edge HTML pages.
func (s *Session) refusal(res *http.Response, body []byte) error {
	e := &Error{Status: res.StatusCode}
	var oauth struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	var rest []struct {
		Code    string `json:"errorCode"`
		Message string `json:"message"`
	}
	switch {
	case json.Unmarshal(body, &oauth) == nil && oauth.Error != "":
		e.Code, e.Description = oauth.Error, oauth.Description
	case json.Unmarshal(body, &rest) == nil && len(rest) > 0:
		e.Code, e.Description = rest[0].Code, rest[0].Message
	default:
		e.Description = describeBody(res.Header, body)
	}
	e.Hint = reasons[e.Code].hint
	if e.Code == "invalid_grant" {
		e.Hint = grantHint(s.cfg.Method, e.Description)
		if s.cfg.Method == MethodJWTBearer {
			e.Hint += clockHint(res.Header)
		}
	}
	if loc := res.Header.Get("Location"); res.StatusCode/100 == 3 && loc != "" {
		e.Hint = "the host redirects; set login_url to the host that answers"
	}
	return e
}

// describeBody says what came instead of JSON, without quoting it: edge pages
// are long and may repeat the request.
func describeBody(h http.Header, body []byte) string {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || kind == "" {
		kind = "no content type"
	}
	return fmt.Sprintf("answer of %d bytes that is not the JSON expected (%s)", len(body), kind)
}

// clockHint compares this machine's clock with the answer's Date header, since
// a JWT is good for three minutes only.
func clockHint(h http.Header) string {
	theirs, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return ""
	}
	off := time.Since(theirs).Round(time.Second)
	if off.Abs() < time.Minute {
		return ""
	}
	word := "ahead of"
	if off < 0 {
		word = "behind"
	}
	return fmt.Sprintf(" (this clock is %v %s Salesforce's)", off.Abs(), word)
}
