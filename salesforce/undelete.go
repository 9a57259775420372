package salesforce

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"sfbridge/salesforce/auth"
)

// UndeleteMany takes up to MaxCollection records out of the recycle bin, with
// one outcome for each, in their order. REST has no call for it: it is the
// SOAP API's undelete() (SOAP API guide), with the same session. The call is
// repeated while it fails in a way that may pass. A record that is not in the
// bin is UNDELETE_FAILED, unless it may have been an earlier attempt of this
// call whose answer was lost that took it out.
func (c *Client) UndeleteMany(ctx context.Context, ids []string) ([]Outcome, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	if err := checkCount(len(ids)); err != nil {
		return nil, err
	}
	r := c.soapRequest("undelete()")
	var answer *envelope
	again, err := c.repeat(ctx, r, func() error {
		return c.authorized(ctx, r, func(tok auth.Token) (err error) {
			with := *r
			with.body = &payload{kind: "text/xml; charset=UTF-8", open: func() (io.ReadCloser, error) {
				return io.NopCloser(bytes.NewReader(c.undeleteBody(tok, ids))), nil
			}}
			answer, err = c.soap(ctx, &with, tok)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	if len(answer.Results) != len(ids) {
		return nil, &answerError{r.op(), fmt.Errorf("%d results for %d records", len(answer.Results), len(ids))}
	}
	out := make([]Outcome, len(ids))
	for i, res := range answer.Results {
		out[i] = res.outcome(r.op(), ids[i])
		if again && out[i].Err != nil && out[i].Err.Code == codeNotInBin {
			out[i].Err = nil
		}
	}
	return out, nil
}

// codeNotInBin is the status of a record that cannot be undeleted because it
// is not deleted (SOAP API guide, StatusCode).
const codeNotInBin = "UNDELETE_FAILED"

func (r *soapResult) outcome(op, id string) Outcome {
	if r.ID != "" {
		id = r.ID
	}
	if r.Success {
		return Outcome{ID: id}
	}
	e := &Error{Op: op, Status: http.StatusOK, Message: errNoReason.Error()}
	if len(r.Errors) > 0 {
		first := r.Errors[0]
		e.Code, e.Message, e.Fields, e.More = first.Code, first.Message, first.Fields, len(r.Errors)-1
	}
	return Outcome{ID: id, Err: e}
}

// soapRequest is a call of the Partner API. The session is part of the body.
func (c *Client) soapRequest(call string) *request {
	return &request{
		method: http.MethodPost, path: "/services/Soap/u/" + c.cfg.APIVersion, shown: "/services/Soap/u " + call, open: true,
		header: http.Header{"Accept": {"text/xml"}, "SOAPAction": {`""`}},
	}
}

func (c *Client) undeleteBody(tok auth.Token, ids []string) []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><e:Envelope xmlns:e="` + nsEnvelope + `" xmlns:u="` + nsPartner + `"><e:Header><u:SessionHeader>`)
	appendElement(&b, "sessionId", tok.AccessToken.Reveal())
	b.WriteString("</u:SessionHeader>")
	if c.cfg.ClientName != "" {
		b.WriteString("<u:CallOptions>")
		appendElement(&b, "client", c.cfg.ClientName)
		b.WriteString("</u:CallOptions>")
	}
	if c.options.AllowDuplicates {
		b.WriteString("<u:DuplicateRuleHeader><u:allowSave>true</u:allowSave><u:includeRecordDetails>false</u:includeRecordDetails>" +
			"<u:runAsCurrentUser>false</u:runAsCurrentUser></u:DuplicateRuleHeader>")
	}
	b.WriteString("<u:AllOrNoneHeader><u:allOrNone>false</u:allOrNone></u:AllOrNoneHeader></e:Header><e:Body><u:undelete>")
	for _, id := range ids {
		appendElement(&b, "ids", id)
	}
	b.WriteString("</u:undelete></e:Body></e:Envelope>")
	return b.Bytes()
}

// soap makes one call and reads its answer.
func (c *Client) soap(ctx context.Context, r *request, tok auth.Token) (*envelope, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	res, err := c.send(ctx, r, tok, nil)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, c.cfg.MaxResponseBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: read answer: %w", r.op(), err)
	case int64(len(body)) > c.cfg.MaxResponseBytes:
		return nil, &answerError{r.op(), fmt.Errorf("answer is over the limit of %d bytes", c.cfg.MaxResponseBytes)}
	}
	answer, err := parseEnvelope(body)
	switch {
	case err == nil && answer.Fault != nil:
		err = answer.Fault.error(r.op(), res.StatusCode)
	case res.StatusCode/100 != 2: // of something in front of the org
		err = refusal(r, res, body)
	case err != nil:
		err = &answerError{r.op(), fmt.Errorf("decode %s of %d bytes: %w", kind(res.Header), len(body), err)}
	}
	if err != nil {
		if e, ok := errors.AsType[*Error](err); ok && e.RetryAfter == 0 {
			e.RetryAfter = retryAfter(res.Header)
		}
		return nil, err
	}
	for _, l := range answer.Limits {
		if l.Type == "API REQUESTS" && l.Current >= 0 && l.Limit > 0 {
			c.usage.set(l.Current, l.Limit)
		}
	}
	return answer, nil
}
