package orgsim

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// Caller says who changes the org, and through what; change events carry it
// as changeOrigin and commitUser.
type Caller struct {
	UserID  string // empty = the org's integration user
	API     string // rest, soap, bulkapi, apex, ...; empty = neither an API nor the user interface, so an empty changeOrigin
	Version string // 64.0; empty = the org's API version
	Client  string // of Sforce-Call-Options; empty = none given

	AllowDuplicates bool // allowSave=true of Sforce-Duplicate-Rule-Header

	trigger bool // a Trigger of the org does it
}

// origin renders changeOrigin: com/salesforce/api/<api>/<version>;client=<id>.
func (c Caller) origin() string {
	if c.API == "" {
		return ""
	}
	o := "com/salesforce/api/" + c.API + "/" + c.Version
	if c.Client != "" {
		o += ";client=" + c.Client
	}
	return o
}

// Tx is a transaction in progress: it sees its own changes, nobody else does.
// It is only good inside the function given to Org.Transact and must not be
// used by several goroutines. Each call either does its whole work or nothing.
type Tx struct {
	org    *Org
	caller Caller
	now    time.Time
	undo   []undoEntry
	system bool // may write read-only fields: seeds and tests

	written map[string]int // rows by object, where a governor rule counts them
}

type undoEntry struct {
	t   *table
	id  string
	old *Record
}

// Savepoint marks a place to come back to.
type Savepoint int

// Savepoint marks the present state.
func (tx *Tx) Savepoint() Savepoint { return Savepoint(len(tx.undo)) }

// RollbackTo undoes everything since the savepoint.
func (tx *Tx) RollbackTo(sp Savepoint) {
	for len(tx.undo) > int(sp) {
		e := tx.undo[len(tx.undo)-1]
		tx.undo = tx.undo[:len(tx.undo)-1]
		e.t.put(e.id, e.old)
	}
}

// Try runs fn and undoes its changes when it fails: partial success, row by
// row.
func (tx *Tx) Try(fn func() error) error {
	sp := tx.Savepoint()
	err := fn()
	if err != nil {
		tx.RollbackTo(sp)
	}
	return err
}

// Now is the transaction's time, in whole seconds: the stamps of its rows.
func (tx *Tx) Now() time.Time { return tx.now }

func (tx *Tx) put(t *table, id string, r *Record) {
	tx.undo = append(tx.undo, undoEntry{t: t, id: id, old: t.put(id, r)})
}

func (tx *Tx) table(object string) (*table, error) {
	t := tx.org.table(object)
	if t == nil || t.def.Event {
		return nil, fieldErr(CodeInvalidType, nil, "sObject type '%s' is not supported.", object)
	}
	return t, nil
}

// row finds a live row by its id of 15 or 18 characters.
func (tx *Tx) row(id string) (*table, *Record, error) {
	full, err := ID18(id)
	if err != nil {
		return nil, nil, fieldErr(CodeMalformedID, []string{"Id"}, "malformed id %.40s", id)
	}
	t := tx.org.byPrefix[full[:3]]
	if t == nil || t.rows[full] == nil {
		return nil, nil, fieldErr(CodeInvalidCrossReference, nil, "invalid cross reference id")
	}
	if r := t.rows[full]; !r.Deleted {
		return t, r, nil
	}
	return t, t.rows[full], fieldErr(CodeEntityIsDeleted, nil, "entity is deleted")
}

// Insert adds a row and gives its id.
func (tx *Tx) Insert(object string, fields map[string]Value) (string, error) {
	t, err := tx.table(object)
	if err != nil {
		return "", err
	}
	values, err := tx.checkWrite(t, fields, true)
	if err != nil {
		return "", err
	}
	t.nextID++
	r := &Record{ID: makeID(t.def.KeyPrefix, tx.org.cfg.IDInfix, t.nextID), Object: t.def.Name, fields: make(map[string]Value, len(t.def.Fields))}
	for name, v := range values {
		r.set(name, v)
	}
	if err := tx.fillDefaults(t, r); err != nil {
		return "", err
	}
	if err := tx.runTriggers(t, nil, r); err != nil {
		return "", err
	}
	if err := errors.Join(checkRequired(t.def, r), checkUnique(t, r)); err != nil {
		return "", firstError(err)
	}
	if err := tx.checkRules(t, nil, r); err != nil {
		return "", err
	}
	if tx.isPerson(t, r) {
		return r.ID, tx.Try(func() error { return tx.insertPerson(t, r) })
	}
	if err := tx.checkBusiness(t, r); err != nil {
		return "", err
	}
	tx.put(t, r.ID, r)
	return r.ID, nil
}

