package config

import (
	"net/url"
	"time"
)

// SchemaRegistry reaches a Schema Registry. At most one of Username and
// BearerToken is set.
type SchemaRegistry struct {
	URL         string // without a trailing slash
	Username    string
	Password    Secret
	BearerToken Secret
	CAFile      File
	Timeout     time.Duration
}

func (r *SchemaRegistry) keys() []key {
	return []key{
		{
			name: "url", to: &r.URL, def: "http://localhost:8081", valid: httpURL, clean: trimSlash, example: "https://registry.example.com/apis/ccompat/v7",
			doc: "Base URL of the Schema Registry; it may have a path.",
		},
		{name: "username", to: &r.Username, example: "sfbridge", doc: "User for basic authentication. Needs `password`."},
		{name: "password", to: &r.Password, example: "${REGISTRY_PASSWORD}", doc: "Password for basic authentication."},
		{name: "bearer_token", to: &r.BearerToken, example: "${file:/run/secrets/registry_token}", doc: "Bearer token, in place of a user."},
		{
			name: "ca_file", to: &r.CAFile, valid: certificates, example: "ca.pem",
			doc: "PEM certificates to trust in place of the system's.",
		},
		{
			name: "timeout", to: &r.Timeout, def: "10s", min: "100ms", max: "10m", example: "30s",
			doc: "How long one request may take.",
		},
	}
}

func (r *SchemaRegistry) check(at scope) {
	switch {
	case at.given("bearer_token") && at.given("username"):
		at.fail("bearer_token", "is given beside username", "remove one of the two")
	case at.given("username"):
		at.need("password", "username needs it")
	case at.given("password"):
		at.need("username", "password needs it")
	}
	u, err := url.Parse(r.URL)
	if err != nil || u.Scheme != "http" {
		return
	}
	if at.given("ca_file") {
		at.fail("ca_file", "has no effect with a plain http URL", "write https in schema_registry.url, or remove it")
	}
	if (at.given("password") || at.given("bearer_token")) && !isLoopback(u.Host) {
		at.warn("url", "sends the registry's credentials in the clear", "use https")
	}
}
