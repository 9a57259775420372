package orgsim_test

import (
	"context"
	"testing"

	"sfbridge/orgsim"
)

func TestCurrencies_RowsHaveTheCurrencyOfTheUser(t *testing.T) {
	a := newAPI(t, orgsim.Config{Currencies: []string{"USD", "EUR", "JPY"}})
	id := a.do("POST", "/sobjects/Opportunity", `{"Name":"A","StageName":"Prospecting","CloseDate":"2024-02-29","Amount":10.00}`).id(t)
	if got := a.org.Get(id).Get("CurrencyIsoCode"); got != orgsim.String("USD") {
		t.Errorf("currency %v, want the user's", got)
	}
	yen := a.do("POST", "/sobjects/Order__c", `{"Total__c":1000,"CurrencyIsoCode":"JPY"}`).id(t)
	if got := a.org.Get(yen).Get("CurrencyIsoCode"); got != orgsim.String("JPY") {
		t.Errorf("currency %v, want the given one", got)
	}
	a.do("POST", "/sobjects/Order__c", `{"CurrencyIsoCode":"XXX"}`).wantError(t, "unknown currency", 400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST")
	user := insert(t, a.org, "User", vals{
		"Username": orgsim.String("ana@example.com"), "LastName": orgsim.String("Costa"), "Email": orgsim.String("ana@example.com"), "DefaultCurrencyIsoCode": orgsim.String("EUR"),
	})
	_, err := a.org.Transact(context.Background(), orgsim.Caller{UserID: user}, func(tx *orgsim.Tx) (err error) {
		id, err = tx.Insert("Order__c", nil)
		return err
	})
	if err != nil || a.org.Get(id).Get("CurrencyIsoCode") != orgsim.String("EUR") {
		t.Errorf("currency %v, want that of the user who made the row; %v", a.org.Get(id).Get("CurrencyIsoCode"), err)
	}
	wantBody(t, lastEvent(t, a.org, "Order__c"), map[string]any{"CurrencyIsoCode": "EUR"})
	for _, bad := range [][]string{{"usd"}, {"USD", "USD"}, {"DOLLAR"}} {
		if _, err := orgsim.New(orgsim.Config{Currencies: bad}); err == nil {
			t.Errorf("currencies %v: taken", bad)
		}
	}
	if f := newOrg(t, orgsim.Config{}).Object("Order__c").Field("CurrencyIsoCode"); f != nil {
		t.Error("an org of one currency has the field")
	}
}

func TestPersonAccount_CustomFieldsOfTheContact(t *testing.T) {
	a := newAPI(t, orgsim.Config{PersonAccounts: true})
	id := a.do("POST", "/sobjects/Account", `{"LastName":"Costa","Level__pc":"Primary"}`).id(t)
	contact := a.org.Get(id).Get("PersonContactId").Text()
	if got := a.org.Get(contact).Get("Level__c"); got != orgsim.String("Primary") {
		t.Errorf("contact's level %v", got)
	}
	a.do("PATCH", "/sobjects/Contact/"+contact, `{"Level__c":"Secondary"}`)
	if got := a.org.Get(id).Get("Level__pc"); got != orgsim.String("Secondary") {
		t.Errorf("account's level %v", got)
	}
	a.do("POST", "/sobjects/Account", `{"Name":"Acme","Level__pc":"Primary"}`).wantError(t, "a business with a person's field", 400, "INVALID_FIELD_FOR_INSERT_UPDATE")
	business := a.do("POST", "/sobjects/Account", `{"Name":"Acme"}`).id(t)
	a.do("PATCH", "/sobjects/Account/"+business, `{"Level__pc":"Primary"}`).wantError(t, "update", 400, "INVALID_FIELD_FOR_INSERT_UPDATE")
}
