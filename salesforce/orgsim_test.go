package salesforce_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"sfbridge/internal/pipenet"
	"sfbridge/orgsim"
	"sfbridge/salesforce"
	"sfbridge/salesforce/auth"
)

// simulated is a whole org in the bubble.
type simulated struct {
	org     *orgsim.Org
	client  *http.Client
	private []byte
}

func simulate(t *testing.T) *simulated {
	t.Helper()
	public, private, err := orgsim.NewKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	const user = "integration@example.com"
	org, err := orgsim.New(orgsim.Config{OAuth: orgsim.OAuthConfig{
		Apps:         []orgsim.ConnectedApp{{ClientID: "consumer-key", ClientSecret: "consumer-secret", PublicKey: public, RunAs: user}},
		PasswordFlow: true, Passwords: map[string]string{user: "pass-and-token"}, RotateRefreshTokens: true,
	}})
	if err != nil {
		t.Fatal(err)
	}
	org.SetInstanceURL(base)
	network := pipenet.New()
	l, err := network.Listen("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: org.HTTPHandler()}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l)
	}()
	transport := &http.Transport{DialContext: network.Dial}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		org.Close()
		_ = server.Close()
		<-served
	})
	return &simulated{org: org, client: &http.Client{Transport: transport}, private: private}
}

func (s *simulated) session(t *testing.T, method string) *auth.Session {
	t.Helper()
	cfg := auth.Config{
		Method: method, LoginURL: base, ClientID: "consumer-key", ClientSecret: auth.Fixed("consumer-secret"), HTTPClient: s.client,
		Username: s.org.Username(), Password: auth.Fixed("pass-and-token"), InstanceURL: base,
		PrivateKey: func() ([]byte, error) { return s.private, nil },
	}
	switch method {
	case auth.MethodRefreshToken:
		token, err := s.org.IssueRefreshToken("consumer-key", s.org.Username())
		if err != nil {
			t.Fatal(err)
		}
		cfg.RefreshToken = auth.Fixed(auth.Secret(token))
	case auth.MethodAccessToken:
		s.org.AddToken("given-token", s.org.IntegrationUser())
		cfg.AccessToken = auth.Fixed("given-token")
	}
	session, err := auth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

func TestSimulatedOrg_EachMethodLogsInAndRenews(t *testing.T) {
	for _, method := range []string{
		auth.MethodJWTBearer, auth.MethodClientCredentials, auth.MethodRefreshToken, auth.MethodUsernamePassword, auth.MethodAccessToken,
	} {
		t.Run(method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := simulate(t)
				session := s.session(t, method)
				c, err := salesforce.New(salesforce.Config{Session: session, APIVersion: s.org.APIVersion(), HTTPClient: s.client})
				if err != nil {
					t.Fatal(err)
				}
				for range 4 {
					info, err := c.UserInfo(t.Context())
					if err != nil || info.OrgID != s.org.OrgID() || info.Username != s.org.Username() {
						t.Fatalf("user info %+v, %v", info, err)
					}
					tok, err := session.Token(t.Context())
					if err != nil || tok.OrgID != s.org.OrgID() || tok.UserID != s.org.IntegrationUser() || tok.InstanceURL != base {
						t.Fatalf("token %+v, %v", tok, err)
					}
					s.org.ExpireTokens()
					time.Sleep(time.Hour)
					_, err = c.Limits(t.Context())
					if method == auth.MethodAccessToken {
						if !errors.Is(err, auth.ErrTokenInvalid) {
							t.Fatalf("error %v, want ErrTokenInvalid", err)
						}
						return
					}
					if err != nil {
						t.Fatal(err)
					}
				}
			})
		})
	}
}

func TestSimulatedOrg_RowsComeBackAsTheyWereWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulate(t)
		const n = 4310
		_, err := s.org.Transact(t.Context(), orgsim.Caller{API: "rest"}, func(tx *orgsim.Tx) error {
			for i := range n {
				_, err := tx.Insert("Account", map[string]orgsim.Value{
					"Name": orgsim.String(fmt.Sprintf("Zoë 東京 %d", i)), "AnnualRevenue": orgsim.MustDecimal("999999999999999999"),
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		c, err := salesforce.New(salesforce.Config{Session: s.session(t, auth.MethodJWTBearer), APIVersion: s.org.APIVersion(), HTTPClient: s.client})
		if err != nil {
			t.Fatal(err)
		}
		names := map[string]bool{}
		for rec, err := range c.Query(t.Context(), "SELECT Id, Name, AnnualRevenue FROM Account") {
			if err != nil {
				t.Fatal(err)
			}
			if got := rec["AnnualRevenue"]; got != json.Number("999999999999999999.0") {
				t.Fatalf("revenue %v (%T), want its digits", got, got)
			}
			names[rec["Name"].(string)] = true
		}
		if len(names) != n {
			t.Errorf("%d rows, want %d", len(names), n)
		}
		if got, err := c.Count(t.Context(), "SELECT COUNT() FROM Account"); err != nil || got != n {
			t.Errorf("count %d, %v; want %d", got, err, n)
		}
		account, err := c.Describe(t.Context(), "Account")
		if err != nil {
			t.Fatal(err)
		}
		if f, ok := account.Field("Name"); !ok || f.Type != "string" || !account.Queryable || account.KeyPrefix != "001" {
			t.Errorf("describe %+v", account)
		}
		_, err = c.Describe(t.Context(), "Nothing__c")
		if e, ok := errors.AsType[*salesforce.Error](err); !ok || e.Status != http.StatusNotFound || salesforce.Retryable(err) {
			t.Errorf("describe of nothing: %v, want 404", err)
		}
		versions, err := c.Versions(t.Context())
		if err != nil || len(versions) == 0 {
			t.Errorf("versions %v, %v", versions, err)
		}
		if u := c.APIUsage(); u.Used == 0 || u.Limit == 0 {
			t.Errorf("usage %+v, want what the org counts", u)
		}
	})
}