// firstError picks the first of joined errors: a row reports one.
func firstError(err error) error {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		return j.Unwrap()[0]
	}
	return err
}

// fillDefaults sets what the org itself puts into a new row.
func (tx *Tx) fillDefaults(t *table, r *Record) error {
	for _, f := range t.def.Fields {
		if !r.fields[f.Name].IsNull() {
			continue
		}
		switch {
		case f.Type == TypeAutoNumber:
			t.nextNum++
			r.set(f.Name, String(autoNumber(f.Format, t.nextNum)))
		case f.Default != "":
			v, err := f.FromText(f.Default)
			if err != nil {
				return err
			}
			r.set(f.Name, v)
		case f.Type == TypeBoolean && f.Name != "IsDeleted":
			r.set(f.Name, Bool(false))
		}
	}
	tx.fillCurrency(t, r)
	now, user := DateTimeOf(tx.now), String(tx.caller.UserID)
	stamps := map[string]Value{"OwnerId": user, "CreatedDate": now, "CreatedById": user, "LastModifiedDate": now, "LastModifiedById": user, "SystemModstamp": now}
	for name, v := range stamps {
		if t.def.Field(name) != nil && r.fields[name].IsNull() {
			r.set(name, v)
		}
	}
	return nil
}

// Update changes the given fields of a row; a null value clears.
func (tx *Tx) Update(id string, fields map[string]Value) error {
	t, old, err := tx.row(id)
	if err != nil {
		return err
	}
	values, err := tx.checkWrite(t, fields, false)
	if err != nil {
		return err
	}
	if err := tx.checkShape(t, old, values); err != nil {
		return err
	}
	r := old.with(values)
	tx.stamp(t, r)
	if err := tx.runTriggers(t, old, r); err != nil {
		return err
	}
	if err := checkUnique(t, r); err != nil {
		return err
	}
	if err := tx.checkRules(t, old, r); err != nil {
		return err
	}
	tx.put(t, r.ID, r)
	return tx.updateTwin(t, r)
}

// stamp says who touched the row and when.
func (tx *Tx) stamp(t *table, r *Record) {
	now := DateTimeOf(tx.now)
	r.set("SystemModstamp", now)
	if t.def.Field("LastModifiedDate") != nil {
		r.set("LastModifiedDate", now)
		r.set("LastModifiedById", String(tx.caller.UserID))
	}
}

// Upsert updates the row whose field has the key, or inserts one. Several
// rows with the key are a DUPLICATE_EXTERNAL_ID that names them in Fields.
func (tx *Tx) Upsert(object, keyField string, key Value, fields map[string]Value) (id string, created bool, err error) {
	t, err := tx.table(object)
	if err != nil {
		return "", false, err
	}
	f := t.def.Field(keyField)
	if f == nil || !f.IDLookup() {
		return "", false, fieldErr(CodeNotFound, nil, "The requested resource does not exist")
	}
	if key, err = f.convert(key); err != nil || key.IsNull() {
		return "", false, fieldErr(CodeInvalidField, []string{f.Name}, "%s not specified", f.Name)
	}
	rows := t.find(f, key)
	switch {
	case len(rows) > 1:
		return "", false, duplicateExternalID(f, rows)
	case len(rows) == 1:
		return rows[0].ID, false, tx.Update(rows[0].ID, fields)
	case f.Type == TypeID:
		return "", false, fieldErr(CodeInvalidCrossReference, nil, "invalid cross reference id")
	}
	values := make(map[string]Value, len(fields)+1)
	for name, v := range fields {
		values[name] = v
	}
	values[f.Name] = key
	id, err = tx.Insert(object, values)
	return id, err == nil, err
}

