package schemas_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"sfbridge/internal/pipenet"
	"sfbridge/schemas"
)

// fakeRegistry serves handler on a memory network inside the current bubble and
// gives a client of it.
func fakeRegistry(t testing.TB, handler http.Handler, change func(*schemas.RegistryConfig)) *schemas.Registry {
	t.Helper()
	n := pipenet.New()
	l, err := n.Listen("tcp", "registry:8081")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	go server.Serve(l)
	transport := &http.Transport{DialContext: n.Dial}
	t.Cleanup(func() { server.Close(); transport.CloseIdleConnections() })
	cfg := schemas.RegistryConfig{URL: "http://registry:8081", HTTPClient: &http.Client{Transport: transport}}
	if change != nil {
		change(&cfg)
	}
	r, err := schemas.NewRegistry(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRegister_ManyAtOnce_OneRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := srfake.NewRegistry()
		var posts atomic.Int32
		fake.Intercept(func(_ http.ResponseWriter, req *http.Request) bool {
			if req.Method == http.MethodPost {
				posts.Add(1)
				time.Sleep(time.Second)
			}
			return false
		})
		r := fakeRegistry(t, fake.Handler(), nil)
		text := shipment(t).Normalised()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if id, err := r.Register(t.Context(), "sf.cdc.Shipment__c-value", text); err != nil || id != 1 {
					t.Errorf("Register = %d, %v; want 1", id, err)
				}
			})
		}
		wg.Wait()
		if _, err := r.Register(t.Context(), "another-value", text); err != nil {
			t.Error(err)
		}
		if got := posts.Load(); got != 2 {
			t.Errorf("%d registrations were sent for two subjects, want 2", got)
		}
		if got, err := r.Schema(t.Context(), 1); err != nil || got != text {
			t.Errorf("Schema(1) = %.60s, %v", got, err)
		}
	})
}

// answer is a handler that always says the same, and counts.
func answer(status int, body string) (http.Handler, *atomic.Int32) {
	n := new(atomic.Int32)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n.Add(1)
		w.WriteHeader(status)
		io.WriteString(w, body)
	}), n
}

// C29: the registry's reason reaches the person who has to decide.
func TestC29_Refusal_GivesReasonLevelAndRemedy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := srfake.NewRegistry(srfake.WithGlobalCompat(sr.CompatFullTransitive))
		fake.Intercept(func(w http.ResponseWriter, req *http.Request) bool {
			if req.Method != http.MethodPost {
				return false
			}
			w.WriteHeader(http.StatusConflict)
			io.WriteString(w, `{"error_code":409,"message":"Schema being registered is incompatible: TYPE_MISMATCH at /fields/3/type"}`)
			return true
		})
		r := fakeRegistry(t, fake.Handler(), nil)
		_, err := r.Register(t.Context(), "sf.cdc.Account-value", `"string"`)
		ie, ok := errors.AsType[*schemas.IncompatibleError](err)
		if !ok || ie.Subject != "sf.cdc.Account-value" || ie.Level != "FULL_TRANSITIVE" || !strings.Contains(ie.Reason, "TYPE_MISMATCH at /fields/3") {
			t.Fatalf("%#v; want an IncompatibleError with the registry's words", err)
		}
		if !strings.Contains(err.Error(), "FULL_TRANSITIVE") || !strings.Contains(err.Error(), "PUT http://registry:8081/config/sf.cdc.Account-value") {
			t.Errorf("%v\ndoes not tell the remedy", err)
		}
		if schemas.Retryable(err) {
			t.Error("a refusal is called retryable")
		}
	})
}

func TestRegister_StatusDecidesRetry(t *testing.T) {
	for _, c := range []struct {
		status    int
		body      string
		retryable bool
		refused   bool
		says      string
	}{
		{503, `{"error_code":50003,"message":"leader away"}`, true, false, "leader away"},
		{500, ``, true, false, "status 500"},
		{429, `slow down`, true, false, "slow down"},
		{408, ``, true, false, "status 408"},
		{401, `{"error_code":401,"message":"Unauthorized"}`, false, false, "check schema_registry.username"},
		{403, `{"error_code":40301,"message":"denied"}`, false, false, "need read and write permission"},
		{404, `<html>not here</html>`, false, false, "not here"},
		{422, `{"error_code":42201,"message":"Invalid schema"}`, false, true, "Invalid schema"},
		{422, `{"error_code":42205,"message":"Subject is in read-only mode"}`, false, false, "read-only"},
		{200, `<html>a login page</html>`, false, false, "not that of a Schema Registry"},
		{200, `{"status":"ok"}`, false, false, "not that of a Schema Registry"},
		{200, `{"id":"one"}`, false, false, "not that of a Schema Registry"},
	} {
		synctest.Test(t, func(t *testing.T) {
			h, _ := answer(c.status, c.body)
			_, err := fakeRegistry(t, h, nil).Register(t.Context(), "s", `"int"`)
			_, refused := errors.AsType[*schemas.IncompatibleError](err)
			if err == nil || schemas.Retryable(err) != c.retryable || refused != c.refused || !strings.Contains(err.Error(), c.says) {
				t.Errorf("status %d: %v, retryable %v, refused %v", c.status, err, schemas.Retryable(err), refused)
			}
		})
	}
}

