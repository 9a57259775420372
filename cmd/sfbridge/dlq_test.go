package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/internal/flow"
)

// withWriteback gives a setting that writes erp.customers back, and three dead
// letters of it.
func withWriteback(t *testing.T) (*setting, string) {
	t.Helper()
	s := newSetting(t)
	s.text += "writeback:\n  - {topic: erp.customers, org: main, object: Account, external_id: ERP_Id__c, fields: {Name: name}}\n"
	client, err := kgo.NewClient(kgo.SeedBrokers(s.sb.KafkaAddr), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopics(t.Context(), 4, 1, nil, "erp.customers", "sf.dlq"); err != nil {
		t.Fatal(err)
	}
	for i, l := range []flow.Letter{
		{Reason: flow.Validation, Error: "the org refused the row\n\x1b[2J", Value: []byte(`{"name":"Acme"}`), Time: time.Now().Add(-3 * time.Hour)},
		{Reason: flow.BadValue, Error: "Score__c: no number", Value: []byte{0xff, 0xfe}, Time: time.Now()},
		{Kind: "capture", Reason: "undecodable", Error: "no such schema", Time: time.Now()},
	} {
		if l.Kind == "" {
			l.Kind, l.Flow, l.Org, l.Object = flow.KindWriteback, "erp.customers/main/Account", "main", "Account"
			l.RecordKey = fmt.Appendf(nil, "E-%d", i)
			l.Source = flow.Source{Topic: "erp.customers", Partition: 1, Offset: int64(10 - i), Time: time.Now()}
			l.Headers = []flow.Header{{Key: "trace", Value: []byte("abc")}}
		}
		value, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		if err := client.ProduceSync(context.Background(), &kgo.Record{Topic: "sf.dlq", Partition: 2, Value: value}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	return s, s.file(t, "", "")
}

func TestDLQ_ListShowRetry(t *testing.T) {
	_, path := withWriteback(t)
	list := func(args ...string) string {
		t.Helper()
		code, out, errs := sfbridge(append([]string{"dlq", "list", "-c", path}, args...)...)
		if code != 0 {
			t.Fatalf("list %v: exit code %d: %s", args, code, errs)
		}
		return out
	}
	all := list()
	hasAll(t, all, "LETTER", "2/0 ", "2/1 ", "2/2 ", "validation", "erp.customers/main/Account", "3 dead letters")
	if strings.Contains(all, "\x1b") {
		t.Error("a list can steer the terminal")
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--reason", "bad_value"}, "2/1"},
		{[]string{"--reason", "bad_value", "--reason", "undecodable"}, "2/1 2/2"},
		{[]string{"--kind", "capture"}, "2/2"},
		{[]string{"--since", "1h"}, "2/1 2/2"},
		{[]string{"--until", "1h"}, "2/0"},
		{[]string{"--topic", "erp.customers", "--flow", "erp.customers/main/Account"}, "2/0 2/1"},
		{[]string{"--limit", "1", "--kind", "writeback"}, "2/1"},
		{[]string{"--since", time.Now().Add(time.Hour).Format(time.RFC3339)}, ""},
	} {
		var ids []string
		for line := range strings.Lines(list(append(tt.args, "--json")...)) {
			var l struct{ Letter, State string }
			if err := json.Unmarshal([]byte(line), &l); err != nil || l.State != "open" {
				t.Errorf("%v: %q, %v", tt.args, line, err)
			}
			ids = append(ids, l.Letter)
		}
		if got := strings.Join(ids, " "); got != tt.want {
			t.Errorf("%v lists %q, want %q", tt.args, got, tt.want)
		}
	}

	code, out, _ := sfbridge("dlq", "show", "-c", path, "2/0")
	if code != 0 {
		t.Errorf("show: exit code %d", code)
	}
	hasAll(t, out, "2/0", "open", "validation", "the org refused the row", "erp.customers/1/10", "E-0", "header trace", "abc", `{"name":"Acme"}`)
	_, out, _ = sfbridge("dlq", "show", "-c", path, "2/1")
	hasAll(t, out, "2 bytes in hexadecimal", "fffe")
	code, out, errs := sfbridge("dlq", "show", "-c", path, "--json", "2/0")
	var shown struct {
		Letter string
		Value  flow.Letter
	}
	if err := json.Unmarshal([]byte(out), &shown); code != 0 || err != nil || shown.Letter != "2/0" || string(shown.Value.Value) != `{"name":"Acme"}` {
		t.Errorf("show --json: exit code %d, %v: %s%s", code, err, out, errs)
	}

	_, out, _ = sfbridge("dlq", "retry", "-c", path, "--dry-run")
	hasAll(t, out, "2/1", "2/0", "would be sent again: erp.customers/1/9", "2 dead letters would be sent again, 1 left out")
	code, out, errs = sfbridge("dlq", "retry", "-c", path, "--kind", "writeback", "--json")
	var report struct {
		Retried []struct{ Letter, Record string }
		LeftOut []struct{ Letter, Why string } `json:"left_out"`
	}
	if err := json.Unmarshal([]byte(out), &report); code != 0 || err != nil || len(report.Retried) != 2 || report.Retried[0].Letter != "2/1" {
		t.Errorf("retry: exit code %d, %v: %s%s", code, err, out, errs)
	}
	hasAll(t, list("--kind", "writeback"), "retried")
	hasAll(t, list("--open"), "2/2 ", "1 dead letters")
	code, out, _ = sfbridge("dlq", "retry", "-c", path, "2/2", "2/0")
	if code != 1 {
		t.Errorf("retry of letters that cannot be sent: exit code %d, want 1", code)
	}
	hasAll(t, out, "2/2", "is of capture", "2/0", "was retried at")
}

func TestDLQ_Mistakes(t *testing.T) {
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"dlq"}, 2, "--help"},
		{[]string{"dlq", "list", "-c", "x.yaml", "--since", "yesterday"}, 2, "write 2h for two hours ago"},
		{[]string{"dlq", "list", "-c", "x.yaml", "--kind", "letters"}, 2, "capture"},
		{[]string{"dlq", "show", "-c", "x.yaml", "7"}, 1, "PARTITION/OFFSET"},
		{[]string{"dlq", "retry", "-c", "x.yaml", "a/b"}, 1, "PARTITION/OFFSET"},
		{[]string{"dlq", "show", "-c", "x.yaml"}, 2, "--help"},
	} {
		code, _, errs := sfbridge(tt.args...)
		if code != tt.code {
			t.Errorf("%v: exit code %d, want %d", tt.args, code, tt.code)
		}
		hasAll(t, errs, tt.want)
	}
}

