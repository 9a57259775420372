package orgsim

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

// saved is the answer to a write that made or found a row.
type saved struct {
	ID      string `json:"id"`
	Success bool   `json:"success"`
	Errors  []any  `json:"errors"`
	Created *bool  `json:"created,omitempty"`
}

// objectRoot is /sobjects/<O>: basic facts, or an insert.
func (c *call) objectRoot(def *ObjectDef) error {
	if err := c.allow(http.MethodGet, http.MethodPost); err != nil {
		return err
	}
	if c.method != http.MethodPost {
		return c.json(http.StatusOK, map[string]any{"objectDescribe": c.objectFlags(def), "recentItems": []any{}})
	}
	if def.Event {
		return c.publish(def)
	}
	return c.create(def)
}

// create inserts the row of the body.
func (c *call) create(def *ObjectDef) error {
	body, err := c.object()
	if err != nil {
		return err
	}
	var id string
	_, err = c.store().Transact(c.ctx, c.caller(), func(tx *Tx) error {
		values, err := c.values(tx, def, body, "")
		if err == nil {
			id, err = tx.Insert(def.Name, values)
		}
		return err
	})
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", c.base+"/sobjects/"+def.Name+"/"+id)
	return c.json(http.StatusCreated, saved{ID: id, Success: true, Errors: []any{}})
}

// values turns a body into field values. The id, and the key of an upsert,
// must not stand in it; a nested object names a parent by its external id,
// which takes a transaction to look it up in.
func (c *call) values(tx *Tx, def *ObjectDef, body map[string]any, key string) (map[string]Value, error) {
	out := make(map[string]Value, len(body))
	for name, v := range body {
		if name == "attributes" {
			continue
		}
		if strings.EqualFold(name, "Id") || key != "" && strings.EqualFold(name, key) {
			return nil, badRequest(CodeInvalidField, "The "+name+" field should not be specified in the sobject data.", name)
		}
		f := def.Field(name)
		if f == nil || c.access.hides(def.Name, f.Name) {
			parent, ok := v.(map[string]any)
			ref := referenceOf(def, name)
			if !ok || ref == nil || tx == nil {
				return nil, badRequest(CodeInvalidField, "No such column '"+name+"' on sobject of type "+def.Name)
			}
			id, err := c.parentID(tx, ref, parent)
			if err != nil {
				return nil, err
			}
			out[ref.Name] = String(id)
			continue
		}
		value, err := f.FromJSON(v)
		if err != nil {
			return nil, err
		}
		out[f.Name] = value
	}
	return out, nil
}

// referenceOf finds the reference field behind a relationship name.
func referenceOf(def *ObjectDef, relationship string) *FieldDef {
	for _, f := range def.Fields {
		if f.Type == TypeReference && strings.EqualFold(f.RelationshipPath(), relationship) {
			return f
		}
	}
	return nil
}

// parentID finds the parent that a nested object names: {"ERP_Id__c": "7"},
// with attributes.type where the reference has several targets.
func (c *call) parentID(tx *Tx, ref *FieldDef, parent map[string]any) (string, error) {
	object := ref.ReferenceTo[0]
	if attrs, ok := parent["attributes"].(map[string]any); ok {
		if kind, ok := attrs["type"].(string); ok && slices.Contains(ref.ReferenceTo, kind) {
			object = kind
		}
	}
	def := tx.org.table(object).def
	for name, v := range parent {
		f := def.Field(name)
		if f == nil {
			continue
		}
		if !f.IDLookup() {
			break
		}
		key, err := f.FromJSON(v)
		if err != nil {
			return "", err
		}
		rows := tx.Find(object, f.Name, key)
		if len(rows) == 1 {
			return rows[0].ID, nil
		}
		return "", badRequest(CodeInvalidField, "Foreign key external ID: "+key.String()+" not found for field "+f.Name+" in entity "+object)
	}
	return "", badRequest(CodeInvalidField, "A parent must be named by one external ID field: "+ref.RelationshipPath())
}

// row is /sobjects/<O>/<id>.
func (c *call) row(def *ObjectDef, idText string) error {
	if err := c.allow(http.MethodDelete, http.MethodGet, http.MethodPatch); err != nil {
		return err
	}
	id, err := ID18(idText)
	if err != nil || def.Event {
		return &apiError{
			Status: http.StatusNotFound, Code: CodeNotFound,
			Message: "Provided external ID field does not exist or is not accessible: " + idText,
		}
	}
	r := c.store().Get(id)
	switch {
	case r == nil && c.method == http.MethodDelete:
		return &apiError{Status: http.StatusNotFound, Code: CodeInvalidCrossReference, Message: "invalid cross reference id", Fields: []string{}}
	case r == nil || r.Object != def.Name:
		return errNotFound()
	case r.Deleted:
		return &apiError{Status: http.StatusNotFound, Code: CodeEntityIsDeleted, Message: "entity is deleted", Fields: []string{}}
	}
	return c.rowCall(def, r)
}

// rowCall does what the method says to a row that is there.
func (c *call) rowCall(def *ObjectDef, r *Record) error {
	if c.method == http.MethodGet || c.method == http.MethodHead {
		return c.getRow(def, r)
	}
	if err := c.unchanged(def, r); err != nil {
		return err
	}
	if c.method == http.MethodDelete {
		_, err := c.store().Transact(c.ctx, c.caller(), func(tx *Tx) error { return tx.Delete(r.ID) })
		if err != nil {
			return err
		}
		return c.empty(http.StatusNoContent)
	}
	body, err := c.object()
	if err != nil {
		return err
	}
	if err := c.update(def, r.ID, body, ""); err != nil {
		return err
	}
	return c.empty(http.StatusNoContent)
}

