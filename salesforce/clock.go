package salesforce

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// ClockSkew compares this machine's clock with the org's by the Date header
// of an answer, which has whole seconds. It is positive when this machine is
// ahead. The time on the way is halved out, so the result is good to about a
// second.
func (c *Client) ClockSkew(ctx context.Context) (time.Duration, error) {
	tok, err := c.cfg.Session.Token(ctx)
	if err != nil {
		return 0, err
	}
	r := &request{method: http.MethodGet, path: "/services/data/", open: true}
	req, err := c.build(ctx, r, tok)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", r.op(), err)
	}
	sent := time.Now()
	res, err := c.http.Do(req)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", r.op(), withoutURL(err))
	}
	res.Body.Close()
	here := sent.Add(time.Since(sent) / 2)
	there, err := http.ParseTime(res.Header.Get("Date"))
	if err != nil {
		return 0, fmt.Errorf("%s: answer without a usable Date header: %w", r.op(), err)
	}
	skew := here.Sub(there)
	if skew > 0 && skew < time.Second {
		skew = 0 // within the header's grain
	}
	return skew, nil
}
