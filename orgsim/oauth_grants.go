package orgsim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	grantJWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"

	maxAssertionLife = 5 * time.Minute // libraries sign for three to five minutes
	clockLeeway      = 30 * time.Second
	maxFormBytes     = 64 << 10
)

// tokenResponse is the answer of the token endpoint. It has no expires_in:
// clients learn of the end of a token from a 401.
type tokenResponse struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token,omitempty"`
	Signature    string `json:"signature"`
	Scope        string `json:"scope"`
	InstanceURL  string `json:"instance_url"`
	ID           string `json:"id"`
	TokenType    string `json:"token_type"`
	IssuedAt     string `json:"issued_at"` // milliseconds, as text
}

func (a *oauth) serveToken(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
	if r.Method != http.MethodPost || r.ParseForm() != nil {
		(&oauthError{"invalid_request", "must use HTTP POST with a form body"}).write(w)
		return
	}
	resp, err := a.grant(r)
	if err != nil {
		a.org.log.Info("login refused", "error", err.Code, "description", err.Description, "grant_type", r.Form.Get("grant_type"))
		err.write(w)
		return
	}
	writeOAuth(w, http.StatusOK, resp)
}

func (a *oauth) grant(r *http.Request) (*tokenResponse, *oauthError) {
	switch r.Form.Get("grant_type") {
	case grantJWT:
		return a.grantJWT(r)
	case "client_credentials":
		return a.grantClient(r)
	case "refresh_token":
		return a.grantRefresh(r)
	case "password":
		return a.grantPassword(r)
	case "":
		return nil, &oauthError{"invalid_request", "grant_type is required"}
	}
	return nil, &oauthError{"unsupported_grant_type", "grant type not supported"}
}

// respond opens a session and describes it.
func (a *oauth) respond(r *http.Request, app ConnectedApp, u simUser, refresh string) *tokenResponse {
	token, issued := a.open(u.ID, app.ClientID)
	resp := &tokenResponse{
		AccessToken: token, RefreshToken: refresh, Scope: "api id refresh_token", InstanceURL: a.instanceURL(r),
		ID: a.identityURL(r, u.ID), TokenType: "Bearer", IssuedAt: strconv.FormatInt(issued.UnixMilli(), 10),
	}
	if refresh == "" {
		resp.Scope = "api id"
	}
	mac := hmac.New(sha256.New, []byte(app.ClientSecret))
	mac.Write([]byte(resp.ID + resp.IssuedAt))
	resp.Signature = base64.StdEncoding.EncodeToString(mac.Sum(nil))
	return resp
}

func (a *oauth) identityURL(r *http.Request, userID string) string {
	return baseURL(r) + "/id/" + a.org.OrgID() + "/" + userID
}

// clientOf finds the app of a form and checks its secret. Credentials may
// also come as Basic authorization.
func (a *oauth) clientOf(r *http.Request, secretNeeded bool) (ConnectedApp, *oauthError) {
	id, secret := r.Form.Get("client_id"), r.Form.Get("client_secret")
	if user, pass, ok := r.BasicAuth(); ok && id == "" {
		id, secret = user, pass
	}
	app, ok := a.app(id)
	switch {
	case !ok:
		return app, &oauthError{"invalid_client_id", "client identifier invalid"}
	case secret == "" && !secretNeeded:
	case !hmac.Equal([]byte(secret), []byte(app.ClientSecret)):
		return app, &oauthError{"invalid_client", "invalid client credentials"}
	}
	return app, nil
}

// grantJWT checks an assertion as Salesforce does: signature against the
// certificate of the app that iss names, aud, exp, then the user.
func (a *oauth) grantJWT(r *http.Request) (*tokenResponse, *oauthError) {
	assertion := r.Form.Get("assertion")
	var claims jwt.RegisteredClaims
	unverified := jwt.NewParser(jwt.WithoutClaimsValidation())
	if _, _, err := unverified.ParseUnverified(assertion, &claims); err != nil {
		return nil, &oauthError{"invalid_grant", "invalid assertion"}
	}
	app, ok := a.app(claims.Issuer)
	if !ok {
		return nil, &oauthError{"invalid_client_id", "client identifier invalid"}
	}
	key := func(*jwt.Token) (any, error) { return app.PublicKey, nil }
	if app.PublicKey == nil {
		return nil, &oauthError{"invalid_grant", "invalid assertion"}
	}
	strict := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithoutClaimsValidation())
	if _, err := strict.ParseWithClaims(assertion, &claims, key); err != nil {
		return nil, &oauthError{"invalid_grant", "invalid assertion"}
	}
	if !a.audienceOK(r, claims.Audience) {
		return nil, &oauthError{"invalid_grant", "audience is invalid"}
	}
	now := time.Now()
	if claims.ExpiresAt == nil || claims.ExpiresAt.Before(now) || claims.ExpiresAt.After(now.Add(maxAssertionLife+clockLeeway)) {
		return nil, &oauthError{"invalid_grant", "expired authorization code"}
	}
	u, err := a.userFor(app, claims.Subject)
	if err != nil {
		return nil, err
	}
	return a.respond(r, app, u, ""), nil
}

