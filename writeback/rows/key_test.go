package rows_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"sfbridge/internal/expression"
	"sfbridge/internal/flow"
	"sfbridge/salesforce"
	"sfbridge/writeback/rows"
)

func TestKey_IsMapped_OrElseTheKafkaKey(t *testing.T) {
	mapped := map[string]string{"ERP_Id__c": "id", "Name": "name"}
	unmapped := map[string]string{"Name": "name"}
	tree := func(text string) any { return tree(t, text) }
	for name, c := range map[string]struct {
		op     rows.Operation
		id     string
		fields map[string]string
		value  any
		key    any
		want   string
		reason string
	}{
		"mapped":                       {rows.Upsert, "ERP_Id__c", mapped, tree(`{"id":" E-1 "}`), "other", "E-1", ""},
		"mapped and null":              {rows.Upsert, "ERP_Id__c", mapped, tree(`{"id":null}`), "other", "", flow.NoKey},
		"mapped and absent":            {rows.Upsert, "ERP_Id__c", mapped, tree(`{}`), "other", "", flow.NoKey},
		"mapped and empty":             {rows.Update, "ERP_Id__c", mapped, tree(`{"id":""}`), "other", "", flow.NoKey},
		"mapped and too long":          {rows.Upsert, "ERP_Id__c", mapped, tree(`{"id":"` + fmt.Sprintf("%041d", 0) + `"}`), nil, "", flow.BadValue},
		"unmapped":                     {rows.Upsert, "ERP_Id__c", unmapped, tree(`{"ERP_Id__c":"x"}`), " E-2", "E-2", ""},
		"unmapped, a number":           {rows.Upsert, "ERP_Id__c", unmapped, tree(`{}`), json.Number("3.8861788E7"), "38861788", ""},
		"unmapped, no Kafka key":       {rows.Upsert, "ERP_Id__c", unmapped, tree(`{}`), nil, "", flow.NoKey},
		"unmapped, an empty Kafka key": {rows.Upsert, "ERP_Id__c", unmapped, tree(`{}`), "", "", flow.NoKey},
		"unmapped, an object for one":  {rows.Upsert, "ERP_Id__c", unmapped, tree(`{}`), map[string]any{"id": "E-1"}, "", flow.NoKey},
		"delete, mapped":               {rows.Delete, "ERP_Id__c", mapped, tree(`{"id":"E-1"}`), "other", "E-1", ""},
		"delete, mapped and absent":    {rows.Delete, "ERP_Id__c", mapped, tree(`{}`), "E-2", "E-2", ""},
		"delete, a tombstone":          {rows.Upsert, "ERP_Id__c", mapped, nil, "E-2", "E-2", ""},
		"a tombstone without anything": {rows.Upsert, "ERP_Id__c", mapped, nil, nil, "", flow.NoKey},
		"insert, mapped":               {rows.Insert, "ERP_Id__c", mapped, tree(`{"id":"E-1"}`), "other", "E-1", ""},
		"insert, mapped and null":      {rows.Insert, "ERP_Id__c", mapped, tree(`{"id":null}`), "other", "", ""},
		"insert, unmapped":             {rows.Insert, "ERP_Id__c", unmapped, tree(`{}`), "other", "", ""},
		"insert, without external id":  {rows.Insert, "", unmapped, tree(`{}`), "other", "", ""},
		"by id, mapped":                {rows.Update, "", map[string]string{"Id": "id"}, tree(`{"id":"` + id15 + `"}`), "other", id18, ""},
		"by id, malformed":             {rows.Update, "Id", map[string]string{"Id": "id"}, tree(`{"id":"E-1"}`), nil, "", flow.BadValue},
		"by id, the Kafka key":         {rows.Update, "", unmapped, tree(`{}`), id15, id18, ""},
		"by id, not the Kafka key":     {rows.Update, "", unmapped, tree(`{}`), "E-1", "", flow.NoKey},
		"undelete by id":               {rows.Undelete, "", unmapped, tree(`{}`), id15, id18, ""},
		"without a mapping":            {rows.Upsert, "ERP_Id__c", nil, tree(`{"ERP_Id__c":"E-1"}`), "other", "E-1", ""},
		"without a mapping, null":      {rows.Upsert, "ERP_Id__c", nil, tree(`{"ERP_Id__c":null}`), "other", "", flow.NoKey},
		"without a mapping, absent":    {rows.Upsert, "ERP_Id__c", nil, tree(`{}`), "E-2", "E-2", ""},
		"without a mapping, an event":  {rows.Upsert, "ERP_Id__c", nil, tree(`{"ChangeEventHeader":{},"Name":"x"}`), id18, "", flow.NoKey},
		"an event with its key":        {rows.Upsert, "ERP_Id__c", nil, tree(`{"ChangeEventHeader":{},"ERP_Id__c":"E-1"}`), id18, "E-1", ""},
		"an event, the key mapped":     {rows.Upsert, "ERP_Id__c", map[string]string{"ERP_Id__c": "_key"}, tree(`{"ChangeEventHeader":{}}`), id18, id18, ""},
		"an event, by id":              {rows.Update, "", nil, tree(`{"ChangeEventHeader":{},"Name":"x"}`), id18, id18, ""},
		"an event that deletes":        {rows.Delete, "ERP_Id__c", nil, tree(`{"ChangeEventHeader":{}}`), id18, "", flow.NoKey},
		"an event with a mapping":      {rows.Upsert, "ERP_Id__c", unmapped, tree(`{"ChangeEventHeader":{}}`), id18, id18, ""},
		"without a mapping, by id":     {rows.Update, "", nil, tree(`{"Id":"` + id15 + `"}`), nil, id18, ""},
	} {
		m := mapper(t, rows.Config{Operation: c.op, ExternalID: c.id, Fields: c.fields}, object())
		r, err := m.Row(&expression.Input{Value: c.value, Key: c.key})
		switch {
		case c.reason != "":
			rejected(t, err, c.reason, m.KeyField())
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case r.Key != c.want:
			t.Errorf("%s: key %q, want %q", name, r.Key, c.want)
		}
	}
}

