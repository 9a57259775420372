package orgsim_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"testing"

	"sfbridge/orgsim"
)

func newOrg(t *testing.T, cfg orgsim.Config) *orgsim.Org {
	t.Helper()
	org, err := orgsim.New(cfg)
	if err != nil {
		t.Fatalf("new org: %v", err)
	}
	t.Cleanup(org.Close)
	return org
}

func do(t *testing.T, org *orgsim.Org, fn func(tx *orgsim.Tx) error) orgsim.Result {
	t.Helper()
	res, err := org.Transact(context.Background(), orgsim.Caller{API: "rest"}, fn)
	if err != nil {
		t.Fatalf("transact: %v", err)
	}
	return res
}

type vals = map[string]orgsim.Value

func insert(t *testing.T, org *orgsim.Org, object string, fields vals) string {
	t.Helper()
	var id string
	do(t, org, func(tx *orgsim.Tx) (err error) {
		id, err = tx.Insert(object, fields)
		return err
	})
	return id
}

func TestID18_KnownPairs_Fit(t *testing.T) {
	for in, want := range map[string]string{
		"0015f00002J9YaU": "0015f00002J9YaUAAV", "000000000000000": "000000000000000AAA", "001D000000IRFma": "001D000000IRFmaIAH",
		"005D0000001cSZs": "005D0000001cSZsIAM", "500KX00000ABcdE": "500KX00000ABcdEYAT", "a00SB000000001A": "a00SB000000001AYAQ",
	} {
		if got, err := orgsim.ID18(in); err != nil || got != want {
			t.Errorf("ID18(%s) = %s, %v, want %s", in, got, err, want)
		}
		if got, err := orgsim.ID18(want); err != nil || got != want {
			t.Errorf("ID18(%s) = %s, %v, want it unchanged", want, got, err)
		}
	}
	for _, bad := range []string{"", "001", "0015f00002J9YaUAAA", "0015f00002J9Ya-", "0015f00002J9YaUAA"} {
		if got, err := orgsim.ID18(bad); !errors.Is(err, orgsim.ErrMalformedID) {
			t.Errorf("ID18(%q) = %q, %v, want ErrMalformedID", bad, got, err)
		}
	}
}

func TestDecimal_TextForms_OneRepresentation(t *testing.T) {
	for in, want := range map[string]string{
		"1": "1", "+1.50": "1.5", "-0": "0", "000.100": "0.1", ".5": "0.5", "5.": "5", "1e3": "1000", "12.34e1": "123.4",
		"12.34e-3": "0.01234", "999999999999999.99": "999999999999999.99", "-0.000": "0", "1E+2": "100",
	} {
		v, err := orgsim.Decimal(in)
		if err != nil || v.Text() != want {
			t.Errorf("Decimal(%q) = %q, %v, want %q", in, v.Text(), err, want)
		}
	}
	for _, bad := range []string{"", ".", "1,5", "e5", "0x10", "NaN", "1e999999999", "--1", "1e"} {
		if v, err := orgsim.Decimal(bad); err == nil {
			t.Errorf("Decimal(%q) = %q, want an error", bad, v.Text())
		}
	}
}

func TestInsert_BadRows_RefusedWithCode(t *testing.T) {
	org := newOrg(t, orgsim.Config{})
	account := insert(t, org, "Account", vals{"Name": orgsim.String("Acme"), "ERP_Id__c": orgsim.String("E-1")})
	long := make([]byte, 300)
	for i := range long {
		long[i] = 'x'
	}
	for name, c := range map[string]struct {
		object string
		fields vals
		code   string
	}{
		"no name":           {"Account", vals{}, orgsim.CodeRequiredFieldMissing},
		"null name":         {"Account", vals{"Name": {}}, orgsim.CodeRequiredFieldMissing},
		"unknown object":    {"Nothing", vals{}, orgsim.CodeInvalidType},
		"unknown field":     {"Account", vals{"Name": orgsim.String("A"), "Nope__c": orgsim.Bool(true)}, orgsim.CodeInvalidField},
		"read only":         {"Account", vals{"Name": orgsim.String("A"), "CreatedDate": orgsim.DateTime(0)}, orgsim.CodeInvalidFieldForWrite},
		"compound":          {"Account", vals{"Name": orgsim.String("A"), "BillingAddress": orgsim.String("x")}, orgsim.CodeInvalidFieldForWrite},
		"too long":          {"Account", vals{"Name": orgsim.String(string(long))}, orgsim.CodeStringTooLong},
		"taken external id": {"Account", vals{"Name": orgsim.String("A"), "ERP_Id__c": orgsim.String("e-1")}, orgsim.CodeDuplicateValue},
		"bad choice":        {"Account", vals{"Name": orgsim.String("A"), "Tier__c": orgsim.String("Silver ; Gold")}, orgsim.CodeRestrictedPicklist},
		"bad email":         {"Contact", vals{"LastName": orgsim.String("A"), "Email": orgsim.String("nobody")}, orgsim.CodeInvalidEmail},
		"bad parent":        {"Contact", vals{"LastName": orgsim.String("A"), "AccountId": orgsim.String("001SB0000000ZZZ")}, orgsim.CodeInvalidCrossReference},
		"parent of a kind":  {"Contact", vals{"LastName": orgsim.String("A"), "ReportsToId": orgsim.String(account)}, orgsim.CodeMalformedID},
		"huge number":       {"Order__c", vals{"Total__c": orgsim.MustDecimal("12345678901234567")}, orgsim.CodeNumberOutsideRange},
		"bad latitude":      {"Order__c", vals{"Depot__Latitude__s": orgsim.MustDecimal("91")}, orgsim.CodeNumberOutsideRange},
		"bad date":          {"Order__c", vals{"Due__c": orgsim.String("2026-02-30")}, orgsim.CodeJSONParserError},
	} {
		before := org.Count("Account") + org.Count("Contact") + org.Count("Order__c")
		_, err := org.Transact(context.Background(), orgsim.Caller{}, func(tx *orgsim.Tx) error {
			_, err := tx.Insert(c.object, c.fields)
			return err
		})
		if fe, ok := errors.AsType[*orgsim.FieldError](err); !ok || fe.Code != c.code {
			t.Errorf("%s: got %v, want %s", name, err, c.code)
		}
		if after := org.Count("Account") + org.Count("Contact") + org.Count("Order__c"); after != before {
			t.Errorf("%s: %d rows before, %d after", name, before, after)
		}
	}
}

