package orgsim_test

import (
	"context"
	"errors"
	"testing"

	"sfbridge/event"
	"sfbridge/orgsim"
)

func TestMerge_LosersPointToTheWinner_AndChildrenFollow(t *testing.T) {
	org := newOrg(t, orgsim.Config{})
	winner := insert(t, org, "Account", vals{"Name": orgsim.String("Acme")})
	loser := insert(t, org, "Account", vals{"Name": orgsim.String("ACME"), "ERP_Id__c": orgsim.String("7")})
	contact := insert(t, org, "Contact", vals{"LastName": orgsim.String("Costa"), "AccountId": orgsim.String(loser)})
	order := insert(t, org, "Order__c", vals{"Account__c": orgsim.String(loser)})
	res, err := org.Merge(context.Background(), orgsim.Caller{API: "rest"}, winner, loser)
	if err != nil {
		t.Fatal(err)
	}
	if res.Changes != 4 {
		t.Errorf("%d changes, want the loser, the winner and two children", res.Changes)
	}
	if r := org.Get(loser); !r.Deleted || r.Get("MasterRecordId") != orgsim.String(winner) {
		t.Errorf("loser %+v", r.Fields())
	}
	if org.Get(contact).Get("AccountId") != orgsim.String(winner) || org.Get(order).Get("Account__c") != orgsim.String(winner) {
		t.Error("a child still belongs to the loser")
	}
	var kinds []event.ChangeType
	for _, d := range events(t, org, "Account")[2:] {
		kinds = append(kinds, d.ChangeType)
		if d.ChangeType == event.Update {
			wantNames(t, "changed of the winner", d.ChangedFields, "LastModifiedDate")
		}
	}
	if len(kinds) != 2 || kinds[0] != event.Delete || kinds[1] != event.Update {
		t.Errorf("events %v, want a delete and an update", kinds)
	}
	wantNames(t, "changed of the contact", lastEvent(t, org, "Contact").ChangedFields, "AccountId", "LastModifiedDate")

	do(t, org, func(tx *orgsim.Tx) error { return tx.Undelete(loser) })
	if r := org.Get(loser); r.Deleted || !r.Get("MasterRecordId").IsNull() {
		t.Errorf("restored loser %+v", r.Fields())
	}
}

func TestMerge_BadMerges_LeaveEverythingAsItWas(t *testing.T) {
	org := newOrg(t, orgsim.Config{PersonAccounts: true})
	account := insert(t, org, "Account", vals{"Name": orgsim.String("Acme")})
	person := insert(t, org, "Account", vals{"LastName": orgsim.String("Costa")})
	order := insert(t, org, "Order__c", nil)
	other := insert(t, org, "Order__c", nil)
	gone := insert(t, org, "Account", vals{"Name": orgsim.String("Gone")})
	do(t, org, func(tx *orgsim.Tx) error { return tx.Delete(gone) })
	for name, tc := range map[string]struct {
		winner string
		losers []string
		code   string
	}{
		"into itself":        {account, []string{account}, "MERGE_FAILED"},
		"of two kinds":       {account, []string{person}, "MERGE_FAILED"},
		"of two objects":     {account, []string{order}, "MERGE_FAILED"},
		"of a custom object": {order, []string{other}, "MERGE_FAILED"},
		"of nothing":         {account, nil, "MERGE_FAILED"},
		"of a deleted one":   {account, []string{gone}, "ENTITY_IS_DELETED"},
		"of three":           {account, []string{gone, gone, gone}, "MERGE_FAILED"},
	} {
		before := org.Ledger().Total()
		_, err := org.Merge(context.Background(), orgsim.Caller{}, tc.winner, tc.losers...)
		if e, ok := errors.AsType[*orgsim.FieldError](err); !ok || e.Code != tc.code {
			t.Errorf("merge %s: %v, want %s", name, err, tc.code)
		}
		if org.Ledger().Total() != before {
			t.Errorf("merge %s: events were stored", name)
		}
	}
}

func TestMerge_PersonAccounts_TheirContactsToo(t *testing.T) {
	org := newOrg(t, orgsim.Config{PersonAccounts: true})
	winner := insert(t, org, "Account", vals{"LastName": orgsim.String("Costa")})
	loser := insert(t, org, "Account", vals{"LastName": orgsim.String("Costa")})
	kept, gone := org.Get(winner).Get("PersonContactId").Text(), org.Get(loser).Get("PersonContactId").Text()
	report := insert(t, org, "Contact", vals{"LastName": orgsim.String("Reis"), "ReportsToId": orgsim.String(gone)})
	if _, err := org.Merge(context.Background(), orgsim.Caller{}, winner, loser); err != nil {
		t.Fatal(err)
	}
	if !org.Get(gone).Deleted || org.Get(kept).Deleted || org.Get(report).Get("ReportsToId") != orgsim.String(kept) {
		t.Errorf("contacts: loser's %v, winner's %v, report %v", org.Get(gone), org.Get(kept), org.Get(report).Fields())
	}
}
