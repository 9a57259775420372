package orgsim_test

import (
	"context"
	"errors"
	"testing"

	"sfbridge/event"
	"sfbridge/orgsim"
)

func TestPersonAccount_EveryOperation_AccountAndContactEvents(t *testing.T) {
	org := newOrg(t, orgsim.Config{PersonAccounts: true})
	insert(t, org, "Account", vals{"Name": orgsim.String("Acme")})
	wantBody(t, lastEvent(t, org, "Account"), map[string]any{"Name": "Acme", "IsPersonAccount": false})

	id := insert(t, org, "Account", vals{"FirstName": orgsim.String("Ana"), "LastName": orgsim.String("Costa"), "PersonEmail": orgsim.String("ana@example.com")})
	account, contact := lastEvent(t, org, "Account"), lastEvent(t, org, "Contact")
	wantBody(t, account, map[string]any{"Name": "record", "Name.LastName": "Costa", "Name.FirstName": "Ana", "IsPersonAccount": true, "PersonContactId": contact.RecordIDs[0]})
	wantBody(t, contact, map[string]any{"Name.LastName": "Costa", "AccountId": id, "IsPersonAccount": true, "Email": "ana@example.com"})
	if account.SequenceNumber != 1 || contact.SequenceNumber != 2 || account.TransactionKey != contact.TransactionKey {
		t.Errorf("headers %+v and %+v", account.Header, contact.Header)
	}
	if name := org.Get(id).Get("Name"); name != orgsim.String("Ana Costa") {
		t.Errorf("Name = %v", name)
	}

	update(t, org, id, vals{"Rating": orgsim.String("Hot")})
	wantNames(t, "changed of account", lastEvent(t, org, "Account").ChangedFields, "Rating", "LastModifiedDate")
	wantNames(t, "changed of contact", lastEvent(t, org, "Contact").ChangedFields, "LastModifiedDate")

	update(t, org, contact.RecordIDs[0], vals{"LastName": orgsim.String("Reis")})
	d := lastEvent(t, org, "Account")
	wantNames(t, "changed of account", d.ChangedFields, "Name.LastName", "LastModifiedDate")
	wantBody(t, d, map[string]any{"Name.LastName": "Reis", "Name.FirstName": nil})

	do(t, org, func(tx *orgsim.Tx) error { return tx.Delete(id) })
	for _, object := range []string{"Account", "Contact"} {
		if d := lastEvent(t, org, object); d.ChangeType != event.Delete || len(d.Body) != 0 {
			t.Errorf("delete of %s: %+v", object, d)
		}
	}
}

func TestPersonAccount_MixedShapes_Refused(t *testing.T) {
	org := newOrg(t, orgsim.Config{PersonAccounts: true})
	person := insert(t, org, "Account", vals{"LastName": orgsim.String("Costa")})
	for name, fn := range map[string]func(tx *orgsim.Tx) error{
		"both names": func(tx *orgsim.Tx) error {
			_, err := tx.Insert("Account", vals{"Name": orgsim.String("A"), "LastName": orgsim.String("B")})
			return err
		},
		"no name": func(tx *orgsim.Tx) error {
			_, err := tx.Insert("Account", vals{"FirstName": orgsim.String("B")})
			return err
		},
		"name of a person": func(tx *orgsim.Tx) error { return tx.Update(person, vals{"Name": orgsim.String("A")}) },
		"no last name":     func(tx *orgsim.Tx) error { return tx.Update(person, vals{"LastName": {}}) },
		"person of a business": func(tx *orgsim.Tx) error {
			id, err := tx.Insert("Account", vals{"Name": orgsim.String("A")})
			if err != nil {
				t.Error(err)
			}
			return tx.Update(id, vals{"FirstName": orgsim.String("B")})
		},
		"only a half": func(tx *orgsim.Tx) error { return tx.Delete(tx.Get(person).Get("PersonContactId").Text()) },
	} {
		_, err := org.Transact(context.Background(), orgsim.Caller{}, fn)
		var fe *orgsim.FieldError
		if !errors.As(err, &fe) {
			t.Errorf("%s: got %v, want a refusal", name, err)
		}
	}
	if org.Count("Account") != 1 || org.Count("Contact") != 1 {
		t.Errorf("%d accounts and %d contacts, want one of each", org.Count("Account"), org.Count("Contact"))
	}
}
