package auth_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sfbridge/salesforce/auth"
)

func TestRefusal_TellsWhatToDo(t *testing.T) {
	for _, tt := range []struct {
		code, description string
		hint              string // a part of it
		retry             bool
	}{
		{"invalid_grant", "audience is invalid [audience=https://a login=https://b]", "set audience", false},
		{"invalid_grant", "Audience validation failed", "set audience", false},
		{"invalid_grant", "user hasn't approved this consumer", "pre-authorise", false},
		{"invalid_grant", "invalid assertion", "certificate", false},
		{"invalid_grant", "expired authorization code", "clock", false},
		{"invalid_grant", "expired access/refresh token", "authorise the app again", false},
		{"invalid_grant", "authentication failure", "password", false},
		{"invalid_grant", "no client credentials user enabled", "run-as user", false},
		{"invalid_client_id", "client identifier invalid", "client_id", true},
		{"invalid_client", "invalid client credentials", "client_secret", false},
		{"invalid_app_access", "user is not admin approved to access this app", "pre-authorise", false},
		{"app_not_found", "External client app is not installed in this org", "My Domain", false},
		{"inactive_user", "user is inactive", "activate", false},
		{"inactive_org", "organization is inactive", "maintained", true},
		{"org_locked", "org is locked", "maintained", true},
		{"rate_limit_exceeded", "login rate exceeded", "too many logins", true},
		{"unsupported_grant_type", "grant type not supported", "enable this OAuth flow", false},
		{"something_new", "", "", false},
	} {
		t.Run(tt.code+" "+tt.description, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newLogin(t)
				f.token = func(_ int, _ url.Values, w http.ResponseWriter) { refuse(w, tt.code, tt.description) }
				_, err := f.session(t, f.config(auth.MethodJWTBearer)).Token(t.Context())
				e, ok := errors.AsType[*auth.Error](err)
				if !ok || e.Status != 400 || e.Code != tt.code || e.Description != tt.description {
					t.Fatalf("error %v", err)
				}
				if !strings.Contains(e.Hint, tt.hint) || !strings.Contains(err.Error(), tt.hint) {
					t.Errorf("hint %q, want one with %q", e.Hint, tt.hint)
				}
				if auth.Retryable(err) != tt.retry {
					t.Errorf("retryable %v, want %v", auth.Retryable(err), tt.retry)
				}
			})
		})
	}
}

func TestClockThatIsWrong_IsNamed(t *testing.T) {
	for off, want := range map[time.Duration]string{
		-4 * time.Minute: "this clock is 4m0s ahead of",
		10 * time.Minute: "this clock is 10m0s behind",
		10 * time.Second: "",
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newLogin(t)
			f.token = func(_ int, _ url.Values, w http.ResponseWriter) {
				w.Header().Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
				refuse(w, "invalid_grant", "expired authorization code")
			}
			_, err := f.session(t, f.config(auth.MethodJWTBearer)).Token(t.Context())
			if got := strings.Contains(err.Error(), "this clock"); got != (want != "") || !strings.Contains(err.Error(), want) {
				t.Errorf("off by %v: %v; want %q in it", off, err, want)
			}
		})
	}
}

func TestAnswersThatAreNotOAuths_AreSurvived(t *testing.T) {
	for name, tt := range map[string]struct {
		answer func(w http.ResponseWriter)
		retry  bool
		says   string
	}{
		"HTML of the edge": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/html; charset=UTF-8")
			w.WriteHeader(503)
			fmt.Fprint(w, "<html>secret of the page</html>")
		}, true, "text/html"},
		"no route": {func(w http.ResponseWriter) { w.WriteHeader(420) }, true, "HTTP 420"},
		"too many": {func(w http.ResponseWriter) { w.WriteHeader(429) }, true, "HTTP 429"},
		"REST error": {func(w http.ResponseWriter) {
			reply(w, 500, []map[string]string{{"errorCode": "UNKNOWN_EXCEPTION", "message": "ErrorId"}})
		}, true, "UNKNOWN_EXCEPTION"},
		"HTML with 200": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<html>log in here</html>")
		}, false, "not the JSON expected"},
		"endless": {func(w http.ResponseWriter) {
			for range 3 << 10 {
				fmt.Fprint(w, strings.Repeat("x", 1<<10))
			}
		}, false, "longer than"},
		"no token": {func(w http.ResponseWriter) { reply(w, 200, map[string]string{"instance_url": base}) }, false, "without access_token"},
		"instance in the open": {func(w http.ResponseWriter) {
			reply(w, 200, map[string]string{"access_token": "t", "instance_url": "http://acme.example"})
		}, false, "plain http"},
		"redirect": {func(w http.ResponseWriter) {
			w.Header().Set("Location", base+"/elsewhere")
			w.WriteHeader(307)
		}, false, "redirects"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newLogin(t)
				f.token = func(_ int, _ url.Values, w http.ResponseWriter) { tt.answer(w) }
				f.other = func(_ http.ResponseWriter, r *http.Request) { t.Errorf("the form was sent on to %s", r.URL) }
				_, err := f.session(t, f.config(auth.MethodRefreshToken)).Token(t.Context())
				if err == nil || !strings.Contains(err.Error(), tt.says) || auth.Retryable(err) != tt.retry {
					t.Errorf("error %v, retryable %v; want %q, %v", err, auth.Retryable(err), tt.says, tt.retry)
				}
				if err != nil && strings.Contains(err.Error(), "secret of the page") {
					t.Error("the page is quoted")
				}
			})
		})
	}
}

