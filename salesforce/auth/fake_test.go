package auth_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"

	"sfbridge/internal/pipenet"
	"sfbridge/salesforce/auth"
)

const (
	host = "127.0.0.1:8443"
	base = "http://" + host
)

// fakeLogin is the OAuth part of an org.
type fakeLogin struct {
	client *http.Client
	net    *pipenet.Network

	// token answers the n-th request to the token endpoint, counted from one.
	token func(n int, form url.Values, w http.ResponseWriter)
	// other answers everything else; nil is 404.
	other http.HandlerFunc

	mu    sync.Mutex
	forms []url.Values
}

func newLogin(t *testing.T) *fakeLogin {
	t.Helper()
	f := &fakeLogin{net: pipenet.New()}
	l, err := f.net.Listen("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /services/oauth2/token", func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Errorf("parse form: %v", err)
		}
		f.mu.Lock()
		f.forms = append(f.forms, r.PostForm)
		n := len(f.forms)
		f.mu.Unlock()
		if f.token == nil {
			grant(w, fmt.Sprintf("token-%d", n))
			return
		}
		f.token(n, r.PostForm, w)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if f.other == nil {
			http.NotFound(w, r)
			return
		}
		f.other(w, r)
	})
	server := &http.Server{Handler: mux}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l)
	}()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
		return f.net.Dial(ctx, "tcp", addr)
	}}
	f.client = &http.Client{Transport: transport}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close()
		<-served
	})
	return f
}

// logins is how often the token endpoint was asked.
func (f *fakeLogin) logins() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.forms)
}

// grant answers as the token endpoint does.
func grant(w http.ResponseWriter, token string) {
	reply(w, http.StatusOK, map[string]string{
		"access_token": token, "instance_url": base, "token_type": "Bearer", "scope": "api", "issued_at": "1772442907123",
		"id": "https://login.salesforce.com/id/00DKX00000000012AA/005KX000001AbCdYAK",
	})
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func refuse(w http.ResponseWriter, code, description string) {
	reply(w, http.StatusBadRequest, map[string]string{"error": code, "error_description": description})
}

// config is a configuration for each method against the fake.
func (f *fakeLogin) config(method string) auth.Config {
	c := auth.Config{
		Method: method, LoginURL: base + "/", ClientID: "consumer-key", ClientSecret: auth.Fixed("consumer-secret"),
		Username: "sync@acme.example", Password: auth.Fixed("pass-and-token"), PrivateKey: pkcs8,
		RefreshToken: auth.Fixed("refresh-0"),
		HTTPClient:   f.client,
	}
	if method == auth.MethodAccessToken {
		c.AccessToken, c.InstanceURL = auth.Fixed("given-token"), base
	}
	return c
}

func (f *fakeLogin) session(t *testing.T, cfg auth.Config) *auth.Session {
	t.Helper()
	s, err := auth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// key is made once: making one takes a while, and no test depends on which.
var key = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func pkcs8() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key())
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

func pkcs1() ([]byte, error) {
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key())}), nil
}
