package orgsim

// BuiltinObjects gives the objects that an org has when its configuration
// names none: Account, Contact, Opportunity, Order__c, User, and the platform
// event Shipment__e. The order of fields is the platform's, so that bits of
// change events fall where real ones do.
func BuiltinObjects() []ObjectDef {
	return []ObjectDef{userObject(), accountObject(), contactObject(), opportunityObject(), orderObject(), shipmentEvent()}
}

func text(name string, length int) *FieldDef {
	return &FieldDef{Name: name, Type: TypeString, Length: length}
}

func field(name string, t FieldType) *FieldDef { return &FieldDef{Name: name, Type: t} }

func number(name string, t FieldType, precision, scale int) *FieldDef {
	return &FieldDef{Name: name, Type: t, Precision: precision, Scale: scale}
}

func lookup(name, to string) *FieldDef {
	return &FieldDef{Name: name, Type: TypeReference, ReferenceTo: []string{to}}
}

func picklist(name string, values ...string) *FieldDef {
	f := &FieldDef{Name: name, Type: TypePicklist, Length: 255}
	for _, v := range values {
		f.Picklist = append(f.Picklist, PicklistValue{Value: v, Label: v})
	}
	return f
}

func restricted(f *FieldDef) *FieldDef { f.Restricted = true; return f }

func required(f *FieldDef) *FieldDef { f.Required = true; return f }

func defaulted(f *FieldDef, value string) *FieldDef {
	f.Default, f.DefaultedOnCreate = value, true
	return f
}

func derived(f *FieldDef) *FieldDef { f.ReadOnly, f.NotInEvents = true, true; return f }

func externalID(name string) *FieldDef {
	return &FieldDef{Name: name, Type: TypeString, Length: 40, Unique: true, ExternalID: true}
}

func owner() *FieldDef {
	return &FieldDef{
		Name: "OwnerId", Label: "Owner ID", Type: TypeReference, ReferenceTo: []string{"User"},
		RelationshipName: "Owner", Required: true, DefaultedOnCreate: true,
	}
}

func userObject() ObjectDef {
	return ObjectDef{Name: "User", KeyPrefix: "005", NotCaptured: true, Fields: append([]*FieldDef{
		idField(),
		required(text("Username", 80)),
		{Name: "LastName", Type: TypeString, Length: 80, Required: true, Compound: "Name", Component: "LastName"},
		{Name: "FirstName", Type: TypeString, Length: 40, Compound: "Name", Component: "FirstName"},
		field("Name", TypePersonName),
		required(field("Email", TypeEmail)),
		text("Alias", 8),
		defaulted(field("IsActive", TypeBoolean), "true"),
		defaulted(text("TimeZoneSidKey", 40), "GMT"),
	}, auditFields()...)}
}

func accountObject() ObjectDef {
	fields := []*FieldDef{
		idField(), isDeletedField(), derived(lookup("MasterRecordId", "Account")),
		{Name: "Name", Label: "Account Name", Type: TypeSwitchablePerson, Length: 255, Required: true},
		picklist("Type", "Prospect", "Customer - Direct", "Customer - Channel", "Channel Partner / Reseller", "Installation Partner", "Other"),
		{Name: "ParentId", Type: TypeReference, ReferenceTo: []string{"Account"}, RelationshipName: "Parent"},
		field("BillingAddress", TypeAddress), field("ShippingAddress", TypeAddress),
		field("Phone", TypePhone), field("Fax", TypePhone), text("AccountNumber", 40), field("Website", TypeURL),
		derived(field("PhotoUrl", TypeURL)), text("Sic", 20),
		picklist("Industry", "Agriculture", "Apparel", "Banking", "Biotechnology", "Chemicals", "Construction", "Consulting",
			"Education", "Electronics", "Energy", "Engineering", "Finance", "Food & Beverage", "Healthcare", "Insurance",
			"Manufacturing", "Media", "Retail", "Shipping", "Technology", "Telecommunications", "Transportation", "Utilities", "Other"),
		number("AnnualRevenue", TypeCurrency, 18, 0), field("NumberOfEmployees", TypeInt),
		picklist("Ownership", "Public", "Private", "Subsidiary", "Other"), text("TickerSymbol", 20),
		{Name: "Description", Label: "Account Description", Type: TypeLongTextArea, Length: 32000},
		picklist("Rating", "Hot", "Warm", "Cold"), text("Site", 80), owner(),
	}
	fields = append(fields, auditFields()...)
	return ObjectDef{Name: "Account", KeyPrefix: "001", Fields: append(fields,
		derived(field("LastActivityDate", TypeDate)),
		externalID("ERP_Id__c"),
		restricted(picklist("Tier__c", "Bronze", "Silver", "Gold")),
		field("Tags__c", TypeMultiPicklist),
		number("Score__c", TypeDouble, 18, 4),
		field("Active__c", TypeBoolean),
	)}
}

