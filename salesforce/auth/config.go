package auth

import (
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The ways to log in.
const (
	MethodJWTBearer         = "jwt-bearer"
	MethodClientCredentials = "client-credentials"
	MethodRefreshToken      = "refresh-token"
	MethodAccessToken       = "access-token"
	MethodUsernamePassword  = "username-password" // blocked by default in new orgs
)

// Config says who logs in, where and how. Which fields are needed depends on
// Method; New says what is missing.
type Config struct {
	Method   string
	LoginURL string // https://login.salesforce.com, or the org's My Domain URL; http only for a loopback host
	TokenURL string // default: LoginURL + /services/oauth2/token
	Audience string // of the JWT; default: LoginURL without a trailing slash

	// PrivateKey and the secrets are asked at New and again at each login, so
	// that they can be replaced while running.

	ClientID     string // the app's consumer key
	ClientSecret SecretFunc
	Username     string
	Password     SecretFunc             // with the security token appended, where the org wants one
	PrivateKey   func() ([]byte, error) // the RSA key as PEM (PKCS#1 or PKCS#8)
	RefreshToken SecretFunc             // a successor that Salesforce returned goes before it, until it changes
	AccessToken  SecretFunc
	InstanceURL  string // for access-token: where the token is valid

	LoginTimeout time.Duration // of one login with all its calls; default 30 s
	HTTPClient   *http.Client  // default: a client of the session's own
	Logger       *slog.Logger  // nil discards
	// Registerer takes the session's metrics; nil keeps none. With several
	// orgs, wrap it so that each has a label of its own.
	Registerer prometheus.Registerer
}

// check fills in defaults and refuses what cannot work.
func (c *Config) check() error {
	c.LoginURL = strings.TrimRight(c.LoginURL, "/")
	c.InstanceURL = strings.TrimRight(c.InstanceURL, "/")
	if c.LoginTimeout <= 0 {
		c.LoginTimeout = 30 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Method == MethodAccessToken {
		return c.checkAccessToken()
	}
	if err := c.checkURLs(); err != nil {
		return err
	}
	switch c.Method {
	case MethodJWTBearer:
		return c.checkJWT()
	case MethodClientCredentials:
		return c.checkClientCredentials()
	case MethodRefreshToken:
		return c.checkSecrets("RefreshToken", c.RefreshToken, "ClientID", c.ClientID)
	case MethodUsernamePassword:
		return c.checkSecrets("Password", c.Password, "ClientID", c.ClientID, "Username", c.Username)
	case "":
		return &ConfigError{"Method", "is missing: one of jwt-bearer, client-credentials, refresh-token, access-token"}
	}
	return &ConfigError{"Method", "unknown method " + c.Method + ": want jwt-bearer, client-credentials, refresh-token or access-token"}
}

func (c *Config) checkURLs() error {
	if c.LoginURL == "" {
		return &ConfigError{"LoginURL", "is missing: https://login.salesforce.com or the org's My Domain URL"}
	}
	if err := CheckURL(c.LoginURL); err != nil {
		return &ConfigError{"LoginURL", err.Error()}
	}
	if c.TokenURL == "" {
		c.TokenURL = c.LoginURL + "/services/oauth2/token"
	}
	if err := CheckURL(c.TokenURL); err != nil {
		return &ConfigError{"TokenURL", err.Error()}
	}
	if c.Audience == "" {
		c.Audience = c.LoginURL
	}
	return nil
}

func (c *Config) checkAccessToken() error {
	if _, err := c.AccessToken.need("AccessToken"); err != nil {
		return err
	}
	if err := need("InstanceURL", c.InstanceURL); err != nil {
		return err
	}
	if err := CheckURL(c.InstanceURL); err != nil {
		return &ConfigError{"InstanceURL", err.Error()}
	}
	return nil
}

func (c *Config) checkJWT() error {
	if err := need("ClientID", c.ClientID, "Username", c.Username); err != nil {
		return err
	}
	if c.PrivateKey == nil {
		return &ConfigError{"PrivateKey", "is missing: the RSA key whose certificate the app holds"}
	}
	_, err := readKey(c.PrivateKey)
	return err
}

// checkClientCredentials refuses the shared login hosts: this flow works on
// the org's own domain alone (Salesforce Help, client credentials flow).
func (c *Config) checkClientCredentials() error {
	if err := c.checkSecrets("ClientSecret", c.ClientSecret, "ClientID", c.ClientID); err != nil {
		return err
	}
	u, err := url.Parse(c.TokenURL)
	if err != nil {
		return &ConfigError{"TokenURL", err.Error()}
	}
	switch strings.ToLower(u.Hostname()) {
	case "login.salesforce.com", "test.salesforce.com":
		return &ConfigError{"LoginURL", "client-credentials works only on the org's My Domain URL, such as https://acme.my.salesforce.com, not on " + u.Hostname()}
	}
	return nil
}

// checkSecrets reads the secret that a method needs, and the client secret,
// which some apps want besides, so that a source that cannot be read ends the
// start and not the first login. The pairs are those of need.
func (c *Config) checkSecrets(field string, secret SecretFunc, pairs ...string) error {
	if err := need(pairs...); err != nil {
		return err
	}
	if _, err := secret.need(field); err != nil {
		return err
	}
	_, err := c.ClientSecret.read("ClientSecret")
	return err
}

// need takes pairs of field name and value, and names the first empty one.
func need(pairs ...string) error {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			return &ConfigError{pairs[i], "is missing"}
		}
	}
	return nil
}

// CheckURL refuses a base URL that is not absolute, or that would send tokens
// in the clear: http is for loopback hosts alone.
func CheckURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return &urlError{"is not a URL"}
	case u.Host == "" || u.Opaque != "":
		return &urlError{"want scheme and host, such as https://acme.my.salesforce.com"}
	case u.User != nil:
		return &urlError{"must not hold a user name or password"}
	case u.RawQuery != "" || u.Fragment != "":
		return &urlError{"must not hold a query or fragment"}
	case u.Scheme == "https":
		return nil
	case u.Scheme != "http":
		return &urlError{"want https, not " + u.Scheme}
	case !Loopback(u.Hostname()):
		return &urlError{"plain http to " + u.Hostname() + " would show the token to the network: use https"}
	}
	return nil
}

type urlError struct{ reason string }

func (e *urlError) Error() string { return e.reason }

// Loopback tells whether host, without a port, is this machine: localhost, or
// an address of 127.0.0.0/8, or ::1.
func Loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
