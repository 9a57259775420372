package config

import (
	"slices"
	"strings"
	"time"
)

// Delivery guarantees.
const (
	ExactlyOnce = "exactly-once"
	AtLeastOnce = "at-least-once"
)

// SASL mechanisms; NoSASL is the default.
const (
	NoSASL      = "none"
	Plain       = "plain"
	ScramSHA256 = "scram-sha-256"
	ScramSHA512 = "scram-sha-512"
	OAuthBearer = "oauthbearer"
)

// Kafka reaches a cluster and says how topics in it are named and created.
type Kafka struct {
	Brokers            []string // host:port
	TopicPrefix        string
	Delivery           string // ExactlyOnce or AtLeastOnce
	Compression        string // none, gzip, snappy, lz4 or zstd
	TLS                TLS
	SASL               SASL
	Topics             Topics
	TransactionTimeout time.Duration
	Lanes              int
	SessionTimeout     time.Duration
}

// TLS of connections to Kafka.
type TLS struct {
	Enabled            bool
	CAFile             File
	CertFile           File
	KeyFile            File
	ServerName         string
	InsecureSkipVerify bool
}

// SASL says how the bridge logs in to Kafka.
type SASL struct {
	Mechanism string // NoSASL, Plain, ScramSHA256, ScramSHA512 or OAuthBearer
	Username  string
	Password  Secret
	Token     Secret
	TokenFile File
}

// Bearer gives the OAuth token from wherever it is configured, read anew at
// each call of Get.
func (s SASL) Bearer() Secret {
	if s.TokenFile.IsSet() {
		return s.TokenFile.Secret()
	}
	return s.Token
}

// Topics says how missing topics are created.
type Topics struct {
	Create          bool
	Partitions      int
	Replication     int           // -1: the broker's default
	Retention       time.Duration // of topics that are not compacted; 0: the broker's default
	MaxMessageBytes Bytes         // 0: the broker's default
}

func (k *Kafka) keys() []key {
	return []key{
		{
			name: "brokers", to: &k.Brokers, def: "localhost:9092", commas: true, valid: hostPort, example: "[kafka-1:9092, kafka-2:9092]",
			doc: "Addresses of one or more brokers; the rest of the cluster is found through them. An entry may itself be a comma-separated list, so that `[\"${KAFKA_BROKERS}\"]` works.",
		},
		{
			name: "topic_prefix", to: &k.TopicPrefix, def: "sf", valid: topicPrefix, example: "salesforce.prod",
			doc: "First part of the names of all topics for consumers: `<prefix>.cdc.<Object>`, `<prefix>.event.<Name>`, `<prefix>.dlq`.",
		},
		{
			name: "delivery", to: &k.Delivery, def: ExactlyOnce, oneOf: []string{ExactlyOnce, AtLeastOnce}, example: AtLeastOnce,
			doc: "`exactly-once` writes records and the position they reach in one Kafka transaction. `at-least-once` is for brokers without transactions: after a crash some records come twice.",
		},
		{
			name: "compression", to: &k.Compression, def: "lz4", oneOf: []string{"none", "gzip", "snappy", "lz4", "zstd"}, example: "zstd",
			doc: "Compression of record batches.",
		},
		{name: "tls", to: &k.TLS, doc: "TLS to the brokers."},
		{name: "sasl", to: &k.SASL, doc: "Login to the brokers."},
		{name: "topics", to: &k.Topics, doc: "How missing topics are created. Existing topics are left as they are."},
		{
			name: "transaction_timeout", to: &k.TransactionTimeout, def: "30s", min: "1s", max: "15m", example: "1m",
			doc: "How long a broker keeps an open transaction of a process that died. Read-committed consumers wait that long at most. Not above the brokers' transaction.max.timeout.ms (15 minutes unless changed).",
		},
		{
			name: "lanes", to: &k.Lanes, unit: "lanes", def: "8", min: "1", max: "1024", example: "16",
			doc: "Into how many parts the subscriptions are split to share them between processes: partitions of `_sfbridge.<name>.assignments`, each with its own transactional id. At least the number of processes that will ever run. Cannot be changed for a name that has positions.",
		},
		{
			name: "session_timeout", to: &k.SessionTimeout, def: "10s", min: "1s", max: "30m", example: "30s",
			doc: "After this silence a process loses its lanes to the others. The brokers have bounds of their own: group.min.session.timeout.ms, 6 seconds unless changed.",
		},
	}
}

func (t *TLS) keys() []key {
	return []key{
		{name: "enabled", to: &t.Enabled, def: "false", example: "true", doc: "Connect to the brokers with TLS."},
		{
			name: "ca_file", to: &t.CAFile, valid: certificates, example: "ca.pem",
			doc: "PEM certificates to trust in place of the system's.",
		},
		{
			name: "cert_file", to: &t.CertFile, valid: certificates, example: "client.pem",
			doc: "PEM client certificate, for brokers that ask for one. Needs `key_file`.",
		},
		{
			name: "key_file", to: &t.KeyFile, valid: pemFile, example: "client-key.pem",
			doc: "PEM private key of `cert_file`. Both are read again at each connection.",
		},
		{
			name: "server_name", to: &t.ServerName, example: "kafka.example.com",
			doc: "Name to expect in the brokers' certificates, where it is not the address.",
		},
		{
			name: "insecure_skip_verify", to: &t.InsecureSkipVerify, def: "false", example: "true",
			doc: "Do not check certificates. Only for brokers on this machine.",
		},
	}
}

