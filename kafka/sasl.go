package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/saslauthenticate"
	"github.com/segmentio/kafka-go/protocol/saslhandshake"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// SASLConfig says how to log in. Secrets are asked for at each login, so a rotated one is used without a restart.
type SASLConfig struct {
	// Mechanism is "" (no login), plain, scram-sha-256, scram-sha-512 or oauthbearer.
	Mechanism string
	Username  string
	Password  func() (string, error)
	// Token returns a bearer token, for oauthbearer.
	Token func(ctx context.Context) (string, error)
}

func (s SASLConfig) validate() error {
	switch s.Mechanism {
	case "":
		return nil
	case "plain", "scram-sha-256", "scram-sha-512":
		if s.Username == "" || s.Password == nil {
			return fmt.Errorf("kafka sasl mechanism %s wants a username and a password", s.Mechanism)
		}
		return nil
	case "oauthbearer":
		if s.Token == nil {
			return errors.New("kafka sasl mechanism oauthbearer wants a token")
		}
		return nil
	default:
		return fmt.Errorf("kafka sasl mechanism %q: want plain, scram-sha-256, scram-sha-512 or oauthbearer", s.Mechanism)
	}
}

func (s SASLConfig) mechanism() (sasl.Mechanism, error) {
	if s.Mechanism == "oauthbearer" {
		return oauthBearer{token: s.Token}, nil
	}
	password, err := s.Password()
	if err != nil {
		return nil, fmt.Errorf("read kafka password: %w", err)
	}
	switch s.Mechanism {
	case "plain":
		return plain.Mechanism{Username: s.Username, Password: password}, nil
	case "scram-sha-256":
		return scram.Mechanism(scram.SHA256, s.Username, password)
	default:
		return scram.Mechanism(scram.SHA512, s.Username, password)
	}
}

// login carries out SaslHandshake and SaslAuthenticate (KIP-43, KIP-152).
func (c *Client) login(ctx context.Context, cn *conn) error {
	if c.cfg.SASL.Mechanism == "" {
		return nil
	}
	mech, err := c.cfg.SASL.mechanism()
	if err != nil {
		return err
	}
	op := fmt.Sprintf("log in to %s with %s", cn.addr, mech.Name())
	m, err := cn.roundTrip(&saslhandshake.Request{Mechanism: mech.Name()})
	if err != nil {
		return err
	}
	if hs := m.(*saslhandshake.Response); hs.ErrorCode != 0 {
		return &Error{Op: op, Err: kafkago.Error(hs.ErrorCode), Hint: handshakeHint(hs)}
	}
	session, reply, err := mech.Start(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	for done := false; !done; {
		m, err := cn.roundTrip(&saslauthenticate.Request{AuthBytes: reply})
		if err != nil {
			return err
		}
		res := m.(*saslauthenticate.Response)
		if res.ErrorCode != 0 {
			return &Error{Op: op, Err: kafkago.Error(res.ErrorCode), Hint: "check the user name and its secret"}
		}
		if res.SessionLifetimeMs > 0 {
			// Leave at nine tenths: the broker cuts the connection at the first request after the end.
			cn.expires = time.Now().Add(time.Duration(res.SessionLifetimeMs) * time.Millisecond * 9 / 10)
		}
		if done, reply, err = session.Next(ctx, res.AuthBytes); err != nil {
			return &Error{Op: op, Err: join(kafkago.SASLAuthenticationFailed, err), Hint: "check the user name and its secret"}
		}
	}
	return nil
}

func handshakeHint(hs *saslhandshake.Response) string {
	if kafkago.Error(hs.ErrorCode) == kafkago.IllegalSASLState {
		return "this listener takes no SASL login: remove kafka.sasl or use the broker's SASL listener"
	}
	return "the broker offers " + strings.ToLower(strings.Join(hs.Mechanisms, ", ")) + ": set kafka.sasl.mechanism to one of them"
}

// oauthBearer is SASL/OAUTHBEARER (RFC 7628, KIP-255). kafka-go has no mechanism of that name.
type oauthBearer struct {
	token func(context.Context) (string, error)
}

func (oauthBearer) Name() string { return "OAUTHBEARER" }

func (o oauthBearer) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	token, err := o.token(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("get bearer token: %w", err)
	}
	if strings.ContainsAny(token, "\x01\r\n") {
		return nil, nil, errors.New("bearer token holds a control character")
	}
	return o, []byte("n,,\x01auth=Bearer " + token + "\x01\x01"), nil
}

// Next ends the exchange. A broker that refuses the token sends the reason as JSON first and the error code only after
// the client has acknowledged it with a single 0x01.
func (o oauthBearer) Next(_ context.Context, challenge []byte) (bool, []byte, error) {
	if len(challenge) == 0 {
		return true, nil, nil
	}
	return false, []byte{1}, nil
}
