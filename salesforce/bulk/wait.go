package bulk

import (
	"context"
	"errors"
	"fmt"

	"sfbridge/internal/backoff"
	"sfbridge/salesforce"
)

// ErrNeverClosed says that a job was found open: it has done nothing, and its
// data may be half there. It was aborted; send the rows again.
var ErrNeverClosed = errors.New("the job was never closed and has done nothing: send its rows again")

// Wait polls a job, more slowly as time goes by, until it ends. A job that
// failed or was aborted is returned with a *JobError. Polls that fail in a way
// that may pass are made again for as long as ctx lasts.
func (c *Client) Wait(ctx context.Context, kind Kind, id string) (*Job, error) {
	for wait := c.cfg.FirstPoll; ; wait = min(wait*3/2, c.cfg.LastPoll) {
		job, err := c.Get(ctx, kind, id)
		switch {
		case err != nil && (!salesforce.Retryable(err) || ctx.Err() != nil):
			return nil, err
		case err != nil:
			wait = max(wait, salesforce.RetryAfter(err))
			c.log.Warn("job's state not known, asking again", "job", id, "wait", wait, "err", err)
		case job.State == JobComplete:
			return job, nil
		case job.State.Ended():
			return job, &JobError{Job: *job}
		}
		if err := backoff.Sleep(ctx, wait); err != nil {
			return nil, fmt.Errorf("wait for bulk job %s: %w", id, err)
		}
	}
}

// Resume goes on with an ingest job that another run of the program submitted.
// A job that was never closed is aborted and ErrNeverClosed; any other is
// waited for. A job that the org has forgotten is an *Error with status 404.
func (c *Client) Resume(ctx context.Context, id string) (*Job, error) {
	job, err := c.Get(ctx, Ingest, id)
	if err != nil {
		return nil, err
	}
	if job.State != Open {
		return c.Wait(ctx, Ingest, id)
	}
	if job, err = c.Abort(ctx, Ingest, id); err != nil {
		return nil, err
	}
	return job, fmt.Errorf("bulk job %s: %w", id, ErrNeverClosed)
}
