package sandbox_test

import (
	"encoding/json"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/internal/flow"
	"sfbridge/internal/sandbox"
	"sfbridge/orgsim"
)

const customer = `{"id":"K-1","name":"Acme","phone":null,"address":{"street":"1 Harbour Road","city":"Cork"},"score":"7.5","active":true}`

// wrote is what an ERP system and a bridge leave in the topics: a customer, and
// what became of it.
func wrote(outcomes ...*kgo.Record) []*kgo.Record {
	return append(outcomes, &kgo.Record{Topic: "erp.customers", Partition: 1, Offset: 5, Key: []byte("K-1"), Value: []byte(customer)})
}

var from = flow.Source{Topic: "erp.customers", Partition: 1, Offset: 5}

func resultOf(id string) *kgo.Record {
	value, _ := json.Marshal(flow.Result{Outcome: flow.Created, ID: id, Source: from})
	return &kgo.Record{Topic: "sf.results", Value: value}
}

func letterOf(reason string) *kgo.Record {
	value, _ := json.Marshal(flow.Letter{Kind: flow.KindWriteback, Reason: reason, Source: from})
	return &kgo.Record{Topic: "sf.dlq", Value: value}
}

func TestAuditWritten_FindsWhatIsWrong(t *testing.T) {
	org, err := orgsim.New(orgsim.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer org.Close()
	row := map[string]orgsim.Value{
		"ERP_Id__c": orgsim.String("K-1"), "Name": orgsim.String("Acme"), "BillingStreet": orgsim.String("1 Harbour Road"),
		"BillingCity": orgsim.String("Cork"), "Score__c": orgsim.MustDecimal("7.5"), "Active__c": orgsim.Bool(true),
	}
	var id, other string
	_, err = org.Transact(t.Context(), orgsim.Caller{}, func(tx *orgsim.Tx) (err error) {
		if id, err = tx.Insert("Account", row); err == nil {
			other, err = tx.Insert("Account", map[string]orgsim.Value{"Name": orgsim.String("Other")})
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	echo := &kgo.Record{Topic: "sf.cdc.Account", Headers: []kgo.RecordHeader{{Key: "sf_echo", Value: []byte("true")}}}
	check := func(name string, records []*kgo.Record, back, failed, echoes int) {
		t.Helper()
		w := sandbox.AuditWritten(org, "erp.", "sf", records)
		if w.WrittenBack != back || w.Failed != failed || w.Echoes != echoes || (len(w.Examples) > 0) != (failed > 0) {
			t.Errorf("%s: %+v, want %d written back, %d failed, %d echoes", name, w, back, failed, echoes)
		}
	}
	check("all well", wrote(resultOf(id), echo), 1, 0, 1)
	check("no outcome", wrote(), 0, 1, 0)
	check("two outcomes", wrote(resultOf(id), resultOf(id)), 0, 1, 0)
	check("another row", wrote(resultOf(other)), 0, 1, 0)
	check("a dead letter", wrote(letterOf("locked")), 0, 1, 0)

	_, err = org.Transact(t.Context(), orgsim.Caller{}, func(tx *orgsim.Tx) error {
		return tx.Update(id, map[string]orgsim.Value{"Phone": orgsim.String("1")})
	})
	if err != nil {
		t.Fatal(err)
	}
	check("a value that was not written", wrote(resultOf(id)), 1, 1, 0)
}
