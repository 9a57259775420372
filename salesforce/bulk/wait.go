package bulk

import (
	"context"
	"errors"
	"fmt"
	"time"

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
	return c.poll(ctx, kind, id, time.Now(), 0)
}

// WaitNew is Wait for a job of so many rows that has just begun: a first poll at
// once would be a call for nothing.
func (c *Client) WaitNew(ctx context.Context, kind Kind, id string, rows int) (*Job, error) {
	began := time.Now()
	if err := c.pause(ctx, id, c.cfg.FirstPoll); err != nil {
		return nil, err
	}
	return c.poll(ctx, kind, id, began, rows)
}

// poll asks for a job until it ends, in the times that nextPoll says.
func (c *Client) poll(ctx context.Context, kind Kind, id string, began time.Time, rows int) (*Job, error) {
	for {
		job, err := c.Get(ctx, kind, id)
		wait := min(c.nextPoll(time.Since(began), job, rows), c.cfg.LastPoll)
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
		if err := c.pause(ctx, id, wait); err != nil {
			return nil, err
		}
	}
}

// nextPoll is how long to wait for the next poll of a job that was begun some
// time ago. A job that tells how many of its rows are done is asked again when it
// should be done, or after as long again if that is sooner; any other after a
// quarter of the time: its end is seen late by no more than that, and a job
// of an hour costs some forty calls.
func (c *Client) nextPoll(since time.Duration, job *Job, rows int) time.Duration {
	if job == nil || job.Processed <= 0 || job.Processed >= rows {
		return max(since/4, c.cfg.FirstPoll)
	}
	left := time.Duration(float64(since) * float64(rows-job.Processed) / float64(job.Processed))
	return max(min(left, since), c.cfg.FirstPoll/4)
}

func (c *Client) pause(ctx context.Context, id string, wait time.Duration) error {
	if err := backoff.Sleep(ctx, wait); err != nil {
		return fmt.Errorf("wait for bulk job %s: %w", id, err)
	}
	return nil
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
