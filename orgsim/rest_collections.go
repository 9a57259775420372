package orgsim

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Limits of one collections request (REST API guide, "sObject Collections").
const (
	maxCollection = 200
	maxChunks     = 10
	maxRetrieve   = 2000
)

// rowResult is the outcome of one row. Its errors say statusCode where single
// rows say errorCode.
type rowResult struct {
	ID      string     `json:"id,omitempty"`
	Success bool       `json:"success"`
	Errors  []rowError `json:"errors"`
	Created *bool      `json:"created,omitempty"`
}

type rowError struct {
	StatusCode string   `json:"statusCode"`
	Message    string   `json:"message"`
	Fields     []string `json:"fields"`
}

func failedRow(id string, err error) rowResult {
	e := asAPIError(err)
	return rowResult{ID: id, Errors: []rowError{{StatusCode: e.Code, Message: e.Message, Fields: emptyIfNil(e.Fields)}}}
}

// composite routes /composite and /composite/sobjects; batch, graph and tree
// are not simulated.
func (c *call) composite(path []string) error {
	if len(path) == 0 {
		return c.compositeCalls()
	}
	if path[0] != "sobjects" || len(path) > 3 {
		return errNotFound()
	}
	switch {
	case len(path) == 3:
		if err := c.allow(http.MethodPatch); err != nil {
			return err
		}
		return c.collectionUpsert(path[1], path[2])
	case len(path) == 2:
		if err := c.allow(http.MethodGet, http.MethodPost); err != nil {
			return err
		}
		return c.collectionGet(path[1])
	}
	if err := c.allow(http.MethodDelete, http.MethodPatch, http.MethodPost); err != nil {
		return err
	}
	if c.method == http.MethodDelete {
		return c.collectionDelete()
	}
	return c.collectionWrite()
}

// rowBatch is the body of a collections write.
type rowBatch struct {
	AllOrNone bool             `json:"allOrNone"`
	Records   []map[string]any `json:"records"`
}

func (c *call) rowBatch() (rowBatch, error) {
	var b rowBatch
	text, err := c.body()
	if err != nil {
		return b, err
	}
	if err := decodeJSON(text, &b); err != nil {
		return b, jsonError(text, err)
	}
	if len(b.Records) == 0 {
		return b, badRequest("REQUIRED_FIELD_MISSING", "Required fields are missing: [records]")
	}
	if len(b.Records) > maxCollection {
		return b, badRequest("EXCEEDED_ID_LIMIT", "record limit reached. cannot submit more than 200 records into this operation.")
	}
	return b, c.checkChunks(b.Records)
}

// typeOf is the object that a record names in its attributes.
func typeOf(rec map[string]any) string {
	attrs, _ := rec["attributes"].(map[string]any)
	kind, _ := attrs["type"].(string)
	return kind
}

// checkChunks counts the runs of records of one object.
func (c *call) checkChunks(records []map[string]any) error {
	chunks, last := 0, ""
	for i, rec := range records {
		if kind := typeOf(rec); i == 0 || kind != last {
			chunks, last = chunks+1, kind
		}
	}
	if chunks > maxChunks {
		return badRequest("INVALID_ARGUMENT_TYPE", "Cannot process more than 10 chunks of different object types in one request.")
	}
	return nil
}

// collection runs one transaction over n rows. Rows fail alone, or all
// together if so asked.
func (c *call) collection(n int, allOrNone bool, one func(tx *Tx, i int) (rowResult, error)) error {
	out := make([]rowResult, n)
	rolledBack := errors.New("rolled back")
	_, err := c.store().Transact(c.ctx, c.caller(), func(tx *Tx) error {
		failed := false
		for i := range n {
			err := tx.Try(func() (err error) {
				out[i], err = one(tx, i)
				return err
			})
			if err != nil {
				failed = true
				out[i] = failedRow(out[i].ID, err)
			}
		}
		if failed && allOrNone {
			return rolledBack
		}
		return nil
	})
	if errors.Is(err, rolledBack) {
		for i := range out {
			if out[i].Success {
				out[i] = failedRow(out[i].ID, badRequest("ALL_OR_NONE_OPERATION_ROLLED_BACK",
					"Record rolled back because not all records were valid and the request was using AllOrNone header"))
			}
		}
	} else if err != nil {
		return err
	}
	return c.json(http.StatusOK, out)
}

// repeated marks the rows whose key stands more than once in a request.
func repeated(keys []string) map[string]bool {
	count, twice := map[string]int{}, map[string]bool{}
	for _, k := range keys {
		if count[k]++; k != "" && count[k] > 1 {
			twice[k] = true
		}
	}
	return twice
}

