package bridge

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"sfbridge/salesforce/auth"
)

func TestListenToken_ThatRotates_HoldsFromTheNextRequest(t *testing.T) {
	var logged bytes.Buffer
	var token auth.Secret
	var unreadable error
	b := &Bridge{
		cfg:     Config{ListenToken: func() (auth.Secret, error) { return token, unreadable }},
		log:     slog.New(slog.NewTextHandler(&logged, nil)),
		metrics: newMetrics(prometheus.NewRegistry()),
	}
	b.health = newHealth(b.metrics)
	pages := b.Handler()
	for _, tt := range []struct {
		what       string
		token      auth.Secret
		unreadable error
		header     string
		want       int
	}{
		{"right", "first", nil, "Bearer first", 200},
		{"none given", "first", nil, "", 401},
		{"no bearer token", "first", nil, "first", 401},
		{"wrong", "first", nil, "Bearer second", 401},
		{"the beginning", "first", nil, "Bearer fir", 401},
		{"the new one", "second", nil, "Bearer second", 200},
		{"the old one", "second", nil, "Bearer first", 401},
		{"not readable", "", errors.New("/run/secrets/x: no such file"), "Bearer second", 503},
		{"not readable, none given", "", errors.New("/run/secrets/x: no such file"), "", 401},
		{"empty", "", nil, "Bearer ", 503},
		{"readable again", "third", nil, "Bearer third", 200},
	} {
		token, unreadable = tt.token, tt.unreadable
		logged.Reset()
		r := httptest.NewRequest("GET", "/api/status", nil)
		r.Header.Set("Authorization", tt.header)
		w := httptest.NewRecorder()
		pages.ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%s: status %d, want %d", tt.what, w.Code, tt.want)
		}
		if (w.Code == 401) != (w.Header().Get("WWW-Authenticate") == "Bearer") {
			t.Errorf("%s: WWW-Authenticate %q", tt.what, w.Header().Get("WWW-Authenticate"))
		}
		if said := strings.Contains(logged.String(), "listen_token"); said != (tt.want == 503) {
			t.Errorf("%s: log %q, want it to tell of a token that cannot be read and of nothing else", tt.what, logged.String())
		}
		w = httptest.NewRecorder()
		pages.ServeHTTP(w, httptest.NewRequest("GET", "/healthz", nil))
		if w.Code != 200 {
			t.Errorf("%s: /healthz %d, want it open", tt.what, w.Code)
		}
	}
}
