package orgsim

import (
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"
)

// The registration that an org has when OAuthConfig names no apps.
const (
	DefaultClientID     = "3MVG9.simulated.connected.app"
	DefaultClientSecret = "simulated-client-secret"
)

// DefaultIdleTimeout is how long a token lives without being used.
const DefaultIdleTimeout = 2 * time.Hour

// OAuthConfig says who may log in to the org, and how. The zero value has the
// default connected app without a key: client credentials work, JWT bearer
// needs RegisterApp.
type OAuthConfig struct {
	Apps []ConnectedApp

	// LoginHosts are hosts (as in the Host header) that behave as
	// login.salesforce.com does: they refuse client credentials. Every other
	// host is a My Domain host.
	LoginHosts []string
	// Audiences are accepted as aud of an assertion beside the instance URL
	// and the host that was asked. Empty: the two public login hosts.
	Audiences []string
	// InstanceURL is what token responses send clients to. Empty: scheme and
	// host of the request.
	InstanceURL string

	IdleTimeout  time.Duration     // 0 = DefaultIdleTimeout
	PasswordFlow bool              // new orgs block it
	Passwords    map[string]string // by username: password and security token together

	RotateRefreshTokens bool // each refresh gives a new token and ends the old one
}

// ConnectedApp is a registered OAuth client.
type ConnectedApp struct {
	ClientID     string
	ClientSecret string
	PublicKey    *rsa.PublicKey // of the uploaded certificate; nil refuses JWT bearer
	RunAs        string         // username for client credentials; empty refuses them
	Approved     []string       // usernames admin-approved for the app; nil = all users
}

// oauth answers the OAuth endpoints and keeps the tokens.
type oauth struct {
	org    *Org
	mu     sync.Mutex
	cfg    OAuthConfig         // guarded by mu
	tokens map[string]*session // guarded by mu; access tokens
	grants map[string]*grant   // guarded by mu; refresh tokens
	swept  time.Time           // guarded by mu
}

// session is what an access token stands for.
type session struct {
	userID   string
	clientID string
	issued   time.Time
	used     time.Time
}

// grant is what a refresh token stands for.
type grant struct{ userID, clientID string }

func newOAuth(org *Org, cfg OAuthConfig) *oauth {
	if cfg.IdleTimeout <= 0 {
		cfg.IdleTimeout = DefaultIdleTimeout
	}
	if len(cfg.Audiences) == 0 {
		cfg.Audiences = []string{"https://login.salesforce.com", "https://test.salesforce.com"}
	}
	if len(cfg.Apps) == 0 {
		cfg.Apps = []ConnectedApp{{ClientID: DefaultClientID, ClientSecret: DefaultClientSecret, RunAs: org.cfg.Username}}
	}
	return &oauth{org: org, cfg: cfg, tokens: map[string]*session{}, grants: map[string]*grant{}}
}

// serve answers the paths of OAuth; false means that the path is not one.
func (a *oauth) serve(w http.ResponseWriter, r *http.Request) bool {
	switch path := r.URL.Path; {
	case path == "/services/oauth2/token":
		a.serveToken(w, r)
	case path == "/services/oauth2/revoke":
		a.serveRevoke(w, r)
	case path == "/services/oauth2/introspect":
		a.serveIntrospect(w, r)
	case path == "/services/oauth2/userinfo":
		a.serveUserInfo(w, r)
	case path == "/.well-known/openid-configuration":
		a.serveDiscovery(w, r)
	case strings.HasPrefix(path, "/id/"):
		a.serveIdentity(w, r)
	default:
		return false
	}
	return true
}

// oauthError is a refusal of the OAuth endpoints: HTTP 400 and one object,
// unlike the arrays of the data API.
type oauthError struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

func (e *oauthError) Error() string { return e.Code + ": " + e.Description }

func (e *oauthError) write(w http.ResponseWriter) { writeOAuth(w, http.StatusBadRequest, e) }

func writeOAuth(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.Header().Set("Cache-Control", "no-cache, no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client is gone: nothing to tell it
}

// baseURL is scheme and host as the client sees them.
func baseURL(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// instanceURL is where the client is to send its data calls.
func (a *oauth) instanceURL(r *http.Request) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cfg.InstanceURL != "" {
		return a.cfg.InstanceURL
	}
	return baseURL(r)
}

// app finds a registration.
func (a *oauth) app(clientID string) (ConnectedApp, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, app := range a.cfg.Apps {
		if app.ClientID == clientID {
			return app, true
		}
	}
	return ConnectedApp{}, false
}

// register adds an app, or replaces the one with its client id.
func (a *oauth) register(app ConnectedApp) {
	a.mu.Lock()
	defer a.mu.Unlock()
	apps := []ConnectedApp{app}
	for _, have := range a.cfg.Apps {
		if have.ClientID != app.ClientID {
			apps = append(apps, have)
		}
	}
	a.cfg.Apps = apps
}
