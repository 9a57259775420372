package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"sfbridge/salesforce/auth"
)

// Request is a call to a resource below the version's path that has no method
// of its own here, such as those of Bulk API 2.0.
type Request struct {
	Method string
	Path   string // below /services/data/vNN.0, with its query: /jobs/ingest
	JSON   any    // the body, encoded; nil for none
	// Body is a body of the ContentType, opened for each attempt and sent as
	// it is read. Long ones are packed with gzip unless Plain is set.
	Body        func() (io.ReadCloser, error)
	ContentType string
	Plain       bool
	Accept      string // default application/json
	// Insert marks a call that has its effect once more each time it is made:
	// if its answer is lost, the error is ErrUnknownOutcome.
	Insert bool
}

func (c *Client) request(in Request) (*request, error) {
	r := &request{method: in.Method, path: c.base() + in.Path, insert: in.Insert, header: http.Header{}}
	if in.Accept != "" {
		r.header.Set("Accept", in.Accept)
	}
	switch {
	case in.JSON != nil:
		text, err := json.Marshal(in.JSON)
		if err != nil {
			return nil, &sourceError{r.op(), err}
		}
		r.body = jsonPayload(func() func([]byte) ([]byte, bool) {
			rest := text
			return func(b []byte) ([]byte, bool) {
				b = append(b, rest...)
				rest = nil
				return b, len(b) > 0
			}
		})
	case in.Body != nil:
		r.body = &payload{kind: in.ContentType, plain: in.Plain, open: in.Body}
	}
	return r, nil
}

// Call makes a request and decodes the answer into out, nil for none. It is
// repeated with back-off while it fails in a way that may pass and leaves no
// doubt about its effect.
func (c *Client) Call(ctx context.Context, in Request, out any) error {
	r, err := c.request(in)
	if err != nil {
		return err
	}
	_, err = c.write(ctx, r, out)
	return err
}

// Stream makes a request and returns the answer's header, and its body to be
// read as it comes and closed. It is not repeated, but for a token that was
// not taken. The configured Timeout is how long there may be no progress,
// either way, while something waits for it: whoever reads the body may take
// their time between reads. MaxResponseBytes does not apply.
func (c *Client) Stream(ctx context.Context, in Request) (http.Header, io.ReadCloser, error) {
	r, err := c.request(in)
	if err != nil {
		return nil, nil, err
	}
	var header http.Header
	var body io.ReadCloser
	err = c.authorized(ctx, r, func(tok auth.Token) (err error) {
		header, body, err = c.stream(ctx, r, tok)
		return err
	})
	return header, body, err
}

func (c *Client) stream(ctx context.Context, r *request, tok auth.Token) (http.Header, io.ReadCloser, error) {
	ctx, w := watch(ctx, c.cfg.Timeout)
	res, err := c.send(ctx, r, tok, w.touch)
	if err != nil {
		w.stop()
		return nil, nil, w.explain(r.op(), err)
	}
	if res.StatusCode/100 == 2 {
		w.pause()
		return res.Header, &incoming{op: r.op(), body: res.Body, watch: w}, nil
	}
	defer w.stop()
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, c.cfg.MaxResponseBytes))
	if err != nil {
		return nil, nil, w.explain(r.op(), r.doubt(fmt.Errorf("%s: read answer: %w", r.op(), err)))
	}
	return nil, nil, r.refused(res, text)
}

// watchdog cancels a context when nothing has moved for a while.
type watchdog struct {
	limit  time.Duration
	timer  *time.Timer
	cancel context.CancelCauseFunc
	ctx    context.Context
}

var errStalled = fmt.Errorf("no progress: %w", context.DeadlineExceeded)

func watch(parent context.Context, limit time.Duration) (context.Context, *watchdog) {
	ctx, cancel := context.WithCancelCause(parent)
	return ctx, &watchdog{limit: limit, cancel: cancel, ctx: ctx, timer: time.AfterFunc(limit, func() { cancel(errStalled) })}
}

func (w *watchdog) touch() { w.timer.Reset(w.limit) }

// pause stops watching until the next touch.
func (w *watchdog) pause() { w.timer.Stop() }

func (w *watchdog) stop() {
	w.timer.Stop()
	w.cancel(nil)
}

// explain puts the stall in the place of the cancellation that it shows as.
func (w *watchdog) explain(op string, err error) error {
	if !errors.Is(context.Cause(w.ctx), errStalled) {
		return err
	}
	stalled := fmt.Errorf("%s: %w within %v", op, errStalled, w.limit)
	if errors.Is(err, ErrUnknownOutcome) {
		return &unknownError{stalled}
	}
	return stalled
}

// incoming is the body of an answer under a watchdog.
type incoming struct {
	op    string
	body  io.ReadCloser
	watch *watchdog
}

func (i *incoming) Read(p []byte) (int, error) {
	i.watch.touch()
	n, err := i.body.Read(p)
	i.watch.pause()
	if err != nil && !errors.Is(err, io.EOF) {
		err = i.watch.explain(i.op, fmt.Errorf("%s: read answer: %w", i.op, err))
	}
	return n, err
}

func (i *incoming) Close() error {
	i.watch.stop()
	return i.body.Close()
}
