package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sfbridge/config"
)

func TestExample_IsAccepted(t *testing.T) {
	c := newWorld().mustParse(t, config.Example())
	if c.Name != "crm" || len(c.Capture) != 2 || c.Orgs["main"].Auth.ClientID != "3MVG9example" {
		t.Errorf("got %+v", c)
	}
	if len(c.Warnings()) > 0 {
		t.Errorf("warnings: %v", c.Warnings())
	}
}

func TestParse_DefaultsFillIn(t *testing.T) {
	c := newWorld().mustParse(t, base)
	org := c.Orgs["main"]
	checks := []struct {
		what      string
		got, want any
	}{
		{"login_url", org.LoginURL, "https://login.salesforce.com"},
		{"api_version", org.APIVersion, "64.0"},
		{"pubsub_endpoint", org.PubSubEndpoint, "api.pubsub.salesforce.com:7443"},
		{"pubsub_tls", org.PubSubTLS, true},
		{"auth.method", org.Auth.Method, config.JWTBearer},
		{"private_key_file", org.Auth.PrivateKeyFile.Path, "/etc/sfbridge/key.pem"},
		{"keepalive", org.Keepalive, 270 * time.Second},
		{"streams_per_connection", org.StreamsPerConnection, 100},
		{"credit", org.Credit, 100},
		{"delivery", c.Kafka.Delivery, config.ExactlyOnce},
		{"topic_prefix", c.Kafka.TopicPrefix, "sf"},
		{"compression", c.Kafka.Compression, "lz4"},
		{"sasl.mechanism", c.Kafka.SASL.Mechanism, config.NoSASL},
		{"tls.enabled", c.Kafka.TLS.Enabled, false},
		{"topics", c.Kafka.Topics, config.Topics{Create: true, Partitions: 4, Replication: -1, Retention: 7 * 24 * time.Hour}},
		{"transaction_timeout", c.Kafka.TransactionTimeout, 30 * time.Second},
		{"lanes", c.Kafka.Lanes, 8},
		{"session_timeout", c.Kafka.SessionTimeout, 10 * time.Second},
		{"registry.timeout", c.SchemaRegistry.Timeout, 10 * time.Second},
		{"from", c.Capture[0].From, config.Latest},
		{"on_replay_expired", c.Capture[0].OnReplayExpired, config.Stop},
		{"memory", c.Memory, config.Bytes(16 << 20)},
		{"writeback_memory", c.WritebackMemory, config.Bytes(128 << 20)},
		{"namespace", org.Namespace, ""},
		{"api_reserve, api_scarce", []config.Percent{org.APIReserve, org.APIScarce}, []config.Percent{10, 25}},
		{"echoes", c.Capture[0].Echoes, config.Mark},
		{"listen", c.Listen, "127.0.0.1:8080"},
		{"listen_token", c.ListenToken.IsSet(), false},
		{"log", c.Log, config.Log{Level: "info", Format: "text"}},
		{"shutdown_timeout", c.ShutdownTimeout, 30 * time.Second},
	}
	for _, ck := range checks {
		if !reflect.DeepEqual(ck.got, ck.want) {
			t.Errorf("%s = %v, want %v", ck.what, ck.got, ck.want)
		}
	}
}

func TestParse_DefaultsOfWriteback(t *testing.T) {
	c := newWorld().mustParse(t, base+`writeback:
  - {topic: erp.customers, org: main, object: Account, external_id: ERP_Id__c}
publish:
  - {topic: erp.shipments, org: main, event: Shipment__e}
`)
	if got, want := c.Writeback[0], (config.Writeback{
		Topic: "erp.customers", Org: "main", Object: "Account", ExternalID: "ERP_Id__c",
		Operation: "upsert", OnTombstone: "delete", Unmapped: "reject", Format: "auto", From: "earliest",
		Conflict: "overwrite", Echoes: "skip", BulkAbove: 2000, InFlight: 5, MaxWait: 250 * time.Millisecond,
		Attempts: 8, AutoAssign: "true", Picklists: "values", Results: true,
	}); !reflect.DeepEqual(got, want) {
		t.Errorf("writeback = %+v\nwant %+v", got, want)
	}
	if got, want := c.Publish[0], (config.Publish{
		Topic: "erp.shipments", Org: "main", Event: "Shipment__e", Unmapped: "reject", Format: "auto", From: "earliest", Results: true,
	}); !reflect.DeepEqual(got, want) {
		t.Errorf("publish = %+v\nwant %+v", got, want)
	}
}

