package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The authentication methods.
const (
	JWTBearer         = "jwt-bearer"
	ClientCredentials = "client-credentials"
	RefreshToken      = "refresh-token"
	AccessToken       = "access-token"
	UsernamePassword  = "username-password"
)

// Org reaches one Salesforce org.
type Org struct {
	LoginURL             string // without a trailing slash
	APIVersion           string // such as 64.0
	PubSubEndpoint       string // host:port
	PubSubTLS            bool
	CAFile               File
	Auth                 Auth
	Keepalive            time.Duration
	StreamsPerConnection int
	Credit               int
	Namespace            string
	APIReserve           Percent
	APIScarce            Percent
}

// Auth says how the bridge logs in to an org. Which fields are set depends on
// Method, and is checked.
type Auth struct {
	Method         string
	ClientID       string
	ClientSecret   Secret
	Username       string
	PrivateKeyFile File
	PrivateKey     Secret
	Audience       string
	TokenURL       string
	RefreshToken   Secret
	AccessToken    Secret
	InstanceURL    string
	Password       Secret
}

// Key gives the PEM text of the private key from wherever it is configured,
// read anew at each call of Get.
func (a Auth) Key() Secret {
	if a.PrivateKeyFile.IsSet() {
		return a.PrivateKeyFile.Secret()
	}
	return a.PrivateKey
}

func (o *Org) keys() []key {
	return []key{
		{
			name: "login_url", to: &o.LoginURL, def: "https://login.salesforce.com", valid: secureURL, clean: trimSlash, example: "https://acme.my.salesforce.com",
			doc: "Where tokens are asked for: the org's My Domain URL, or login.salesforce.com, or test.salesforce.com for a sandbox. `client-credentials` works with a My Domain URL alone. Plain http only for a simulator on this machine.",
		},
		{
			name: "api_version", to: &o.APIVersion, def: "64.0", valid: apiVersion, example: `"64.0"`,
			doc: "Version of the Salesforce REST API.",
		},
		{
			name: "pubsub_endpoint", to: &o.PubSubEndpoint, def: "api.pubsub.salesforce.com:7443", valid: hostPort, example: "api.deu.pubsub.salesforce.com:7443",
			doc: "Address of the Pub/Sub API.",
		},
		{
			name: "pubsub_tls", to: &o.PubSubTLS, def: "true", example: "false",
			doc: "TLS to the Pub/Sub API. `false` only for a simulator on this machine.",
		},
		{
			name: "ca_file", to: &o.CAFile, valid: certificates, example: "proxy-ca.pem",
			doc: "PEM certificates to trust for this org in place of the system's, as a TLS-inspecting proxy needs.",
		},
		{name: "auth", to: &o.Auth, required: true, doc: "How the bridge logs in."},
		{
			name: "keepalive", to: &o.Keepalive, def: "270s", min: "1s", max: "1h", example: "270s",
			doc: "How often Salesforce sends something on a quiet stream. A stream that is silent for two of these is reopened.",
		},
		{
			name: "streams_per_connection", to: &o.StreamsPerConnection, unit: "streams", def: "100", min: "1", max: "1000", example: "50",
			doc: "Subscriptions on one HTTP/2 connection; more than these open another one.",
		},
		{
			name: "credit", to: &o.Credit, unit: "events", def: "100", min: "1", max: "100", example: "20",
			doc: "Events that a subscription may have outstanding. Salesforce allows 100; fewer means less memory and, over a long distance, less speed.",
		},
		{
			name: "namespace", to: &o.Namespace, valid: namespaceName, example: "acme",
			doc: "Prefix of the managed package that custom objects and fields of this org belong to. Names in `capture`, `writeback` and `publish` may then be written without it, so that one file suits orgs with and without the package.",
		},
		{
			name: "api_reserve", to: &o.APIReserve, def: "10%", min: "1%", max: "99%", example: "30%",
			doc: "Share of the day's API calls that `writeback` leaves to others. Once no more than that is left it waits, and readiness says so.",
		},
		{
			name: "api_scarce", to: &o.APIScarce, def: "25%", min: "1%", max: "100%", example: "50%",
			doc: "Share of the day's API calls below which `writeback` saves them: rows wait for company, and bulk jobs begin at half of `bulk_above`. Not below `api_reserve`.",
		},
	}
}