// collectionWrite is POST (insert) and PATCH (update) of mixed records.
func (c *call) collectionWrite() error {
	b, err := c.rowBatch()
	if err != nil {
		return err
	}
	update := c.method == http.MethodPatch
	ids := make([]string, len(b.Records))
	for i, rec := range b.Records {
		ids[i] = recordID(rec)
	}
	twice := repeated(ids)
	return c.collection(len(b.Records), b.AllOrNone, func(tx *Tx, i int) (rowResult, error) {
		rec, res := b.Records[i], rowResult{ID: ids[i], Errors: []rowError{}}
		t := tx.org.table(typeOf(rec))
		if t == nil || c.access.forbids(t.def.Name) {
			return res, badRequest(CodeInvalidType, fmt.Sprintf("sObject type '%s' is not supported.", typeOf(rec)))
		}
		if !update {
			values, err := c.values(tx, t.def, rec, "")
			if err == nil {
				res.ID, err = tx.Insert(t.def.Name, values)
			}
			res.Success = err == nil
			return res, err
		}
		if twice[ids[i]] {
			return res, badRequest(CodeDuplicateValue, "Duplicate id specified: "+ids[i])
		}
		values, err := c.values(tx, t.def, without(rec, "id"), "")
		if err == nil {
			err = tx.Update(ids[i], values)
		}
		res.Success = err == nil
		return res, err
	})
}

// recordID is the id of a record to update, in 18 characters where it can be.
func recordID(rec map[string]any) string {
	for name, v := range rec {
		if strings.EqualFold(name, "id") {
			text, _ := v.(string)
			if id, err := ID18(text); err == nil {
				return id
			}
			return text
		}
	}
	return ""
}

func without(rec map[string]any, key string) map[string]any {
	out := make(map[string]any, len(rec))
	for name, v := range rec {
		if !strings.EqualFold(name, key) {
			out[name] = v
		}
	}
	return out
}

// collectionUpsert is PATCH /composite/sobjects/<O>/<field>. Rows that share
// a key all fail.
func (c *call) collectionUpsert(object, field string) error {
	def := c.store().Object(object)
	if def == nil || def.Event || c.access.forbids(def.Name) {
		return errNotFound()
	}
	f := def.Field(field)
	if f == nil || !f.IDLookup() || c.access.hides(def.Name, f.Name) {
		return errNotFound()
	}
	b, err := c.rowBatch()
	if err != nil {
		return err
	}
	keys, values := make([]string, len(b.Records)), make([]Value, len(b.Records))
	for i, rec := range b.Records {
		for name, v := range rec {
			if strings.EqualFold(name, f.Name) {
				if values[i], err = f.FromJSON(v); err == nil {
					keys[i] = indexKey(f, values[i])
				}
			}
		}
	}
	twice := repeated(keys)
	return c.collection(len(b.Records), b.AllOrNone, func(tx *Tx, i int) (rowResult, error) {
		res := rowResult{Errors: []rowError{}}
		if twice[keys[i]] {
			return res, badRequest(CodeDuplicateValue, "Duplicate external id specified: "+values[i].String())
		}
		row, err := c.values(tx, def, without(b.Records[i], f.Name), f.Name)
		if err != nil {
			return res, err
		}
		id, created, err := tx.Upsert(def.Name, f.Name, values[i], row)
		return rowResult{ID: id, Success: err == nil, Errors: []rowError{}, Created: &created}, err
	})
}

// collectionDelete is DELETE ?ids=a,b&allOrNone=false.
func (c *call) collectionDelete() error {
	ids := strings.FieldsFunc(c.r.URL.Query().Get("ids"), func(r rune) bool { return r == ',' || r == ' ' })
	if len(ids) == 0 || len(ids) > maxCollection {
		return badRequest("EXCEEDED_ID_LIMIT", "The parameter ids takes 1 to 200 record ids.")
	}
	allOrNone := strings.EqualFold(c.r.URL.Query().Get("allOrNone"), "true")
	return c.collection(len(ids), allOrNone, func(tx *Tx, i int) (rowResult, error) {
		err := tx.Delete(ids[i])
		return rowResult{ID: ids[i], Success: err == nil, Errors: []rowError{}}, err
	})
}

// collectionGet reads rows of one object by id; what is not there is null.
func (c *call) collectionGet(object string) error {
	def := c.store().Object(object)
	if def == nil || def.Event || c.access.forbids(def.Name) {
		return errNotFound()
	}
	var in struct{ IDs, Fields []string }
	if c.method == http.MethodPost {
		text, err := c.body()
		if err != nil {
			return err
		}
		if err := decodeJSON(text, &in); err != nil {
			return jsonError(text, err)
		}
	} else {
		in.IDs = strings.Split(c.r.URL.Query().Get("ids"), ",")
		in.Fields = strings.Split(c.r.URL.Query().Get("fields"), ",")
	}
	if len(in.IDs) > maxRetrieve {
		return badRequest("EXCEEDED_ID_LIMIT", "At most 2000 records can be read at once.")
	}
	names := map[string]bool{}
	for _, name := range in.Fields {
		f := def.Field(strings.TrimSpace(name))
		if f == nil || c.access.hides(def.Name, f.Name) {
			return badRequest(CodeInvalidField, "No such column '"+name+"' on entity '"+def.Name+"'.")
		}
		names[f.Name] = true
	}
	body := []byte{'['}
	for i, id := range in.IDs {
		if i > 0 {
			body = append(body, ',')
		}
		r := c.store().Get(strings.TrimSpace(id))
		if r == nil || r.Deleted || r.Object != def.Name {
			body = append(body, "null"...)
			continue
		}
		body = c.appendRow(body, def, r, names)
	}
	return c.send(http.StatusOK, append(body, ']'))
}
