package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"sfbridge/config"
)

// hidden is a file with the secret hunter2 in each way that a secret is given.
const hidden = `name: crm
orgs:
  main:
    auth: {method: client-credentials, client_id: a, client_secret: hunter2, token_url: "https://acme.example/token"}
kafka:
  sasl: {mechanism: plain, username: u, password: "${PASSWORD}"}
schema_registry: {url: "https://r.example", bearer_token: "${file:/run/secrets/password}"}
capture: [{org: main, objects: [Account]}]
`

func TestSecret_IsNeverShown(t *testing.T) {
	w := newWorld()
	w.env["PASSWORD"] = "hunter2-env"
	c := w.mustParse(t, hidden)
	type private struct{ s config.Secret } // fmt calls no methods of unexported fields
	var logs bytes.Buffer
	slog.New(slog.NewJSONHandler(&logs, nil)).Info("configured", "config", c, "secret", c.Kafka.SASL.Password)
	slog.New(slog.NewTextHandler(&logs, nil)).Info("configured", "config", c, "secret", c.Kafka.SASL.Password)
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Dump(c)
	if err != nil {
		t.Fatal(err)
	}
	secret := c.Orgs["main"].Auth.ClientSecret
	outputs := []string{logs.String(), string(asJSON), string(asYAML), strings.Join(c.Summary(), "\n")}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		outputs = append(outputs, fmt.Sprintf(verb, c), fmt.Sprintf(verb, *c), fmt.Sprintf(verb, secret), fmt.Sprintf(verb, private{secret}))
	}
	for _, out := range outputs {
		if strings.Contains(out, "hunter2") || strings.Contains(out, fmt.Sprintf("%x", "hunter2")) {
			t.Errorf("a secret is shown in %s", out)
		}
	}
	if got := fmt.Sprintf("%s %v", secret, config.Secret{}); got != "[redacted] " {
		t.Errorf("printed as %q", got)
	}
}

func TestSecret_ReadAgainWhenItRotates(t *testing.T) {
	w := newWorld()
	w.env["PASSWORD"] = "hunter2"
	c := w.mustParse(t, hidden)
	want := func(want string) {
		t.Helper()
		if got, err := c.SchemaRegistry.BearerToken.Get(); got != want || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	want("hunter2-file")
	w.files["/run/secrets/password"] = "next"
	want("next")
	delete(w.files, "/run/secrets/password")
	if _, err := c.SchemaRegistry.BearerToken.Get(); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "/run/secrets/password") {
		t.Errorf("error = %v, want fs.ErrNotExist with the file's name", err)
	}
}

func TestSecret_FileKeysReadAgain(t *testing.T) {
	w := newWorld()
	w.files["/etc/sfbridge/token"] = "one\n"
	c := w.mustParse(t, edit(t, "kafka:\n", "kafka:\n  sasl: {mechanism: oauthbearer, token_file: token}\n"))
	first, err := c.Kafka.SASL.Bearer().Get()
	w.files["/etc/sfbridge/token"] = "two\n"
	second, err2 := c.Kafka.SASL.Bearer().Get()
	if first != "one" || second != "two" || err != nil || err2 != nil {
		t.Errorf("got %q, %q, %v, %v", first, second, err, err2)
	}
	delete(w.files, "/etc/sfbridge/key.pem")
	if _, err := c.Orgs["main"].Auth.Key().Get(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error = %v", err)
	}
}

func TestSecret_NotSetIsEmpty(t *testing.T) {
	var s config.Secret
	if v, err := s.Get(); v != "" || err != nil || s.IsSet() {
		t.Errorf("got %q, %v, %v", v, err, s.IsSet())
	}
}

func TestSecret_ErrorsDoNotShowIt(t *testing.T) {
	for what, text := range map[string]string{
		"as a list":            "[hunter2]",
		"as a mapping":         "{a: hunter2}",
		"in a broken variable": "hunter2${x y}",
		"before a missing one": "hunter2${MISSING}",
		"without an end":       "hunter2${x",
		"as an anchor":         "&hunter2",
		"as an alias":          "*hunter2",
		"as a tag":             "!hunter2",
		"as a bad string":      `"hunter2\q"`,
		"as a half string":     `"hunter2" hunter2`,
		"as a key":             "-----BEGIN hunter2-----",
		"with an at sign":      "@hunter2",
	} {
		text := edit(t, "private_key_file: key.pem", "private_key: "+text)
		_, err := newWorld().parse(text)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error = %v", what, err)
		}
	}
	_, err := newWorld().parse(edit(t, "http://localhost:8081", "http://me:hunter2@localhost:8081"))
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "use the keys for them") {
		t.Errorf("URL with a password: error = %v", err)
	}
}

func TestExpansion(t *testing.T) {
	w := newWorld()
	w.env["A"], w.env["YAML"], w.env["NESTED"] = "x", "x}\nname: other #\"", "${A}$$"
	for _, tt := range []struct{ text, want string }{
		{"${A}", "x"},
		{"'${A}'", "x"},
		{"a${A}b${A}c", "axbxc"},
		{"$${A}", "${A}"},
		{"$$", "$"},
		{"$$$$", "$$"},
		{"a$b", "a$b"},
		{"a$", "a$"},
		{"${YAML}", "x}\nname: other #\""},
		{"${NESTED}", "${A}$$"},
		{"${file:/run/secrets/with_newlines}", "a\nb"},
		{"${file:../../run/secrets/password}", "hunter2-file"},
		{"0123", "0123"},
		{"yes", "yes"},
		{"'null'", "null"},
		{"{A: ${A}}", ""},
	} {
		c, err := w.parse(edit(t, "client_id: abc", "client_id: "+tt.text))
		if tt.want == "" {
			if err == nil {
				t.Errorf("%s was accepted", tt.text)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if got := c.Orgs["main"].Auth.ClientID; got != tt.want {
			t.Errorf("%s became %q, want %q", tt.text, got, tt.want)
		}
	}
}
