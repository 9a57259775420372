package config_test

import (
	"crypto/tls"
	"strings"
	"testing"
)

func TestTLS_ClientCertificateIsReadAgain(t *testing.T) {
	w := newWorld()
	c := w.mustParse(t, edit(t, "kafka:\n", "kafka:\n  tls: {enabled: true, ca_file: cert.pem, cert_file: cert.pem, key_file: key.pem, server_name: kafka}\n"))
	conf, err := c.Kafka.TLS.Client()
	if err != nil {
		t.Fatal(err)
	}
	if conf.RootCAs == nil || conf.ServerName != "kafka" || conf.InsecureSkipVerify || conf.MinVersion < tls.VersionTLS12 {
		t.Errorf("got %+v", conf)
	}
	if cert, err := conf.GetClientCertificate(&tls.CertificateRequestInfo{}); err != nil || len(cert.Certificate) != 1 {
		t.Errorf("client certificate: %v", err)
	}
	w.files["/etc/sfbridge/cert.pem"] = "half written"
	if _, err := conf.GetClientCertificate(&tls.CertificateRequestInfo{}); err == nil || !strings.Contains(err.Error(), "cert.pem") {
		t.Errorf("error = %v, want the file's name", err)
	}
}

func TestTLS_KeyThatDoesNotFitIsRefused(t *testing.T) {
	w := newWorld()
	w.files["/etc/sfbridge/other.pem"] = strings.Replace(w.files["/etc/sfbridge/key.pem"], "PRIVATE KEY", "PUBLIC KEY", 2)
	_, err := w.parse(edit(t, "kafka:\n", "kafka:\n  tls: {enabled: true, cert_file: cert.pem, key_file: other.pem}\n"))
	if err == nil || !strings.Contains(err.Error(), "kafka.tls.key_file") {
		t.Errorf("error = %v", err)
	}
}

func TestTLS_OffIsNil(t *testing.T) {
	if conf, err := newWorld().mustParse(t, base).Kafka.TLS.Client(); conf != nil || err != nil {
		t.Errorf("got %v, %v", conf, err)
	}
}
