package bulk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"sfbridge/internal/backoff"
	"sfbridge/salesforce"
)

// MaxUpload is how many bytes of CSV one job takes: 150 MB in base64.
const MaxUpload = 100_000_000

// Upload sends a job's data, as it is read and never whole in memory. A job
// takes one upload. If the answer is lost the error is ErrUnknownOutcome of
// package salesforce: abort the job, which has done nothing, and create
// another, as Submit does.
func (c *Client) Upload(ctx context.Context, id string, data Source) error {
	plain := c.plain.Load()
	err := c.put(ctx, id, data, plain)
	if e, ok := errors.AsType[*salesforce.Error](err); ok && !plain && e.Status == http.StatusUnsupportedMediaType {
		c.plain.Store(true)
		c.log.Warn("the org does not take packed uploads, sending them plain", "job", id)
		return c.put(ctx, id, data, true)
	}
	return err
}

func (c *Client) put(ctx context.Context, id string, data Source, plain bool) error {
	_, body, err := c.cfg.API.Stream(ctx, salesforce.Request{
		Method: http.MethodPut, Path: jobPath(Ingest, id) + "/batches", Body: data, ContentType: "text/csv; charset=UTF-8",
		Plain: plain, Insert: true,
	})
	if err != nil {
		return err
	}
	return body.Close()
}

// Submit creates a job, uploads its data and closes it, which starts it. An
// upload that fails in a way that may pass is made again in another job. If
// ready is given, it is called with the job before it is closed: keep its id
// there, to go on with Resume after a crash. Whatever fails before that has
// changed nothing in the org.
func (c *Client) Submit(ctx context.Context, spec Spec, data Source, ready func(*Job) error) (*Job, error) {
	job, err := c.uploaded(ctx, spec, data)
	if err != nil {
		return nil, fmt.Errorf("bulk %s of %s: %w", spec.Operation, spec.Object, err)
	}
	if ready != nil {
		if err := ready(job); err != nil {
			c.discard(ctx, job.ID)
			return nil, err
		}
	}
	return c.Close(ctx, job.ID)
}

// uploaded makes jobs until one has its data.
func (c *Client) uploaded(ctx context.Context, spec Spec, data Source) (*Job, error) {
	for attempt := 1; ; attempt++ {
		job, err := c.Create(ctx, spec)
		if err != nil {
			return nil, err
		}
		if err = c.Upload(ctx, job.ID, data); err == nil {
			return job, nil
		}
		c.discard(ctx, job.ID)
		again := salesforce.Retryable(err) || errors.Is(err, salesforce.ErrUnknownOutcome)
		if !again || attempt == c.cfg.Attempts || ctx.Err() != nil {
			return nil, err
		}
		wait := c.cfg.Backoff.Wait(attempt, salesforce.RetryAfter(err))
		c.log.Warn("upload not done, trying again in another job", "job", job.ID, "attempt", attempt, "wait", wait, "err", err)
		if backoff.Sleep(ctx, wait) != nil {
			return nil, err
		}
	}
}

// discard aborts a job that was never closed. It would do nothing if it
// stayed, so this is for tidiness alone and may fail.
func (c *Client) discard(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if _, err := c.Abort(ctx, Ingest, id); err != nil {
		c.log.Debug("unused job not aborted", "job", id, "err", err)
	}
}
