package auth

import (
	"cmp"
	"context"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// assertionLife is how long a JWT is good for. Salesforce takes up to three
// minutes; less leaves room for a clock that is ahead.
const assertionLife = 150 * time.Second

// login gets a token, however the configuration says, and completes it with
// the org's id, which the Pub/Sub API wants on each call.
func (s *Session) login(ctx context.Context) (Token, error) {
	var tok Token
	var err error
	if s.cfg.Method == MethodAccessToken {
		tok, err = s.givenToken()
	} else {
		tok, err = s.grant(ctx)
	}
	if err != nil {
		return Token{}, err
	}
	if tok.OrgID == "" {
		if err := s.identify(ctx, &tok); err != nil {
			return Token{}, err
		}
	}
	return tok, nil
}

// givenToken takes the token of the configuration, unless it is the one that
// the org refused: no login can bring that back.
func (s *Session) givenToken() (Token, error) {
	given, err := s.cfg.AccessToken.need("AccessToken")
	if err != nil {
		return Token{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if given == s.spent {
		return Token{}, ErrTokenInvalid
	}
	return Token{AccessToken: given, InstanceURL: s.cfg.InstanceURL}, nil
}

// answer is what the token endpoint returns (OAuth 2.0 token response, with
// Salesforce's instance_url and id). It has no expires_in.
type answer struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"` // with refresh token rotation: the successor
	InstanceURL  string `json:"instance_url"`
	ID           string `json:"id"` // https://host/id/<org id>/<user id>
}

// grant asks the token endpoint.
func (s *Session) grant(ctx context.Context) (Token, error) {
	form, err := s.form()
	if err != nil {
		return Token{}, err
	}
	var a answer
	if err := s.post(ctx, s.cfg.TokenURL, form, &a); err != nil {
		return Token{}, err
	}
	if s.cfg.Method == MethodRefreshToken {
		s.refresh.taken(form.Get("refresh_token"), a.RefreshToken)
	}
	instance := strings.TrimRight(cmp.Or(a.InstanceURL, s.cfg.InstanceURL), "/")
	if a.AccessToken == "" || instance == "" {
		return Token{}, &Error{Status: http.StatusOK, Description: "answer without access_token or instance_url", Hint: "check that login_url is a Salesforce host"}
	}
	if err := CheckURL(instance); err != nil {
		return Token{}, &Error{Status: http.StatusOK, Description: "instance_url of the answer: " + err.Error()}
	}
	tok := Token{AccessToken: Secret(a.AccessToken), InstanceURL: instance}
	tok.OrgID, tok.UserID = splitIdentity(a.ID)
	return tok, nil
}

// form is the body for the token endpoint, by method.
func (s *Session) form() (url.Values, error) {
	c := &s.cfg
	v := url.Values{}
	if c.Method != MethodJWTBearer {
		secret, err := c.ClientSecret.read("ClientSecret")
		if err != nil {
			return nil, err
		}
		v.Set("client_id", c.ClientID)
		if secret != "" {
			v.Set("client_secret", secret.Reveal())
		}
	}
	switch c.Method {
	case MethodJWTBearer:
		assertion, err := s.assertion()
		if err != nil {
			return nil, err
		}
		v.Set("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
		v.Set("assertion", assertion)
	case MethodClientCredentials:
		v.Set("grant_type", "client_credentials")
	case MethodRefreshToken:
		configured, err := c.RefreshToken.need("RefreshToken")
		if err != nil {
			return nil, err
		}
		v.Set("refresh_token", s.refresh.choose(configured).Reveal())
		v.Set("grant_type", "refresh_token")
	case MethodUsernamePassword:
		password, err := c.Password.need("Password")
		if err != nil {
			return nil, err
		}
		v.Set("grant_type", "password")
		v.Set("username", c.Username)
		v.Set("password", password.Reveal())
	}
	return v, nil
}

// assertion signs the JWT of the JWT bearer flow: RS256, with iss, sub, aud
// and exp in seconds.
func (s *Session) assertion() (string, error) {
	key, err := readKey(s.cfg.PrivateKey)
	if err != nil {
		return "", err
	}
	claims := jwt.MapClaims{
		"iss": s.cfg.ClientID,
		"sub": s.cfg.Username,
		"aud": s.cfg.Audience,
		"exp": time.Now().Add(assertionLife).Unix(),
	}
	signed, err := jwt.NewWithClaims(jwt.SigningMethodRS256, claims).SignedString(key)
	if err != nil {
		return "", fmt.Errorf("sign assertion: %w", err)
	}
	return signed, nil
}

// readKey reads and parses the private key. Its errors never quote the key.
func readKey(source func() ([]byte, error)) (*rsa.PrivateKey, error) {
	data, err := source()
	if err != nil {
		return nil, &ConfigError{"PrivateKey", "read: " + err.Error()}
	}
	block, _ := pem.Decode(data)
	switch {
	case block == nil:
		return nil, &ConfigError{"PrivateKey", "is not PEM: want a block that begins -----BEGIN PRIVATE KEY-----"}
	case strings.Contains(block.Type, "ENCRYPTED") || block.Headers["DEK-Info"] != "":
		return nil, &ConfigError{"PrivateKey", "is encrypted with a passphrase: decrypt it with openssl pkey"}
	case !strings.Contains(block.Type, "PRIVATE KEY"):
		return nil, &ConfigError{"PrivateKey", "holds a " + strings.ToLower(block.Type) + ": want the private key that belongs to it"}
	}
	key, err := jwt.ParseRSAPrivateKeyFromPEM(data)
	if errors.Is(err, jwt.ErrNotRSAPrivateKey) {
		return nil, &ConfigError{"PrivateKey", "is not an RSA key: Salesforce takes RS256 only"}
	}
	if err != nil {
		return nil, &ConfigError{"PrivateKey", "cannot be parsed as PKCS#1 or PKCS#8"}
	}
	return key, nil
}