func (a *Auth) keys() []key {
	return []key{
		{
			name: "method", to: &a.Method, def: JWTBearer, example: ClientCredentials,
			oneOf: []string{JWTBearer, ClientCredentials, RefreshToken, AccessToken, UsernamePassword},
			doc:   "The OAuth flow. `access-token` cannot renew its token itself, so it suits a trial; `username-password` is deprecated by Salesforce and blocked in new orgs.",
		},
		{
			name: "client_id", to: &a.ClientID, example: "${SF_CLIENT_ID}",
			doc: "Consumer key of the external client app or connected app. For all methods but `access-token`.",
		},
		{
			name: "client_secret", to: &a.ClientSecret, example: "${SF_CLIENT_SECRET}",
			doc: "Consumer secret. For `client-credentials` and `username-password`, and for `refresh-token` where the app asks for it. Read again at each login.",
		},
		{
			name: "username", to: &a.Username, example: "sync@example.com",
			doc: "The Salesforce user that the bridge acts as. For `jwt-bearer` and `username-password`; for other methods the user comes with the credentials.",
		},
		{
			name: "private_key_file", to: &a.PrivateKeyFile, valid: privateKey, example: "key.pem",
			doc: "PEM file with the RSA key whose certificate the app holds. For `jwt-bearer`. Read again at each login.",
		},
		{
			name: "private_key", to: &a.PrivateKey, valid: privateKey, example: "${SF_PRIVATE_KEY}",
			doc: "The key itself, in place of `private_key_file`. Read again at each login.",
		},
		{
			name: "audience", to: &a.Audience, valid: secureURL, clean: trimSlash, example: "https://login.salesforce.com",
			doc: "Audience of the JWT, where it is not `login_url`. For `jwt-bearer`.",
		},
		{
			name: "token_url", to: &a.TokenURL, valid: secureURL, example: "https://acme.my.salesforce.com/services/oauth2/token",
			doc: "Token endpoint, where it is not the usual path under `login_url`.",
		},
		{
			name: "refresh_token", to: &a.RefreshToken, example: "${file:/run/secrets/refresh_token}",
			doc: "For `refresh-token`. Read again at each login; where Salesforce returned a successor, that is used until this one changes.",
		},
		{
			name: "access_token", to: &a.AccessToken, example: "${SF_ACCESS_TOKEN}",
			doc: "For `access-token`: a token from elsewhere. Read again when Salesforce no longer takes it, so that another program may renew it.",
		},
		{
			name: "instance_url", to: &a.InstanceURL, valid: secureURL, clean: trimSlash, example: "https://acme.my.salesforce.com",
			doc: "For `access-token`: the org's own URL. Other methods learn it at login.",
		},
		{
			name: "password", to: &a.Password, example: "${SF_PASSWORD}",
			doc: "For `username-password`: the password followed by the user's security token. Read again at each login.",
		},
	}
}

// methodKeys says which keys of auth belong to a method.
type methodKeys struct{ needs, takes []string }

func keysOf(method string) (methodKeys, bool) {
	switch method {
	case JWTBearer:
		return methodKeys{[]string{"client_id", "username"}, []string{"private_key_file", "private_key", "audience", "token_url"}}, true
	case ClientCredentials:
		return methodKeys{[]string{"client_id", "client_secret"}, []string{"token_url"}}, true
	case RefreshToken:
		return methodKeys{[]string{"client_id", "refresh_token"}, []string{"client_secret", "token_url"}}, true
	case AccessToken:
		return methodKeys{[]string{"access_token", "instance_url"}, nil}, true
	case UsernamePassword:
		return methodKeys{[]string{"client_id", "client_secret", "username", "password"}, []string{"token_url"}}, true
	}
	return methodKeys{}, false
}

func (o *Org) check(at scope) {
	if !o.PubSubTLS && !isLoopback(o.PubSubEndpoint) {
		at.fail("pubsub_tls", "would send tokens in the clear to "+o.PubSubEndpoint,
			"remove the key; false is for a simulator on 127.0.0.1")
	}
	if at.given("auth") {
		o.Auth.check(at.in("auth"))
	}
	if o.APIScarce < o.APIReserve && !at.d.failed(at.in("api_reserve").path) {
		at.fail("api_scarce", "is below api_reserve ("+o.APIReserve.String()+")", "give api_reserve or more")
	}
	if o.Auth.Method == ClientCredentials && o.Auth.TokenURL == "" && sharedLogin(o.LoginURL) {
		at.fail("login_url", "does not serve the method client-credentials",
			"give the org's My Domain URL, such as https://acme.my.salesforce.com")
	}
}

func (a *Auth) check(at scope) {
	mk, ok := keysOf(a.Method)
	if !ok {
		return // an unknown method has been reported
	}
	for _, k := range mk.needs {
		at.need(k, "the method "+a.Method+" needs it")
	}
	for _, k := range a.keys() {
		if k.name != "method" && at.given(k.name) && !slices.Contains(mk.needs, k.name) && !slices.Contains(mk.takes, k.name) {
			at.fail(k.name, "does not belong to the method "+a.Method,
				fmt.Sprintf("remove it; %s uses %s", a.Method, strings.Join(slices.Concat(mk.needs, mk.takes), ", ")))
		}
	}
	switch {
	case a.Method == UsernamePassword:
		at.warn("method", "is deprecated by Salesforce and blocked in new orgs", "use jwt-bearer or client-credentials")
	case a.Method != JWTBearer:
	case at.given("private_key") && at.given("private_key_file"):
		at.fail("private_key", "is given beside private_key_file", "remove one of the two")
	case !at.given("private_key") && !at.given("private_key_file"):
		at.fail("private_key_file", "is missing: the method jwt-bearer signs with it", "name the PEM file of the key, or give private_key")
	}
}

// sharedLogin tells whether the URL is a login host that all orgs share.
func sharedLogin(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && (u.Hostname() == "login.salesforce.com" || u.Hostname() == "test.salesforce.com")
}
