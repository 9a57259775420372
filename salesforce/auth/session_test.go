package auth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sfbridge/salesforce/auth"
)

func TestToken_EachMethod_AsksAsItShould(t *testing.T) {
	for method, want := range map[string]map[string]string{
		auth.MethodJWTBearer: {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "client_secret": "", "client_id": ""},
		auth.MethodClientCredentials: {
			"grant_type": "client_credentials", "client_id": "consumer-key", "client_secret": "consumer-secret", "password": "",
		},
		auth.MethodRefreshToken: {
			"grant_type": "refresh_token", "client_id": "consumer-key", "client_secret": "consumer-secret", "refresh_token": "refresh-0",
		},
		auth.MethodUsernamePassword: {
			"grant_type": "password", "client_id": "consumer-key", "client_secret": "consumer-secret",
			"username": "sync@acme.example", "password": "pass-and-token",
		},
	} {
		t.Run(method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newLogin(t)
				tok, err := f.session(t, f.config(method)).Token(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if tok.AccessToken != "token-1" || tok.InstanceURL != base || tok.OrgID != "00DKX00000000012AA" ||
					tok.UserID != "005KX000001AbCdYAK" || !tok.ObtainedAt.Equal(time.Now()) {
					t.Errorf("token %+v", tok)
				}
				for k, v := range want {
					if got := f.forms[0].Get(k); got != v {
						t.Errorf("%s is %q, want %q", k, got, v)
					}
				}
			})
		})
	}
}

func TestJWT_HasTheClaimsThatSalesforceWants(t *testing.T) {
	for name, tt := range map[string]struct {
		change   func(*auth.Config)
		audience string
	}{
		"audience from the login URL": {func(*auth.Config) {}, base},
		"audience of its own":         {func(c *auth.Config) { c.Audience = "https://test.salesforce.com" }, "https://test.salesforce.com"},
		"PKCS#1 key":                  {func(c *auth.Config) { c.PrivateKey = pkcs1 }, base},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newLogin(t)
				cfg := f.config(auth.MethodJWTBearer)
				tt.change(&cfg)
				if _, err := f.session(t, cfg).Token(t.Context()); err != nil {
					t.Fatal(err)
				}
				var claims jwt.RegisteredClaims
				parsed, err := jwt.ParseWithClaims(f.forms[0].Get("assertion"), &claims, func(*jwt.Token) (any, error) { return key().Public(), nil },
					jwt.WithValidMethods([]string{"RS256"}), jwt.WithTimeFunc(time.Now))
				if err != nil || !parsed.Valid {
					t.Fatalf("assertion: %v", err)
				}
				if claims.Issuer != "consumer-key" || claims.Subject != "sync@acme.example" || fmt.Sprint(claims.Audience) != "["+tt.audience+"]" {
					t.Errorf("claims %+v", claims)
				}
				if life := time.Until(claims.ExpiresAt.Time); life <= time.Minute || life > 3*time.Minute {
					t.Errorf("assertion good for %v, want at most 3 minutes", life)
				}
			})
		})
	}
}

func TestToken_ManyCallers_OneLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newLogin(t)
		f.token = func(n int, _ url.Values, w http.ResponseWriter) {
			time.Sleep(5 * time.Second)
			grant(w, fmt.Sprintf("token-%d", n))
		}
		s := f.session(t, f.config(auth.MethodJWTBearer))
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var callers sync.WaitGroup
		callers.Go(func() { // the one that began the login
			if _, err := s.Token(impatient); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("impatient caller: %v", err)
			}
		})
		synctest.Wait()
		for range 50 {
			callers.Go(func() {
				if tok, err := s.Token(t.Context()); err != nil || tok.AccessToken != "token-1" {
					t.Errorf("token %v, %v", tok.AccessToken.Reveal(), err)
				}
			})
		}
		callers.Wait()
		if n := f.logins(); n != 1 {
			t.Errorf("%d logins, want 1", n)
		}
	})
}

