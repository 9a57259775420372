package orgsim

import (
	"net/http"
	"strings"
)

// serveRevoke ends the token of the form, or of the query string.
func (a *oauth) serveRevoke(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
	if err := r.ParseForm(); err != nil || r.Form.Get("token") == "" {
		(&oauthError{"unsupported_token_type", "this token type is not supported"}).write(w)
		return
	}
	if !a.revoke(r.Form.Get("token")) {
		(&oauthError{"invalid_token", "invalid token"}).write(w)
		return
	}
	w.WriteHeader(http.StatusOK)
}

func (a *oauth) serveIntrospect(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
	if r.Method != http.MethodPost || r.ParseForm() != nil {
		(&oauthError{"invalid_request", "must use HTTP POST with a form body"}).write(w)
		return
	}
	if _, err := a.clientOf(r, true); err != nil {
		writeOAuth(w, http.StatusUnauthorized, err)
		return
	}
	s, ends, ok := a.lookUp(r.Form.Get("token"))
	if !ok {
		writeOAuth(w, http.StatusOK, map[string]any{"active": false})
		return
	}
	u, _ := a.org.userByID(s.userID)
	writeOAuth(w, http.StatusOK, map[string]any{
		"active": true, "scope": "api id", "client_id": s.clientID, "username": u.Username,
		"sub": a.identityURL(r, s.userID), "token_type": "access_token",
		"exp": ends.Unix(), "iat": s.issued.Unix(), "nbf": s.issued.Unix(),
	})
}

// bearer gives the token of the Authorization header; Salesforce also takes
// the older word OAuth.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "OAuth") {
		return strings.TrimSpace(token)
	}
	return ""
}

// caller finds the user of the request, or answers as the identity service
// does: 403 Bad_OAuth_Token in plain text.
func (a *oauth) caller(w http.ResponseWriter, r *http.Request) (simUser, bool) {
	if id, ok := a.Check(bearer(r)); ok {
		if u, ok := a.org.userByID(id); ok {
			return u, true
		}
	}
	http.Error(w, "Bad_OAuth_Token", http.StatusForbidden)
	return simUser{}, false
}

func (a *oauth) serveUserInfo(w http.ResponseWriter, r *http.Request) {
	u, ok := a.caller(w, r)
	if !ok {
		return
	}
	writeOAuth(w, http.StatusOK, map[string]any{
		"sub": a.identityURL(r, u.ID), "user_id": u.ID, "organization_id": a.org.OrgID(),
		"preferred_username": u.Username, "nickname": u.Name, "name": u.Name, "email": u.Email, "email_verified": true,
		"zoneinfo": "GMT", "locale": "en_US", "language": "en_US", "user_type": "STANDARD", "active": u.Active,
		"urls": a.serviceURLs(r),
	})
}

// serveIdentity answers the URL that token responses carry as id.
func (a *oauth) serveIdentity(w http.ResponseWriter, r *http.Request) {
	me, ok := a.caller(w, r)
	if !ok {
		return
	}
	org, user, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/id/"), "/")
	orgID, err := ID18(org)
	userID, uerr := ID18(user)
	if err != nil || uerr != nil || orgID != a.org.OrgID() || userID != me.ID {
		http.Error(w, "Bad_Id", http.StatusNotFound)
		return
	}
	writeOAuth(w, http.StatusOK, map[string]any{
		"id": a.identityURL(r, me.ID), "asserted_user": true, "user_id": me.ID, "organization_id": a.org.OrgID(),
		"username": me.Username, "nick_name": me.Name, "display_name": me.Name, "email": me.Email, "email_verified": true,
		"timezone": "GMT", "locale": "en_US", "language": "en_US", "user_type": "STANDARD", "active": me.Active,
		"urls": a.serviceURLs(r),
	})
}

// serviceURLs are the links of userinfo and identity; {version} stays for the
// client to fill in.
func (a *oauth) serviceURLs(r *http.Request) map[string]string {
	base := a.instanceURL(r)
	data := base + "/services/data/v{version}/"
	return map[string]string{
		"rest": data, "sobjects": data + "sobjects/", "query": data + "query/", "search": data + "search/",
		"recent": data + "recent/", "custom_domain": base,
	}
}

func (a *oauth) serveDiscovery(w http.ResponseWriter, r *http.Request) {
	base := baseURL(r)
	writeOAuth(w, http.StatusOK, map[string]any{
		"issuer":                                base,
		"authorization_endpoint":                base + "/services/oauth2/authorize",
		"token_endpoint":                        base + "/services/oauth2/token",
		"revocation_endpoint":                   base + "/services/oauth2/revoke",
		"userinfo_endpoint":                     base + "/services/oauth2/userinfo",
		"introspection_endpoint":                base + "/services/oauth2/introspect",
		"scopes_supported":                      []string{"api", "id", "openid", "refresh_token", "web", "full"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic", "private_key_jwt"},
	})
}
