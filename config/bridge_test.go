package config_test

import (
	"errors"
	"io/fs"
	"reflect"
	"strings"
	"testing"
	"time"

	"sfbridge/bridge"
	"sfbridge/salesforce"
	"sfbridge/salesforce/auth"
	"sfbridge/schemas"
	"sfbridge/writeback"
	"sfbridge/writeback/rows"
)

func TestBridge_CarriesWhatTheFileSays(t *testing.T) {
	w := newWorld()
	c := w.mustParse(t, everyKey)
	b, err := c.Bridge(nil)
	if err != nil {
		t.Fatal(err)
	}
	org := b.Orgs["sandbox"]
	password, err := b.Kafka.SASL.Password()
	if err != nil {
		t.Fatal(err)
	}
	if org.Auth.Password != nil || org.Auth.AccessToken != nil || org.Auth.RefreshToken != nil {
		t.Error("secrets that the file does not give are there")
	}
	for _, ck := range []struct {
		what      string
		got, want any
	}{
		{"name", b.Name, "erp.2"},
		{"at least once", b.AtLeastOnce, true},
		{"lanes", b.Lanes, int32(16)},
		{"timeouts", []time.Duration{b.TransactionTimeout, b.SessionTimeout, b.ShutdownTimeout}, []time.Duration{time.Minute, 30 * time.Second, 90 * time.Second}},
		{"memory", b.Memory, int64(64 << 20)},
		{"fingerprint", b.Fingerprint, c.Fingerprint()},
		{"topics", b.Topics, bridge.TopicConfig{Prefix: "salesforce", Partitions: 12, Replication: 3, Retention: 720 * time.Hour, MaxBytes: 2 << 20}},
		{"listen token", reveal(t, b.ListenToken), "hunter2-file"},
		{"brokers", len(b.Kafka.Brokers), 3},
		{"TLS", b.Kafka.TLS.ServerName, "kafka"},
		{"SASL", b.Kafka.SASL.Mechanism + " " + b.Kafka.SASL.Username + " " + password, "scram-sha-512 bridge hunter2-file"},
		{"registry", b.Registry.URL, "https://registry.example.com/apis/ccompat/v7"},
		{"client secret", reveal(t, org.Auth.ClientSecret), "s$cret"},
		{"Pub/Sub", org.PubSub.Plaintext, true},
		{"credit", org.Credit, 20},
		{"API version", org.REST.APIVersion, "66.0"},
		{"captures", b.Captures[0], bridge.Capture{Org: "sandbox", Channel: "/data/AccountChangeEvent", Earliest: true, OnExpired: bridge.Latest}},
		{"events", b.Captures[3], bridge.Capture{Org: "sandbox", Channel: "/event/acme__Shipment__e", OnExpired: bridge.Stop, KeyField: "acme__Number__c", DropEchoes: true}},
		{"namespace", org.Namespace, salesforce.Namespace("acme")},
		{"shares", []float64{org.Reserve, org.Scarce}, []float64{0.3, 0.5}},
		{"memory of write-back", b.WritebackMemory, int64(256 << 20)},
		{"writeback", b.Writebacks[0], bridge.Writeback{
			Topic: "erp.customers", Org: "sandbox", Format: schemas.JSON, Latest: true,
			Rows: rows.Config{
				Object: "Account", ExternalID: "ERP_Id__c", Operation: rows.Update, OperationFrom: "meta.op",
				Operations:  map[string]rows.Operation{"c": rows.Upsert, "d": rows.Delete},
				OnTombstone: rows.TombstoneReject, Fields: c.Writeback[0].Fields, Version: "updated_at", PicklistLabels: true,
			},
			Conflict: writeback.NewerWins, VersionField: "ERP_Version__c", ApplyEchoes: true, NoResults: true,
			BulkAbove: -1, InFlight: 2, MaxWait: 2 * time.Second, Attempts: 20, AllowDuplicates: true, AutoAssign: "FALSE",
		}},
		{"second writeback", b.Writebacks[1].Rows.IgnoreUnmapped, true},
		{"publish", b.Publishes[0], bridge.Publish{
			Topic: "erp.shipments", Org: "sandbox", Event: "Shipment__e", Format: schemas.Avro, Latest: true,
			Fields: c.Publish[0].Fields, ID: "event_id", NoResults: true,
		}},
	} {
		if !reflect.DeepEqual(ck.got, ck.want) {
			t.Errorf("%s = %v, want %v", ck.what, ck.got, ck.want)
		}
	}
}