func TestParse_CaptureMayBeMissing(t *testing.T) {
	c := newWorld().mustParse(t, strings.Replace(base, "capture:\n  - org: main\n    objects: [Account]\n",
		"publish: [{topic: t, org: main, event: Shipment__e}]\n", 1))
	if len(c.Capture) != 0 || len(c.Publish) != 1 {
		t.Errorf("got %+v", c)
	}
}

// everyKey gives each key a value that is not its default.
const everyKey = `name: "erp.2"
memory: 64MiB
writeback_memory: 256MiB
listen: 0.0.0.0:9100
listen_token: ${file:/run/secrets/password}
log: {level: debug, format: json}
shutdown_timeout: 1m30s
orgs:
  sandbox:
    login_url: https://acme--dev.sandbox.my.salesforce.com/
    api_version: 66.0
    pubsub_endpoint: 127.0.0.1:7443
    pubsub_tls: false
    ca_file: cert.pem
    keepalive: 60s
    streams_per_connection: 50
    credit: 20
    namespace: acme
    api_reserve: 30%
    api_scarce: 50%
    auth: {method: client-credentials, client_id: ${SF_CLIENT_ID}, client_secret: "s$$cret", token_url: "https://acme.my.salesforce.com/services/oauth2/token"}
kafka:
  brokers: ["${BROKERS}", kafka-3:9093]
  topic_prefix: salesforce
  delivery: at-least-once
  compression: zstd
  tls: {enabled: true, ca_file: cert.pem, cert_file: cert.pem, key_file: key.pem, server_name: kafka}
  sasl: {mechanism: scram-sha-512, username: bridge, password: "${file:/run/secrets/password}"}
  topics: {create: false, partitions: 12, replication: 3, retention: 30d, max_message_bytes: 2MiB}
  transaction_timeout: 1m
  lanes: 16
  session_timeout: 30s
schema_registry: {url: https://registry.example.com/apis/ccompat/v7/, username: u, password: p, ca_file: cert.pem, timeout: 3s}
capture:
  - {org: sandbox, objects: [Account, acme__Order__c], channels: [/data/Sales__chn], from: earliest, on_replay_expired: latest}
  - {org: sandbox, events: [Shipment__e, LoginEventStream], key_field: Number__c, echoes: drop}
writeback:
  - topic: erp.customers
    org: sandbox
    object: Account
    operation: update
    operation_from: meta.op
    operations: {c: upsert, d: delete}
    on_tombstone: reject
    external_id: ERP_Id__c
    fields: {Name: name, "Parent.ERP_Id__c": parent, "Lead:Who.Email": 'trim(mail ?? "")', acme__Site__Latitude__s: lat}
    format: json
    from: latest
    conflict: newer-wins
    version: updated_at
    version_field: ERP_Version__c
    echoes: apply
    bulk_above: 0
    in_flight: 2
    max_wait: 2s
    attempts: 20
    allow_duplicates: true
    auto_assign: false
    picklists: labels
    results: false
  - {topic: erp.customers, org: sandbox, object: Contact, external_id: ERP_Id__c, unmapped: ignore}
publish:
  - {topic: erp.shipments, org: sandbox, event: Shipment__e, fields: {Status__c: status}, id: event_id, format: avro, from: latest, results: false}
  - {topic: erp.other, org: sandbox, event: Shipment__e, unmapped: ignore}
`

