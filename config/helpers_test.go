package config_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io/fs"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"sfbridge/config"
)

// name is where the files of the tests are said to be; nothing is on disk.
const name = "/etc/sfbridge/bridge.yaml"

// world is the environment and the file system that a test's file sees.
type world struct {
	env   map[string]string
	files map[string]string
}

func newWorld() *world {
	rsaKey, cert := keyPair()
	return &world{
		env: map[string]string{"SF_CLIENT_ID": "3MVG9example", "EMPTY": "", "BROKERS": "kafka-1:9092,kafka-2:9092"},
		files: map[string]string{
			"/etc/sfbridge/key.pem":      rsaKey,
			"/etc/sfbridge/cert.pem":     cert,
			"/etc/sfbridge/notes.txt":    "no PEM here",
			"/run/secrets/password":      "hunter2-file\n",
			"/run/secrets/with_newlines": "a\nb\r\n",
		},
	}
}

func (w *world) options() config.Options {
	return config.Options{
		Env: func(name string) (string, bool) { v, ok := w.env[name]; return v, ok },
		ReadFile: func(path string) ([]byte, error) {
			data, ok := w.files[path]
			if !ok {
				return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
			}
			return []byte(data), nil
		},
	}
}

func (w *world) parse(text string) (*config.Config, error) {
	return config.Parse(name, []byte(text), w.options())
}

func (w *world) mustParse(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := w.parse(text)
	if err != nil {
		t.Fatalf("Parse: %v\nin\n%s", err, numbered(text))
	}
	return c
}

// base is a whole file, one key a line, that tests change in one place.
const base = `name: crm
orgs:
  main:
    auth:
      client_id: abc
      username: sync@example.com
      private_key_file: key.pem
kafka:
  brokers: [localhost:9092]
schema_registry:
  url: http://localhost:8081
capture:
  - org: main
    objects: [Account]
`

// edit replaces the only occurrence of old in base.
func edit(t *testing.T, old, with string) string {
	t.Helper()
	if strings.Count(base, old) != 1 {
		t.Fatalf("%q occurs %d times in the base file", old, strings.Count(base, old))
	}
	return strings.Replace(base, old, with, 1)
}

func numbered(text string) string {
	var b strings.Builder
	for i, line := range strings.Split(text, "\n") {
		fmt.Fprintf(&b, "%3d %s\n", i+1, line)
	}
	return b.String()
}

// keyPair makes one RSA key and a certificate of it, in PEM.
var keyPair = sync.OnceValues(func() (key, cert string) {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		panic(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sfbridge"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0),
	}
	c, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c}))
})
