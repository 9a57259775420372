package orgsim

import (
	"crypto/rand"
	"encoding/base64"
	"time"
)

// newToken makes an opaque access token: the org's id of 15 characters, an
// exclamation mark, and 80 random ones.
func (a *oauth) newToken() string { return a.org.OrgID()[:15] + "!AQ" + randomText(60) }

func randomText(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// open makes an access token for a user.
func (a *oauth) open(userID, clientID string) (string, time.Time) {
	token, now := a.newToken(), time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sweep(now)
	a.tokens[token] = &session{userID: userID, clientID: clientID, issued: now, used: now}
	return token, now
}

// sweep forgets expired tokens now and then. The caller holds mu.
func (a *oauth) sweep(now time.Time) {
	if now.Sub(a.swept) < a.cfg.IdleTimeout {
		return
	}
	a.swept = now
	for token, s := range a.tokens {
		if a.expired(s, now) {
			delete(a.tokens, token)
		}
	}
}

// expired tells whether nobody used the session for too long.
func (a *oauth) expired(s *session, now time.Time) bool { return now.Sub(s.used) >= a.cfg.IdleTimeout }

// lookUp finds a live session without counting as a use of it.
func (a *oauth) lookUp(token string) (session, time.Time, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s, ok := a.tokens[token]
	if !ok || a.expired(s, time.Now()) {
		return session{}, time.Time{}, false
	}
	return *s, s.used.Add(a.cfg.IdleTimeout), true
}

// Check tells whose token it is, and prolongs its life: the timeout counts
// from the last use.
func (a *oauth) Check(token string) (userID string, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s, ok := a.tokens[token]
	now := time.Now()
	if !ok || a.expired(s, now) {
		delete(a.tokens, token)
		return "", false
	}
	s.used = now
	return s.userID, true
}

// add makes a given text a token of a user.
func (a *oauth) add(token, userID string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	a.tokens[token] = &session{userID: userID, issued: now, used: now}
}

// revoke ends one access or refresh token; false means that there is none.
func (a *oauth) revoke(token string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if g, ok := a.grants[token]; ok {
		delete(a.grants, token)
		for access, s := range a.tokens { // its sessions end with it
			if s.userID == g.userID && s.clientID == g.clientID {
				delete(a.tokens, access)
			}
		}
		return true
	}
	_, ok := a.tokens[token]
	delete(a.tokens, token)
	return ok
}

// expireAll ends every access token; refresh tokens stay.
func (a *oauth) expireAll() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := len(a.tokens)
	clear(a.tokens)
	return n
}

// revokeAll ends every access and refresh token.
func (a *oauth) revokeAll() int {
	n := a.expireAll()
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.grants)
	return n
}

// AddToken makes a text an access token of a user, as if the user had logged
// in just now.
func (o *Org) AddToken(token, userID string) { o.web.oauth.add(token, userID) }

// CheckToken tells whose access token it is, and prolongs its life.
func (o *Org) CheckToken(token string) (userID string, ok bool) { return o.web.oauth.Check(token) }

// ExpireTokens ends every access token and tells how many there were; refresh
// tokens still work.
func (o *Org) ExpireTokens() int { return o.web.oauth.expireAll() }

// RevokeToken ends one access or refresh token; false means that there is
// none.
func (o *Org) RevokeToken(token string) bool { return o.web.oauth.revoke(token) }

// RegisterApp adds a connected app, or replaces the one with its client id.
func (o *Org) RegisterApp(app ConnectedApp) { o.web.oauth.register(app) }

// IssueRefreshToken makes a refresh token for a user of an app, as an
// interactive login would.
func (o *Org) IssueRefreshToken(clientID, username string) (string, error) {
	token, err := o.web.oauth.issueRefreshToken(clientID, username)
	if err != nil {
		return "", err
	}
	return token, nil
}

// SetInstanceURL changes where token responses send clients: the org moved.
func (o *Org) SetInstanceURL(url string) {
	o.web.oauth.mu.Lock()
	defer o.web.oauth.mu.Unlock()
	o.web.oauth.cfg.InstanceURL = url
}