func TestNew_RefusesWhatCannotWork(t *testing.T) {
	ecKey := []byte("-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2\nOF/2NxApJCzGCEDdfSp6VQO30hyhRANCAAQRWz+jn65BtOMvdyHKcvjBeBSDZH2r\n1RTwjmYSi9R/zpBnuQ4EiMnCqfMPWiZqB4QdbAd0E7oH50VpuZ1P087G\n-----END PRIVATE KEY-----\n")
	for name, tt := range map[string]struct {
		method string
		change func(*auth.Config)
		field  string
	}{
		"no method":             {"", func(*auth.Config) {}, "Method"},
		"unknown method":        {"kerberos", func(*auth.Config) {}, "Method"},
		"no login URL":          {auth.MethodJWTBearer, func(c *auth.Config) { c.LoginURL = "" }, "LoginURL"},
		"login without scheme":  {auth.MethodJWTBearer, func(c *auth.Config) { c.LoginURL = "login.salesforce.com" }, "LoginURL"},
		"plain http":            {auth.MethodJWTBearer, func(c *auth.Config) { c.LoginURL = "http://acme.example" }, "LoginURL"},
		"password in the URL":   {auth.MethodJWTBearer, func(c *auth.Config) { c.LoginURL = "https://a:b@acme.example" }, "LoginURL"},
		"plain token URL":       {auth.MethodJWTBearer, func(c *auth.Config) { c.TokenURL = "http://acme.example/token" }, "TokenURL"},
		"no client id":          {auth.MethodJWTBearer, func(c *auth.Config) { c.ClientID = "" }, "ClientID"},
		"no user":               {auth.MethodJWTBearer, func(c *auth.Config) { c.Username = "" }, "Username"},
		"no key":                {auth.MethodJWTBearer, func(c *auth.Config) { c.PrivateKey = nil }, "PrivateKey"},
		"key that is not there": {auth.MethodJWTBearer, func(c *auth.Config) { c.PrivateKey = func() ([]byte, error) { return nil, errors.New("no such file") } }, "PrivateKey"},
		"key that is not PEM":   {auth.MethodJWTBearer, func(c *auth.Config) { c.PrivateKey = pemOf("") }, "PrivateKey"},
		"certificate as key":    {auth.MethodJWTBearer, func(c *auth.Config) { c.PrivateKey = pemOf("CERTIFICATE") }, "PrivateKey"},
		"encrypted key":         {auth.MethodJWTBearer, func(c *auth.Config) { c.PrivateKey = pemOf("ENCRYPTED PRIVATE KEY") }, "PrivateKey"},
		"broken key":            {auth.MethodJWTBearer, func(c *auth.Config) { c.PrivateKey = pemOf("PRIVATE KEY") }, "PrivateKey"},
		"elliptic key":          {auth.MethodJWTBearer, func(c *auth.Config) { c.PrivateKey = func() ([]byte, error) { return ecKey, nil } }, "PrivateKey"},
		"shared host":           {auth.MethodClientCredentials, func(c *auth.Config) { c.LoginURL = "https://login.salesforce.com" }, "LoginURL"},
		"no secret":             {auth.MethodClientCredentials, func(c *auth.Config) { c.ClientSecret = nil }, "ClientSecret"},
		"empty secret":          {auth.MethodClientCredentials, func(c *auth.Config) { c.ClientSecret = auth.Fixed("") }, "ClientSecret"},
		"secret not readable":   {auth.MethodRefreshToken, func(c *auth.Config) { c.ClientSecret = unreadable }, "ClientSecret"},
		"no refresh token":      {auth.MethodRefreshToken, func(c *auth.Config) { c.RefreshToken = nil }, "RefreshToken"},
		"refresh not readable":  {auth.MethodRefreshToken, func(c *auth.Config) { c.RefreshToken = unreadable }, "RefreshToken"},
		"no access token":       {auth.MethodAccessToken, func(c *auth.Config) { c.AccessToken = nil }, "AccessToken"},
		"access not readable":   {auth.MethodAccessToken, func(c *auth.Config) { c.AccessToken = unreadable }, "AccessToken"},
		"no instance":           {auth.MethodAccessToken, func(c *auth.Config) { c.InstanceURL = "" }, "InstanceURL"},
		"instance in the open":  {auth.MethodAccessToken, func(c *auth.Config) { c.InstanceURL = "http://acme.example" }, "InstanceURL"},
		"no password":           {auth.MethodUsernamePassword, func(c *auth.Config) { c.Password = nil }, "Password"},
		"password not readable": {auth.MethodUsernamePassword, func(c *auth.Config) { c.Password = unreadable }, "Password"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := (&fakeLogin{}).config(tt.method)
			tt.change(&cfg)
			_, err := auth.New(cfg)
			if e, ok := errors.AsType[*auth.ConfigError](err); !ok || e.Field != tt.field || auth.Retryable(err) {
				t.Errorf("error %v, want one about %s", err, tt.field)
			}
		})
	}
}

