package orgsim_test

import (
	"crypto/rsa"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sfbridge/orgsim"
)

const jwtGrant = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// keyPair makes one key for all tests of a run; making one is slow.
func keyPair(t *testing.T) (*rsa.PublicKey, *rsa.PrivateKey, []byte) {
	t.Helper()
	pub, text, err := orgsim.NewKeyPair()
	if err != nil {
		t.Fatalf("key pair: %v", err)
	}
	key, err := jwt.ParseRSAPrivateKeyFromPEM(text)
	if err != nil {
		t.Fatalf("parse private key: %v", err)
	}
	return pub, key, text
}

// post sends a form and decodes the JSON answer.
func post(t *testing.T, org *orgsim.Org, target string, form url.Values) (int, map[string]any) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	org.HTTPHandler().ServeHTTP(w, r)
	out := map[string]any{}
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
			t.Fatalf("%s: %d %q: %v", target, w.Code, w.Body, err)
		}
	}
	return w.Code, out
}

func get(org *orgsim.Org, target, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	org.HTTPHandler().ServeHTTP(w, r)
	return w
}

const tokenURL = "http://org.example/services/oauth2/token"

func TestJWTBearer_ChecksEveryClaim(t *testing.T) {
	pub, key, _ := keyPair(t)
	_, other, _ := keyPair(t)
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t, orgsim.Config{Username: "sync@acme.example", OAuth: orgsim.OAuthConfig{Apps: []orgsim.ConnectedApp{
			{ClientID: "app", PublicKey: pub}, {ClientID: "keyless"}, {ClientID: "closed", PublicKey: pub, Approved: []string{}},
		}}})
		inactive := insert(t, org, "User", vals{
			"Username": orgsim.String("old@acme.example"), "LastName": orgsim.String("Old"),
			"Email": orgsim.String("old@acme.example"), "IsActive": orgsim.Bool(false),
		})
		if inactive == "" {
			t.Fatal("no inactive user")
		}
		now := time.Now().Unix()
		good := func() jwt.MapClaims {
			return jwt.MapClaims{"iss": "app", "sub": "sync@acme.example", "aud": "https://login.salesforce.com", "exp": now + 180}
		}
		for _, tc := range []struct {
			name        string
			change      func(jwt.MapClaims)
			key         *rsa.PrivateKey
			method      jwt.SigningMethod
			code, words string // empty: accepted
		}{
			{name: "as the guide says"},
			{name: "aud is a list", change: func(c jwt.MapClaims) { c["aud"] = []string{"x", "https://test.salesforce.com"} }},
			{name: "aud is the host", change: func(c jwt.MapClaims) { c["aud"] = "http://org.example" }},
			{name: "300 s and a little", change: func(c jwt.MapClaims) { c["exp"] = now + 329 }},
			{name: "user in other case", change: func(c jwt.MapClaims) { c["sub"] = "Sync@Acme.example" }},
			{name: "too far", change: func(c jwt.MapClaims) { c["exp"] = now + 331 }, code: "invalid_grant", words: "expired authorization code"},
			{name: "milliseconds", change: func(c jwt.MapClaims) { c["exp"] = now * 1000 }, code: "invalid_grant", words: "expired authorization code"},
			{name: "past", change: func(c jwt.MapClaims) { c["exp"] = now - 1 }, code: "invalid_grant", words: "expired authorization code"},
			{name: "no exp", change: func(c jwt.MapClaims) { delete(c, "exp") }, code: "invalid_grant", words: "expired authorization code"},
			{name: "wrong aud", change: func(c jwt.MapClaims) { c["aud"] = "https://elsewhere.example" }, code: "invalid_grant", words: "audience is invalid"},
			{name: "unknown app", change: func(c jwt.MapClaims) { c["iss"] = "nobody" }, code: "invalid_client_id", words: "client identifier invalid"},
			{name: "app without certificate", change: func(c jwt.MapClaims) { c["iss"] = "keyless" }, code: "invalid_grant", words: "invalid assertion"},
			{name: "user not approved", change: func(c jwt.MapClaims) { c["iss"] = "closed" }, code: "invalid_app_access", words: "user is not admin approved"},
			{name: "unknown user", change: func(c jwt.MapClaims) { c["sub"] = "who@acme.example" }, code: "invalid_grant", words: "user hasn't approved this consumer"},
			{name: "inactive user", change: func(c jwt.MapClaims) { c["sub"] = "old@acme.example" }, code: "inactive_user", words: "user is inactive"},
			{name: "wrong key", key: other, code: "invalid_grant", words: "invalid assertion"},
			{name: "RS512", method: jwt.SigningMethodRS512, code: "invalid_grant", words: "invalid assertion"},
		} {
			claims := good()
			if tc.change != nil {
				tc.change(claims)
			}
			signer, method := key, jwt.SigningMethod(jwt.SigningMethodRS256)
			if tc.key != nil {
				signer = tc.key
			}
			if tc.method != nil {
				method = tc.method
			}
			assertion, err := jwt.NewWithClaims(method, claims).SignedString(signer)
			if err != nil {
				t.Fatalf("%s: sign: %v", tc.name, err)
			}
			status, out := post(t, org, tokenURL, url.Values{"grant_type": {jwtGrant}, "assertion": {assertion}})
			if tc.code == "" {
				checkTokenResponse(t, tc.name, org, status, out)
				continue
			}
			if words, _ := out["error_description"].(string); status != 400 || out["error"] != tc.code || !strings.HasPrefix(words, tc.words) {
				t.Errorf("%s: %d %v, want 400 %s %q", tc.name, status, out, tc.code, tc.words)
			}
		}
		unsigned, err := jwt.NewWithClaims(jwt.SigningMethodNone, good()).SignedString(jwt.UnsafeAllowNoneSignatureType)
		if err != nil {
			t.Fatal(err)
		}
		for _, assertion := range []string{unsigned, "", "a.b.c"} {
			status, out := post(t, org, tokenURL, url.Values{"grant_type": {jwtGrant}, "assertion": {assertion}})
			if status != 400 || out["error"] != "invalid_grant" {
				t.Errorf("assertion %.20q: %d %v, want invalid_grant", assertion, status, out)
			}
		}
	})
}

