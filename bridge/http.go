package bridge

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"sfbridge/internal/flow"
)

// listen serves the pages until life ends; it returns the address.
func (b *Bridge) listen(life context.Context, g *errgroup.Group) (string, error) {
	if b.cfg.Listen == "" {
		return "", nil
	}
	lis, err := b.cfg.ListenFn("tcp", b.cfg.Listen)
	if err != nil {
		return "", fmt.Errorf("listen on %s: %w: set listen to a free address, or to \"\" for none", b.cfg.Listen, err)
	}
	if err := b.guarded(lis.Addr()); err != nil {
		lis.Close()
		return "", err
	}
	srv := &http.Server{
		Handler: b.Handler(), ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout: 30 * time.Second, MaxHeaderBytes: 64 << 10,
	}
	g.Go(func() error {
		err := srv.Serve(lis)
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return fmt.Errorf("serve %s: %w", lis.Addr(), err)
	})
	g.Go(func() error {
		<-life.Done()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(life), time.Second)
		defer cancel()
		if srv.Shutdown(ctx) != nil {
			return srv.Close()
		}
		return nil
	})
	return lis.Addr().String(), nil
}

// guarded refuses a listener that others can reach and nobody has to log in to.
func (b *Bridge) guarded(addr net.Addr) error {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || tcp.IP.IsLoopback() || b.cfg.ListenToken != nil {
		return nil
	}
	return fmt.Errorf("listen on %s: reachable from other machines and without authentication: set listen_token, "+
		"or listen on 127.0.0.1", addr)
}

// Handler serves /metrics, /healthz, /readyz and /api/status. The two health
// pages are open, since orchestrators ask without a token; they name parts and
// reasons, never values.
func (b *Bridge) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "alive") })
	mux.HandleFunc("GET /readyz", b.serveReady)
	mux.Handle("GET /metrics", b.authorised(promhttp.HandlerFor(b.gatherer, promhttp.HandlerOpts{})))
	mux.Handle("GET /api/status", b.authorised(http.HandlerFunc(b.serveStatus)))
	return mux
}

// authorised asks callers for the token of the listener as it is at that
// moment. Without a token to compare with, nobody is let in.
func (b *Bridge) authorised(next http.Handler) http.Handler {
	if b.cfg.ListenToken == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !bearer { // before the token is read: such a caller costs and logs nothing
			unauthorised(w)
			return
		}
		want, err := b.cfg.ListenToken()
		if err == nil && want == "" {
			err = errors.New("is empty")
		}
		switch {
		case err != nil:
			b.log.Error("listen_token cannot be read, request refused", "path", r.URL.Path, "err", err)
			http.Error(w, "listen_token cannot be read; see the log", http.StatusServiceUnavailable)
		case subtle.ConstantTimeCompare([]byte(given), []byte(want.Reveal())) != 1:
			unauthorised(w)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func unauthorised(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", "Bearer")
	http.Error(w, "give the token of listen_token as a bearer token", http.StatusUnauthorized)
}

func (b *Bridge) serveReady(w http.ResponseWriter, _ *http.Request) {
	problems := b.Problems()
	if len(problems) > 0 {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
		json.NewEncoder(w).Encode(map[string]any{"ready": false, "problems": problems})
		return
	}
	writeJSON(w, map[string]any{"ready": true})
}

func (b *Bridge) serveStatus(w http.ResponseWriter, _ *http.Request) {
	now := time.Now()
	type row struct {
		ChannelStatus
		LagSeconds float64 `json:"lag_seconds"`
	}
	rows := make([]row, 0, len(b.channels))
	for _, ch := range b.channels {
		s := ch.snapshot()
		rows = append(rows, row{s, s.lag(now).Seconds()})
	}
	flows := make([]flow.Status, 0, len(b.outbound))
	for _, o := range b.outbound {
		flows = append(flows, o.status())
	}
	problems := b.Problems()
	writeJSON(w, map[string]any{
		"name": b.cfg.Name, "ready": len(problems) == 0,
		"problems": problems, "channels": rows, "flows": flows,
	})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}
