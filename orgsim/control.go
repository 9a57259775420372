package orgsim

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxControlBytes bounds a request to the control API.
const maxControlBytes = 16 << 20

// control is the way to steer the org from outside: what happens in it, and
// what goes wrong. It is no part of Salesforce.
type control struct {
	org  *Org
	work workers
}

// ControlHandler serves the control API below /_control. It answers loopback
// and in-memory callers only, and no web pages: whoever reaches it owns the
// org.
func (o *Org) ControlHandler() http.Handler { return o.web.control }

// controlCall answers one resource; the result becomes JSON.
type controlCall func(r *http.Request) (any, error)

func (k *control) routes() map[string]controlCall {
	return map[string]controlCall{
		"GET /_control":                 k.info,
		"GET /_control/calls":           k.calls,
		"GET /_control/ledger":          k.ledger,
		"GET /_control/ledger/entries":  k.ledgerEntries,
		"POST /_control/transact":       k.transact,
		"POST /_control/publish":        k.publish,
		"GET /_control/faults":          k.faults,
		"POST /_control/faults":         k.inject,
		"DELETE /_control/faults":       k.clearFaults,
		"POST /_control/http-faults":    k.injectHTTP,
		"POST /_control/rules":          k.setRules,
		"POST /_control/locks":          k.holdLocks,
		"DELETE /_control/locks":        k.releaseLocks,
		"POST /_control/bulk-faults":    k.injectBulk,
		"POST /_control/tokens":         k.newToken,
		"POST /_control/tokens/expire":  k.expireTokens,
		"POST /_control/tokens/revoke":  k.revokeTokens,
		"POST /_control/refresh-tokens": k.newRefreshToken,
		"POST /_control/streams/end":    k.endStreams,
		"POST /_control/gap":            k.gap,
		"POST /_control/overflow":       k.overflow,
		"POST /_control/wildcard":       k.wildcard,
		"POST /_control/merge":          k.merge,
		"POST /_control/move":           k.move,
		"POST /_control/alter":          k.alter,
		"POST /_control/channels":       k.channel,
		"POST /_control/capture":        k.capture,
		"POST /_control/access":         k.access,
		"GET /_control/work":            k.workStatus,
		"POST /_control/work":           k.workStart,
		"DELETE /_control/work":         k.workStop,
	}
}

// ServeHTTP answers a call of the control API.
func (k *control) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if why := foreign(r); why != "" {
		controlJSON(w, http.StatusForbidden, map[string]string{"error": why})
		return
	}
	path := strings.TrimRight(r.URL.Path, "/")
	serve, ok := k.routes()[r.Method+" "+path]
	if !ok {
		controlJSON(w, http.StatusNotFound, map[string]string{"error": "no such call: " + r.Method + " " + path})
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxControlBytes)
	out, err := serve(r)
	if err != nil {
		status := http.StatusBadRequest
		if _, big := errors.AsType[*http.MaxBytesError](err); big {
			status = http.StatusRequestEntityTooLarge
		}
		controlJSON(w, status, map[string]string{"error": err.Error()})
		return
	}
	controlJSON(w, http.StatusOK, out)
}

// foreign says why a caller is refused: one from another machine, or a page
// in a browser, which sends an Origin.
func foreign(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		if ip := net.ParseIP(host); ip != nil && !ip.IsLoopback() {
			return "the control API answers loopback callers only"
		}
	}
	if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
		return "the control API does not answer web pages"
	}
	return ""
}

func controlJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(body) // the caller is gone: nothing to tell it
}

// read decodes a body, JSON or YAML, strictly; an empty one leaves into as it
// is.
func read(r *http.Request, into any) error {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if len(strings.TrimSpace(string(text))) == 0 {
		return nil
	}
	return yaml.Load(text, into, yaml.WithKnownFields())
}

// info tells what org this is.
func (k *control) info(*http.Request) (any, error) {
	o := k.org
	objects := []string{}
	for _, def := range o.Objects() {
		objects = append(objects, def.Name)
	}
	return map[string]any{
		"org_id": o.OrgID(), "api_version": o.APIVersion(), "username": o.Username(), "user_id": o.IntegrationUser(),
		"objects": objects, "channels": o.Channels(), "open_streams": o.OpenStreams(),
		"delivered_24h": o.Delivered(), "published_1h": o.Published(), "changes": o.Ledger().Total(),
	}, nil
}

// calls lists the call log; since= leaves out what came up to that id.
func (k *control) calls(r *http.Request) (any, error) {
	since, err := number64(r, "since")
	if err != nil {
		return nil, err
	}
	out := []Call{}
	for _, c := range k.org.Calls() {
		if c.ID > since {
			out = append(out, c)
		}
	}
	return map[string]any{"calls": out}, nil
}

// ledger counts the committed changes.
func (k *control) ledger(*http.Request) (any, error) {
	return map[string]any{"total": k.org.Ledger().Total(), "counts": k.org.Ledger().Counts()}, nil
}

// ledgerEntries lists the kept entries behind since=.
func (k *control) ledgerEntries(r *http.Request) (any, error) {
	since, err := number64(r, "since")
	if err != nil {
		return nil, err
	}
	return map[string]any{"entries": k.org.Ledger().Since(since)}, nil
}

func number64(r *http.Request, name string) (int64, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, errors.New("parameter " + name + ": want a whole number")
	}
	return n, nil
}