func (a *oauth) audienceOK(r *http.Request, auds []string) bool {
	a.mu.Lock()
	accepted := append([]string{baseURL(r)}, a.cfg.Audiences...)
	if a.cfg.InstanceURL != "" {
		accepted = append(accepted, a.cfg.InstanceURL)
	}
	a.mu.Unlock()
	return slices.ContainsFunc(auds, func(aud string) bool { return slices.Contains(accepted, aud) })
}

// userFor finds an active user who may use the app.
func (a *oauth) userFor(app ConnectedApp, username string) (simUser, *oauthError) {
	u, ok := a.org.userByName(username)
	switch {
	case !ok:
		return u, &oauthError{"invalid_grant", "user hasn't approved this consumer"}
	case !u.Active:
		return u, &oauthError{"inactive_user", "user is inactive"}
	case app.Approved != nil && !slices.ContainsFunc(app.Approved, func(n string) bool { return strings.EqualFold(n, username) }):
		return u, &oauthError{"invalid_app_access", "user is not admin approved to access this app"}
	}
	return u, nil
}

// grantClient is the client credentials flow, which only a My Domain host
// offers.
func (a *oauth) grantClient(r *http.Request) (*tokenResponse, *oauthError) {
	a.mu.Lock()
	loginHost := slices.Contains(a.cfg.LoginHosts, r.Host)
	a.mu.Unlock()
	if loginHost {
		return nil, &oauthError{"invalid_grant", "request not supported on this domain"}
	}
	app, err := a.clientOf(r, true)
	if err != nil {
		return nil, err
	}
	if app.RunAs == "" {
		return nil, &oauthError{"invalid_grant", "no client credentials user enabled"}
	}
	u, err := a.userFor(app, app.RunAs)
	if err != nil {
		return nil, err
	}
	return a.respond(r, app, u, ""), nil
}

func (a *oauth) grantRefresh(r *http.Request) (*tokenResponse, *oauthError) {
	app, oerr := a.clientOf(r, false)
	if oerr != nil {
		return nil, oerr
	}
	old := r.Form.Get("refresh_token")
	a.mu.Lock()
	g, ok := a.grants[old]
	ok = ok && g.clientID == app.ClientID
	shown := ""
	if ok && a.cfg.RotateRefreshTokens {
		delete(a.grants, old)
		shown = a.newRefreshToken(g)
	}
	a.mu.Unlock()
	if !ok {
		return nil, &oauthError{"invalid_grant", "expired access/refresh token"}
	}
	u, ok := a.org.userByID(g.userID)
	if !ok || !u.Active {
		return nil, &oauthError{"inactive_user", "user is inactive"}
	}
	return a.respond(r, app, u, shown), nil
}

// newRefreshToken stores a grant under a new token. The caller holds mu.
func (a *oauth) newRefreshToken(g *grant) string {
	token := "5Aep861" + randomText(48)
	a.grants[token] = g
	return token
}

// issueRefreshToken makes a refresh token as an interactive login would.
func (a *oauth) issueRefreshToken(clientID, username string) (string, *oauthError) {
	app, ok := a.app(clientID)
	if !ok {
		return "", &oauthError{"invalid_client_id", "client identifier invalid"}
	}
	u, err := a.userFor(app, username)
	if err != nil {
		return "", err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.newRefreshToken(&grant{userID: u.ID, clientID: clientID}), nil
}

func (a *oauth) grantPassword(r *http.Request) (*tokenResponse, *oauthError) {
	a.mu.Lock()
	enabled, want := a.cfg.PasswordFlow, a.cfg.Passwords[r.Form.Get("username")]
	a.mu.Unlock()
	if !enabled {
		return nil, &oauthError{"unsupported_grant_type", "grant type not supported"}
	}
	app, err := a.clientOf(r, true)
	if err != nil {
		return nil, err
	}
	if want == "" || !hmac.Equal([]byte(want), []byte(r.Form.Get("password"))) {
		return nil, &oauthError{"invalid_grant", "authentication failure"}
	}
	u, err := a.userFor(app, r.Form.Get("username"))
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	refresh := a.newRefreshToken(&grant{userID: u.ID, clientID: app.ClientID})
	a.mu.Unlock()
	return a.respond(r, app, u, refresh), nil
}