func TestToken_NobodyWaits_LoginIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newLogin(t)
		f.net.Blackhole(host)
		s := f.session(t, f.config(auth.MethodJWTBearer))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Token(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("error %v, want deadline exceeded", err)
		}
		synctest.Wait()
		f.net.Heal(host)
		begun := time.Now()
		if _, err := s.Token(t.Context()); err != nil || time.Since(begun) > time.Second {
			t.Errorf("next caller: %v after %v, want a login of its own at once", err, time.Since(begun))
		}
	})
}

func TestInvalidate_OnlyTheCurrentToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newLogin(t)
		// Salesforce may return the same text again while it is valid.
		f.token = func(n int, _ url.Values, w http.ResponseWriter) { grant(w, fmt.Sprintf("token-%d", n/3)) }
		s := f.session(t, f.config(auth.MethodJWTBearer))
		token := func() auth.Token {
			t.Helper()
			tok, err := s.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return tok
		}
		first := token()
		for range 10 { // ten streams report the same refusal
			s.Invalidate(first)
		}
		second := token()
		if first.AccessToken != second.AccessToken {
			t.Fatal("the fake gave another text")
		}
		s.Invalidate(first) // late
		if token(); f.logins() != 2 {
			t.Errorf("%d logins, want 2: the late report is about an old login", f.logins())
		}
		s.Invalidate(auth.Token{AccessToken: second.AccessToken}) // made by hand
		if token(); f.logins() != 3 {
			t.Errorf("%d logins, want 3", f.logins())
		}
	})
}

func TestRefreshToken_RotationIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newLogin(t)
		f.token = func(n int, form url.Values, w http.ResponseWriter) {
			if got, want := form.Get("refresh_token"), fmt.Sprintf("refresh-%d", n-1); got != want {
				refuse(w, "invalid_grant", "expired access/refresh token")
				return
			}
			reply(w, http.StatusOK, map[string]string{
				"access_token": fmt.Sprint("token-", n), "refresh_token": fmt.Sprint("refresh-", n), "instance_url": base,
				"id": base + "/id/00DKX0000000001/005KX000001AbCd",
			})
		}
		s := f.session(t, f.config(auth.MethodRefreshToken))
		for range 5 {
			time.Sleep(time.Hour)
			tok, err := s.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if tok.OrgID != "00DKX00000000012AA" || len(tok.UserID) != 18 {
				t.Errorf("org %s, user %s; want 18 characters", tok.OrgID, tok.UserID)
			}
			s.Invalidate(tok)
		}
	})
}

func TestRefreshToken_NobodyWaits_AnswerIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newLogin(t)
		f.token = func(n int, form url.Values, w http.ResponseWriter) {
			time.Sleep(5 * time.Second)
			grant(w, fmt.Sprint("token-", n))
		}
		s := f.session(t, f.config(auth.MethodRefreshToken))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Token(ctx); err == nil {
			t.Fatal("no error")
		}
		if tok, err := s.Token(t.Context()); err != nil || tok.AccessToken != "token-1" || f.logins() != 1 {
			t.Errorf("token %v, %v after %d logins; want the one under way", tok.AccessToken.Reveal(), err, f.logins())
		}
	})
}

func TestAccessToken_EndsWithAClearError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newLogin(t)
		f.other = func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/services/oauth2/userinfo" || r.Header.Get("Authorization") != "Bearer given-token" {
				t.Errorf("%s with %q", r.URL.Path, r.Header.Get("Authorization"))
			}
			reply(w, 200, map[string]string{"organization_id": "00DKX00000000012AA", "user_id": "005KX000001AbCdYAK"})
		}
		s := f.session(t, f.config(auth.MethodAccessToken))
		tok, err := s.Token(t.Context())
		if err != nil || tok.AccessToken != "given-token" || tok.OrgID != "00DKX00000000012AA" || tok.UserID != "005KX000001AbCdYAK" {
			t.Fatalf("token %+v, %v", tok, err)
		}
		s.Invalidate(tok)
		for range 3 {
			if _, err := s.Token(t.Context()); !errors.Is(err, auth.ErrTokenInvalid) || auth.Retryable(err) {
				t.Errorf("error %v, want ErrTokenInvalid", err)
			}
			time.Sleep(time.Hour)
		}
		if f.logins() != 0 {
			t.Errorf("%d logins, want none", f.logins())
		}
	})
}

