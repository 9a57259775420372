package pubsub_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"

	"sfbridge/pubsub"
	"sfbridge/pubsub/pubsubpb"
)

// selfSigned makes a certificate for the test's address and a pool that trusts
// it.
func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestTLS_IsTheDefault_AndChecksTheServer(t *testing.T) {
	for name, trusted := range map[string]bool{"known CA": true, "unknown CA": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cert, pool := selfSigned(t)
				org := newOrg(t, grpc.Creds(credentials.NewServerTLSFromCert(&cert)))
				org.onTopic = func(*pubsubpb.TopicRequest) (*pubsubpb.TopicInfo, error) {
					return &pubsubpb.TopicInfo{TopicName: accounts}, nil
				}
				c := org.client(t, func(c *pubsub.Config) {
					c.Plaintext = false
					if trusted {
						c.TLS = &tls.Config{RootCAs: pool}
					}
				})
				_, err := c.Topic(t.Context(), accounts)
				if (err == nil) != trusted {
					t.Errorf("error %v, want success %v", err, trusted)
				}
			})
		})
	}
}

func TestDial_ByDefault_IsTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	org := newOrg(t)
	go func() { _ = org.server.Serve(l) }()
	c := org.client(t, func(c *pubsub.Config) { c.Endpoint, c.Dial = l.Addr().String(), nil })
	_, err = c.Topic(t.Context(), accounts)
	if e, ok := err.(*pubsub.Error); !ok || e.Status != codes.NotFound {
		t.Errorf("error %v, want the org's NOT_FOUND", err)
	}
}
