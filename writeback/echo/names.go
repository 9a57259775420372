package echo

import (
	"strings"

	"sfbridge/salesforce"
)

// parts are the names that change events give the parts of compound fields
// (Change Data Capture guide, "Compound Fields"). Of two that end alike, the
// longer comes first.
var parts = [...]string{
	"Street", "City", "StateCode", "State", "PostalCode", "CountryCode", "Country", "Latitude", "Longitude",
	"GeocodeAccuracy", "Salutation", "FirstName", "MiddleName", "LastName", "Suffix",
}

// eventPath is the name that a field has in change events: BillingCity is
// BillingAddress.City there, Depot__Latitude__s is Depot__c.Latitude.
func eventPath(f *salesforce.Field) string {
	if f.CompoundField == "" || f.CompoundField == f.Name {
		return f.Name
	}
	name := strings.TrimSuffix(f.Name, "__s")
	for _, part := range parts {
		if strings.HasSuffix(name, part) {
			return f.CompoundField + "." + part
		}
	}
	return f.CompoundField + "." + name
}

// stamps are fields that the org sets by itself with any change.
var stamps = [...]string{
	"LastModifiedDate", "LastModifiedById", "SystemModstamp", "CreatedDate", "CreatedById",
	"LastActivityDate", "LastViewedDate", "LastReferencedDate",
}

// twin is the field that the org derives from another one when an org has
// picklists of states and countries: the code from the name, and the name from
// the code.
func twin(path string) string {
	for _, part := range [...]string{".State", ".Country"} {
		if base, ok := strings.CutSuffix(path, part+"Code"); ok {
			return base + part
		}
		if strings.HasSuffix(path, part) {
			return path + "Code"
		}
	}
	return ""
}