func TestAccessToken_OrgIDFromAQuery_WhenUserinfoIsNotAllowed(t *testing.T) {
	for name, tt := range map[string]struct {
		query func(w http.ResponseWriter)
		org   string
		err   error
	}{
		"allowed": {func(w http.ResponseWriter) {
			reply(w, 200, map[string]any{"totalSize": 1, "done": true, "records": []map[string]string{{"Id": "00DKX0000000001"}}})
		}, "00DKX00000000012AA", nil},
		"token is bad": {func(w http.ResponseWriter) {
			reply(w, 401, []map[string]string{{"errorCode": "INVALID_SESSION_ID", "message": "Session expired or invalid"}})
		}, "", auth.ErrTokenInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newLogin(t)
				f.other = func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/services/oauth2/userinfo" {
						http.Error(w, "Bad_OAuth_Token", http.StatusForbidden)
						return
					}
					tt.query(w)
				}
				tok, err := f.session(t, f.config(auth.MethodAccessToken)).Token(t.Context())
				if tok.OrgID != tt.org || !errors.Is(err, tt.err) {
					t.Errorf("org %q, error %v; want %q, %v", tok.OrgID, err, tt.org, tt.err)
				}
			})
		})
	}
}

func TestRefusedLogin_IsNotRepeatedAtFullSpeed(t *testing.T) {
	for name, tt := range map[string]struct {
		answer func(w http.ResponseWriter)
		most   int // logins in an hour of asking each second
	}{
		"refused": {func(w http.ResponseWriter) { refuse(w, "invalid_grant", "authentication failure") }, 40},
		"busy":    {func(w http.ResponseWriter) { w.WriteHeader(503) }, 400},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newLogin(t)
				f.token = func(_ int, _ url.Values, w http.ResponseWriter) { tt.answer(w) }
				s := f.session(t, f.config(auth.MethodUsernamePassword))
				var last string
				for range 3600 {
					_, err := s.Token(t.Context())
					if err == nil {
						t.Fatal("no error")
					}
					if last != "" && err.Error() != last {
						t.Fatalf("error %v, want the same: %s", err, last)
					}
					last = err.Error()
					time.Sleep(time.Second)
				}
				if n := f.logins(); n < 5 || n > tt.most {
					t.Errorf("%d logins in an hour, want 5 to %d", n, tt.most)
				}
				f.token = nil
				time.Sleep(5 * time.Minute)
				if _, err := s.Token(t.Context()); err != nil {
					t.Errorf("after the cause is gone: %v", err)
				}
			})
		})
	}
}

func TestTokensThatDoNotLast_LoginsAreSpaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newLogin(t)
		s := f.session(t, f.config(auth.MethodJWTBearer))
		for begun := time.Now(); time.Since(begun) < time.Hour; {
			tok, err := s.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
			s.Invalidate(tok)
		}
		if n := f.logins(); n > 200 {
			t.Errorf("%d logins in an hour, want at most 200", n)
		}
	})
}

func TestPrivateKey_IsReadAgainAtEachLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newLogin(t)
		cfg := f.config(auth.MethodJWTBearer)
		reads := 0
		cfg.PrivateKey = func() ([]byte, error) { reads++; return pkcs8() }
		s := f.session(t, cfg)
		for range 3 {
			tok, err := s.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			s.Invalidate(tok)
			time.Sleep(time.Hour)
		}
		if reads != 4 {
			t.Errorf("key read %d times, want 4: at New and at each of 3 logins", reads)
		}
	})
}
