package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	kafkago "github.com/segmentio/kafka-go"
)

// permanent reports failures to connect that the same configuration will meet again: trying on would only hide them.
func permanent(err error) bool {
	if code, ok := codeOf(err); ok {
		return code == kafkago.SASLAuthenticationFailed || code == kafkago.UnsupportedSASLMechanism || code == kafkago.IllegalSASLState
	}
	return tlsTrouble(err)
}

func tlsTrouble(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	_, ok := errors.AsType[tls.RecordHeaderError](err)
	return ok
}

// explain wraps err as an *Error with the remedy that fits, unless it carries one already.
func (c *Client) explain(op string, err error) error {
	hint := ""
	if _, ok := errors.AsType[*Error](err); !ok {
		hint = c.hint(err)
	}
	return &Error{Op: op, Err: err, Hint: hint}
}

func (c *Client) hint(err error) string {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		if _, ok := errors.AsType[x509.HostnameError](err); ok {
			return "the certificate is for other host names: use one of them in kafka.brokers, or set kafka.tls.server_name"
		}
		return "the certificate is not trusted: give its authority in kafka.tls.ca_file"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "this listener does not speak TLS: remove kafka.tls or use the broker's TLS port"
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "the host name is unknown here: check kafka.brokers, and the broker's advertised.listeners"
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return "nothing listens there: check kafka.brokers, and that the broker runs"
	}
	ce, ok := errors.AsType[*connError](err)
	if !ok {
		return ""
	}
	hungUp := errors.Is(ce.err, io.EOF) || errors.Is(ce.err, io.ErrUnexpectedEOF) || errors.Is(ce.err, syscall.ECONNRESET)
	switch {
	case ce.step == "TLS handshake with":
		return "no TLS there: if this listener is plain, remove kafka.tls"
	case ce.step == "greet" && c.cfg.TLS == nil:
		return "no Kafka broker answers there in the clear: if this listener wants TLS, set kafka.tls"
	case ce.step == "log in at" && hungUp:
		return "the broker hung up during the login: check the user name and its secret"
	case hungUp && c.cfg.SASL.Mechanism == "":
		return "the broker hung up: if this listener wants a login, set kafka.sasl"
	}
	return "check kafka.brokers, and that the address which the broker advertises can be reached from here"
}

func joinAddrs(addrs []string) string { return strings.Join(addrs, ", ") }
