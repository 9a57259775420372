package salesforce_test

import (
	"testing"

	"sfbridge/salesforce"
)

func TestC31_Namespace_IsPutOnCustomNamesOnce(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"Order__c", "acme__Order__c"},
		{"acme__Order__c", "acme__Order__c"},
		{"other__Order__c", "other__Order__c"},
		{"Order__ChangeEvent", "acme__Order__ChangeEvent"},
		{"acme__Order__ChangeEvent", "acme__Order__ChangeEvent"},
		{"AccountChangeEvent", "AccountChangeEvent"},
		{"Shipment__e", "acme__Shipment__e"},
		{"/data/Order__ChangeEvent", "/data/acme__Order__ChangeEvent"},
		{"/event/Shipment__e", "/event/acme__Shipment__e"},
		{"Total__c", "acme__Total__c"},
		{"Hobby__pc", "acme__Hobby__pc"},
		{"Name", "Name"},
		{"", ""},
		{"Buyer__r.Ext__c", "acme__Buyer__r.acme__Ext__c"},
		{"acme__Buyer__r.Ext__c", "acme__Buyer__r.acme__Ext__c"},
		{"Account.ERP_Id__c", "Account.acme__ERP_Id__c"},
		{"Account.Name", "Account.Name"},
		{"Vendor__c:Party__r.Ext__c", "acme__Vendor__c:acme__Party__r.acme__Ext__c"},
		{"Lead:Who.Email", "Lead:Who.Email"},
		{"Ship_To__City__s", "acme__Ship_To__City__s"},
		{"acme__Ship_To__City__s", "acme__Ship_To__City__s"},
		{"Order__c.Total__c", "acme__Order__c.acme__Total__c"},
	} {
		if got := salesforce.Namespace("acme").Name(c.in); got != c.want {
			t.Errorf("%s: %s, want %s", c.in, got, c.want)
		}
		if got := salesforce.Namespace("").Name(c.in); got != c.in {
			t.Errorf("%s without a namespace: %s", c.in, got)
		}
		if once := salesforce.Namespace("acme").Name(c.in); salesforce.Namespace("acme").Name(once) != once {
			t.Errorf("%s: the second time gives %s", c.in, salesforce.Namespace("acme").Name(once))
		}
	}
}