func TestDelete_Parent_ChildrenGoAndComeBack(t *testing.T) {
	org := newOrg(t, orgsim.Config{})
	account := insert(t, org, "Account", vals{"Name": orgsim.String("Acme")})
	contact := insert(t, org, "Contact", vals{"LastName": orgsim.String("Q"), "AccountId": orgsim.String(account)})
	do(t, org, func(tx *orgsim.Tx) error { return tx.Delete(account) })
	if !org.Get(account).Deleted || !org.Get(contact).Deleted {
		t.Fatal("account and contact are not both deleted")
	}
	_, err := org.Transact(context.Background(), orgsim.Caller{}, func(tx *orgsim.Tx) error {
		return tx.Update(contact, vals{"Phone": orgsim.String("1")})
	})
	if fe, ok := errors.AsType[*orgsim.FieldError](err); !ok || fe.Code != orgsim.CodeEntityIsDeleted {
		t.Errorf("update of a deleted row: got %v, want ENTITY_IS_DELETED", err)
	}
	do(t, org, func(tx *orgsim.Tx) error { return tx.Undelete(account) })
	if org.Get(account).Deleted || org.Get(contact).Deleted {
		t.Error("account and contact are not both back")
	}
	do(t, org, func(tx *orgsim.Tx) error { return tx.Purge(account) })
	if org.Get(account) != nil || !org.Get(contact).Deleted {
		t.Error("a purge removes the row and deletes its children")
	}
}

func TestTry_FailedRow_NeighboursStay(t *testing.T) {
	org := newOrg(t, orgsim.Config{})
	var failed int
	do(t, org, func(tx *orgsim.Tx) error {
		for i, name := range []string{"A", "", "C"} {
			err := tx.Try(func() error {
				id, err := tx.Insert("Account", vals{"Name": orgsim.String("first of the pair")})
				if err == nil && i == 2 {
					err = tx.Update(id, vals{"Name": orgsim.String("changed")})
				}
				if err == nil {
					_, err = tx.Insert("Account", vals{"Name": orgsim.String(name)})
				}
				return err
			})
			if err != nil {
				failed++
			}
		}
		return nil
	})
	if failed != 1 || org.Count("Account") != 4 {
		t.Errorf("%d failed and %d rows, want 1 and 4", failed, org.Count("Account"))
	}
}

func TestUpsert_ByExternalID_CreatesOnceThenUpdates(t *testing.T) {
	org := newOrg(t, orgsim.Config{})
	var first, second string
	do(t, org, func(tx *orgsim.Tx) error {
		id, created, err := tx.Upsert("Account", "ERP_Id__c", orgsim.String("E-7"), vals{"Name": orgsim.String("Acme")})
		if err != nil || !created {
			t.Errorf("first upsert: created %v, %v", created, err)
		}
		first = id
		id, created, err = tx.Upsert("account", "erp_id__c", orgsim.String("e-7"), vals{"Phone": orgsim.Int(42)})
		if err != nil || created {
			t.Errorf("second upsert: created %v, %v", created, err)
		}
		second = id
		return nil
	})
	r := org.Get(first[:15])
	if first != second || r.Get("Phone") != orgsim.String("42") || r.Get("Name") != orgsim.String("Acme") {
		t.Errorf("ids %s and %s, row %v", first, second, r.Fields())
	}
}

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

type schemaField struct {
	name  string
	inner []schemaField
}

// schemaFields lists the fields of an event schema, with those of records in
// it, by their JSON alone.
func schemaFields(t *testing.T, text string) []schemaField {
	t.Helper()
	var root any
	if err := json.Unmarshal([]byte(text), &root); err != nil {
		t.Fatal(err)
	}
	named := map[string][]schemaField{}
	var fieldsOf func(v any) []schemaField
	fieldsOf = func(v any) []schemaField {
		switch v := v.(type) {
		case string:
			return named[v]
		case []any:
			for _, branch := range v {
				if f := fieldsOf(branch); f != nil {
					return f
				}
			}
		case map[string]any:
			var out []schemaField
			list, _ := v["fields"].([]any)
			for _, f := range list {
				m := f.(map[string]any)
				out = append(out, schemaField{m["name"].(string), fieldsOf(m["type"])})
			}
			if name, ok := v["name"].(string); ok {
				named[name] = out
			}
			return out
		}
		return nil
	}
	return fieldsOf(root)
}
