package rows

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"sfbridge/internal/expression"
	"sfbridge/salesforce"
)

// Mapper turns records into rows of one object. It is safe for use by many
// goroutines.
type Mapper struct {
	cfg    Config
	object *salesforce.Object

	byName         map[string]*salesforce.Field
	byRelationship map[string]*salesforce.Field   // the reference fields
	parts          map[string][]*salesforce.Field // of compound fields, by the compound's name
	parents        map[string]*salesforce.Object  // as far as they are described

	columns columns
	targets []target // of Fields, in the order of their columns

	key           *salesforce.Field // external id field, or Id
	keyColumn     *column
	keyFrom       *expression.Expression // nil: not mapped
	operationFrom *expression.Expression
	version       *expression.Expression

	people        bool // the org has person accounts and this is Account
	multiCurrency bool
	noBulk        bool
	warnings      []string
}

// target is one entry of Fields.
type target struct {
	column int32
	name   string // as the org has it
	from   *expression.Expression
}

// apiName is the form of the name of a field.
var apiName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

// New compiles the configuration against the object's description. The error
// names the keys of the configuration that are wrong, all of them, and the
// remedies. Descriptions of parents, see Parents, let it look at their external
// ids as well.
func New(cfg Config, object *salesforce.Object, parents ...*salesforce.Object) (*Mapper, error) {
	m := &Mapper{cfg: cfg, object: object, parents: make(map[string]*salesforce.Object, len(parents))}
	for _, p := range parents {
		m.parents[p.Name] = p
	}
	m.index()
	errs := []error{m.operations(), m.findKey()}
	if cfg.Fields == nil {
		errs = append(errs, m.everyField())
	} else {
		errs = append(errs, m.fields()...)
	}
	errs = append(errs, m.expressions()...)
	if err := errors.Join(errs...); err != nil {
		return nil, oneLine(err)
	}
	m.warn()
	return m, nil
}

// oneLine joins several errors in a way that a log line can show.
func oneLine(err error) error {
	return errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
}

// index makes the object's names findable.
func (m *Mapper) index() {
	m.byName = make(map[string]*salesforce.Field, len(m.object.Fields))
	m.byRelationship = map[string]*salesforce.Field{}
	m.parts = map[string][]*salesforce.Field{}
	for i := range m.object.Fields {
		f := &m.object.Fields[i]
		m.byName[f.Name] = f
		if f.Type == "reference" && f.Relationship != "" {
			m.byRelationship[f.Relationship] = f
		}
		if f.CompoundField != "" && f.CompoundField != f.Name {
			m.parts[f.CompoundField] = append(m.parts[f.CompoundField], f)
		}
	}
	m.people = m.object.Name == "Account" && m.byName["IsPersonAccount"] != nil
	m.multiCurrency = m.byName[isoCode] != nil
}

// orgName is a name as the org has it: with the namespace, or without it if
// only that is there.
func (m *Mapper) orgName(name string, there func(string) bool) string {
	if with := m.cfg.Namespace.Name(name); with != name && there(with) {
		return with
	}
	return name
}

func (m *Mapper) field(name string) (*salesforce.Field, bool) {
	f, ok := m.byName[m.orgName(name, func(n string) bool { return m.byName[n] != nil })]
	return f, ok
}

// fields makes the targets of an explicit mapping.
func (m *Mapper) fields() []error {
	var errs []error
	for _, to := range slices.Sorted(maps.Keys(m.cfg.Fields)) {
		from, err := expression.Compile(m.cfg.Fields[to])
		if err != nil {
			errs = append(errs, fmt.Errorf("fields.%s: %w", to, err))
			continue
		}
		if err := m.fill(to, from); err != nil {
			errs = append(errs, fmt.Errorf("fields.%s: %w", to, err))
		}
	}
	slices.SortFunc(m.targets, func(a, b target) int { return int(a.column - b.column) })
	for i := 1; i < len(m.targets); i++ {
		if m.targets[i].column == m.targets[i-1].column {
			errs = append(errs, fmt.Errorf("fields: %s is named twice, with and without the namespace", m.targets[i].name))
		}
	}
	return append(errs, m.currencies())
}

// fill makes one target.
func (m *Mapper) fill(to string, from *expression.Expression) error {
	if strings.Contains(to, ".") {
		c, err := m.parentTarget(to)
		if err == nil {
			m.targets = append(m.targets, target{m.columns.add(c), c.name, from})
		}
		return err
	}
	f, ok := m.field(to)
	switch {
	case !ok:
		return fmt.Errorf("%s has no such field, or the integration user may not see it%s", m.object.Name, m.nearFields(to))
	case f.Name == m.key.Name:
		m.keyFrom = from
		return nil
	case f.Type == "id":
		return fmt.Errorf("rows are told apart by %s: either leave this out, or leave external_id out", m.key.Name)
	}
	if err := m.writable(f); err != nil {
		return err
	}
	c, err := m.own(f)
	if err != nil {
		return err
	}
	m.noBulk = m.noBulk || f.Type == "base64"
	m.targets = append(m.targets, target{m.columns.add(c), c.name, from})
	return nil
}

// compound tells whether a field is made of others: an address, a location, or
// the name of a person.
func compound(f *salesforce.Field) bool {
	return f.Type == "address" || f.Type == "location" || f.ExtraType == "personname"
}

// components names the parts of a compound field.
func (m *Mapper) components(f *salesforce.Field) string {
	var names []string
	for _, part := range m.parts[f.Name] {
		if part.Createable || part.Updateable {
			names = append(names, part.Name)
		}
	}
	if len(names) == 0 {
		return "its parts"
	}
	return list(names)
}

// expressions compiles those that are not of fields.
func (m *Mapper) expressions() []error {
	var errs []error
	compile := func(key, source string, to **expression.Expression) {
		if source == "" {
			return
		}
		e, err := expression.Compile(source)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", key, err))
			return
		}
		*to = e
	}
	compile("operation_from", m.cfg.OperationFrom, &m.operationFrom)
	compile("version", m.cfg.Version, &m.version)
	return errs
}

// KeyField is the external id field by the org's own name, or "Id".
func (m *Mapper) KeyField() string { return m.key.Name }

// BulkOK tells whether rows can go into bulk jobs at all: not with fields of
// bytes. See also Row.FitsBulk.
func (m *Mapper) BulkOK() bool { return !m.noBulk }

// Warnings are sentences on what may go wrong for some of the records, for the
// log and for checks.
func (m *Mapper) Warnings() []string { return m.warnings }
