package config_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"sfbridge/config"
)

// problem is one wrong file and what its only error must say.
type problem struct {
	what      string
	old, with string // an edit of the base file, or the whole file if old is ""
	line      int
	key       string
	value     string
	problem   string
	remedy    string
}

// wb is an entry of writeback before the captures, with changes.
func wb(changes string) string {
	entry := map[string]string{"topic": "erp.customers", "org": "main", "object": "Account", "external_id": "ERP_Id__c"}
	order := []string{"topic", "org", "object", "external_id"}
	rest := changes
	for _, k := range order {
		if v, ok := strings.CutPrefix(changes, k+": "); ok {
			entry[k], rest = v, ""
		}
	}
	parts := make([]string, 0, len(order)+1)
	for _, k := range order {
		parts = append(parts, k+": "+entry[k])
	}
	if rest != "" {
		parts = append(parts, rest)
	}
	return "writeback:\n  - {" + strings.Join(parts, ", ") + "}\ncapture:\n"
}

func problems() []problem {
	return []problem{
		// keys
		{"unknown at the top", "kafka:\n", "mirror: []\nkafka:\n", 8, "mirror", "", "unknown key mirror", "(known: name, orgs, kafka, schema_registry, capture, writeback, publish, memory,"},
		{"unknown in a section", "  brokers:", "  brokerz: []\n  brokers:", 9, "kafka.brokerz", "", "unknown key brokerz", "did you mean brokers?"},
		{"unknown in other spelling", "    auth:", "    loginUrl: x\n    auth:", 4, "orgs.main.loginUrl", "", "unknown key loginUrl", "did you mean login_url?"},
		{"key of another section", "capture:", "sasl: {}\ncapture:", 12, "sasl", "", "unknown key sasl", "move it under kafka (known here:"},
		{"not of this version", "    objects: [Account]", "    objects: [Account]\n    snapshot: initial", 15, "capture[0].snapshot", "", "unknown key snapshot", "(known: org, objects,"},
		{"twice", "kafka:\n", "name: other\nkafka:\n", 8, "name", "", "is given twice", "line 1 has it"},
		{"org twice", "kafka:\n", "  main: {}\nkafka:\n", 8, "orgs.main", "", "is given twice", "line 3 has it"},
		{"merge", "kafka:\n", "kafka:\n  <<: {lanes: 2}\n", 9, "kafka.<<", "", "merges keys", "write the keys out"},
		{"key that is no name", "kafka:\n", "? [a]\n: b\nkafka:\n", 8, "", "", "has a key that is no name", "write key: value"},
		{"required", "name: crm\n", "", 1, "name", "", "is missing", "give name"},
		{"required in an entry", "  - org: main\n    objects", "  - objects", 13, "capture[0].org", "", "is missing", "give org"},
		{"no auth", "    auth:\n      client_id: abc\n      username: sync@example.com\n      private_key_file: key.pem\n", "    credit: 10\n", 3, "orgs.main.auth", "", "is missing", "give auth"},

		// types
		{"text for a list", "[localhost:9092]", "localhost:9092", 9, "kafka.brokers", "", "is no list", "[kafka-1:9092, kafka-2:9092]"},
		{"list for text", "name: crm", "name: [crm]", 1, "name", "", "is no single value", "write one value"},
		{"text for a section", "kafka:\n  brokers: [localhost:9092]", "kafka: localhost:9092", 8, "kafka", "", "is no mapping", "write key: value"},
		{"mapping for the list of captures", "  - org: main\n    objects", "  org: main\n  objects", 13, "capture", "", "is no list", "begin each entry with a hyphen"},
		{"no value", "name: crm", "name:", 1, "name", "", "has no value", "remove the key"},
		{"anchor for a value", "name: crm", "name: &crm", 1, "name", "", "has no value", "in quotes"},
		{"empty value", "name: crm", `name: ""`, 1, "name", "", "is empty", "give a value"},
		{"empty by the environment", "name: crm", "name: ${EMPTY}", 1, "name", "", "is empty", "give a value"},
		{"empty list", "[Account]", "[]", 14, "capture[0].objects", "", "is an empty list", "at least one"},
		{"tag", "name: crm", "name: !crm x", 1, "name", "", "has a YAML tag", "exclamation mark"},
		{"truth value", "kafka:\n", "kafka:\n  topics: {create: yes}\n", 9, "kafka.topics.create", "yes", "is no truth value", "write true or false"},
		{"number", "kafka:\n", "kafka:\n  lanes: many\n", 9, "kafka.lanes", "many", "is no whole number", "digits"},
		{"number with a fraction", "kafka:\n", "kafka:\n  lanes: 1.5\n", 9, "kafka.lanes", "1.5", "is no whole number", "digits"},
		{"too small", "kafka:\n", "kafka:\n  lanes: 0\n", 9, "kafka.lanes", "0", "is too small", "give 1 or more"},
		{"too large", "    auth:", "    credit: 101\n    auth:", 4, "orgs.main.credit", "101", "is too large", "give 100 or less"},
		{"duration without a unit", "kafka:\n", "kafka:\n  session_timeout: 30\n", 9, "kafka.session_timeout", "30", "is no duration", "30s"},
		{"negative duration", "kafka:\n", "kafka:\n  topics: {retention: -1h}\n", 9, "kafka.topics.retention", "-1h", "is negative", "30s"},
		{"duration too long", "kafka:\n", "kafka:\n  transaction_timeout: 1h\n", 9, "kafka.transaction_timeout", "1h", "is too large", "give 15m or less"},
		{"size", "kafka:\n", "memory: 16 mebibytes\nkafka:\n", 8, "memory", "16 mebibytes", "is no size", "16MiB"},
		{"size beyond all", "kafka:\n", "memory: 9999999999999GiB\nkafka:\n", 8, "memory", "9999999999999GiB", "is too large", "16MiB"},
		{"value of several", "kafka:\n", "kafka:\n  delivery: exactly_onse\n", 9, "kafka.delivery", "exactly_onse", "is not known", "did you mean exactly-once? (known: exactly-once, at-least-once)"},
		{"value of several, far off", "kafka:\n", "kafka:\n  delivery: maybe\n", 9, "kafka.delivery", "maybe", "is not known", "use a known one (known:"},

		// expansion
		{"variable not set", "name: crm", "name: ${NOPE}", 1, "name", "", "needs the environment variable NOPE, which is not set", "set NOPE"},
		{"file not there", "client_id: abc", "client_id: ${file:none}", 5, "orgs.main.auth.client_id", "", "needs the file /etc/sfbridge/none: file does not exist", "check the path"},
		{"no end", "client_id: abc", "client_id: a${b", 5, "orgs.main.auth.client_id", "", "has ${ without }", "write $${"},
		{"no name", "client_id: abc", "client_id: ${a b}", 5, "orgs.main.auth.client_id", "", "neither a variable's name nor file:PATH", "write ${NAME}"},

		// the values themselves
		{"name", "name: crm", "name: CRM", 1, "name", "CRM", "is no name for a bridge", "a-z"},
		{"org name", "  main:", "  a/b:", 3, "orgs.a/b", "", "is no name for an org", "letters"},
		{"plain login", "    auth:", "    login_url: http://acme.example\n    auth:", 4, "orgs.main.login_url", "http://acme.example", "in the clear", "write https"},
		{"login without scheme", "    auth:", "    login_url: acme.example\n    auth:", 4, "orgs.main.login_url", "acme.example", "is no http or https URL", "https://host"},
		{"API version", "    auth:", "    api_version: v64\n    auth:", 4, "orgs.main.api_version", "v64", "is no API version", `"64.0"`},
		{"retired API version", "    auth:", "    api_version: 30.0\n    auth:", 4, "orgs.main.api_version", "30.0", "is retired", `"64.0"`},
		{"broker with a scheme", "[localhost:9092]", "['kafka://b:9092']", 9, "kafka.brokers[0]", "kafka://b:9092", "is no address", "host:port"},
		{"second broker", "[localhost:9092]", "[b1:9092, b2]", 9, "kafka.brokers[1]", "b2", "is no address", "host:port"},
		{"prefix", "kafka:\n", "kafka:\n  topic_prefix: a/b\n", 9, "kafka.topic_prefix", "a/b", "cannot begin a topic's name", "letters"},
		{"listener", "kafka:\n", "listen: 8080\nkafka:\n", 8, "listen", "8080", "is no address to listen on", "127.0.0.1:8080"},
		{"registry with a query", "http://localhost:8081", "http://localhost:8081/?x=1", 11, "schema_registry.url", "http://localhost:8081/?x=1", "has a query", "after the path"},
		{"object that is an event", "[Account]", "[Order__e]", 14, "capture[0].objects[0]", "Order__e", "is a platform event", "under events"},
		{"object by its change event", "[Account]", "[AccountChangeEvent]", 14, "capture[0].objects[0]", "AccountChangeEvent", "is the change event of an object", "write Account"},
		{"custom object by its change event", "[Account]", "[Order__ChangeEvent]", 14, "capture[0].objects[0]", "Order__ChangeEvent", "is the change event of an object", "write Order__c"},
		{"object by its channel", "[Account]", "[/data/AccountChangeEvent]", 14, "capture[0].objects[0]", "/data/AccountChangeEvent", "is a channel", "under channels"},
		{"object in channel form", "[Account]", "[Sales__chn]", 14, "capture[0].objects[0]", "Sales__chn", "is a channel", "/data/Sales__chn"},
		{"object with a space", "[Account]", "[My Object__c]", 14, "capture[0].objects[0]", "My Object__c", "is no API name", "Order__c"},
		{"event that is an object", "objects: [Account]", "events: [Order__c]", 14, "capture[0].events[0]", "Order__c", "is no platform event", "under objects"},
		{"event by its channel", "objects: [Account]", "events: [/event/Ship__e]", 14, "capture[0].events[0]", "/event/Ship__e", "is a channel", "write Ship__e"},
		{"event in channel form", "objects: [Account]", "events: [Ship__chn]", 14, "capture[0].events[0]", "Ship__chn", "is a channel", "/event/Ship__chn"},
		{"event channel among events", "objects: [Account]", "events: [/event/Ship__chn]", 14, "capture[0].events[0]", "/event/Ship__chn", "is a channel", "under channels"},
		{"event with a space", "objects: [Account]", "events: ['a b__e']", 14, "capture[0].events[0]", "a b__e", "is no API name", "Shipment__e"},
		{"channel without a slash", "objects: [Account]", "channels: [Sales__chn]", 14, "capture[0].channels[0]", "Sales__chn", "is no channel", "/data/Sales__chn"},
		{"channel of another API", "objects: [Account]", "channels: [/topic/Leads]", 14, "capture[0].channels[0]", "/topic/Leads", "is no channel of the Pub/Sub API", "/data/ or /event/"},
		{"channel with a path", "objects: [Account]", "channels: [/data/a/b]", 14, "capture[0].channels[0]", "/data/a/b", "is no channel", "one API name"},
		{"key field", "objects: [Account]", "events: [A__e]\n    key_field: 'a b'", 15, "capture[0].key_field", "a b", "is no API name of a field", "Order_Number__c"},

		// pairs, org
		{"plain endpoint", "    auth:", "    pubsub_tls: false\n    auth:", 4, "orgs.main.pubsub_tls", "false", "would send tokens in the clear to api.pubsub", "remove the key"},
		{"needed by the method", "      client_id: abc\n", "", 4, "orgs.main.auth.client_id", "", "is missing: the method jwt-bearer needs it", "give client_id"},
		{"no key", "      private_key_file: key.pem\n", "", 4, "orgs.main.auth.private_key_file", "", "is missing: the method jwt-bearer signs with it", "give private_key"},
		{"two keys", "      private_key_file", "      private_key: ${file:key.pem}\n      private_key_file", 7, "orgs.main.auth.private_key", "[redacted]", "is given beside private_key_file", "one of the two"},
		{"key of another method", "      client_id", "      password: hunter2\n      client_id", 5, "orgs.main.auth.password", "[redacted]", "does not belong to the method jwt-bearer", "client_id, username"},
		{"client credentials at the shared host", "      client_id: abc\n      username: sync@example.com\n      private_key_file: key.pem", "      {method: client-credentials, client_id: a, client_secret: b}", 3, "orgs.main.login_url", "", "does not serve the method client-credentials", "My Domain"},
		{"unknown method", "      client_id", "      method: jwt\n      client_id", 5, "orgs.main.auth.method", "jwt", "is not known", "(known: jwt-bearer,"},
		{"key file not there", "key.pem", "nokey.pem", 7, "orgs.main.auth.private_key_file", "nokey.pem", "cannot be read as /etc/sfbridge/nokey.pem: file does not exist", "relative paths"},
		{"key file without a key", "key.pem", "notes.txt", 7, "orgs.main.auth.private_key_file", "notes.txt", "holds no PEM block", "BEGIN PRIVATE KEY"},
		{"certificate for a key", "key.pem", "cert.pem", 7, "orgs.main.auth.private_key_file", "cert.pem", "holds a certificate", "give the private key"},
		{"key for a certificate", "    auth:", "    ca_file: key.pem\n    auth:", 4, "orgs.main.ca_file", "key.pem", "holds no certificate", "BEGIN CERTIFICATE"},

		// pairs, Kafka and registry
		{"mechanism without a user", "kafka:\n", "kafka:\n  sasl: {mechanism: scram-sha-512, password: x}\n", 9, "kafka.sasl.username", "", "is missing: the mechanism scram-sha-512 needs it", "give username"},
		{"user without a mechanism", "kafka:\n", "kafka:\n  sasl: {username: x}\n", 9, "kafka.sasl.username", "x", "is given without a mechanism", "scram-sha-512 or scram-sha-256 or plain"},
		{"token without a mechanism", "kafka:\n", "kafka:\n  sasl: {token: x}\n", 9, "kafka.sasl.token", "[redacted]", "is given without a mechanism", "oauthbearer"},
		{"user for a token", "kafka:\n", "kafka:\n  sasl: {mechanism: oauthbearer, token: t, username: x}\n", 9, "kafka.sasl.username", "x", "does not belong to the mechanism oauthbearer", "token_file"},
		{"no token", "kafka:\n", "kafka:\n  sasl: {mechanism: oauthbearer}\n", 9, "kafka.sasl.token_file", "", "is missing: the mechanism oauthbearer needs a token", "give token_file or token"},
		{"two tokens", "kafka:\n", "kafka:\n  sasl: {mechanism: oauthbearer, token: x, token_file: notes.txt}\n", 9, "kafka.sasl.token", "[redacted]", "is given beside token_file", "one of the two"},
		{"TLS off", "kafka:\n", "kafka:\n  tls: {ca_file: cert.pem}\n", 9, "kafka.tls.ca_file", "cert.pem", "has no effect without TLS", "kafka.tls.enabled: true"},
		{"certificate without key", "kafka:\n", "kafka:\n  tls: {enabled: true, cert_file: cert.pem}\n", 9, "kafka.tls.cert_file", "cert.pem", "is given without key_file", "both"},
		{"key without certificate", "kafka:\n", "kafka:\n  tls: {enabled: true, key_file: key.pem}\n", 9, "kafka.tls.key_file", "key.pem", "is given without cert_file", "both"},
		{"TLS unchecked", "  brokers: [localhost:9092]\n", "  brokers: [kafka:9092]\n  tls: {enabled: true, insecure_skip_verify: true}\n", 10, "kafka.tls.insecure_skip_verify", "true", "anybody as a broker", "ca_file"},
		{"no replicas", "kafka:\n", "kafka:\n  topics: {replication: 0}\n", 9, "kafka.topics.replication", "0", "is no number of replicas", "-1"},
		{"user without password", "schema_registry:\n", "schema_registry:\n  username: x\n", 10, "schema_registry.password", "", "is missing: username needs it", "give password"},
		{"password without user", "schema_registry:\n", "schema_registry:\n  password: x\n", 10, "schema_registry.username", "", "is missing: password needs it", "give username"},
		{"user and token", "schema_registry:\n", "schema_registry:\n  {username: x, password: y, bearer_token: z, url: 'https://r.example'}\n#", 11, "schema_registry.bearer_token", "[redacted]", "is given beside username", "one of the two"},
		{"certificates for plain http", "schema_registry:\n", "schema_registry:\n  ca_file: cert.pem\n", 11, "schema_registry.ca_file", "cert.pem", "has no effect with a plain http URL", "https"},

		// pairs, capture and listener
		{"unknown org", "- org: main", "- org: mian", 13, "capture[0].org", "mian", "is not under orgs", "did you mean main?"},
		{"nothing captured", "    objects: [Account]\n", "", 13, "capture[0]", "", "captures nothing", "give objects, events or channels"},
		{"object twice", "[Account]", "[Account, Account]", 14, "capture[0].objects[1]", "Account", "names /data/AccountChangeEvent of org main again", "line 14 has it"},
		{"object and its channel", "[Account]", "[Account]\n  - org: main\n    channels: [/data/AccountChangeEvent]", 16, "capture[1].channels[0]", "/data/AccountChangeEvent", "names /data/AccountChangeEvent of org main again", "line 14 has it"},
		{"event twice", "objects: [Account]", "events: [A__e, A__e]", 14, "capture[0].events[1]", "A__e", "names /event/A__e of org main again", "line 14 has it"},
		{"key field for objects", "[Account]", "[Account]\n    events: [A__e]\n    key_field: X__c", 16, "capture[0].key_field", "X__c", "is for events only", "entry of their own"},
		{"listener open to all", "kafka:\n", "listen: :8080\nkafka:\n", 8, "listen", ":8080", "nothing protects it", "set listen_token"},

		{"nothing at all", "capture:\n  - org: main\n    objects: [Account]\n", "", 1, "capture", "", "is missing, and so are writeback and publish", "at least one of the three"},

		// write-back
		{"unknown org of a writeback", "capture:\n", wb("org: mian"), 13, "writeback[0].org", "mian", "is not under orgs", "did you mean main?"},
		{"no topic", "capture:\n", strings.Replace(wb(""), "topic: erp.customers, ", "", 1), 13, "writeback[0].topic", "", "is missing", "give topic"},
		{"topic", "capture:\n", wb("topic: 'a b'"), 13, "writeback[0].topic", "a b", "is no name of a topic", "letters"},
		{"own topic", "capture:\n", wb("topic: sf.dlq"), 13, "writeback[0].topic", "sf.dlq", "the bridge itself writes", "sfbridge dlq retry"},
		{"internal topic", "capture:\n", wb("topic: _sfbridge.crm.writes"), 13, "writeback[0].topic", "_sfbridge.crm.writes", "is internal", "another topic"},
		{"event for an object", "capture:\n", wb("object: Shipment__e"), 13, "writeback[0].object", "Shipment__e", "is a platform event", "under publish"},
		{"operation", "capture:\n", wb("operation: updat"), 13, "writeback[0].operation", "updat", "is not known", "did you mean update?"},
		{"upsert without a key", "capture:\n", strings.Replace(wb(""), ", external_id: ERP_Id__c", "", 1), 13, "writeback[0].external_id", "", "is missing: upsert tells by it", "give external_id"},
		{"upsert by record id", "capture:\n", wb("external_id: Id"), 13, "writeback[0].external_id", "Id", "never creates", "operation: update"},
		{"update without a key", "capture:\n", strings.Replace(wb("operation: update, fields: {Name: name}"), ", external_id: ERP_Id__c", "", 1), 13, "writeback[0].operation", "update", "cannot tell which row", "Id: _key"},
		{"two keys", "capture:\n", wb("fields: {Id: id}"), 13, "writeback[0].fields.Id", "id", "is mapped beside external_id", "one of the two"},
		{"conflict on insert", "capture:\n", wb("operation: insert, conflict: newer-wins"), 13, "writeback[0].conflict", "newer-wins", "has no effect on insert", "upsert"},
		{"version without conflict", "capture:\n", wb("version: v"), 13, "writeback[0].version", "v", "conflict is overwrite", "newer-wins"},
		{"meanings without a source", "capture:\n", wb("operations: {c: upsert}"), 13, "writeback[0].operations", "", "has no effect without operation_from", "operation_from: op"},
		{"meaning that is none", "capture:\n", wb("operation_from: op, operations: {c: create}"), 13, "writeback[0].operations.c", "create", "is not known", "insert"},
		{"fields that are no mapping", "capture:\n", wb("fields: [Name]"), 13, "writeback[0].fields", "", "is no mapping", "key: value"},
		{"no fields", "capture:\n", wb("fields: {}"), 13, "writeback[0].fields", "", "has nothing in it", "Name: name"},
		{"field without a value", "capture:\n", wb("fields: {Name: }"), 13, "writeback[0].fields.Name", "", "has no value", "remove the key"},
		{"field twice", "capture:\n", wb("fields: {Name: a, Name: b}"), 13, "writeback[0].fields.Name", "", "is given twice", "line 13"},
		{"field that is none", "capture:\n", wb("fields: {a b: name}"), 13, "writeback[0].fields.a b", "", "is no field to write", "Account.ERP_Id__c"},
		{"field too deep", "capture:\n", wb("fields: {A.B.C: name}"), 13, "writeback[0].fields.A.B.C", "", "is no field to write", "Account.ERP_Id__c"},
		{"expression", "capture:\n", wb("fields: {Name: 'upper('}"), 13, "writeback[0].fields.Name", "upper(", "is no path and no expression: ", "docs/mapping.md"},
		{"expression for the version", "capture:\n", wb("conflict: newer-wins, version: '1 +'"), 13, "writeback[0].version", "1 +", "is no path and no expression: ", "docs/mapping.md"},
		{"unmapped beside fields", "capture:\n", wb("fields: {Name: name}, unmapped: ignore"), 13, "writeback[0].unmapped", "ignore", "has no effect beside fields", "one of the two"},
		{"assignment", "capture:\n", wb("auto_assign: maybe"), 13, "writeback[0].auto_assign", "maybe", "is no assignment", "01Q"},
		{"share", "    auth:", "    api_reserve: 0.1\n    auth:", 4, "orgs.main.api_reserve", "0.1", "is no percentage", "10%"},
		{"share beyond all", "    auth:", "    api_reserve: 100%\n    auth:", 4, "orgs.main.api_reserve", "100%", "is too large", "give 99% or less"},
		{"shares upside down", "    auth:", "    api_scarce: 5%\n    auth:", 4, "orgs.main.api_scarce", "5%", "is below api_reserve (10%)", "or more"},
		{"namespace", "    auth:", "    namespace: acme__\n    auth:", 4, "orgs.main.namespace", "acme__", "is no namespace", "without the two underscores"},
		{"object of a publish", "capture:\n", "publish:\n  - {topic: t, org: main, event: Order__c}\ncapture:\n", 13, "publish[0].event", "Order__c", "is no platform event", "under objects"},
		{"event twice in publish", "capture:\n", "publish:\n  - {topic: t, org: main, event: A__e}\n  - {topic: t, org: main, event: A__e}\ncapture:\n", 14, "publish[1]", "", "carries topic t into A__e of org main again", "line 13 has it"},

		// the file itself
		{"empty file", "", "", 1, "", "", "is empty", "docs/configuration.md"},
		{"comment alone", "", "# nothing\n", 1, "", "", "is empty", "docs/configuration.md"},
		{"list", "", "- a\n", 1, "", "", "is no mapping", "docs/configuration.md"},
		{"second document", "", base + "---\nname: b\n", 15, "", "", "has a second document", "---"},
		{"broken second document", "", base + "---\nname: [b\n", 17, "", "", "is no YAML", "quote"},
		{"tab", "kafka:\n", "kafka:\n\tlanes: 2\n", 9, "", "", "is no YAML", "quote"},
		{"unknown anchor", "client_id: abc", "client_id: *hunter2", 5, "", "", "refers to an anchor that does not exist", "quote values"},
		{"not UTF-8", "name: crm", "name: \xff", 1, "", "", "is not UTF-8 text", "save it as UTF-8"},
		{"control character", "username: sync", "username: \x00sync", 6, "", "", "has a control character", "remove it"},
		{"private-use character", "username: sync", "username: \uE000sync", 6, "", "", "has a private-use character", "remove it"},
		{"too long", "", base + strings.Repeat("#\n", 1<<19), 0, "", "", "is longer than 1MiB", "split"},
	}
}

