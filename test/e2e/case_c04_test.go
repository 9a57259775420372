package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/bridge"
	"sfbridge/orgsim"
)

// wideObject has more fields than 64 bits tell apart, and a compound field
// behind all of them.
func wideObject() orgsim.ObjectDef {
	def := orgsim.ObjectDef{Name: "Wide__c"}
	for i := range 90 {
		def.Fields = append(def.Fields, &orgsim.FieldDef{Name: fmt.Sprintf("F%02d__c", i), Type: orgsim.TypeString})
	}
	def.Fields = append(def.Fields, &orgsim.FieldDef{Name: "Site__c", Type: orgsim.TypeAddress},
		&orgsim.FieldDef{Name: "Last__c", Type: orgsim.TypeString})
	return def
}

// TestC04_ChangedFields_AreNames changes fields all over two objects and reads
// the published header as any consumer would.
func TestC04_ChangedFields_AreNames(t *testing.T) {
	text := orgsim.String
	null := orgsim.Value{}
	full := map[string]orgsim.Value{
		"F00__c": text("a"), "F63__c": text("b"), "F64__c": text("c"), "Last__c": text("d"),
		"Site__Street__s": text("e"), "Site__City__s": text("f"),
	}
	tests := []struct {
		name    string
		object  string
		before  map[string]orgsim.Value
		change  map[string]orgsim.Value
		changed []string
		nulled  []string
	}{
		{
			"top fields", "Account",
			map[string]orgsim.Value{"Phone": text("1")},
			map[string]orgsim.Value{"Name": text("Acme 2"), "Phone": null, "Tier__c": text("Gold")},
			[]string{"Name", "Phone", "Tier__c"},
			[]string{"Phone"},
		},
		{
			"nested fields", "Account",
			map[string]orgsim.Value{"BillingStreet": text("Main St 1"), "BillingCity": text("Bern")},
			map[string]orgsim.Value{"BillingCity": null, "BillingCountry": text("CH"), "ShippingCity": text("Basel"), "Site": text("x")},
			[]string{"BillingAddress.City", "BillingAddress.Country", "ShippingAddress.City", "Site"},
			[]string{"BillingAddress.City"},
		},
		{
			"only nested fields", "Account",
			map[string]orgsim.Value{"BillingCity": text("Bern")},
			map[string]orgsim.Value{"BillingCity": text("Thun")},
			[]string{"BillingAddress.City"},
			nil,
		},
		{
			"a person's name", "Contact",
			map[string]orgsim.Value{"FirstName": text("Ada")},
			map[string]orgsim.Value{"FirstName": null, "LastName": text("Byron"), "Email": text("ada@example.com")},
			[]string{"Email", "Name.FirstName", "Name.LastName"},
			[]string{"Name.FirstName"},
		},
		{
			"beyond 64 bits", "Wide__c", full,
			map[string]orgsim.Value{
				"F00__c": text("z"), "F63__c": null, "F64__c": text("y"), "F89__c": text("x"), "Last__c": null,
				"Site__Street__s": null, "Site__City__s": text("w"),
			},
			[]string{"F00__c", "F63__c", "F64__c", "F89__c", "Last__c", "Site__c.City", "Site__c.Street"},
			[]string{"F63__c", "Last__c", "Site__c.Street"},
		},
		{"nothing but the last field", "Wide__c", full, map[string]orgsim.Value{"Last__c": text("q")}, []string{"Last__c"}, nil},
	}
	for _, nullFirst := range []bool{false, true} {
		org := orgsim.Config{Seed: 401, Objects: append(orgsim.BuiltinObjects(), wideObject())}
		org.Switches.NullMaskFirst = nullFirst
		bubble(t, org, func(s *system) {
			r := s.start(s.config(accountChannel, contactChannel, bridge.ChangeChannel("Wide__c")))
			r.readyWithin(10 * time.Second)
			for _, tt := range tests {
				id := s.insert(tt.object, tt.before)
				time.Sleep(2 * time.Second)
				s.update(id, tt.change)
				var rec *kgo.Record
				s.until(time.Minute, "the update arrives", func() bool {
					for _, r := range s.topic("sf.cdc." + tt.object) {
						if string(r.Key) == id && header(r, "ce_type") == "com.salesforce."+tt.object+".UPDATE" {
							rec = r
						}
					}
					return rec != nil
				})
				h, _ := s.decode(rec)["ChangeEventHeader"].(map[string]any)
				changed := slices.DeleteFunc(texts(h["changedFields"]), func(f string) bool { return f == "LastModifiedDate" })
				if slices.Sort(tt.changed); !slices.Equal(changed, tt.changed) {
					t.Errorf("%s: changed %v, want %v", tt.name, changed, tt.changed)
				}
				if nulled := texts(h["nulledFields"]); !slices.Equal(nulled, tt.nulled) {
					t.Errorf("%s: nulled %v, want %v", tt.name, nulled, tt.nulled)
				}
				if ids := texts(h["recordIds"]); !slices.Equal(ids, []string{id}) || h["changeType"] != "UPDATE" {
					t.Errorf("%s: header of %v %v, want UPDATE of %s", tt.name, h["changeType"], ids, id)
				}
			}
			r.stop()
		})
	}
}