func TestRegister_FailureIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := srfake.NewRegistry()
		fake.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		})
		r := fakeRegistry(t, fake.Handler(), nil)
		if _, err := r.Register(t.Context(), "s", `"int"`); !schemas.Retryable(err) {
			t.Fatalf("%v; want a retryable error", err)
		}
		fake.ClearInterceptors()
		if id, err := r.Register(t.Context(), "s", `"int"`); err != nil || id != 1 {
			t.Errorf("once the registry is back: %d, %v", id, err)
		}
	})
}

func TestRegister_RegistryHangs_TimesOutRetryable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		block := make(chan struct{})
		t.Cleanup(func() { close(block) })
		r := fakeRegistry(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-block }), func(c *schemas.RegistryConfig) { c.Timeout = 3 * time.Second })
		start := time.Now()
		_, err := r.Register(t.Context(), "s", `"int"`)
		if !schemas.Retryable(err) || time.Since(start) != 3*time.Second || !strings.Contains(err.Error(), "no answer in time") {
			t.Errorf("after %v: %v; want a retryable time-out after 3s", time.Since(start), err)
		}
	})
}

// An administrator has registered the schemas and gives us read access.
func TestRegister_NotAllowed_UsesWhatIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := srfake.NewRegistry()
		want, _, err := fake.RegisterSchema("s", sr.Schema{Schema: `"int"`})
		if err != nil {
			t.Fatal(err)
		}
		fake.Intercept(func(w http.ResponseWriter, req *http.Request) bool {
			if !strings.HasSuffix(req.URL.Path, "/versions") {
				return false
			}
			w.WriteHeader(http.StatusForbidden)
			return true
		})
		if id, err := fakeRegistry(t, fake.Handler(), nil).Register(t.Context(), "s", `"int"`); err != nil || int(id) != want {
			t.Errorf("Register = %d, %v; want %d", id, err, want)
		}
	})
}

func TestRegistry_Credentials_AskedForEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		h := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			got = append(got, req.Header.Get("Authorization"))
			io.WriteString(w, `{"id":5}`)
		})
		secret := "first"
		bearer := func(c *schemas.RegistryConfig) { c.Bearer = func() (string, error) { return secret, nil } }
		r := fakeRegistry(t, h, bearer)
		r.Register(t.Context(), "a", `"int"`)
		secret = "second"
		r.Register(t.Context(), "b", `"int"`)
		basic := fakeRegistry(t, h, func(c *schemas.RegistryConfig) { c.URL = "http://me:pass@registry:8081/" })
		basic.Register(t.Context(), "a", `"int"`)
		want := []string{"Bearer first", "Bearer second", "Basic bWU6cGFzcw=="}
		if !same(got, want) {
			t.Errorf("Authorization was %q, want %q", got, want)
		}
	})
}

func TestRegistry_Secrets_NotInErrors(t *testing.T) {
	for _, url := range []string{"http://me:hush@registry:8081", "http://me:hush@[::1", "ftp://me:hush@registry", "http://me:hush@"} {
		r, err := schemas.NewRegistry(schemas.RegistryConfig{URL: url, HTTPClient: &http.Client{Transport: &http.Transport{
			DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("unplugged") },
		}}})
		if err == nil {
			_, err = r.Register(t.Context(), "s", `"int"`)
		}
		if err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestCheck_SaysWhatIsWrong(t *testing.T) {
	apicurio := srfake.NewRegistry()
	mux := http.NewServeMux()
	mux.Handle("/apis/ccompat/v7/", http.StripPrefix("/apis/ccompat/v7", apicurio.Handler()))
	web, _ := answer(200, "<html>hello</html>")
	down, _ := answer(503, "")
	locked := srfake.NewRegistry(srfake.WithAuth("Basic bWU6cGFzcw=="))
	for name, c := range map[string]struct {
		handler http.Handler
		url     string
		says    string
	}{
		"well":              {srfake.NewRegistry().Handler(), "http://registry:8081", ""},
		"well under a path": {mux, "http://registry:8081/apis/ccompat/v7", ""},
		"well with login":   {locked.Handler(), "http://me:pass@registry:8081", ""},
		"path missing":      {mux, "http://registry:8081", "set schema_registry.url to that"},
		"a web server":      {web, "http://registry:8081", "not Confluent's Schema Registry API"},
		"no login":          {locked.Handler(), "http://registry:8081", "wants credentials"},
		"ill":               {down, "http://registry:8081", "status 503"},
	} {
		synctest.Test(t, func(t *testing.T) {
			err := fakeRegistry(t, c.handler, func(cfg *schemas.RegistryConfig) { cfg.URL = c.url }).Check(t.Context())
			if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v; want %q", name, err, c.says)
			}
		})
	}
}

func TestRegistry_EndlessAnswer_CutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := fmt.Fprint(w, strings.Repeat(" ", 1<<20)); err != nil {
					return
				}
			}
		})
		if _, err := fakeRegistry(t, h, nil).Schema(t.Context(), 1); err == nil {
			t.Error("an endless answer was read as a schema")
		}
	})
}
