package rows

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"sfbridge/salesforce"
)

// column is one thing that a row can have a value for: a field of the object,
// or an external id of a parent.
type column struct {
	name  string            // as CSV has it: Phone, Account.ERP_Id__c, Lead:Who.Email
	field *salesforce.Field // the object's own; of a parent, the reference to it
	// slot is the column of the field itself: two columns of one slot are two ways
	// to fill one field.
	slot    int32
	convert converter

	// Of a parent:
	relationship string
	parentField  string
	attributes   salesforce.Record // its type, if there are several

	shape    string // the kind of account that alone has the field
	currency bool
	isoCode  bool
}

func (c *column) parent() bool { return c.relationship != "" }

// columns are all columns of a mapper. Records without a mapping may bring
// parents' external ids that nobody foretold, so columns are added as they
// come, up to a bound; what was handed out is never changed.
type columns struct {
	now   atomic.Pointer[columnSet]
	grow  sync.Mutex
	added int // guarded by grow
}

type columnSet struct {
	list    []*column
	byName  map[string]int32
	parents bool // some columns share a slot
}

// maxAdded bounds what records alone can make a mapper remember.
const maxAdded = 200

func (c *columns) set() *columnSet { return c.now.Load() }

// add adds a column, or finds the one of its name. A column of its own slot
// says -1.
func (c *columns) add(col *column) int32 {
	c.grow.Lock()
	defer c.grow.Unlock()
	return c.put(col)
}

func (c *columns) put(col *column) int32 {
	next := &columnSet{byName: map[string]int32{}}
	if old := c.now.Load(); old != nil {
		if i, ok := old.byName[col.name]; ok {
			return i
		}
		next.list, next.byName, next.parents = slices.Clone(old.list), maps.Clone(old.byName), old.parents
	}
	i := int32(len(next.list))
	if col.slot < 0 {
		col.slot = i
	}
	next.list = append(next.list, col)
	next.byName[col.name] = i
	next.parents = next.parents || col.parent()
	c.now.Store(next)
	return i
}

// found adds a column that a record brought.
func (c *columns) found(col *column) (int32, error) {
	c.grow.Lock()
	defer c.grow.Unlock()
	if i, ok := c.set().byName[col.name]; ok {
		return i, nil
	}
	if c.added == maxAdded {
		return 0, fmt.Errorf("records have named more than %d external ids of parents: name the fields to write in the mapping", maxAdded)
	}
	c.added++
	return c.put(col), nil
}

// own makes the column of a field of the object.
func (m *Mapper) own(f *salesforce.Field) (*column, error) {
	convert, err := converterOf(f, m.cfg.PicklistLabels)
	if err != nil {
		return nil, err
	}
	if f.Name == "RecordTypeId" {
		convert = recordTypeOf(m.object)
	}
	return &column{
		name: f.Name, field: f, slot: -1, convert: convert, shape: m.shapeOf(f),
		currency: f.Type == "currency", isoCode: f.Name == isoCode,
	}, nil
}

// list names some names: of twenty kinds of parent, six are enough.
func list(names []string) string {
	const most = 6
	switch n := len(names); {
	case n < 2:
		return strings.Join(names, "")
	case n > most:
		return fmt.Sprintf("%s or one of %d others", strings.Join(names[:most], ", "), n-most)
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
