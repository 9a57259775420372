package salesforce

import (
	"context"
	"errors"
	"net/http"
	"time"

	"sfbridge/internal/backoff"
)

// ErrUnknownOutcome says that a write which must not be made twice got no
// usable answer: it may have happened. Look before making it again.
var ErrUnknownOutcome = errors.New("the answer was lost and the write may have happened: look before repeating it")

// unknownError is the reason why an outcome is unknown.
type unknownError struct{ err error }

func (e *unknownError) Error() string        { return e.err.Error() + "; " + ErrUnknownOutcome.Error() }
func (e *unknownError) Unwrap() error        { return e.err }
func (e *unknownError) Is(target error) bool { return target == ErrUnknownOutcome }

// doubt marks an error after which an insert may have happened.
func (r *request) doubt(err error) error {
	if !r.insert {
		return err
	}
	return &unknownError{err}
}

// refused reads a refusal. One with a code comes from the org itself, which
// then has written nothing; a server error without one comes from something in
// front of the org, which cannot know.
func (r *request) refused(res *http.Response, body []byte) error {
	e := refusal(r, res, body)
	if e.Code == "" && e.Status >= 500 {
		return r.doubt(e)
	}
	return e
}

// longestAsked is the longest Retry-After that a write waits for by itself.
const longestAsked = time.Minute

// write is call, repeated with back-off while it fails in a way that may pass
// and that leaves no doubt about its effect. Used-up limits are for the caller
// to wait for. It tells whether an earlier attempt may have had an effect.
func (c *Client) write(ctx context.Context, r *request, out any) (again bool, err error) {
	return c.repeat(ctx, r, func() error { return c.call(ctx, r, out) })
}

func (c *Client) repeat(ctx context.Context, r *request, call func() error) (again bool, err error) {
	for attempt := 1; ; attempt++ {
		err = call()
		asked := RetryAfter(err)
		if err == nil || !Retryable(err) || ctx.Err() != nil || attempt == c.cfg.Attempts || asked > longestAsked {
			return again, err
		}
		e, refused := errors.AsType[*Error](err)
		if refused && e.Class() == ClassLimit {
			return again, err
		}
		again = again || !refused || e.Code == ""
		wait := c.cfg.Backoff.Wait(attempt, asked)
		c.log.Debug("write not done, trying again", "request", r.op(), "attempt", attempt, "wait", wait, "err", err)
		if backoff.Sleep(ctx, wait) != nil {
			return again, err
		}
	}
}
