package schemas_test

import (
	"reflect"
	"testing"
)

// change encodes an Account change; what fields lacks is null.
func change(t testing.TB, changeType string, changed, nulled, diff []any, fields object) []byte {
	t.Helper()
	values := object{"ChangeEventHeader": object{
		"entityName": "Account", "recordIds": []any{"001SB000000001AYAQ"}, "changeType": changeType, "changeOrigin": "", "transactionKey": "k",
		"sequenceNumber": 1, "commitTimestamp": 1767225600000, "commitNumber": int64(1725346778429841409), "commitUser": "005SB000000001AYAQ",
		"nulledFields": nulled, "diffFields": diff, "changedFields": changed,
	}}
	for name, v := range fields {
		values[name] = v
	}
	datum, err := account(t).AppendValues(nil, values)
	if err != nil {
		t.Fatal(err)
	}
	return datum
}

// body decodes a change event and gives what it says of the fields.
func body(t testing.TB, datum []byte) object {
	t.Helper()
	v, err := decodeAs(t, account(t).Normalised(), datum)
	if err != nil {
		t.Fatal(err)
	}
	tree := v.(object)
	delete(tree, "ChangeEventHeader")
	return tree
}

func TestC05_Update_OnlyNulledFieldsAreNull(t *testing.T) {
	got := body(t, change(t, "UPDATE", []any{"Phone", "Industry", "Type"}, []any{"Phone"}, nil, object{"Industry": "Banking"}))
	if want := (object{"Phone": nil, "Industry": "Banking"}); !reflect.DeepEqual(got, want) {
		t.Errorf("the body is %v, want %v: Type is null without being nulled, so it is hidden from the user", got, want)
	}
}

func TestC59_FilledAndNulledAgain_TwoChanges(t *testing.T) {
	filled := body(t, change(t, "UPDATE", []any{"Phone"}, nil, nil, object{"Phone": "x"}))
	nulled := body(t, change(t, "UPDATE", []any{"Phone"}, []any{"Phone"}, nil, nil))
	if want := (object{"Phone": "x"}); !reflect.DeepEqual(filled, want) {
		t.Errorf("filled: %v", filled)
	}
	if want := (object{"Phone": nil}); !reflect.DeepEqual(nulled, want) {
		t.Errorf("nulled: %v", nulled)
	}
}

func TestDecode_ChangeEvents_SayWhatChanged(t *testing.T) {
	paris := object{"City": "Paris", "Street": nil, "State": nil, "PostalCode": nil, "Country": nil, "Latitude": 48.85, "Longitude": nil, "GeocodeAccuracy": nil}
	empty := object{"City": nil, "Street": nil, "State": nil, "PostalCode": nil, "Country": nil, "Latitude": nil, "Longitude": nil, "GeocodeAccuracy": nil}
	for name, test := range map[string]struct {
		datum []byte
		want  object
	}{
		"create":           {change(t, "CREATE", nil, nil, nil, object{"Name": "Acme", "BillingAddress": paris}), object{"Name": "Acme", "BillingAddress": object{"City": "Paris", "Latitude": num("48.85")}}},
		"delete":           {change(t, "DELETE", nil, nil, nil, nil), object{}},
		"gap":              {change(t, "GAP_UPDATE", nil, nil, nil, nil), object{}},
		"enriched":         {change(t, "UPDATE", []any{"Phone"}, nil, nil, object{"Phone": "1", "Name": "Acme"}), object{"Phone": "1", "Name": "Acme"}},
		"part changed":     {change(t, "UPDATE", []any{"BillingAddress.City"}, nil, nil, object{"BillingAddress": paris}), object{"BillingAddress": object{"City": "Paris", "Latitude": num("48.85")}}},
		"part nulled":      {change(t, "UPDATE", []any{"BillingAddress.City", "BillingAddress.State"}, []any{"BillingAddress.State"}, nil, object{"BillingAddress": paris}), object{"BillingAddress": object{"City": "Paris", "State": nil, "Latitude": num("48.85")}}},
		"all parts nulled": {change(t, "UPDATE", []any{"BillingAddress.City"}, []any{"BillingAddress.City"}, nil, nil), object{"BillingAddress": object{"City": nil}}},
		"compound nulled":  {change(t, "UPDATE", []any{"BillingAddress"}, []any{"BillingAddress"}, nil, nil), object{"BillingAddress": nil}},
		"hidden parts":     {change(t, "UPDATE", []any{"BillingAddress.City"}, nil, nil, object{"BillingAddress": empty}), object{}},
		"person name":      {change(t, "UPDATE", []any{"Name.LastName"}, []any{"Name.Salutation"}, nil, object{"Name": object{"Salutation": nil, "FirstName": nil, "LastName": "Q"}}), object{"Name": object{"LastName": "Q", "Salutation": nil}}},
		"difference":       {change(t, "UPDATE", []any{"Description"}, nil, []any{"Description"}, object{"Description": "--- \n+++ 12ab"}), object{"Description": object{"diff": "--- \n+++ 12ab"}}},
	} {
		if got := body(t, test.datum); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestDecode_ChangeEventHeader_HasNames(t *testing.T) {
	v, err := decodeAs(t, read(t, "shipment.avsc"), payload(t, "v1_update")) // with bitmaps, as Salesforce sends them
	if err != nil {
		t.Fatal(err)
	}
	h := v.(object)["ChangeEventHeader"].(object)
	want := []any{"Notes__c", "Ship_To__c.Street"}
	if !reflect.DeepEqual(h["nulledFields"], want) || h["commitNumber"] != num("1725346778429841409") || !reflect.DeepEqual(h["diffFields"], []any{}) {
		t.Errorf("the header is %v, want nulledFields %v", h, want)
	}
	if got := v.(object)["Ship_To__c"]; !reflect.DeepEqual(got, object{"Street": nil, "City": "Lyon"}) {
		t.Errorf("Ship_To__c = %v", got)
	}
	if notes, ok := v.(object)["Notes__c"]; notes != nil || !ok {
		t.Errorf("Notes__c = %v, %v; want null", notes, ok)
	}
}