func (c *call) update(def *ObjectDef, id string, body map[string]any, key string) error {
	_, err := c.store().Transact(c.ctx, c.caller(), func(tx *Tx) error {
		values, err := c.values(tx, def, body, key)
		if err != nil {
			return err
		}
		return tx.Update(id, values)
	})
	return err
}

// getRow answers with a row, or the fields of it that are asked for.
func (c *call) getRow(def *ObjectDef, r *Record) error {
	var names map[string]bool
	if list := c.r.URL.Query().Get("fields"); list != "" {
		names = map[string]bool{}
		for _, name := range strings.Split(list, ",") {
			f := def.Field(strings.TrimSpace(name))
			if f == nil || c.access.hides(def.Name, f.Name) {
				return badRequest(CodeInvalidField, "\n"+name+"\n^\nNo such column '"+name+"' on entity '"+def.Name+"'.")
			}
			names[f.Name] = true
		}
	}
	body := c.appendRow(nil, def, r, names)
	if def.Name == "Account" { // the only object with entity tags
		tag := etag(r)
		c.w.Header().Set("ETag", tag)
		if given := c.r.Header.Get("If-None-Match"); given != "" && matches(given, tag) {
			return c.empty(http.StatusNotModified)
		}
	}
	if done, err := c.notModified(r.Get("LastModifiedDate").Time()); done {
		return err
	}
	return c.send(http.StatusOK, body)
}

// etag is a tag of the whole row, whatever fields are asked for.
func etag(r *Record) string {
	h := sha256.New()
	h.Write([]byte(r.ID + r.Get("SystemModstamp").String()))
	fields := r.Fields()
	for _, name := range sortedKeys(fields) {
		h.Write([]byte("\x00" + name + "=" + fields[name].String()))
	}
	return `"` + base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:18]) + `="`
}

func matches(header, tag string) bool {
	for _, t := range strings.Split(header, ",") {
		if t = strings.TrimSpace(t); t == "*" || t == tag || strings.ReplaceAll(t, `-gzip"`, `"`) == tag {
			return true
		}
	}
	return false
}

// unchanged checks the conditions of a write: If-Unmodified-Since with its one
// second of resolution, If-Match for accounts.
func (c *call) unchanged(def *ObjectDef, r *Record) error {
	failed := &apiError{
		Status: http.StatusPreconditionFailed, Code: "PRECONDITION_FAILED",
		Message: "Precondition failed: the record was modified.",
	}
	since, given, err := c.conditionTime("If-Unmodified-Since")
	switch {
	case err != nil:
		return err
	case given && r.Get("LastModifiedDate").Time().Truncate(time.Second).After(since):
		return failed
	}
	if tag := c.r.Header.Get("If-Match"); tag != "" && def.Name == "Account" && !matches(tag, etag(r)) {
		return failed
	}
	return nil
}

// byExternalID is /sobjects/<O>/<field>/<value>.
func (c *call) byExternalID(def *ObjectDef, field, value string) error {
	if err := c.allow(http.MethodDelete, http.MethodGet, http.MethodPatch); err != nil {
		return err
	}
	f := def.Field(field)
	if f == nil || !f.IDLookup() || def.Event || c.access.hides(def.Name, f.Name) {
		return errNotFound()
	}
	key, err := f.FromText(value)
	if err != nil {
		return err
	}
	if c.method == http.MethodPatch {
		return c.upsert(def, f, key)
	}
	rows := c.store().FindByExternalID(def.Name, f.Name, key)
	switch len(rows) {
	case 0:
		return errNotFound()
	case 1:
		return c.rowCall(def, rows[0])
	}
	return c.choices(def, rows)
}

// choices answers 300 with the URLs of all that match.
func (c *call) choices(def *ObjectDef, rows []*Record) error {
	urls := make([]string, len(rows))
	for i, r := range rows {
		urls[i] = c.base + "/sobjects/" + def.Name + "/" + r.ID
	}
	return c.json(http.StatusMultipleChoices, urls)
}

// upsert updates the row with the key, or inserts one.
func (c *call) upsert(def *ObjectDef, f *FieldDef, key Value) error {
	body, err := c.object()
	if err != nil {
		return err
	}
	updateOnly := strings.EqualFold(c.r.URL.Query().Get("updateOnly"), "true")
	var id string
	var created bool
	_, err = c.store().Transact(c.ctx, c.caller(), func(tx *Tx) error {
		values, err := c.values(tx, def, body, f.Name)
		if err != nil {
			return err
		}
		if updateOnly && len(tx.Find(def.Name, f.Name, key)) == 0 {
			return errNotFound()
		}
		id, created, err = tx.Upsert(def.Name, f.Name, key, values)
		return err
	})
	if e, ok := errors.AsType[*FieldError](err); ok && e.Code == CodeDuplicateExternalID {
		return c.choices(def, c.store().FindByExternalID(def.Name, f.Name, key))
	}
	if err != nil {
		return err
	}
	return c.upserted(def, id, created)
}

// upserted answers an upsert: 201, or 200, which was 204 up to version 45.0.
func (c *call) upserted(def *ObjectDef, id string, created bool) error {
	out := saved{ID: id, Success: true, Errors: []any{}}
	if c.version >= 46 {
		out.Created = &created
	}
	if created {
		c.w.Header().Set("Location", c.base+"/sobjects/"+def.Name+"/"+id)
		return c.json(http.StatusCreated, out)
	}
	if c.version < 46 {
		return c.empty(http.StatusNoContent)
	}
	return c.json(http.StatusOK, out)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
