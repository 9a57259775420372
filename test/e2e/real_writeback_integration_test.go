//go:build integration

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/bridge"
	"sfbridge/internal/flow"
	"sfbridge/orgsim"
	"sfbridge/test/rig"
	"sfbridge/writeback/rows"
)

// TestReal_WriteBack_AbortedRecordsNeverReachTheOrg_RetriesAreMarked writes a
// topic of Apache Kafka back, among its records some of an aborted transaction,
// and sends the dead letters again.
func TestReal_WriteBack_AbortedRecordsNeverReachTheOrg_RetriesAreMarked(t *testing.T) {
	s := newReal(t, rig.Kafka(t), rig.Registry(t), orgsim.Config{})
	topic := s.prefix + ".erp"
	client, err := kgo.NewClient(kgo.SeedBrokers(s.sb.KafkaAddr), kgo.DefaultProduceTopic(topic), kgo.TransactionalID(s.prefix+"-erp"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 3, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
	write := func(commit bool, prefix, name string, n int) {
		t.Helper()
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		var recs []*kgo.Record
		for i := range n {
			id := fmt.Sprint(prefix, i)
			recs = append(recs, &kgo.Record{Key: []byte(id), Value: fmt.Appendf(nil, `{"id":%q,"name":%q}`, id, name)})
		}
		if err := client.ProduceSync(t.Context(), recs...).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := client.EndTransaction(t.Context(), kgo.TransactionEndTry(commit)); err != nil {
			t.Fatal(err)
		}
	}
	s.rules(orgsim.Rules{Validation: []orgsim.ValidationRule{{
		Object: "Account", When: []orgsim.Condition{{Field: "Name", Op: "=", Value: "Refused"}}, Message: "no such name",
	}}})
	write(true, "good", "Fine", 500)
	write(false, "aborted", "Never", 100)
	write(true, "bad", "Refused", 20)
	cfg := s.config()
	cfg.Writebacks = []bridge.Writeback{{Topic: topic, Org: "main", Rows: rows.Config{
		Object: "Account", ExternalID: "ERP_Id__c", Operation: rows.Upsert, Fields: map[string]string{"ERP_Id__c": "id", "Name": "name"},
	}}}
	r := s.start(cfg)
	r.readyWithin(time.Minute)
	s.lettersWithin(r, bridge.LetterFilter{State: bridge.LetterOpen}, 20)
	s.nameWithin(time.Minute, "good499", "Fine")
	s.rules(orgsim.Rules{})
	if report, err := r.b.Retry(t.Context(), bridge.RetryRequest{}); err != nil || len(report.Retried) != 20 {
		t.Fatalf("retried %+v, %v", report, err)
	}
	for i := range 20 {
		s.nameWithin(time.Minute, fmt.Sprint("bad", i), "Refused")
	}
	s.lettersWithin(r, bridge.LetterFilter{State: bridge.LetterRetried}, 20)
	r.stop()
	outcomes := make(map[string]int)
	echoes := 0
	for _, rec := range s.readBack() {
		var res flow.Result
		switch {
		case rec.Topic == s.prefix+".results" && json.Unmarshal(rec.Value, &res) == nil:
			outcomes[res.Outcome]++
		case rec.Topic == s.prefix+".cdc.Account" && header(rec, "sf_echo") == "true":
			echoes++
		}
	}
	if outcomes["created"] != 520 || len(outcomes) != 1 {
		t.Errorf("outcomes %v, want 520 created", outcomes)
	}
	if echoes == 0 {
		t.Error("no change is marked as an echo")
	}
	s.sb.Org.Scan("Account", true, func(row *orgsim.Record) bool {
		if row.Get("Name").Text() == "Never" {
			t.Errorf("row %s is of an aborted transaction", row.Get("ERP_Id__c").Text())
			return false
		}
		return true
	})
	lags, err := kadm.NewClient(client).Lag(context.Background(), "sfbridge-"+s.prefix+"."+topic+".main.Account")
	if err != nil || lags.Error() != nil {
		t.Fatal(err, lags.Error())
	}
	for _, l := range lags.Sorted() {
		if n := l.Lag.Total(); n != 0 {
			t.Errorf("other tools see a lag of %d", n)
		}
	}
}