func TestBridge_NamesGetTheOrgsNamespace(t *testing.T) {
	c := newWorld().mustParse(t, strings.Replace(edit(t, "    objects: [Account]", "    objects: [Account, Order__c, other__Item__c]\n    events: [Shipment__e]\n    channels: [/data/Sales__chn]"),
		"    auth:", "    namespace: acme\n    auth:", 1))
	b, err := c.Bridge(nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, cp := range b.Captures {
		got = append(got, cp.Channel)
	}
	want := []string{
		"/data/AccountChangeEvent", "/data/acme__Order__ChangeEvent", "/data/other__Item__ChangeEvent", "/event/acme__Shipment__e", "/data/Sales__chn",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("channels %v, want %v", got, want)
	}
}

func TestBridge_SecretGoneSinceTheParseIsNamed(t *testing.T) {
	w := newWorld()
	c := w.mustParse(t, everyKey)
	delete(w.files, "/run/secrets/password")
	if _, err := c.Bridge(nil); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "listen_token") {
		t.Errorf("error = %v, want the key", err)
	}
}

func TestBridge_KafkaPasswordIsReadAtEachConnection(t *testing.T) {
	w := newWorld()
	b, err := w.mustParse(t, everyKey).Bridge(nil)
	if err != nil {
		t.Fatal(err)
	}
	w.files["/run/secrets/password"] = "next"
	if got, err := b.Kafka.SASL.Password(); got != "next" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

// reveal reads what the bridge would read at this moment.
func reveal(t *testing.T, f auth.SecretFunc) string {
	t.Helper()
	s, err := f()
	if err != nil {
		t.Fatal(err)
	}
	return s.Reveal()
}

func TestBridge_ListenTokenIsReadAtEachRequest(t *testing.T) {
	w := newWorld()
	b, err := w.mustParse(t, everyKey).Bridge(nil)
	if err != nil {
		t.Fatal(err)
	}
	w.files["/run/secrets/password"] = "next"
	if got := reveal(t, b.ListenToken); got != "next" {
		t.Errorf("got %q, want next", got)
	}
	if b, err = w.mustParse(t, base).Bridge(nil); err != nil || b.ListenToken != nil {
		t.Errorf("a token that the file does not give is there, or %v", err)
	}
}

func TestBridge_SecretsOfAnOrgAreReadAtEachUse(t *testing.T) {
	for _, tt := range []struct {
		key, auth string // auth is the whole of it, in one line
		of        func(auth.Config) auth.SecretFunc
	}{
		{
			"client_secret", "{method: client-credentials, client_id: abc, client_secret: '${file:/run/secrets/password}'}",
			func(c auth.Config) auth.SecretFunc { return c.ClientSecret },
		},
		{
			"refresh_token", "{method: refresh-token, client_id: abc, refresh_token: '${file:/run/secrets/password}'}",
			func(c auth.Config) auth.SecretFunc { return c.RefreshToken },
		},
		{
			"access_token", "{method: access-token, instance_url: 'https://acme.my.salesforce.com', access_token: '${file:/run/secrets/password}'}",
			func(c auth.Config) auth.SecretFunc { return c.AccessToken },
		},
		{
			"password", "{method: username-password, client_id: abc, client_secret: s, username: me@example.com, password: '${file:/run/secrets/password}'}",
			func(c auth.Config) auth.SecretFunc { return c.Password },
		},
	} {
		t.Run(tt.key, func(t *testing.T) {
			w := newWorld()
			c := w.mustParse(t, edit(t, `    auth:
      client_id: abc
      username: sync@example.com
      private_key_file: key.pem
`, "    login_url: https://acme.my.salesforce.com\n    auth: "+tt.auth+"\n"))
			b, err := c.Bridge(nil)
			if err != nil {
				t.Fatal(err)
			}
			secret := tt.of(b.Orgs["main"].Auth)
			if got := reveal(t, secret); got != "hunter2-file" {
				t.Errorf("at the start %q", got)
			}
			w.files["/run/secrets/password"] = "next\n"
			if got := reveal(t, secret); got != "next" {
				t.Errorf("after it rotated %q, want next", got)
			}
			delete(w.files, "/run/secrets/password")
			if _, err := secret(); err == nil || !strings.Contains(err.Error(), "/run/secrets/password") {
				t.Errorf("error %v, want one that names the file", err)
			}
			if _, err := c.Bridge(nil); err == nil || !strings.Contains(err.Error(), "orgs.main: auth."+tt.key) {
				t.Errorf("error of a start %v, want one that names the key", err)
			}
		})
	}
}