// checkTokenResponse holds a token response to the fields of the guide, and
// calls with the token.
func checkTokenResponse(t *testing.T, what string, org *orgsim.Org, status int, out map[string]any) string {
	t.Helper()
	token, _ := out["access_token"].(string)
	issuedText, _ := out["issued_at"].(string)
	issued, err := strconv.ParseInt(issuedText, 10, 64)
	wantID := "http://org.example/id/" + org.OrgID() + "/" + org.IntegrationUser()
	if status != 200 || !strings.HasPrefix(token, org.OrgID()[:15]+"!") || out["token_type"] != "Bearer" || out["id"] != wantID ||
		out["instance_url"] != "http://org.example" || err != nil || time.Since(time.UnixMilli(issued)).Abs() > time.Minute || out["signature"] == "" {
		t.Errorf("%s: %d %v", what, status, out)
	}
	if _, has := out["expires_in"]; has {
		t.Errorf("%s: expires_in is there, want none", what)
	}
	if w := get(org, "http://org.example/services/data/v64.0/limits", token); w.Code != 200 {
		t.Errorf("%s: call with the token: %d %s", what, w.Code, w.Body)
	}
	return token
}

func TestClientCredentials_OnMyDomainOnly(t *testing.T) {
	org := newOrg(t, orgsim.Config{OAuth: orgsim.OAuthConfig{
		LoginHosts: []string{"login.example"},
		Apps:       []orgsim.ConnectedApp{{ClientID: "app", ClientSecret: "s3cret", RunAs: "integration@example.com"}, {ClientID: "nobody", ClientSecret: "x"}},
	}})
	form := func(id, secret string) url.Values {
		return url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}}
	}
	status, out := post(t, org, tokenURL, form("app", "s3cret"))
	checkTokenResponse(t, "client credentials", org, status, out)
	for _, tc := range []struct{ host, id, secret, code string }{
		{"login.example", "app", "s3cret", "invalid_grant"},
		{"org.example", "app", "wrong", "invalid_client"},
		{"org.example", "app", "", "invalid_client"},
		{"org.example", "other", "s3cret", "invalid_client_id"},
		{"org.example", "nobody", "x", "invalid_grant"},
	} {
		status, out := post(t, org, "http://"+tc.host+"/services/oauth2/token", form(tc.id, tc.secret))
		if status != 400 || out["error"] != tc.code {
			t.Errorf("%+v: %d %v, want 400 %s", tc, status, out, tc.code)
		}
	}
}

