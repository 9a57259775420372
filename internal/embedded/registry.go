package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
)

// RegistryConfig says how the registry runs. The zero value is in memory on a
// free loopback port, with compatibility BACKWARD.
type RegistryConfig struct {
	// Listen is host:port; port 0, the default, takes a free one.
	Listen string
	// Advertise is the host in URL; by default the host of Listen, or
	// 127.0.0.1 when that is a wildcard.
	Advertise string
	// ListenFn opens the listener; nil is net.Listen.
	ListenFn func(network, address string) (net.Listener, error)
	// PathPrefix is the path under which the API answers, such as
	// /apis/ccompat/v7; empty is the root.
	PathPrefix string
	// DataDir keeps the schemas and their numbers across runs, which records
	// that are kept need; empty keeps them in memory.
	DataDir string
	// Options are passed on as they are: authorization, compatibility level.
	Options []srfake.Option
	Logger  *slog.Logger // nil discards
}

// Registry is a running Schema Registry with Confluent's API.
type Registry struct {
	fake   *srfake.Registry
	url    string
	server *http.Server
	store  *store
	wg     sync.WaitGroup
	once   sync.Once

	mu   sync.Mutex
	hook func(http.ResponseWriter, *http.Request) bool // guarded by mu
}

// StartRegistry starts a registry and returns once it accepts connections.
func StartRegistry(cfg RegistryConfig) (*Registry, error) {
	host, port, err := splitListen(cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("embedded registry: listen address %q: %w", cfg.Listen, err)
	}
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	r := &Registry{fake: srfake.NewRegistry(cfg.Options...)}
	if r.store, err = openStore(cfg.DataDir, r.fake); err != nil {
		return nil, fmt.Errorf("embedded registry: %w", err)
	}
	listen := cfg.ListenFn
	if listen == nil {
		listen = net.Listen
	}
	l, err := listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("embedded registry: %w", err)
	}
	r.url = baseURL(l, cfg.Advertise) + strings.TrimSuffix(cfg.PathPrefix, "/")
	r.server = &http.Server{
		Handler:           r.handler(strings.TrimSuffix(cfg.PathPrefix, "/")),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	r.wg.Go(func() { r.server.Serve(l) }) // ends with ErrServerClosed on Close
	return r, nil
}

// baseURL is the address that clients use, without a path.
func baseURL(l net.Listener, advertise string) string {
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return "http://" + l.Addr().String()
	}
	switch ip := net.ParseIP(host); {
	case advertise != "":
		host = advertise
	case ip != nil && ip.IsUnspecified():
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// handler answers under prefix alone, first by the test's hook, then by what we
// add to srfake: the root document, compatibility, registrations that last.
func (r *Registry) handler(prefix string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Write([]byte("{}\n"))
	})
	mux.HandleFunc("POST /subjects/{subject}/versions", r.register)
	mux.HandleFunc("POST /compatibility/subjects/{subject}/versions", r.testCompatibility)
	mux.HandleFunc("POST /compatibility/subjects/{subject}/versions/{version}", r.testCompatibility)
	mux.Handle("/", r.fake.Handler())
	api := http.StripPrefix(prefix, mux)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		hook := r.hook
		r.mu.Unlock()
		if hook != nil && hook(w, req) {
			return
		}
		api.ServeHTTP(w, req)
	})
}

// Intercept lets a test answer requests itself: fn sees each request first and
// returns true if it has answered. Nil ends it.
func (r *Registry) Intercept(fn func(http.ResponseWriter, *http.Request) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hook = fn
}

// URL is the base address to configure, with the path prefix.
func (r *Registry) URL() string { return r.url }

// SetCompatibility sets the level of one subject.
func (r *Registry) SetCompatibility(subject string, level sr.CompatibilityLevel) error {
	return r.fake.SetCompat(subject, level)
}

// Close stops the server and its connections. It may be called twice.
func (r *Registry) Close() error {
	var err error
	r.once.Do(func() {
		err = r.server.Close()
		r.wg.Wait()
		err = errors.Join(err, r.store.close())
	})
	return err
}