func TestC58_NumericKeys_AreTheirDigits(t *testing.T) {
	for in, want := range map[string]string{
		`38861788`: "38861788", `9007199254740993`: "9007199254740993", `3.8861788E7`: "38861788", `38861788.0`: "38861788", `-0`: "0", `"38861788"`: "38861788",
	} {
		for _, id := range []string{"ERP_Id__c", "Num_Id__c"} {
			m := mapper(t, rows.Config{ExternalID: id, Fields: map[string]string{id: "id", "Name": "name"}}, object())
			r := row(t, m, input(t, `{"id":`+in+`,"name":"x"}`))
			wantValue := any(want)
			if id == "Num_Id__c" {
				wantValue = json.Number(want)
			}
			if r.Key != want || r.Identity != want || m.Record(r)[id] != wantValue {
				t.Errorf("%s in %s: key %q, record %#v; want %s", in, id, r.Key, m.Record(r), want)
			}
		}
	}
	m := mapper(t, rows.Config{ExternalID: "Num_Id__c", Fields: map[string]string{"Name": "name"}}, object())
	for key, reason := range map[string]string{"38861788": "", "3.8861788E7": "", "E-1": flow.NoKey, "1.5": flow.NoKey} {
		r, err := m.Row(&expression.Input{Value: map[string]any{}, Key: key})
		if reason != "" {
			rejected(t, err, reason, "Num_Id__c")
		} else if err != nil || r.Key != "38861788" {
			t.Errorf("Kafka key %s: %v, %v", key, r, err)
		}
	}
}

func TestIdentity_FoldsCaseUnlessTheFieldTellsItApart(t *testing.T) {
	for id, want := range map[string]string{"ERP_Id__c": "e-1", "Ref__c": "E-1"} {
		m := mapper(t, rows.Config{ExternalID: id, Fields: map[string]string{id: "id"}}, object())
		r := row(t, m, input(t, `{"id":"E-1 "}`))
		if r.Key != "E-1" || r.Identity != want || m.Identity("E-1") != want {
			t.Errorf("%s: key %q, identity %q; want E-1, %s", id, r.Key, r.Identity, want)
		}
	}
	byID := mapper(t, rows.Config{Fields: map[string]string{"Id": "id"}}, object())
	if r := row(t, byID, input(t, `{"id":"`+id15+`"}`)); r.Identity != id18 {
		t.Errorf("identity %q, want the id as it is", r.Identity)
	}
}

func TestRecord_HasItsKey(t *testing.T) {
	byID := mapper(t, rows.Config{Operation: rows.Update, Fields: map[string]string{"Id": "id", "Name": "name"}}, object())
	same(t, byID.Record(row(t, byID, input(t, `{"id":"`+id15+`","name":"x"}`))), salesforce.Record{"Id": id18, "Name": "x"})
	if byID.KeyField() != "Id" {
		t.Errorf("key field %s", byID.KeyField())
	}
	insert := mapper(t, rows.Config{Operation: rows.Insert, Fields: map[string]string{"Name": "name"}}, object())
	same(t, insert.Record(row(t, insert, input(t, `{"name":"x"}`))), salesforce.Record{"Name": "x"})
	gone := upserts(t, "Name")
	same(t, gone.Record(row(t, gone, &expression.Input{Key: "E-1"})), salesforce.Record{"ERP_Id__c": "E-1"})
}