func TestParse_ErrorNamesLineKeyAndRemedy(t *testing.T) {
	for _, p := range problems() {
		t.Run(p.what, func(t *testing.T) {
			text := p.with
			if p.old != "" {
				text = edit(t, p.old, p.with)
			}
			c, err := newWorld().parse(text)
			es, ok := errors.AsType[config.Errors](err)
			if !ok || len(es) != 1 || c != nil {
				t.Fatalf("got %v with error %v, want one problem, in\n%s", c, err, numbered(text))
			}
			e := es[0]
			if e.File != name || e.Line != p.line || e.Key != p.key || e.Value != p.value {
				t.Errorf("got %s:%d key %q value %q, want %s:%d key %q value %q", e.File, e.Line, e.Key, e.Value, name, p.line, p.key, p.value)
			}
			if !strings.Contains(e.Problem, p.problem) || !strings.Contains(e.Remedy, p.remedy) {
				t.Errorf("got problem %q and remedy %q, want %q and %q", e.Problem, e.Remedy, p.problem, p.remedy)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error shows a secret: %v", err)
			}
		})
	}
}

func TestParse_AllProblemsAtOnceInOrder(t *testing.T) {
	_, err := newWorld().parse(`name: CRM
orgs:
  main:
    credit: lots
    auth: {username: u@example.com}
kafka:
  brokres: []
  sasl: {mechanism: plain}
capture:
  - {org: mian, objects: [Account], from: yesterday}
listen: 0.0.0.0:80
`)
	want := []string{
		`1 name`, `4 orgs.main.credit`, `5 orgs.main.auth.client_id`, `5 orgs.main.auth.private_key_file`, `7 kafka.brokres`,
		`8 kafka.sasl.password`, `8 kafka.sasl.username`, `10 capture[0].org`, `10 capture[0].from`, `11 listen`,
	}
	es, _ := errors.AsType[config.Errors](err)
	var got []string
	for _, e := range es {
		got = append(got, fmt.Sprintf("%d %s", e.Line, e.Key))
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s\nerror:\n%v", strings.Join(got, "\n"), strings.Join(want, "\n"), err)
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != len(es) {
		t.Errorf("%d lines for %d problems:\n%v", n, len(es), err)
	}
}

func TestError_ReadsAsOneLine(t *testing.T) {
	_, err := newWorld().parse(edit(t, "kafka:\n", "kafka:\n  delivery: exactly-onse\n"))
	want := `/etc/sfbridge/bridge.yaml:9:13: kafka.delivery: "exactly-onse" is not known; did you mean exactly-once? (known: exactly-once, at-least-once)`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if e, ok := errors.AsType[*config.Error](err); !ok || e.Column != 13 {
		t.Errorf("errors.AsType gives %+v, %v", e, ok)
	}
}

func TestParse_MaskedBracesKeepColumns(t *testing.T) {
	_, err := newWorld().parse(edit(t, "kafka:\n", "kafka:\n  sasl: {username: ${SF_CLIENT_ID}, mechanism: plane, password: ${SF_CLIENT_ID}}\n"))
	e, ok := errors.AsType[*config.Error](err)
	if !ok || e.Line != 9 || e.Column != 48 {
		t.Errorf("got %v, want 9:48", err)
	}
}

func TestParse_ManyProblemsAreCut(t *testing.T) {
	_, err := newWorld().parse(base + strings.Repeat("  - {org: main, objects: [a b]}\n", 5000))
	es, _ := errors.AsType[config.Errors](err)
	if len(es) != 100 {
		t.Errorf("%d problems, want 100", len(es))
	}
}

func TestParse_AliasesAreCounted(t *testing.T) {
	var b strings.Builder
	b.WriteString("name: crm\norgs: {a: {auth: {method: access-token, access_token: x, instance_url: 'https://a.example'}}}\ncapture:\n  - {org: a, objects: &o [")
	for i := range 2000 {
		fmt.Fprintf(&b, "A%d, ", i)
	}
	b.WriteString("A]}\n")
	b.WriteString(strings.Repeat("  - {org: a, objects: *o}\n", 2000))
	_, err := newWorld().parse(b.String())
	if err == nil || !strings.Contains(err.Error(), "aliases counted each time") {
		t.Errorf("error = %.300v", err)
	}
}

func TestParse_Warnings(t *testing.T) {
	for _, tt := range []struct{ what, old, with, key, problem string }{
		{
			"deprecated method", "      client_id: abc\n      username: sync@example.com\n      private_key_file: key.pem",
			"      {method: username-password, client_id: a, client_secret: b, username: u, password: p}", "orgs.main.auth.method", "deprecated",
		},
		{"odd event", "objects: [Account]", "events: [Shipment]", "capture[0].events[0]", "does not look like an event"},
		{"SASL in the clear", "  brokers: [localhost:9092]", "  brokers: [kafka:9092]\n  sasl: {mechanism: plain, username: u, password: p}", "kafka.sasl.mechanism", "in the clear"},
		{"registry in the clear", "http://localhost:8081", "http://registry:8081\n  bearer_token: t", "schema_registry.url", "in the clear"},
		{"object carried twice", "[Account]", "[Account]\n    channels: [/data/ChangeEvents]", "capture[0].objects[0]", "comes twice"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			c := newWorld().mustParse(t, edit(t, tt.old, tt.with))
			ws := c.Warnings()
			if len(ws) != 1 || ws[0].Key != tt.key || !strings.Contains(ws[0].Problem, tt.problem) || ws[0].Line == 0 || ws[0].Remedy == "" {
				t.Errorf("warnings = %v, want one of %s: %s", ws, tt.key, tt.problem)
			}
		})
	}
}