func unreadable() (auth.Secret, error) { return "", errors.New("no such file") }

// pemOf makes a block of a kind with nothing sensible in it.
func pemOf(kind string) func() ([]byte, error) {
	return func() ([]byte, error) {
		if kind == "" {
			return []byte("not a key"), nil
		}
		return fmt.Appendf(nil, "-----BEGIN %s-----\nAAAA\n-----END %s-----\n", kind, kind), nil
	}
}

func TestSecrets_AreNeverShown(t *testing.T) {
	cfg := (&fakeLogin{}).config(auth.MethodAccessToken)
	cfg.HTTPClient, cfg.PrivateKey = nil, nil
	tok := auth.Token{AccessToken: "given-token", OrgID: "00DKX00000000012AA"}
	clientSecret, password := auth.Secret("consumer-secret"), auth.Secret("pass-and-token")
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "secret", password, "token", tok, "config", fmt.Sprint(cfg))
	asJSON, err := json.Marshal(struct{ S, T any }{clientSecret, tok})
	if err != nil {
		t.Fatal(err)
	}
	shown := strings.Join([]string{
		fmt.Sprint(cfg), fmt.Sprintf("%+v", cfg), fmt.Sprintf("%#v", cfg), fmt.Sprintf("%s %q %x", password, password, password),
		fmt.Sprintf("%v %+v %#v", tok, tok, tok), logged.String(), string(asJSON),
	}, "\n")
	for _, secret := range []string{"consumer-secret", "pass-and-token", "refresh-0", "given-token", fmt.Sprintf("%x", "pass-and-token")} {
		if strings.Contains(shown, secret) {
			t.Errorf("%q is shown in\n%s", secret, shown)
		}
	}
	if !strings.Contains(shown, "[redacted]") || password.Reveal() != "pass-and-token" {
		t.Error("nothing says [redacted], or the text is lost")
	}
}

func TestID18_KnownIDs(t *testing.T) {
	for in, want := range map[string]string{
		"00DKX0000000001":    "00DKX00000000012AA",
		"00DKX00000000012AA": "00DKX00000000012AA",
		"001000000000000":    "001000000000000AAA",
		"000000000000000":    "000000000000000AAA",
		"ABCDEFGHIJKLMNO":    "ABCDEFGHIJKLMNO555",
		"aBcDeFgHiJkLmNo":    "aBcDeFgHiJkLmNoKVK",
		"":                   "",
		"short":              "short",
		"00D-X0000000001":    "00D-X0000000001",
	} {
		if got := auth.ID18(in); got != want {
			t.Errorf("ID18(%q) = %q, want %q", in, got, want)
		}
	}
}