func TestCheck_Flows_LineByLine(t *testing.T) {
	s, path := withWriteback(t)
	code, out, errs := sfbridge("check", "-c", path)
	if code != 0 {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	hasAll(t, out, "writeback:erp.customers/main/Account source topic erp.customers: 4 partitions",
		"group sfbridge-test.erp.customers.main.Account: starts where the configuration says",
		"topic _sfbridge.test.retry.erp.customers.main.Account: will be created with 4 partitions",
		"object Account: can be created, updated, deleted", "external id ERP_Id__c: is an external id, unique", "mapping: fits")
	for _, tt := range []struct{ old, with, want string }{
		{"topic: erp.customers", "topic: erp.customs", "create it with as many partitions as its records need"},
		{"object: Account,", "object: Acount,", "correct the name, or give the integration user Read on the object"},
		{"external_id: ERP_Id__c", "external_id: ERP_Key__c", "Account has no field ERP_Key__c"},
		{"external_id: ERP_Id__c", "external_id: Phone", "Account.Phone is no external id"},
		{"fields: {Name: name}", "fields: {Name: name, Phon: phone, Nme: name}", "Phon"},
	} {
		code, out, _ := sfbridge("check", "-c", s.file(t, tt.old, tt.with))
		if code != 1 {
			t.Errorf("%s: exit code %d, want 1", tt.with, code)
		}
		hasAll(t, out, "FAIL  writeback:", tt.want)
	}
}
