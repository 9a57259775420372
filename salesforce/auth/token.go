package auth

import (
	"log/slog"
	"time"
)

// Token is what a client needs to call the org. Tokens carry no expiry: they
// end after a time without use that the org sets, and the org says so when it
// refuses one.
type Token struct {
	AccessToken Secret
	InstanceURL string // scheme and host for data calls, no trailing slash; may differ after each login
	OrgID       string // 18 characters
	UserID      string // 18 characters, of the user that is logged in; empty if the org did not say
	ObtainedAt  time.Time

	login uint64 // which login of the session it came from; 0 if made by hand
}

// LogValue shows where the token is for, and not the token.
func (t Token) LogValue() slog.Value {
	return slog.GroupValue(slog.String("instance", t.InstanceURL), slog.String("org_id", t.OrgID))
}

// same tells whether two tokens are of one login. The text alone does not
// tell: a second login may return the text of the first while it is valid.
func (t Token) same(u Token) bool {
	if t.login == 0 || u.login == 0 {
		return t.AccessToken == u.AccessToken
	}
	return t.login == u.login
}