func contactObject() ObjectDef {
	person := func(name string, length int) *FieldDef {
		return &FieldDef{Name: name, Type: TypeString, Length: length, Compound: "Name", Component: name}
	}
	fields := []*FieldDef{
		idField(), isDeletedField(), derived(lookup("MasterRecordId", "Contact")),
		{Name: "AccountId", Type: TypeReference, ReferenceTo: []string{"Account"}, RelationshipName: "Account", CascadeDelete: true},
		{Name: "Salutation", Type: TypePicklist, Length: 40, Compound: "Name", Component: "Salutation"},
		person("FirstName", 40), required(person("LastName", 80)),
		{Name: "Name", Label: "Full Name", Type: TypePersonName, Length: 121},
		field("OtherAddress", TypeAddress), field("MailingAddress", TypeAddress),
		field("Phone", TypePhone), field("Fax", TypePhone), field("MobilePhone", TypePhone), field("HomePhone", TypePhone),
		field("OtherPhone", TypePhone), field("AssistantPhone", TypePhone),
		{Name: "ReportsToId", Type: TypeReference, ReferenceTo: []string{"Contact"}, RelationshipName: "ReportsTo"},
		field("Email", TypeEmail), text("Title", 128), text("Department", 80), text("AssistantName", 40),
		picklist("LeadSource", "Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other"),
		field("Birthdate", TypeDate),
		{Name: "Description", Label: "Contact Description", Type: TypeLongTextArea, Length: 32000},
		owner(), field("HasOptedOutOfEmail", TypeBoolean), field("DoNotCall", TypeBoolean),
	}
	fields = append(fields, auditFields()...)
	return ObjectDef{Name: "Contact", KeyPrefix: "003", Fields: append(fields,
		derived(field("LastActivityDate", TypeDate)),
		externalID("ERP_Id__c"),
		picklist("Level__c", "Primary", "Secondary", "Tertiary"),
	)}
}

func opportunityObject() ObjectDef {
	fields := []*FieldDef{
		idField(), isDeletedField(),
		{Name: "AccountId", Type: TypeReference, ReferenceTo: []string{"Account"}, RelationshipName: "Account", CascadeDelete: true},
		field("IsPrivate", TypeBoolean), required(text("Name", 120)),
		{Name: "Description", Type: TypeLongTextArea, Length: 32000},
		required(picklist("StageName", "Prospecting", "Qualification", "Needs Analysis", "Value Proposition", "Id. Decision Makers",
			"Perception Analysis", "Proposal/Price Quote", "Negotiation/Review", "Closed Won", "Closed Lost")),
		number("Amount", TypeCurrency, 18, 2), number("Probability", TypePercent, 3, 0),
		number("TotalOpportunityQuantity", TypeDouble, 18, 2), required(field("CloseDate", TypeDate)),
		picklist("Type", "Existing Customer - Upgrade", "Existing Customer - Replacement", "New Customer"),
		text("NextStep", 255), picklist("LeadSource", "Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other"),
		field("IsClosed", TypeBoolean), field("IsWon", TypeBoolean), owner(),
	}
	fields = append(fields, auditFields()...)
	return ObjectDef{Name: "Opportunity", LabelPlural: "Opportunities", KeyPrefix: "006", Fields: append(fields,
		derived(field("LastActivityDate", TypeDate)), externalID("ERP_Id__c"))}
}

func orderObject() ObjectDef {
	return ObjectDef{Name: "Order__c", KeyPrefix: "a01", NameFormat: "O-{00000000}", Fields: []*FieldDef{
		lookup("Account__c", "Account"),
		restricted(picklist("Status__c", "Draft", "Placed", "Paid", "Shipped", "Delivered", "Cancelled")),
		number("Total__c", TypeCurrency, 18, 2),
		number("Quantity__c", TypeDouble, 18, 0),
		number("Discount__c", TypePercent, 5, 2),
		field("Paid__c", TypeBoolean),
		field("Due__c", TypeDate),
		field("Shipped_At__c", TypeDateTime),
		field("Pickup_Time__c", TypeTime),
		field("Email__c", TypeEmail),
		field("Phone__c", TypePhone),
		field("Link__c", TypeURL),
		{Name: "Summary__c", Type: TypeTextArea, Length: 255},
		{Name: "Notes__c", Type: TypeLongTextArea, Length: 131072},
		{Name: "Terms__c", Type: TypeRichTextArea, Length: 32768},
		{Name: "Channels__c", Type: TypeMultiPicklist, Picklist: picklist("", "Web", "Shop", "Phone", "Partner").Picklist},
		field("Ship_To__c", TypeAddress),
		field("Depot__c", TypeLocation),
		externalID("ERP_Id__c"),
		{Name: "Partner_Ref__c", Type: TypeString, Length: 64, ExternalID: true, CaseSensitive: true},
	}}
}

func shipmentEvent() ObjectDef {
	return ObjectDef{Name: "Shipment__e", Event: true, Fields: []*FieldDef{
		text("Order_Number__c", 30), text("Carrier__c", 40), text("Status__c", 40),
		number("Weight__c", TypeDouble, 18, 3), field("Shipped_At__c", TypeDateTime),
		field("Due__c", TypeDate), field("Is_Late__c", TypeBoolean),
		{Name: "Notes__c", Type: TypeLongTextArea, Length: 32768},
	}}
}