func TestParse_EveryKeyArrives(t *testing.T) {
	c := newWorld().mustParse(t, everyKey)
	org := c.Orgs["sandbox"]
	secret := func(s config.Secret) string {
		v, err := s.Get()
		if err != nil {
			t.Error(err)
		}
		return v
	}
	checks := []struct {
		what      string
		got, want any
	}{
		{"name", c.Name, "erp.2"},
		{"listen_token", secret(c.ListenToken), "hunter2-file"},
		{"log", c.Log, config.Log{Level: "debug", Format: "json"}},
		{"shutdown_timeout", c.ShutdownTimeout, 90 * time.Second},
		{"login_url", org.LoginURL, "https://acme--dev.sandbox.my.salesforce.com"},
		{"api_version", org.APIVersion, "66.0"},
		{"pubsub_tls", org.PubSubTLS, false},
		{"client_id", org.Auth.ClientID, "3MVG9example"},
		{"client_secret", secret(org.Auth.ClientSecret), "s$cret"},
		{"brokers", c.Kafka.Brokers, []string{"kafka-1:9092", "kafka-2:9092", "kafka-3:9093"}},
		{"sasl.password", secret(c.Kafka.SASL.Password), "hunter2-file"},
		{"topics", c.Kafka.Topics, config.Topics{Partitions: 12, Replication: 3, Retention: 720 * time.Hour, MaxMessageBytes: 2 << 20}},
		{"registry.url", c.SchemaRegistry.URL, "https://registry.example.com/apis/ccompat/v7"},
		{"channels", slices.Concat(c.Capture[0].ChannelNames(""), c.Capture[1].ChannelNames("")), []string{
			"/data/AccountChangeEvent", "/data/acme__Order__ChangeEvent", "/data/Sales__chn", "/event/Shipment__e", "/event/LoginEventStream",
		}},
		{"key_field", c.Capture[1].KeyField, "Number__c"},
		{"from", c.Capture[0].From + c.Capture[1].From, "earliestlatest"},
		{"echoes", c.Capture[1].Echoes, config.Drop},
		{"writeback_memory", c.WritebackMemory, config.Bytes(256 << 20)},
		{"namespace", org.Namespace, "acme"},
		{"api_reserve, api_scarce", []config.Percent{org.APIReserve, org.APIScarce}, []config.Percent{30, 50}},
		{"writeback", c.Writeback[0], config.Writeback{
			Topic: "erp.customers", Org: "sandbox", Object: "Account", Operation: "update", OperationFrom: "meta.op",
			Operations: map[string]string{"c": "upsert", "d": "delete"}, OnTombstone: "reject", ExternalID: "ERP_Id__c",
			Fields:   map[string]string{"Name": "name", "Parent.ERP_Id__c": "parent", "Lead:Who.Email": `trim(mail ?? "")`, "acme__Site__Latitude__s": "lat"},
			Unmapped: "reject", Format: "json", From: "latest", Conflict: "newer-wins", Version: "updated_at",
			VersionField: "ERP_Version__c", Echoes: "apply", InFlight: 2, MaxWait: 2 * time.Second, Attempts: 20,
			AllowDuplicates: true, AutoAssign: "false", Picklists: "labels",
		}},
		{"unmapped", c.Writeback[1].Unmapped, "ignore"},
		{"publish", c.Publish[0], config.Publish{
			Topic: "erp.shipments", Org: "sandbox", Event: "Shipment__e", Fields: map[string]string{"Status__c": "status"},
			Unmapped: "reject", ID: "event_id", Format: "avro", From: "latest",
		}},
	}
	for _, ck := range checks {
		if !reflect.DeepEqual(ck.got, ck.want) {
			t.Errorf("%s = %v, want %v", ck.what, ck.got, ck.want)
		}
	}
}

func TestParse_SharedPartsByAlias(t *testing.T) {
	c := newWorld().mustParse(t, `name: crm
orgs:
  a: {auth: &login {client_id: x, username: u@example.com, private_key_file: key.pem}}
  b: {auth: *login}
capture:
  - {org: a, objects: &objects [Account, Contact]}
  - {org: b, objects: *objects}
`)
	if c.Orgs["b"].Auth.Username != "u@example.com" || len(c.Capture[1].Objects) != 2 {
		t.Errorf("got %+v", c)
	}
}

func TestParse_ByteOrderMarkIsPassedOver(t *testing.T) {
	newWorld().mustParse(t, "\uFEFF"+base)
	newWorld().mustParse(t, strings.ReplaceAll(base, "\n", "\r\n"))
}

func TestParse_EmptyListenMeansNoListener(t *testing.T) {
	if c := newWorld().mustParse(t, base+`listen: ""`); c.Listen != "" {
		t.Errorf("listen = %q", c.Listen)
	}
}

func TestLoad_RelativePathsStartAtTheFile(t *testing.T) {
	dir := t.TempDir()
	key, _ := keyPair()
	for file, text := range map[string]string{"bridge.yaml": base, "key.pem": key} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := config.Load(filepath.Join(dir, "bridge.yaml"), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Orgs["main"].Auth.Key().Get(); err != nil || got != strings.TrimSuffix(key, "\n") {
		t.Errorf("key = %.20q..., %v", got, err)
	}
}

func TestLoad_MissingFileNamesIt(t *testing.T) {
	_, err := config.Load(filepath.Join(t.TempDir(), "none.yaml"), config.Options{})
	if err == nil || !strings.Contains(err.Error(), "none.yaml") || strings.Count(err.Error(), "none.yaml") != 1 {
		t.Errorf("error = %v, want the file's name once", err)
	}
}
