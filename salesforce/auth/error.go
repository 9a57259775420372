package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// ErrTokenInvalid says that the access token that the configuration gives is
// no longer taken, and that there is no way to get another until it gives one.
var ErrTokenInvalid = errors.New("the access token given is no longer valid: give a new one, or use jwt-bearer, which renews by itself")

// ConfigError is a configuration that cannot work, found before any call.
type ConfigError struct {
	Field  string // of Config
	Reason string // what is wrong and what would be right
}

func (e *ConfigError) Error() string { return "auth " + e.Field + ": " + e.Reason }

// Error is a login that Salesforce refused.
type Error struct {
	Status      int    // of the HTTP response
	Code        string // "error" of the answer, such as invalid_grant; empty if the answer was not OAuth's
	Description string // "error_description" of the answer
	Hint        string // what a person can do about it
}

// Error gives code, description and status, and then the hint.
func (e *Error) Error() string {
	var b strings.Builder
	switch {
	case e.Code != "" && e.Description != "":
		fmt.Fprintf(&b, "%s: %s (HTTP %d)", e.Code, e.Description, e.Status)
	case e.Code != "":
		fmt.Fprintf(&b, "%s (HTTP %d)", e.Code, e.Status)
	default:
		fmt.Fprintf(&b, "HTTP %d %s", e.Status, http.StatusText(e.Status))
		if e.Description != "" {
			b.WriteString(": " + e.Description)
		}
	}
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// Retryable tells whether the same login may work later with nothing changed:
// the network failed, or Salesforce is busy, limits logins or is being
// maintained. A context that ended is not an answer, so it is not retryable.
func Retryable(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, ErrTokenInvalid) {
		return false
	}
	if _, bad := errors.AsType[*ConfigError](err); bad {
		return false
	}
	refused, ok := errors.AsType[*Error](err)
	if !ok {
		return true // the answer never came
	}
	if why, known := reasons[refused.Code]; known {
		return why.retry
	}
	switch refused.Status {
	case http.StatusRequestTimeout, 420, http.StatusTooManyRequests: // 420: the edge has no route for the host
		return true
	}
	return refused.Status >= 500
}

// reason is what an OAuth error code of Salesforce means for a bridge.
type reason struct {
	retry bool
	hint  string
}

// reasons has the codes of the token endpoint. The descriptions behind
// invalid_grant are told apart by grantHint.
var reasons = map[string]reason{
	"invalid_grant":          {},
	"invalid_client_id":      {true, "check client_id (the consumer key) and that login_url is the org that has the app; an app that was just created can take ten minutes"},
	"invalid_client":         {false, "check client_secret (the consumer secret)"},
	"invalid_app_access":     {false, "pre-authorise the user: in the app's policies add a profile or permission set of that user"},
	"app_not_found":          {false, "the app is not installed in the org that was asked: use the org's My Domain URL for login_url and audience in place of login or test"},
	"inactive_user":          {false, "the user is deactivated: activate it or name another"},
	"inactive_org":           {true, "the org is suspended or being maintained"},
	"org_locked":             {true, "the org is locked or being maintained"},
	"rate_limit_exceeded":    {true, "too many logins of this user: look for other processes that log in often"},
	"unsupported_grant_type": {false, "enable this OAuth flow in the app, or choose another auth method"},
	"invalid_request":        {false, ""},
	"invalid_scope":          {false, "give the app the scopes api and refresh_token"},
}

// grantHint tells the rows of invalid_grant apart. Salesforce uses the one
// code for all of them and details may follow the words ("audience is invalid
// [audience=...]"), hence prefixes.
func grantHint(method, description string) string {
	d := strings.ToLower(description)
	for _, row := range []struct{ prefix, hint string }{
		{"audience", "set audience to https://login.salesforce.com, to https://test.salesforce.com for a sandbox, or to the org's My Domain URL, without a trailing slash"},
		{"user hasn't approved", "pre-authorise the user for the app (policy: admin approved users), or let it approve the app once"},
		{"invalid assertion", "check that the app holds the certificate of this private key"},
		{"expired authorization code", "the assertion's time was not taken: check this machine's clock"},
		{"expired access/refresh token", "the refresh token was revoked or has expired: authorise the app again"},
		{"authentication failure", "check user name, password with its security token, login IP ranges, and that the org allows this flow"},
		{"no client credentials user", "set the run-as user of the client credentials flow in the app"},
	} {
		if strings.HasPrefix(d, row.prefix) {
			return row.hint
		}
	}
	if method == MethodRefreshToken {
		return "the refresh token may be revoked, or used by another process that received its successor"
	}
	return ""
}

// asError finds what Salesforce said in err.
func asError(err error) (*Error, bool) { return errors.AsType[*Error](err) }