func TestRefreshToken_RotatesWhenAsked(t *testing.T) {
	for _, rotate := range []bool{false, true} {
		org := newOrg(t, orgsim.Config{OAuth: orgsim.OAuthConfig{RotateRefreshTokens: rotate}})
		first, err := org.IssueRefreshToken(orgsim.DefaultClientID, org.Username())
		if err != nil {
			t.Fatalf("issue: %v", err)
		}
		form := url.Values{"grant_type": {"refresh_token"}, "client_id": {orgsim.DefaultClientID}, "refresh_token": {first}}
		status, out := post(t, org, tokenURL, form)
		checkTokenResponse(t, "refresh", org, status, out)
		second, _ := out["refresh_token"].(string)
		if (second != "") != rotate || second == first {
			t.Errorf("rotate %v: new refresh token %q", rotate, second)
		}
		status, out = post(t, org, tokenURL, form)
		if want := map[bool]int{false: 200, true: 400}[rotate]; status != want {
			t.Errorf("rotate %v: old token again: %d %v, want %d", rotate, status, out, want)
		}
		if rotate {
			form.Set("refresh_token", second)
		}
		if status, _ := post(t, org, "http://org.example/services/oauth2/revoke", url.Values{"token": {form.Get("refresh_token")}}); status != 200 {
			t.Errorf("revoke: %d, want 200", status)
		}
		if status, out := post(t, org, tokenURL, form); status != 400 || out["error_description"] != "expired access/refresh token" {
			t.Errorf("after revoke: %d %v, want 400 expired access/refresh token", status, out)
		}
	}
}

func TestToken_LivesWhileUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t, orgsim.Config{})
		form := url.Values{"grant_type": {"client_credentials"}, "client_id": {orgsim.DefaultClientID}, "client_secret": {orgsim.DefaultClientSecret}}
		status, out := post(t, org, tokenURL, form)
		token := checkTokenResponse(t, "login", org, status, out)
		for range 5 {
			time.Sleep(119 * time.Minute)
			if _, ok := org.CheckToken(token); !ok {
				t.Fatal("the token died although it was used")
			}
		}
		time.Sleep(2 * time.Hour)
		if _, ok := org.CheckToken(token); ok {
			t.Error("the token lives after two idle hours")
		}
		_, out = post(t, org, tokenURL, form)
		token, _ = out["access_token"].(string)
		if n := org.ExpireTokens(); n != 1 {
			t.Errorf("expired %d tokens, want 1", n)
		}
		if w := get(org, "http://org.example/services/data/v64.0/limits", token); w.Code != 401 || !strings.Contains(w.Body.String(), "INVALID_SESSION_ID") {
			t.Errorf("after expiry: %d %s, want 401 INVALID_SESSION_ID", w.Code, w.Body)
		}
	})
}

