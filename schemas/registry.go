package schemas

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
)

const (
	defaultRegistryTimeout = 10 * time.Second
	maxRegistryBody        = 8 << 20
	maxCachedIDs           = 65536
	keepRegistryError      = 0 // the caller decides when to ask again
)

// RegistryConfig says how to reach a Schema Registry with Confluent's API:
// Confluent's own, Karapace, Redpanda's, or Apicurio's under /apis/ccompat/v7.
type RegistryConfig struct {
	// URL is the API's base address. Several, separated by commas, are tried
	// in turn. A user and a password in it work as if given below.
	URL string
	// Username and Password are for basic authentication. Password is asked
	// for at each request, so that a rotated secret takes effect.
	Username string
	Password func() (string, error)
	// Bearer, if set, gives a token for each request in place of a password.
	Bearer func() (string, error)
	// TLS is for https; nil trusts the system's roots. With an HTTPClient it
	// is that client's business.
	TLS *tls.Config
	// HTTPClient makes the connections; nil is a client of our own.
	HTTPClient *http.Client
	// Timeout bounds one request; 0 is 10 s.
	Timeout time.Duration
	Logger  *slog.Logger // nil discards
}

// Registry is a client of a Schema Registry. What it has learnt it keeps: a
// number never changes its schema. Safe for concurrent use.
type Registry struct {
	cfg     RegistryConfig
	log     *slog.Logger
	bases   []string // without user and password
	client  *sr.Client
	http    *http.Client
	ids     *flight[registration, ID]
	schemas *flight[ID, sr.Schema]
}

// registration is a schema under a subject.
type registration struct {
	subject string
	schema  [sha256.Size]byte
}

// NewRegistry checks the configuration. It does not connect: see Check.
func NewRegistry(cfg RegistryConfig) (*Registry, error) {
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultRegistryTimeout
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Registry{
		log:     cfg.Logger.With("component", "schemas"),
		ids:     newFlight[registration, ID](maxCachedIDs),
		schemas: newFlight[ID, sr.Schema](maxCachedIDs),
	}
	for u := range strings.SplitSeq(cfg.URL, ",") {
		base, err := baseURL(strings.TrimSpace(u), &cfg)
		if err != nil {
			return nil, err
		}
		r.bases = append(r.bases, base)
	}
	r.cfg = cfg
	r.http = httpClient(cfg)
	var err error
	r.client, err = sr.NewClient(sr.URLs(r.bases...), sr.HTTPClient(r.http), sr.UserAgent("sfbridge"), sr.PreReq(r.authorize))
	if err != nil {
		return nil, fmt.Errorf("schema registry: %w", err)
	}
	return r, nil
}

// baseURL checks an address and moves a user in it to cfg.
func baseURL(text string, cfg *RegistryConfig) (string, error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", errors.New("schema registry: the URL cannot be parsed") // the error would quote its password
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", fmt.Errorf("schema registry: URL %q: want http://host:port or https://host:port", u.Redacted())
	}
	if user := u.User; user != nil && cfg.Username == "" {
		cfg.Username = user.Username()
		password, _ := user.Password()
		cfg.Password = func() (string, error) { return password, nil }
	}
	u.User = nil
	return strings.TrimSuffix(u.String(), "/"), nil
}

func httpClient(cfg RegistryConfig) *http.Client {
	client := http.Client{Timeout: cfg.Timeout}
	if cfg.HTTPClient != nil {
		client = *cfg.HTTPClient
	}
	if client.Transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.TLSClientConfig = cfg.TLS
		client.Transport = t
	}
	client.Transport = boundedTransport{client.Transport}
	return &client
}

// boundedTransport cuts responses off that no registry sends.
type boundedTransport struct{ http.RoundTripper }

// RoundTrip bounds the body of the response.
func (t boundedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(req)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxRegistryBody), resp.Body}
	}
	return resp, err
}

// authorize adds the credentials of the moment.
func (r *Registry) authorize(req *http.Request) error {
	switch {
	case r.cfg.Bearer != nil:
		token, err := r.cfg.Bearer()
		if err != nil {
			return fmt.Errorf("read registry token: %w", err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
	case r.cfg.Username != "":
		var password string
		if r.cfg.Password != nil {
			var err error
			if password, err = r.cfg.Password(); err != nil {
				return fmt.Errorf("read registry password: %w", err)
			}
		}
		req.SetBasicAuth(r.cfg.Username, password)
	}
	return nil
}

// Register gives the registry's number for a schema under a subject, making a
// new version if there is none. The answer is kept. A refusal is an
// *IncompatibleError, anything else a *RegistryError; ask Retryable.
func (r *Registry) Register(ctx context.Context, subject, schemaJSON string) (ID, error) {
	key := registration{subject, sha256.Sum256([]byte(schemaJSON))}
	return r.ids.get(ctx, key, func() (ID, time.Duration, error) {
		id, err := r.register(ctx, subject, schemaJSON)
		return id, keepRegistryError, err
	})
}

func (r *Registry) register(ctx context.Context, subject, schemaJSON string) (ID, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, r.cfg.Timeout, errTimeout)
	defer cancel()
	schema := sr.Schema{Schema: schemaJSON}
	id, err := r.client.RegisterSchema(ctx, subject, schema, -1, -1)
	if mayOnlyRead(err) {
		// An administrator registers and we may look: look.
		if found, lookErr := r.client.LookupSchema(ctx, subject, schema); lookErr == nil {
			id, err = found.ID, nil
		}
	}
	if err != nil {
		if resp, ok := refusal(err); ok {
			return 0, r.incompatible(ctx, subject, resp)
		}
		return 0, r.failed(ctx, "register schema of subject "+subject, err)
	}
	if id <= 0 || id > math.MaxInt32 { // an answer without a number
		return 0, r.failed(ctx, "register schema of subject "+subject, nil)
	}
	r.log.Info("schema registered", "subject", subject, "schema_id", id)
	return ID(id), nil
}

// Schema gives the text of the schema with the registry's number id. It is kept.
func (r *Registry) Schema(ctx context.Context, id ID) (string, error) {
	s, err := r.registered(ctx, id)
	return s.Schema, err
}

// registered gives a schema with its type and what it refers to. It is kept.
func (r *Registry) registered(ctx context.Context, id ID) (sr.Schema, error) {
	return r.schemas.get(ctx, id, func() (sr.Schema, time.Duration, error) {
		limited, cancel := context.WithTimeoutCause(ctx, r.cfg.Timeout, errTimeout)
		defer cancel()
		s, err := r.client.SchemaByID(limited, int(id))
		if err != nil {
			return sr.Schema{}, keepRegistryError, r.failed(limited, fmt.Sprintf("read schema %d", id), err)
		}
		return s, 0, nil
	})
}

// version gives the schema of one version of a subject, which another refers to.
func (r *Registry) version(ctx context.Context, subject string, version int) (sr.Schema, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, r.cfg.Timeout, errTimeout)
	defer cancel()
	s, err := r.client.SchemaByVersion(ctx, subject, version)
	if err != nil {
		return sr.Schema{}, r.failed(ctx, fmt.Sprintf("read version %d of subject %s", version, subject), err)
	}
	return s.Schema, nil
}