func duplicateExternalID(f *FieldDef, rows []*Record) *FieldError {
	ids := make([]string, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	return fieldErr(CodeDuplicateExternalID, []string{f.Name}, "%s: more than one record found for external id field: [%s]", f.Name, strings.Join(ids, ", "))
}

// Delete moves a row, and the rows that hang on it, to the recycle bin.
func (tx *Tx) Delete(id string) error {
	t, r, err := tx.row(id)
	if err != nil {
		return err
	}
	if t.def.Name == "Contact" && r.fields["IsPersonAccount"].True() {
		return fieldErr(CodeDeleteFailed, nil, "The contact of a person account goes with its account %s", r.fields["AccountId"].text)
	}
	if err := tx.checkLocks(t, r, nil); err != nil {
		return err
	}
	return tx.Try(func() error { return tx.deleteRow(t, r) })
}

func (tx *Tx) deleteRow(t *table, r *Record) error {
	deleted := r.with(nil)
	deleted.Deleted = true
	tx.stamp(t, deleted)
	tx.put(t, r.ID, deleted)
	return tx.eachChild(r, func(ct *table, f *FieldDef, child *Record) error {
		if f.RestrictedDelete {
			return fieldErr(CodeDeleteFailed, nil, "Your attempt to delete %s could not be completed because it is associated with %s", r.ID, child.ID)
		}
		if f.CascadeDelete && !child.Deleted {
			return tx.deleteRow(ct, child)
		}
		return nil
	})
}

// eachChild visits the rows that refer to a row through a field that cares
// about its parent's life.
func (tx *Tx) eachChild(parent *Record, fn func(*table, *FieldDef, *Record) error) error {
	for _, ref := range tx.org.childRefs(parent.Object) {
		for _, id := range slices.Sorted(slices.Values(ref.table.refs[ref.field.Name][parent.ID])) {
			c := ref.table.rows[id]
			if ref.field.RestrictedDelete && c.Deleted {
				continue
			}
			if err := fn(ref.table, ref.field, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// Undelete restores a row from the recycle bin, with the children that went
// at the same moment.
func (tx *Tx) Undelete(id string) error {
	t, r, err := tx.row(id)
	var fe *FieldError
	switch {
	case err == nil:
		return fieldErr(CodeUndeleteFailed, nil, "Entity is not in the recycle bin")
	case !errors.As(err, &fe) || fe.Code != CodeEntityIsDeleted:
		return err
	}
	return tx.Try(func() error { return tx.undeleteRow(t, r) })
}

func (tx *Tx) undeleteRow(t *table, r *Record) error {
	restored := r.with(nil)
	restored.Deleted = false
	delete(restored.fields, "MasterRecordId") // of a row that was merged away
	tx.stamp(t, restored)
	if err := checkUnique(t, restored); err != nil {
		return err
	}
	tx.put(t, r.ID, restored)
	gone := r.fields["SystemModstamp"]
	return tx.eachChild(r, func(ct *table, f *FieldDef, child *Record) error {
		if f.CascadeDelete && child.Deleted && child.fields["SystemModstamp"] == gone {
			return tx.undeleteRow(ct, child)
		}
		return nil
	})
}

// Purge removes a row for good: from the recycle bin without any event, a
// live one with a DELETE event (hard delete).
func (tx *Tx) Purge(id string) error {
	t, r, err := tx.row(id)
	var fe *FieldError
	if err != nil && (!errors.As(err, &fe) || fe.Code != CodeEntityIsDeleted) {
		return err
	}
	if err := tx.checkLocks(t, r, nil); err != nil {
		return err
	}
	return tx.Try(func() error {
		if !r.Deleted {
			if err := tx.deleteRow(t, r); err != nil {
				return err
			}
		}
		tx.put(t, r.ID, nil)
		return nil
	})
}

// Get reads a row by id, also one in the recycle bin; nil when there is none.
func (tx *Tx) Get(id string) *Record { return tx.org.lookup(id) }

// Find gives the live rows of an object whose field has the value.
func (tx *Tx) Find(object, field string, v Value) []*Record { return tx.org.findRows(object, field, v) }

// Scan walks the rows of an object in the order of insertion until fn says
// stop. fn must not write.
func (tx *Tx) Scan(object string, deleted bool, fn func(*Record) bool) {
	if t := tx.org.table(object); t != nil {
		t.scan(deleted, fn)
	}
}
