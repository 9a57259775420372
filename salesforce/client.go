package salesforce

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"sfbridge/internal/metric"
	"sfbridge/salesforce/auth"
)

// Client calls the REST API of one org. It is safe for use by many goroutines.
type Client struct {
	cfg   Config
	http  *http.Client
	log   *slog.Logger
	usage *usage

	described *descriptions
	options   Options // of With
}

// New checks the configuration and returns a client. It calls nothing yet.
func New(cfg Config) (*Client, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	own := *cfg.HTTPClient
	// The token must reach the org alone.
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c := &Client{cfg: cfg, http: &own, log: cfg.Logger.With("component", "salesforce")}
	c.usage, c.described = metric.Register(cfg.Registerer, &usage{}), &descriptions{}
	return c, nil
}

// base is the path of the API version in use.
func (c *Client) base() string { return "/services/data/v" + c.cfg.APIVersion }

// request is one call.
type request struct {
	method string
	path   string      // with its query
	shown  string      // what errors show in place of a path that holds a value
	body   *payload    // nil for none
	header http.Header // beside those that every request has
	open   bool        // needs no token
	// insert marks a call that adds something each time it is made: it is
	// never repeated when its outcome is unknown.
	insert bool
}

// op names the request in errors: without its query, which may hold values.
func (r *request) op() string {
	if r.shown != "" {
		return r.method + " " + r.shown
	}
	path, _, _ := strings.Cut(r.path, "?")
	return r.method + " " + path
}

// call makes a request and decodes the answer into out. A token that is not
// taken is renewed and the request repeated, once.
func (c *Client) call(ctx context.Context, r *request, out any) error {
	return c.authorized(ctx, r, func(tok auth.Token) error {
		_, err := c.once(ctx, r, tok, out)
		return err
	})
}

// authorized runs try with a token, and once more with a new one if the first
// was not taken.
func (c *Client) authorized(ctx context.Context, r *request, try func(auth.Token) error) error {
	for renewed := false; ; renewed = true {
		tok, err := c.cfg.Session.Token(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", r.op(), err)
		}
		err = try(tok)
		e, refused := errors.AsType[*Error](err)
		if !refused || e.Class() != ClassAuth {
			return err
		}
		c.cfg.Session.Invalidate(tok)
		if renewed {
			return err
		}
	}
}

// once makes a request and reads its whole answer. It returns the header of
// the answer, if there was one.
func (c *Client) once(ctx context.Context, r *request, tok auth.Token, out any) (http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	res, err := c.send(ctx, r, tok, nil)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, c.cfg.MaxResponseBytes+1))
	if err != nil {
		return res.Header, r.doubt(fmt.Errorf("%s: read answer: %w", r.op(), err))
	}
	if int64(len(body)) > c.cfg.MaxResponseBytes {
		return res.Header, r.doubt(&answerError{r.op(), fmt.Errorf("answer is over the limit of %d bytes", c.cfg.MaxResponseBytes)})
	}
	if res.StatusCode/100 != 2 {
		return res.Header, r.refused(res, body)
	}
	if w := res.Header.Get("Warning"); w != "" {
		c.log.Warn("the org warns about a request", "request", r.op(), "warning", w)
	}
	if out == nil || res.StatusCode == http.StatusNoContent {
		return res.Header, nil
	}
	if err := decode(body, out); err != nil {
		return res.Header, r.doubt(&answerError{r.op(), fmt.Errorf("decode %s of %d bytes: %w", kind(res.Header), len(body), err)})
	}
	return res.Header, nil
}

// send sends a request, whose body it reads to the end or leaves for good, and
// returns the answer as it begins. It calls touch, if there is one, when a part
// of the body went out.
func (c *Client) send(ctx context.Context, r *request, tok auth.Token, touch func()) (*http.Response, error) {
	var wrote atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { wrote.Store(true) }})
	req, err := c.build(ctx, r, tok)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.op(), err)
	}
	if r.body != nil {
		body, err := r.body.attach(req, r.op(), touch)
		if err != nil {
			return nil, &sourceError{r.op(), err}
		}
		defer body.Close() // net/http may still hold it when it gives up
	}
	res, err := c.http.Do(req)
	if err != nil {
		err = fmt.Errorf("%s: %w", r.op(), withoutURL(err))
		if _, cut := errors.AsType[*sourceError](err); wrote.Load() && !cut {
			err = r.doubt(err)
		}
		return nil, err
	}
	c.usage.read(res.Header)
	return res, nil
}

func (c *Client) build(ctx context.Context, r *request, tok auth.Token) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, tok.InstanceURL+r.path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	for k, v := range r.header {
		req.Header[k] = v
	}
	if !r.open {
		req.Header.Set("Authorization", "Bearer "+tok.AccessToken.Reveal())
	}
	if c.cfg.ClientName != "" {
		req.Header.Set("Sforce-Call-Options", "client="+c.cfg.ClientName)
	}
	return req, nil
}

// withoutURL drops the URL that net/http adds to its errors: the query in it
// may hold values of records.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// decode reads JSON with numbers kept as digits: 18 of them do not fit into a
// float (C19 of the users' cases).
func decode(body []byte, out any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(out); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more after the end of the JSON")
	}
	return nil
}

// refusal reads an answer that is not a success. REST errors are arrays, even
// of one; OAuth's are objects; those of the edge are HTML.
func refusal(r *request, res *http.Response, body []byte) *Error {
	e := &Error{Op: r.op(), Status: res.StatusCode, RetryAfter: retryAfter(res.Header)}
	var list []struct {
		Code    string   `json:"errorCode"`
		Message string   `json:"message"`
		Fields  []string `json:"fields"`
	}
	var object struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	var urls []string
	switch {
	case res.StatusCode == http.StatusMultipleChoices && json.Unmarshal(body, &urls) == nil:
		// REST API guide, "Upsert using an external ID": the body lists the rows.
		e.Code, e.Message = "DUPLICATE_EXTERNAL_ID", fmt.Sprintf("%d records have this external ID", len(urls))
		for _, u := range urls {
			e.Candidates = append(e.Candidates, path.Base(u))
		}
	case json.Unmarshal(body, &list) == nil && len(list) > 0:
		e.Code, e.Message, e.Fields, e.More = list[0].Code, list[0].Message, list[0].Fields, len(list)-1
	case json.Unmarshal(body, &object) == nil && object.Error != "":
		e.Code, e.Message = object.Error, object.Description
	default:
		e.Message = fmt.Sprintf("answer of %d bytes that is not the JSON expected (%s)", len(body), kind(res.Header))
	}
	return e
}

func kind(h http.Header) string {
	t, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || t == "" {
		return "no content type"
	}
	return t
}

// retryAfter reads the header in both of its forms. Salesforce does not
// document that it sends it; gateways in front of it do.
func retryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if v == "" {
		return 0
	}
	if s, err := strconv.Atoi(v); err == nil {
		return time.Duration(min(max(s, 0), 24*60*60)) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return min(max(time.Until(at), 0), 24*time.Hour)
	}
	return 0
}
