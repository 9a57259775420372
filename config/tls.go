package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
)

// Client gives the TLS settings of connections to Kafka, or nil where TLS is
// off. The client certificate is read again at each handshake, so that it may
// be renewed on disk.
func (t TLS) Client() (*tls.Config, error) {
	if !t.Enabled {
		return nil, nil
	}
	c, err := t.CAFile.Roots()
	if err != nil {
		return nil, err
	}
	c.ServerName = t.ServerName
	c.InsecureSkipVerify = t.InsecureSkipVerify // refused for brokers that are not on this machine
	if t.CertFile.IsSet() {
		if _, err := t.pair(); err != nil {
			return nil, err
		}
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return t.pair() }
	}
	return c, nil
}

func (t TLS) pair() (*tls.Certificate, error) {
	cert, err := t.CertFile.Read()
	if err != nil {
		return nil, err
	}
	key, err := t.KeyFile.Read()
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("client certificate %s with key %s: %w", t.CertFile.Path, t.KeyFile.Path, err)
	}
	return &pair, nil
}

// Roots gives TLS settings that trust the certificates in the file, or the
// system's where no file is named.
func (f File) Roots() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if !f.IsSet() {
		return c, nil
	}
	data, err := f.Read()
	if err != nil {
		return nil, err
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s: no certificate in it", f.Path)
	}
	return c, nil
}
