package config

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"

	"sfbridge/bridge"
	"sfbridge/kafka"
	"sfbridge/pubsub"
	"sfbridge/salesforce"
	"sfbridge/salesforce/auth"
	"sfbridge/schemas"
)

// Bridge turns the checked file into what package bridge needs. It reads
// certificates and secrets, so it fails when one of them is gone by now.
func (c *Config) Bridge(log *slog.Logger) (bridge.Config, error) {
	out := bridge.Config{
		Name: c.Name, Orgs: make(map[string]bridge.OrgConfig, len(c.Orgs)),
		AtLeastOnce: c.Kafka.Delivery == AtLeastOnce,
		Lanes:       int32(c.Kafka.Lanes), TransactionTimeout: c.Kafka.TransactionTimeout,
		SessionTimeout: c.Kafka.SessionTimeout, Memory: int64(c.Memory), WritebackMemory: int64(c.WritebackMemory),
		ShutdownTimeout: c.ShutdownTimeout,
		Listen:          c.Listen, Fingerprint: c.Fingerprint(), Logger: log,
		Topics: bridge.TopicConfig{
			Prefix: c.Kafka.TopicPrefix, Create: c.Kafka.Topics.Create, Partitions: int32(c.Kafka.Topics.Partitions),
			Replication: int16(c.Kafka.Topics.Replication), Retention: c.Kafka.Topics.Retention,
			MaxBytes: int(c.Kafka.Topics.MaxMessageBytes),
		},
	}
	var err error
	if out.ListenToken, err = c.ListenToken.source(); err != nil {
		return out, fmt.Errorf("listen_token: %w", err)
	}
	if out.Kafka, err = c.Kafka.client(); err != nil {
		return out, fmt.Errorf("kafka: %w", err)
	}
	if out.Registry, err = c.SchemaRegistry.client(); err != nil {
		return out, fmt.Errorf("schema_registry: %w", err)
	}
	for name, org := range c.Orgs {
		if out.Orgs[name], err = org.client(); err != nil {
			return out, fmt.Errorf("orgs.%s: %w", name, err)
		}
	}
	for _, cp := range c.Capture {
		ns := c.namespace(cp.Org)
		for _, channel := range cp.ChannelNames(ns) {
			out.Captures = append(out.Captures, bridge.Capture{
				Org: cp.Org, Channel: channel, Earliest: cp.From == Earliest,
				OnExpired: bridge.ExpiredPolicy(cp.OnReplayExpired), KeyField: ns.Name(cp.KeyField),
				DropEchoes: cp.Echoes == Drop,
			})
		}
	}
	for i := range c.Writeback {
		out.Writebacks = append(out.Writebacks, c.Writeback[i].bridge())
	}
	for i := range c.Publish {
		out.Publishes = append(out.Publishes, c.Publish[i].bridge())
	}
	return out, nil
}

func (k *Kafka) client() (kafka.Config, error) {
	tlsConfig, err := k.TLS.Client()
	if err != nil {
		return kafka.Config{}, err
	}
	cfg := kafka.Config{Brokers: k.Brokers, Compression: k.Compression, TLS: tlsConfig}
	if k.SASL.Mechanism != NoSASL {
		cfg.SASL = kafka.SASLConfig{
			Mechanism: k.SASL.Mechanism, Username: k.SASL.Username, Password: k.SASL.Password.Get,
			Token: func(context.Context) (string, error) {
				if k.SASL.TokenFile.IsSet() {
					return k.SASL.TokenFile.Secret().Get()
				}
				return k.SASL.Token.Get()
			},
		}
	}
	return cfg, nil
}

func (r *SchemaRegistry) client() (schemas.RegistryConfig, error) {
	cfg := schemas.RegistryConfig{URL: r.URL, Username: r.Username, Timeout: r.Timeout}
	if r.Password.IsSet() {
		cfg.Password = r.Password.Get
	}
	if r.BearerToken.IsSet() {
		cfg.Bearer = r.BearerToken.Get
	}
	var err error
	cfg.TLS, err = r.CAFile.Roots()
	return cfg, err
}

func (o Org) client() (bridge.OrgConfig, error) {
	roots, err := o.CAFile.Roots()
	if err != nil {
		return bridge.OrgConfig{}, err
	}
	authConfig, err := o.Auth.client(o.LoginURL)
	if err != nil {
		return bridge.OrgConfig{}, err
	}
	web := httpClient(roots)
	authConfig.HTTPClient = web
	return bridge.OrgConfig{
		Auth: authConfig,
		PubSub: pubsub.Config{
			Endpoint: o.PubSubEndpoint, TLS: roots, Plaintext: !o.PubSubTLS,
			KeepalivePeriod: o.Keepalive, StreamsPerConn: o.StreamsPerConnection,
		},
		REST:   salesforce.Config{APIVersion: o.APIVersion, HTTPClient: web},
		Credit: o.Credit, Namespace: salesforce.Namespace(o.Namespace),
		Reserve: o.APIReserve.Share(), Scarce: o.APIScarce.Share(),
	}, nil
}

// httpClient speaks to an org with the trust that was configured for it.
func httpClient(roots *tls.Config) *http.Client {
	return &http.Client{Transport: salesforce.NewTransport(nil, roots)}
}

func (a Auth) client(loginURL string) (auth.Config, error) {
	cfg := auth.Config{
		Method: a.Method, LoginURL: loginURL, TokenURL: a.TokenURL, Audience: a.Audience, ClientID: a.ClientID,
		Username: a.Username, InstanceURL: a.InstanceURL,
	}
	if key := a.Key(); key.IsSet() {
		cfg.PrivateKey = func() ([]byte, error) {
			text, err := key.Get()
			return []byte(text), err
		}
	}
	for _, s := range []struct {
		name string
		from Secret
		to   *auth.SecretFunc
	}{
		{"client_secret", a.ClientSecret, &cfg.ClientSecret},
		{"refresh_token", a.RefreshToken, &cfg.RefreshToken},
		{"access_token", a.AccessToken, &cfg.AccessToken},
		{"password", a.Password, &cfg.Password},
	} {
		var err error
		if *s.to, err = s.from.source(); err != nil {
			return cfg, fmt.Errorf("auth.%s: %w", s.name, err)
		}
	}
	return cfg, nil
}

// source is where others read the secret each time they use it; nil if it is
// not set. It is read once here, so that one that is gone ends the start.
func (s Secret) source() (auth.SecretFunc, error) {
	if !s.IsSet() {
		return nil, nil
	}
	read := func() (auth.Secret, error) {
		text, err := s.Get()
		return auth.Secret(text), err
	}
	_, err := read()
	return read, err
}
