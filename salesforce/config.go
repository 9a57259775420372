package salesforce

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sfbridge/internal/backoff"
	"sfbridge/salesforce/auth"
)

// session gives tokens; *auth.Session is one.
type session interface {
	Token(ctx context.Context) (auth.Token, error)
	Invalidate(auth.Token)
}

// Config says how to call the REST API of one org.
type Config struct {
	Session    session // where tokens come from, shared with the org's other clients
	APIVersion string  // such as 64.0

	// ClientName is sent as Sforce-Call-Options client=, and comes back in the
	// changeOrigin of the changes that the client's writes cause.
	ClientName string

	HTTPClient       *http.Client  // default: a client of its own; see NewTransport
	Timeout          time.Duration // of one request; default 2 min, as long as a query may take to begin
	MaxResponseBytes int64         // of one answer, uncompressed; default 64 MiB
	// Attempts is how often a write is made at most before its transient
	// failure is returned; default 4. Reads are left to the caller to repeat.
	Attempts int
	Backoff  backoff.Policy // between attempts; default half a second growing to 30 s

	Logger *slog.Logger // nil discards
	// Registerer takes the client's metrics; nil keeps none. With several
	// orgs, wrap it so that each has a label of its own.
	Registerer prometheus.Registerer
}

var versionForm = regexp.MustCompile(`^[0-9]{2,3}\.0$`)

// check fills in defaults and refuses what cannot work.
func (c *Config) check() error {
	if c.Session == nil {
		return fmt.Errorf("salesforce: Session is missing")
	}
	c.APIVersion = strings.TrimPrefix(c.APIVersion, "v")
	if !versionForm.MatchString(c.APIVersion) {
		return fmt.Errorf("salesforce: API version %q: want a form such as 64.0", c.APIVersion)
	}
	if strings.ContainsAny(c.ClientName, ";=, \r\n\t") {
		return fmt.Errorf("salesforce: client name %q: must not contain spaces, commas, semicolons or equals signs", c.ClientName)
	}
	if c.HTTPClient == nil {
		c.HTTPClient = &http.Client{Transport: NewTransport(nil, nil)}
	}
	if c.Timeout <= 0 {
		c.Timeout = 2 * time.Minute
	}
	if c.MaxResponseBytes <= 0 {
		c.MaxResponseBytes = 64 << 20
	}
	if c.Attempts <= 0 {
		c.Attempts = 4
	}
	if c.Backoff.Base <= 0 {
		c.Backoff.Base = 500 * time.Millisecond
	}
	if c.Backoff.Max <= 0 {
		c.Backoff.Max = 30 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}
