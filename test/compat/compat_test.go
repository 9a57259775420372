//go:build compat

package compat_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"sfbridge/orgsim"
)

// conf is what the client programs get, as JSON in the environment.
type conf struct {
	HTTPURL      string `json:"httpURL"`
	HTTPSURL     string `json:"httpsURL"`
	PubSubAddr   string `json:"pubsubAddr"`
	CAFile       string `json:"caFile"`
	ClientID     string `json:"clientID"`
	ClientSecret string `json:"clientSecret"`
	PrivateKey   string `json:"privateKey"`
	Username     string `json:"username"`
	Password     string `json:"password"`
	Accounts     int    `json:"accounts"`  // events on /data/AccountChangeEvent
	Shipments    int    `json:"shipments"` // events on /event/Shipment__e
}

const username = "integration@example.com"

// start serves an org on loopback: HTTP with and without TLS, Pub/Sub with.
func start(t *testing.T) (*orgsim.Org, conf) {
	t.Helper()
	pub, private, err := orgsim.NewKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	c := conf{ClientID: "3MVG9.compat", ClientSecret: "secret", PrivateKey: string(private), Username: username, Password: "pass+token"}
	org, err := orgsim.New(orgsim.Config{KeepLedger: -1, OAuth: orgsim.OAuthConfig{
		Apps:         []orgsim.ConnectedApp{{ClientID: c.ClientID, ClientSecret: c.ClientSecret, PublicKey: pub, RunAs: username}},
		PasswordFlow: true, Passwords: map[string]string{username: c.Password},
	}})
	if err != nil {
		t.Fatal(err)
	}
	serverTLS, ca := certificate(t)
	c.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(c.CAFile, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	plain, secure, events := listen(t), listen(t), listen(t)
	c.HTTPURL, c.HTTPSURL, c.PubSubAddr = "http://"+plain.Addr().String(), "https://"+secure.Addr().String(), events.Addr().String()
	web := &http.Server{Handler: org.HTTPHandler(), TLSConfig: serverTLS}
	var wg sync.WaitGroup
	wg.Go(func() { _ = web.Serve(plain) }) // both end with ErrServerClosed
	wg.Go(func() { _ = web.ServeTLS(secure, "", "") })
	wg.Go(func() {
		if err := org.ServePubSub(events, serverTLS.Clone()); err != nil {
			t.Errorf("serve pub/sub: %v", err)
		}
	})
	t.Cleanup(func() {
		org.Close()
		_ = web.Close()
		wg.Wait()
	})
	return org, c
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// certificate makes a certificate for loopback that signs itself; its PEM is
// what clients trust.
func certificate(t *testing.T) (*tls.Config, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "simulated org"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: []string{"h2", "http/1.1"}},
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// run starts a client program and decodes the last line that it prints.
func run(t *testing.T, c conf, into any, program string, args ...string) {
	t.Helper()
	install(t)
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	rig := filepath.Join(root, ".rig")
	if program == "python" {
		program = filepath.Join(rig, "venv", "bin", "python")
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "COMPAT="+string(text), "NODE_PATH="+filepath.Join(rig, "node", "node_modules"), "NODE_NO_WARNINGS=1", "NO_PROXY=127.0.0.1,localhost")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %v: %v\n%s\n%s", filepath.Base(program), args, err, stdout.String(), stderr.String())
	}
	lines := bytes.Split(bytes.TrimSpace(stdout.Bytes()), []byte("\n"))
	if err := json.Unmarshal(lines[len(lines)-1], into); err != nil {
		t.Fatalf("%v: last line is no JSON: %v\n%s\n%s", args, err, stdout.String(), stderr.String())
	}
}

// install brings the pinned clients into .rig, once.
func install(t *testing.T) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "./install.sh").CombinedOutput(); err != nil {
		t.Fatalf("install the clients: %v\n%s", err, out)
	}
}

type vals = map[string]orgsim.Value

func transact(t *testing.T, org *orgsim.Org, fn func(tx *orgsim.Tx) error) {
	t.Helper()
	if _, err := org.Transact(t.Context(), orgsim.Caller{API: "rest", Client: "compat"}, fn); err != nil {
		t.Fatal(err)
	}
}

// workday makes changes of every kind to accounts, and one platform event; it
// gives the account's id and the number of events on its channel.
func workday(t *testing.T, org *orgsim.Org) (id string, events int) {
	t.Helper()
	transact(t, org, func(tx *orgsim.Tx) (err error) {
		id, err = tx.Insert("Account", vals{
			"Name": orgsim.String("Acme 東京"), "AnnualRevenue": orgsim.MustDecimal("1250000"),
			"BillingCity": orgsim.String("Oslo"), "Active__c": orgsim.Bool(true), "NumberOfEmployees": orgsim.Int(12),
		})
		return err
	})
	transact(t, org, func(tx *orgsim.Tx) error {
		return tx.Update(id, vals{"Phone": orgsim.String("+47 1"), "BillingCity": orgsim.String("Bergen"), "BillingStreet": orgsim.String("Bryggen 1")})
	})
	transact(t, org, func(tx *orgsim.Tx) error { return tx.Update(id, vals{"Phone": {}, "Active__c": orgsim.Bool(false)}) })
	transact(t, org, func(tx *orgsim.Tx) error { return tx.Delete(id) })
	transact(t, org, func(tx *orgsim.Tx) error { return tx.Undelete(id) })
	if _, _, err := org.PublishEvent(t.Context(), orgsim.Caller{}, "Shipment__e", vals{"Order_Number__c": orgsim.String("O-1"), "Weight__c": orgsim.MustDecimal("1.25")}); err != nil {
		t.Fatal(err)
	}
	return id, 5
}