func (s *SASL) keys() []key {
	return []key{
		{
			name: "mechanism", to: &s.Mechanism, def: NoSASL, oneOf: []string{NoSASL, Plain, ScramSHA256, ScramSHA512, OAuthBearer}, example: ScramSHA512,
			doc: "The login mechanism that the brokers offer.",
		},
		{name: "username", to: &s.Username, example: "sfbridge", doc: "For `plain` and `scram-*`."},
		{name: "password", to: &s.Password, example: "${file:/run/secrets/kafka_password}", doc: "For `plain` and `scram-*`."},
		{name: "token", to: &s.Token, example: "${KAFKA_TOKEN}", doc: "For `oauthbearer`: the token."},
		{
			name: "token_file", to: &s.TokenFile, example: "/var/run/secrets/kafka/token",
			doc: "For `oauthbearer`: a file with the token, in place of `token`. Read again at each connection, so that a token may be renewed by another program.",
		},
	}
}

func (t *Topics) keys() []key {
	return []key{
		{
			name: "create", to: &t.Create, def: "true", example: "false",
			doc: "Create missing topics. `false` where topics are made by others; a missing one is then an error.",
		},
		{
			name: "partitions", to: &t.Partitions, unit: "partitions", def: "4", min: "1", max: "100000", example: "12",
			doc: "Partitions of created topics. Changes of one record stay in one partition, so in order.",
		},
		{
			name: "replication", to: &t.Replication, unit: "replicas", def: "-1", min: "-1", max: "100", example: "3",
			doc: "Replicas of created topics; -1 for the brokers' default.",
		},
		{
			name: "retention", to: &t.Retention, def: "168h", max: "876000h", example: "30d",
			doc: "How long created topics keep records; 0 for the brokers' default. Compacted topics are not affected.",
		},
		{
			name: "max_message_bytes", to: &t.MaxMessageBytes, def: "0", max: "1GiB", example: "2MiB",
			doc: "Largest record batch of created topics; 0 for the brokers' default. An event that does not fit goes to the dead letters by reference.",
		},
	}
}

func (k *Kafka) check(at scope) {
	local := allLoopback(k.Brokers)
	k.TLS.check(at.in("tls"), local)
	k.SASL.check(at.in("sasl"))
	if exposed := k.SASL.Mechanism == Plain || k.SASL.Mechanism == OAuthBearer; exposed && !k.TLS.Enabled && !local {
		at.in("sasl").warn("mechanism", "sends its secret in the clear without TLS", "set kafka.tls.enabled: true, or use scram-sha-512")
	}
	if t := k.Topics.Replication; t == 0 {
		at.in("topics").fail("replication", "is no number of replicas", "give -1 for the brokers' default, or 1 or more")
	}
}

func (t *TLS) check(at scope, local bool) {
	if !t.Enabled {
		for _, k := range t.keys() {
			if k.name != "enabled" && at.given(k.name) {
				at.fail(k.name, "has no effect without TLS", "set kafka.tls.enabled: true, or remove it")
			}
		}
		return
	}
	if at.given("cert_file") != at.given("key_file") {
		one, other := "cert_file", "key_file"
		if at.given(other) {
			one, other = other, one
		}
		at.fail(one, "is given without "+other, "give both, or neither")
	} else if at.given("cert_file") && !at.d.failed(at.in("cert_file").path) && !at.d.failed(at.in("key_file").path) {
		if _, err := t.pair(); err != nil {
			at.fail("key_file", "is not the key of cert_file", "give the private key that the certificate was made with")
		}
	}
	if t.InsecureSkipVerify && !local {
		at.fail("insecure_skip_verify", "would accept anybody as a broker", "give ca_file with the certificate of the brokers' authority")
	}
}

func (s *SASL) check(at scope) {
	var needs []string
	switch s.Mechanism {
	case Plain, ScramSHA256, ScramSHA512:
		needs = []string{"username", "password"}
	case OAuthBearer:
		needs = []string{"token", "token_file"}
	case NoSASL:
	default:
		return // an unknown mechanism has been reported
	}
	for _, k := range s.keys() {
		switch {
		case k.name == "mechanism" || !at.given(k.name) || slices.Contains(needs, k.name):
		case s.Mechanism == NoSASL:
			at.fail(k.name, "is given without a mechanism", "set kafka.sasl.mechanism: "+strings.Join(mechanismsFor(k.name), " or "))
		default:
			at.fail(k.name, "does not belong to the mechanism "+s.Mechanism, "remove it; "+s.Mechanism+" uses "+strings.Join(needs, ", "))
		}
	}
	if s.Mechanism != OAuthBearer {
		for _, k := range needs {
			at.need(k, "the mechanism "+s.Mechanism+" needs it")
		}
		return
	}
	switch given := at.given("token"); {
	case given && at.given("token_file"):
		at.fail("token", "is given beside token_file", "remove one of the two")
	case !given && !at.given("token_file"):
		at.fail("token_file", "is missing: the mechanism oauthbearer needs a token", "give token_file or token")
	}
}

func mechanismsFor(key string) []string {
	if key == "token" || key == "token_file" {
		return []string{OAuthBearer}
	}
	return []string{ScramSHA512, ScramSHA256, Plain}
}
