package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
)

func TestPrivateKey_OfOtherKindsIsRefusedWithTheRemedy(t *testing.T) {
	rsaPEM, _ := keyPair()
	block, _ := pem.Decode([]byte(rsaPEM))
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ecDER, err := x509.MarshalPKCS8PrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	asPEM := func(kind string, der []byte, headers map[string]string) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der, Headers: headers}))
	}
	for _, tt := range []struct{ what, pem, problem, remedy string }{
		{"PKCS #1", asPEM("RSA PRIVATE KEY", pkcs1(parsed), nil), "", ""},
		{"PKCS #8", rsaPEM, "", ""},
		{"text before the key", "Bag Attributes\n" + rsaPEM, "", ""},
		{"damaged PKCS #1", asPEM("RSA PRIVATE KEY", []byte("x"), nil), "damaged RSA key", "copy it again"},
		{"damaged PKCS #8", asPEM("PRIVATE KEY", []byte("x"), nil), "damaged key", "copy it again"},
		{"encrypted PKCS #1", asPEM("RSA PRIVATE KEY", []byte("x"), map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"}), "encrypted key", "openssl pkey"},
		{"encrypted PKCS #8", asPEM("ENCRYPTED PRIVATE KEY", []byte("x"), nil), "encrypted key", "openssl pkey"},
		{"elliptic", asPEM("PRIVATE KEY", ecDER, nil), "not RSA", "openssl req"},
		{"elliptic, SEC 1", asPEM("EC PRIVATE KEY", []byte("x"), nil), "no RSA private key", "openssl req"},
		{"public", asPEM("PUBLIC KEY", []byte("x"), nil), "no RSA private key", "openssl req"},
		{"on one line", strings.ReplaceAll(rsaPEM, "\n", " "), "no PEM block", "line breaks"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			w := newWorld()
			w.files["/etc/sfbridge/key.pem"] = tt.pem
			_, err := w.parse(base)
			if tt.problem == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.problem) || !strings.Contains(err.Error(), tt.remedy) {
				t.Errorf("error = %v, want %q and %q", err, tt.problem, tt.remedy)
			}
		})
	}
}

func TestLoopback_IsWhatTheMachineAloneReaches(t *testing.T) {
	for address, open := range map[string]bool{
		"127.0.0.1:1": false, "127.8.8.8:1": false, "localhost:1": false, "[::1]:1": false, "LOCALHOST:1": false,
		"'[::ffff:127.0.0.1]:1'": false,
		":1":                     true, "0.0.0.0:1": true, "'[::]:1'": true, "10.0.0.1:1": true, "localhost.example.com:1": true, "127.0.0.1.example.com:1": true,
	} {
		text := base + "listen: " + strings.Replace(address, "[::1]:1", "'[::1]:1'", 1) + "\n"
		if _, err := newWorld().parse(text); (err != nil) != open {
			t.Errorf("%s: error = %v, want one: %v", address, err, open)
		}
	}
}

func pkcs1(key any) []byte {
	return x509.MarshalPKCS1PrivateKey(key.(*rsa.PrivateKey))
}
