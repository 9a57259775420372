package bulk

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"sfbridge/internal/backoff"
	"sfbridge/salesforce"
)

// Config says how to run jobs.
type Config struct {
	API *salesforce.Client // that makes the calls

	// Gzip packs uploads. An org that answers that it does not take them
	// packed gets them plain from then on.
	Gzip bool

	FirstPoll time.Duration  // of a job's state; default 1 s
	LastPoll  time.Duration  // that the time between polls grows to; default 30 s
	PageRows  int            // of one page of a query's results; default 50,000
	Attempts  int            // at an upload or a page before its failure is returned; default 5
	Backoff   backoff.Policy // between attempts; default one second growing to a minute
	Logger    *slog.Logger   // nil discards
}

// Client runs jobs in one org. It is safe for use by many goroutines.
type Client struct {
	cfg   Config
	log   *slog.Logger
	plain atomic.Bool // packed uploads were refused
}

// New returns a client. It calls nothing yet.
func New(cfg Config) (*Client, error) {
	if cfg.API == nil {
		return nil, errors.New("bulk: API is missing")
	}
	if cfg.FirstPoll <= 0 {
		cfg.FirstPoll = time.Second
	}
	if cfg.LastPoll <= 0 {
		cfg.LastPoll = 30 * time.Second
	}
	if cfg.PageRows <= 0 {
		cfg.PageRows = 50_000
	}
	if cfg.Attempts <= 0 {
		cfg.Attempts = 5
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Client{cfg: cfg, log: cfg.Logger.With("component", "bulk")}
	c.plain.Store(!cfg.Gzip)
	return c, nil
}

func jobPath(kind Kind, id string) string { return "/jobs/" + string(kind) + "/" + url.PathEscape(id) }

// Create makes an ingest job, which waits for its data. If an answer is lost,
// an empty job is left behind that the org forgets.
func (c *Client) Create(ctx context.Context, spec Spec) (*Job, error) {
	return c.call(ctx, Ingest, http.MethodPost, "/jobs/ingest", struct {
		Object          string    `json:"object"`
		Operation       Operation `json:"operation"`
		ExternalIDField string    `json:"externalIdFieldName,omitempty"`
		AssignmentRule  string    `json:"assignmentRuleId,omitempty"`
		ContentType     string    `json:"contentType"`
		LineEnding      string    `json:"lineEnding"`
		Delimiter       string    `json:"columnDelimiter"`
	}{spec.Object, spec.Operation, spec.ExternalIDField, spec.AssignmentRule, "CSV", "LF", "COMMA"})
}

// Get asks for a job by its id: also for one that another process began.
func (c *Client) Get(ctx context.Context, kind Kind, id string) (*Job, error) {
	return c.call(ctx, kind, http.MethodGet, jobPath(kind, id), nil)
}

// Close says that the data is complete, which starts the job.
func (c *Client) Close(ctx context.Context, id string) (*Job, error) {
	return c.set(ctx, Ingest, id, UploadComplete, func(s State) bool { return s != Open && s != Aborted })
}

// Abort stops a job. What it wrote stays written; one that has ended is left
// as it ended.
func (c *Client) Abort(ctx context.Context, kind Kind, id string) (*Job, error) {
	return c.set(ctx, kind, id, Aborted, State.Ended)
}

// set changes a job's state. A call whose answer was lost finds its work done
// when it is made again, which the org calls a wrong state.
func (c *Client) set(ctx context.Context, kind Kind, id string, to State, done func(State) bool) (*Job, error) {
	job, err := c.call(ctx, kind, http.MethodPatch, jobPath(kind, id), map[string]State{"state": to})
	if e, ok := errors.AsType[*salesforce.Error](err); !ok || e.Code != "INVALIDJOBSTATE" {
		return job, err
	}
	if job, getErr := c.Get(ctx, kind, id); getErr == nil && done(job.State) {
		return job, nil
	}
	return nil, err
}

// Delete removes a job that has ended, with its data and results.
func (c *Client) Delete(ctx context.Context, kind Kind, id string) error {
	err := c.cfg.API.Call(ctx, salesforce.Request{Method: http.MethodDelete, Path: jobPath(kind, id)}, nil)
	if e, ok := errors.AsType[*salesforce.Error](err); ok && e.Status == http.StatusNotFound {
		return nil // it is gone
	}
	return err
}

func (c *Client) call(ctx context.Context, kind Kind, method, path string, body any) (*Job, error) {
	var form jobForm
	if err := c.cfg.API.Call(ctx, salesforce.Request{Method: method, Path: path, JSON: body}, &form); err != nil {
		return nil, err
	}
	return form.job(kind), nil
}

// Source gives a job's data from its beginning, each time it is called.
type Source func() (io.ReadCloser, error)