func TestWhoAmI_InAllItsForms(t *testing.T) {
	org := newOrg(t, orgsim.Config{})
	_, out := post(t, org, tokenURL, url.Values{"grant_type": {"client_credentials"}, "client_id": {orgsim.DefaultClientID}, "client_secret": {orgsim.DefaultClientSecret}})
	token, _ := out["access_token"].(string)
	for _, target := range []string{"http://org.example/services/oauth2/userinfo", out["id"].(string)} {
		w := get(org, target, token)
		var me map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &me); err != nil || me["organization_id"] != org.OrgID() || me["user_id"] != org.IntegrationUser() {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
		if w := get(org, target, "wrong"); w.Code != 403 || strings.TrimSpace(w.Body.String()) != "Bad_OAuth_Token" {
			t.Errorf("%s without token: %d %s, want 403 Bad_OAuth_Token", target, w.Code, w.Body)
		}
	}
	introspect := "http://org.example/services/oauth2/introspect"
	creds := url.Values{"client_id": {orgsim.DefaultClientID}, "client_secret": {orgsim.DefaultClientSecret}, "token": {token}}
	if status, in := post(t, org, introspect, creds); status != 200 || in["active"] != true || in["username"] != org.Username() {
		t.Errorf("introspect: %d %v", status, in)
	}
	creds.Set("token", "gone")
	if status, in := post(t, org, introspect, creds); status != 200 || in["active"] != false || len(in) != 1 {
		t.Errorf("introspect a dead token: %d %v, want active false alone", status, in)
	}
	w := get(org, "http://org.example/.well-known/openid-configuration", "")
	if !strings.Contains(w.Body.String(), `"token_endpoint":"`+tokenURL+`"`) {
		t.Errorf("discovery: %s", w.Body)
	}
}

func TestPasswords_OnlyWhenSwitchedOn(t *testing.T) {
	login := url.Values{
		"grant_type": {"password"}, "client_id": {orgsim.DefaultClientID}, "client_secret": {orgsim.DefaultClientSecret},
		"username": {"integration@example.com"}, "password": {"pw"},
	}
	envelope := `<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:urn="urn:partner.soap.sforce.com"><soapenv:Body>` +
		`<urn:login><urn:username><![CDATA[integration@example.com]]></urn:username><urn:password>pw</urn:password></urn:login></soapenv:Body></soapenv:Envelope>`
	soap := func(org *orgsim.Org, version, body string) (int, string) {
		w := httptest.NewRecorder()
		org.HTTPHandler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "http://org.example/services/Soap/u/"+version+"/", strings.NewReader(body)))
		return w.Code, w.Body.String()
	}
	off := newOrg(t, orgsim.Config{})
	if status, out := post(t, off, tokenURL, login); status != 400 || out["error"] != "unsupported_grant_type" {
		t.Errorf("switched off: %d %v", status, out)
	}
	if status, body := soap(off, "57.0", envelope); status != 500 || !strings.Contains(body, "INVALID_LOGIN") {
		t.Errorf("login() switched off: %d %s", status, body)
	}
	on := newOrg(t, orgsim.Config{OAuth: orgsim.OAuthConfig{PasswordFlow: true, Passwords: map[string]string{"integration@example.com": "pw"}}})
	status, out := post(t, on, tokenURL, login)
	checkTokenResponse(t, "password", on, status, out)
	if status, body := soap(on, "57.0", envelope); status != 200 || !strings.Contains(body, "<organizationId>"+on.OrgID()+"</organizationId>") ||
		!strings.Contains(body, "<serverUrl>http://org.example/services/Soap/u/57.0/") {
		t.Errorf("login(): %d %s", status, body)
	}
	if status, body := soap(on, "65.0", envelope); status != 500 || !strings.Contains(body, "UNSUPPORTED_API_VERSION") {
		t.Errorf("login() in 65.0: %d %s", status, body)
	}
	if status, body := soap(on, "57.0", `<!DOCTYPE x [<!ENTITY a "b">]>`+envelope); status != 500 || strings.Contains(body, "sessionId") {
		t.Errorf("login() with a document type: %d %s, want a fault", status, body)
	}
	login.Set("password", "wrong")
	if status, out := post(t, on, tokenURL, login); status != 400 || out["error_description"] != "authentication failure" {
		t.Errorf("wrong password: %d %v", status, out)
	}
}

func TestParsePublicKey_TakesWhatUsersHave(t *testing.T) {
	pub, _, private := keyPair(t)
	got, err := orgsim.ParsePublicKey(private)
	if err != nil || !got.Equal(pub) {
		t.Errorf("from the private key: %v, %v", got, err)
	}
	for _, bad := range []string{
		"", "no pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})),
		string(pem.EncodeToMemory(&pem.Block{Type: "OTHER"})),
	} {
		if _, err := orgsim.ParsePublicKey([]byte(bad)); err == nil {
			t.Errorf("ParsePublicKey(%.20q) gave no error", bad)
		}
	}
}
