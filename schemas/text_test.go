package schemas_test

import (
	"errors"
	"strings"
	"testing"

	"sfbridge/schemas"
)

func TestFieldText_GivesKeys(t *testing.T) {
	alert, ship := compile(t, "", read(t, "dock_alert.avsc")), shipment(t)
	for _, c := range []struct {
		codec       *schemas.Codec
		datum, path string
		want        string
	}{
		{alert, "dock_alert", "CreatedDate", "1767225600000"},
		{alert, "dock_alert", "CreatedById", "005SB000000001AYAQ"},
		{alert, "dock_alert", "Dock_Code__c", "D7"},
		{alert, "dock_alert", "Pallets__c", "12.5"},
		{alert, "dock_alert", "Is_Blocked__c", "true"},
		{ship, "v1_update", "Ship_To__c.City", "Lyon"},
		{ship, "v1_update", "ChangeEventHeader.entityName", "Shipment__c"},
		{ship, "v1_update", "ChangeEventHeader.changeType", "UPDATE"},
		{ship, "v1_update", "ChangeEventHeader.sequenceNumber", "1"},
	} {
		if got, err := c.codec.FieldText(payload(t, c.datum), c.path); err != nil || got != c.want {
			t.Errorf("FieldText(%s, %s) = %q, %v; want %q", c.datum, c.path, got, err, c.want)
		}
	}
}

func TestFieldText_NoText_SaysWhy(t *testing.T) {
	c, datum := shipment(t), payload(t, "v1_update")
	for path, want := range map[string]string{
		"Owner":                       "no such field",
		"Ship_To__c.Town":             "no such field",
		"Ship_To__c":                  "a record has no plain text",
		"ChangeEventHeader.recordIds": "an array has no plain text",
		"Name.First":                  "null",
		"Status__c.Part":              "no such field",
	} {
		_, err := c.FieldText(datum, path)
		if err == nil || !strings.Contains(err.Error(), strings.Replace(want, "an ", "a ", 1)) || !strings.Contains(err.Error(), path[strings.IndexByte(path, '.')+1:]) {
			t.Errorf("FieldText(%s): %v; want %q", path, err, want)
		}
	}
	for _, path := range []string{"OwnerId", "Depot__c.Latitude", "Ship_To__c.Street"} {
		if _, err := c.FieldText(datum, path); !errors.Is(err, schemas.ErrNull) {
			t.Errorf("FieldText(%s): %v; want ErrNull", path, err)
		}
	}
	if _, err := c.FieldText(datum[:len(datum)-10], "Depot__c"); err == nil {
		t.Error("a cut payload has text")
	}
}
