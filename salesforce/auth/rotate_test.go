package auth_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sfbridge/salesforce/auth"
)

// source is a place that a secret is kept in, such as a file.
type source struct {
	mu   sync.Mutex
	text auth.Secret
	err  error
}

func (s *source) read() (auth.Secret, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text, s.err
}

func (s *source) set(text auth.Secret, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text, s.err = text, err
}

// renew has the session's token refused, and asks for the next.
func renew(t *testing.T, s *auth.Session) (auth.Token, error) {
	t.Helper()
	tok, err := s.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Hour)
	s.Invalidate(tok)
	return s.Token(t.Context())
}

func TestSecrets_ThatRotate_AreReadAtTheNextLogin(t *testing.T) {
	for _, tt := range []struct {
		method, field, param string
		of                   func(*auth.Config) *auth.SecretFunc
	}{
		{auth.MethodClientCredentials, "ClientSecret", "client_secret", func(c *auth.Config) *auth.SecretFunc { return &c.ClientSecret }},
		{auth.MethodRefreshToken, "ClientSecret", "client_secret", func(c *auth.Config) *auth.SecretFunc { return &c.ClientSecret }},
		{auth.MethodRefreshToken, "RefreshToken", "refresh_token", func(c *auth.Config) *auth.SecretFunc { return &c.RefreshToken }},
		{auth.MethodUsernamePassword, "ClientSecret", "client_secret", func(c *auth.Config) *auth.SecretFunc { return &c.ClientSecret }},
		{auth.MethodUsernamePassword, "Password", "password", func(c *auth.Config) *auth.SecretFunc { return &c.Password }},
	} {
		t.Run(tt.method+" "+tt.field, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, src := newLogin(t), &source{text: "old"}
				cfg := f.config(tt.method)
				*tt.of(&cfg) = src.read
				s := f.session(t, cfg)
				if _, err := renew(t, s); err != nil {
					t.Fatal(err)
				}
				src.set("new", nil)
				if _, err := renew(t, s); err != nil {
					t.Fatal(err)
				}
				var sent []string
				for _, form := range f.forms {
					sent = append(sent, form.Get(tt.param))
				}
				if got := strings.Join(sent, " "); got != "old old new" {
					t.Errorf("logins with %q, want old old new", got)
				}

				src.set("", errors.New("/run/secrets/x: no such file"))
				_, err := renew(t, s)
				if e, ok := errors.AsType[*auth.ConfigError](err); !ok || e.Field != tt.field || !strings.Contains(err.Error(), "/run/secrets/x") {
					t.Errorf("error %v, want one that names %s and its source", err, tt.field)
				}
				src.set("back", nil)
				time.Sleep(30 * time.Second)
				if _, err := s.Token(t.Context()); err != nil || f.logins() != 4 {
					t.Errorf("readable again: %v after %d logins, want 4: none without the secret", err, f.logins())
				}
			})
		})
	}
}

func TestAccessToken_ThatRotates_IsTakenWhenTheOldOneIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, src := newLogin(t), &source{text: "first"}
		f.other = func(w http.ResponseWriter, _ *http.Request) {
			reply(w, 200, map[string]string{"organization_id": "00DKX00000000012AA", "user_id": "005KX000001AbCdYAK"})
		}
		cfg := f.config(auth.MethodAccessToken)
		cfg.AccessToken = src.read
		s := f.session(t, cfg)

		if _, err := renew(t, s); !errors.Is(err, auth.ErrTokenInvalid) {
			t.Fatalf("error %v, want ErrTokenInvalid: it is the same token", err)
		}
		for range 1000 { // however long and often it was refused, the next one is found soon
			_, _ = s.Token(t.Context())
			time.Sleep(time.Second)
		}
		src.set("second", nil)
		time.Sleep(20 * time.Second)
		tok, err := s.Token(t.Context())
		if err != nil || tok.AccessToken != "second" || tok.OrgID != "00DKX00000000012AA" {
			t.Fatalf("token %+v, %v; want the second", tok, err)
		}
		src.set("third", nil) // replaced in time
		if tok, err = renew(t, s); err != nil || tok.AccessToken != "third" {
			t.Errorf("token %v, %v; want the third at once", tok.AccessToken.Reveal(), err)
		}
	})
}

// rotating is an app that gives a new refresh token at each login and ends the
// one before; authorise begins a chain of them.
type rotating struct {
	valid auth.Secret
	made  int
}

func (r *rotating) token(n int, form url.Values, w http.ResponseWriter) {
	if form.Get("refresh_token") != r.valid.Reveal() {
		refuse(w, "invalid_grant", "expired access/refresh token")
		return
	}
	r.made++
	r.valid = auth.Secret(fmt.Sprint("successor-", r.made))
	reply(w, http.StatusOK, map[string]string{
		"access_token": fmt.Sprint("token-", n), "refresh_token": r.valid.Reveal(), "instance_url": base,
		"id": base + "/id/00DKX0000000001/005KX000001AbCd",
	})
}

func TestRefreshToken_ConfiguredAnew_GoesBeforeTheSuccessor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, src, app := newLogin(t), &source{text: "configured-1"}, &rotating{valid: "configured-1"}
		f.token = app.token
		cfg := f.config(auth.MethodRefreshToken)
		cfg.RefreshToken = src.read
		s := f.session(t, cfg)
		step := func(what string) {
			t.Helper()
			for range 2 {
				if _, err := renew(t, s); err != nil {
					t.Fatalf("%s: %v", what, err)
				}
			}
		}
		step("the configured one, then its successors")
		app.valid = "configured-2" // authorised again
		src.set("configured-2", nil)
		step("another one is configured, then its successors")

		src.set("a slip", nil)
		if _, err := renew(t, s); err == nil || auth.Retryable(err) {
			t.Fatalf("error %v, want a refusal", err)
		}
		src.set("configured-2", nil)
		time.Sleep(time.Minute)
		step("the slip taken back: the successor still holds")
	})
}
