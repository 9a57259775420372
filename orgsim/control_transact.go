package orgsim

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// transactRequest is a list of operations for one transaction.
type transactRequest struct {
	Caller struct {
		UserID  string `json:"user_id"`
		API     string `json:"api"`
		Version string `json:"version"`
		Client  string `json:"client"`
	} `json:"caller"`
	// AllOrNone undoes everything when one operation fails; else the others
	// stay.
	AllOrNone  bool        `json:"all_or_none"`
	Operations []operation `json:"operations"`
}

// operation is one step. An id, or a field's value, of the form $0 stands for
// the id that operation 0 gave.
type operation struct {
	Op         string         `json:"op"` // insert, update, upsert, delete, undelete, purge
	Object     string         `json:"object"`
	ID         string         `json:"id"`
	ExternalID string         `json:"external_id"` // field, for upsert
	Key        any            `json:"key"`         // value of that field
	Fields     map[string]any `json:"fields"`
}

// operationResult is what became of one operation.
type operationResult struct {
	ID      string   `json:"id,omitempty"`
	Created bool     `json:"created,omitempty"`
	Code    string   `json:"code,omitempty"`
	Error   string   `json:"error,omitempty"`
	Fields  []string `json:"fields,omitempty"`
}

// errUndo makes a transaction undo itself.
var errUndo = errors.New("an operation failed and all or none was asked for")

// transact runs a list of operations as one transaction.
func (k *control) transact(r *http.Request) (any, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var in transactRequest
	if err := decodeJSON(text, &in); err != nil {
		return nil, fmt.Errorf("read operations: %w", err)
	}
	caller := Caller{UserID: in.Caller.UserID, API: in.Caller.API, Version: in.Caller.Version, Client: in.Caller.Client}
	results := make([]operationResult, len(in.Operations))
	res, err := k.org.Transact(r.Context(), caller, func(tx *Tx) error {
		for i, op := range in.Operations {
			err := tx.Try(func() error { return op.run(tx, results[:i], &results[i]) })
			if err == nil {
				continue
			}
			e := asAPIError(err)
			results[i] = operationResult{Code: e.Code, Error: e.Message, Fields: e.Fields}
			if in.AllOrNone {
				return errUndo
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, errUndo) {
		return nil, err
	}
	out := map[string]any{"committed": err == nil, "results": results}
	if err == nil {
		out["transaction_key"], out["changes"], out["events"] = res.TransactionKey, res.Changes, res.Events
		out["commit_number"] = strconv.FormatInt(res.CommitNumber, 10) // beyond what JSON numbers hold elsewhere
		out["commit_timestamp"] = res.CommitTimestamp.UnixMilli()
	}
	return out, nil
}

// run does one operation.
func (op operation) run(tx *Tx, before []operationResult, out *operationResult) error {
	id, err := resolve(op.ID, before)
	if err != nil {
		return err
	}
	out.ID = id
	switch op.Op {
	case "delete":
		return tx.Delete(id)
	case "undelete":
		return tx.Undelete(id)
	case "purge":
		return tx.Purge(id)
	}
	t := tx.org.table(op.Object)
	if t == nil && len(id) > 3 {
		t = tx.org.byPrefix[id[:3]]
	}
	if t == nil {
		return badRequest(CodeInvalidType, fmt.Sprintf("sObject type '%s' is not supported.", op.Object))
	}
	values, err := op.values(t.def, before)
	if err != nil {
		return err
	}
	switch op.Op {
	case "insert":
		out.ID, err = tx.Insert(t.def.Name, values)
		out.Created = err == nil
		return err
	case "update":
		return tx.Update(id, values)
	case "upsert":
		f := t.def.Field(op.ExternalID)
		if f == nil {
			return badRequest(CodeInvalidField, "external_id: no field '"+op.ExternalID+"' on "+t.def.Name)
		}
		key, err := f.FromJSON(op.Key)
		if err == nil {
			out.ID, out.Created, err = tx.Upsert(t.def.Name, f.Name, key, values)
		}
		return err
	}
	return badRequest("INVALID_OPERATION", "op '"+op.Op+"': want insert, update, upsert, delete, undelete or purge")
}

func (op operation) values(def *ObjectDef, before []operationResult) (map[string]Value, error) {
	out := make(map[string]Value, len(op.Fields))
	for name, v := range op.Fields {
		f := def.Field(name)
		if f == nil {
			return nil, badRequest(CodeInvalidField, "No such column '"+name+"' on sobject of type "+def.Name, name)
		}
		if text, ok := v.(string); ok && f.Type == TypeReference {
			id, err := resolve(text, before)
			if err != nil {
				return nil, err
			}
			v = id
		}
		value, err := f.FromJSON(v)
		if err != nil {
			return nil, err
		}
		out[f.Name] = value
	}
	return out, nil
}

// resolve replaces $n by the id that operation n gave.
func resolve(text string, before []operationResult) (string, error) {
	ref, ok := strings.CutPrefix(text, "$")
	if !ok {
		return text, nil
	}
	n, err := strconv.Atoi(ref)
	if err != nil || n < 0 || n >= len(before) || before[n].ID == "" {
		return "", badRequest(CodeMalformedID, "reference "+text+" names no earlier operation that gave an id")
	}
	return before[n].ID, nil
}
