package orgsim

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// describeGlobal lists the objects that the user may see.
func (c *call) describeGlobal() error {
	if err := c.allow(http.MethodGet); err != nil {
		return err
	}
	var newest time.Time
	list := []map[string]any{}
	for _, def := range c.rest.org.Objects() {
		if !c.access.forbids(def.Name) {
			list = append(list, c.objectFlags(def))
			newest = later(newest, def.ModifiedAt)
		}
	}
	if done, err := c.notModified(newest); done {
		return err
	}
	return c.json(http.StatusOK, map[string]any{"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": list})
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// notModified answers 304 when the client has seen the latest state.
func (c *call) notModified(modified time.Time) (bool, error) {
	modified = modified.UTC().Truncate(time.Second)
	c.w.Header().Set("Last-Modified", modified.Format(http.TimeFormat))
	since, given, err := c.conditionTime("If-Modified-Since")
	if err != nil {
		return true, err
	}
	if given && !modified.After(since) {
		return true, c.empty(http.StatusNotModified)
	}
	return false, nil
}

// objectFlags are what describe global says of an object.
func (c *call) objectFlags(def *ObjectDef) map[string]any {
	row := !def.Event
	url := c.base + "/sobjects/" + def.Name
	urls := map[string]string{
		"sobject": url, "describe": url + "/describe", "rowTemplate": url + "/{ID}",
	}
	if def.Event {
		urls = map[string]string{"sobject": url, "describe": url + "/describe", "eventSchema": url + "/eventSchema"}
	}
	return map[string]any{
		"name": def.Name, "label": def.Label, "labelPlural": def.LabelPlural, "keyPrefix": def.KeyPrefix,
		"custom": def.Custom(), "customSetting": false, "activateable": false, "deprecatedAndHidden": false,
		"createable": true, "updateable": row, "deletable": row, "undeletable": row, "queryable": row, "retrieveable": row,
		"replicateable": row, "searchable": row, "triggerable": true, "mergeable": def.Field("MasterRecordId") != nil, "layoutable": row,
		"feedEnabled": false, "hasSubtypes": false, "isSubtype": false, "isInterface": false, "mruEnabled": row, "urls": urls,
	}
}

// describe answers with an object's whole definition.
func (c *call) describe(def *ObjectDef) error {
	if err := c.allow(http.MethodGet); err != nil {
		return err
	}
	if done, err := c.notModified(def.ModifiedAt); done {
		return err
	}
	out := c.objectFlags(def)
	fields := []map[string]any{}
	for _, f := range def.Fields {
		if !c.access.hides(def.Name, f.Name) {
			fields = append(fields, describeField(def, f))
		}
	}
	children := []map[string]any{}
	for _, rel := range childRelations(c.rest.org.Objects(), def) {
		children = append(children, map[string]any{
			"childSObject": rel.object, "field": rel.field.Name, "relationshipName": rel.name,
			"cascadeDelete": rel.field.CascadeDelete, "restrictedDelete": rel.field.RestrictedDelete,
			"deprecatedAndHidden": false, "junctionIdListNames": []string{}, "junctionReferenceTo": []string{},
		})
	}
	out["fields"], out["childRelationships"] = fields, children
	out["recordTypeInfos"] = []map[string]any{{
		"active": true, "available": true, "defaultRecordTypeMapping": true, "developerName": "Master", "master": true,
		"name": "Master", "recordTypeId": "012000000000000AAA", "urls": map[string]string{},
	}}
	out["actionOverrides"], out["namedLayoutInfos"], out["supportedScopes"] = []any{}, []any{}, []any{}
	out["compactLayoutable"], out["searchLayoutable"], out["listviewable"], out["lookupLayoutable"] = true, true, nil, nil
	out["defaultImplementation"], out["extendsInterfaces"], out["implementedBy"], out["implementsInterfaces"] = nil, nil, nil, nil
	out["networkScopeFieldName"], out["sobjectDescribeOption"] = nil, "FULL"
	return c.json(http.StatusOK, out)
}

// describeField writes one field as the SOAP guide's DescribeFieldResult.
func describeField(def *ObjectDef, f *FieldDef) map[string]any {
	kind := f.Type.Kind()
	long := f.Type.IsLongText()
	filterable := !long && !f.Type.IsCompound() || f.Type == TypePersonName
	out := map[string]any{
		"name": f.Name, "label": f.Label, "type": f.DescribeType(), "soapType": f.SOAPType(), "extraTypeInfo": nilIfEmpty(f.ExtraTypeInfo()),
		"custom": f.Custom(), "nillable": f.Nillable() || f.Type.IsCompound(), "createable": f.Createable(), "updateable": f.Updateable(),
		"defaultedOnCreate": f.DefaultedOnCreate || f.Type == TypeBoolean || f.Type == TypeAutoNumber || f.Default != "",
		"permissionable":    f.Custom() && !f.Required, "unique": f.Unique, "externalId": f.ExternalID, "idLookup": f.IDLookup(),
		"caseSensitive": f.CaseSensitive, "calculated": f.Calculated, "calculatedFormula": nilIfEmpty(f.Formula),
		"autoNumber": f.Type == TypeAutoNumber, "cascadeDelete": f.CascadeDelete, "restrictedDelete": f.RestrictedDelete,
		"writeRequiresMasterRead": false, "compoundFieldName": nilIfEmpty(f.Compound),
		"nameField": f.Name == "Name", "namePointing": false, "htmlFormatted": f.Type == TypeRichTextArea,
		"filterable": filterable, "sortable": filterable && f.Type != TypeMultiPicklist, "groupable": filterable && kind != KindDecimal && kind != KindDateTime,
		"aggregatable": filterable && kind != KindBool, "queryByDistance": f.Type == TypeLocation || f.Type == TypeAddress,
		"referenceTo": emptyIfNil(f.ReferenceTo), "relationshipName": nilIfEmpty(f.RelationshipPath()), "relationshipOrder": nil,
		"polymorphicForeignKey": len(f.ReferenceTo) > 1, "referenceTargetField": nil,
		"picklistValues": describePicklist(f), "restrictedPicklist": f.Restricted, "dependentPicklist": false, "controllerName": nil,
		"length": 0, "byteLength": 0, "digits": 0, "precision": 0, "scale": 0,
		"deprecatedAndHidden": false, "encrypted": false, "mask": nil, "maskType": nil, "inlineHelpText": nil,
		"defaultValue": nil, "defaultValueFormula": nil, "displayLocationInDecimal": false, "highScaleNumber": false,
		"filteredLookupInfo": nil, "aiPredictionField": false, "formulaTreatNullNumberAsZero": false, "searchPrefilterable": false,
	}
	switch kind {
	case KindString:
		out["length"], out["byteLength"] = f.Length, 3*f.Length
	case KindInt:
		out["digits"] = 8
	case KindDecimal:
		out["precision"], out["scale"] = f.Precision, f.Scale
	case KindBool:
		out["defaultValue"] = f.Default == "true"
	}
	if f.Default != "" && kind != KindBool {
		out["defaultValue"] = f.Default
	}
	return out
}

func describePicklist(f *FieldDef) []map[string]any {
	out := []map[string]any{}
	for _, v := range f.Picklist {
		label := v.Label
		if label == "" {
			label = v.Value
		}
		out = append(out, map[string]any{
			"value": v.Value, "label": label, "active": !v.Inactive, "defaultValue": v.Default || f.Default == v.Value, "validFor": nil,
		})
	}
	return out
}

func nilIfEmpty(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func emptyIfNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// childRelation is the way from a parent down to the rows that refer to it.
type childRelation struct {
	name   string // Contacts, Orders__r
	object string
	field  *FieldDef
}

// childRelations lists the relationships that lead to an object, named as
// queries use them: the plural of the child's label, with __r where the
// reference is a custom field. References to users have none, for they are
// owners and authors.
func childRelations(objects []*ObjectDef, parent *ObjectDef) []childRelation {
	var out []childRelation
	if parent.Name == "User" {
		return nil
	}
	taken := map[string]int{}
	for _, child := range objects {
		for _, f := range child.Fields {
			if f.Type != TypeReference || f.NotInEvents || !slices.Contains(f.ReferenceTo, parent.Name) || child.Event {
				continue
			}
			name := strings.Map(lettersAndDigits, child.LabelPlural)
			if child.Name == parent.Name {
				name = "Child" + name
			}
			if taken[name]++; taken[name] > 1 {
				name += strconv.Itoa(taken[name])
			}
			if f.Custom() {
				name += "__r"
			}
			out = append(out, childRelation{name: name, object: child.Name, field: f})
		}
	}
	return out
}

func lettersAndDigits(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
		return r
	}
	return -1
}
