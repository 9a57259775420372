package rows

import (
	"errors"
	"fmt"
	"strings"

	"sfbridge/internal/flow"
	"sfbridge/salesforce"
)

// The two kinds of account in an org with person accounts: Name belongs to one,
// FirstName, LastName, Person... and ...__pc to the other (C32 of the users'
// cases).
const (
	person   = "person"
	business = "business"
)

// shapeOf tells which kind of account alone has a field, "" for both.
func (m *Mapper) shapeOf(f *salesforce.Field) string {
	switch {
	case !m.people:
		return ""
	case f.Name == "Name":
		return business
	case f.CompoundField == "Name" && f.Name != "Name", strings.HasSuffix(f.Name, "__pc"), strings.HasPrefix(f.Name, "Person") && !f.Custom:
		return person
	}
	return ""
}

// shape tells which kind of account a row is of, and drops the nulls in what
// the other kind has: flat records have a null there.
func (w *work) shape() string {
	first := map[string]string{} // field of each kind that has a value
	nulls := map[string]bool{}
	for _, v := range w.values {
		c := w.set.list[v.Column]
		switch {
		case c.shape == "":
		case v.Kind == Null:
			nulls[c.shape] = true
		case first[c.shape] == "":
			first[c.shape] = c.name
		}
	}
	switch {
	case first[person] != "" && first[business] != "":
		w.wrong(flow.BadValue, first[person], fmt.Errorf("it belongs to a person and %s to a business: an account is one of them", first[business]))
		return ""
	case first[person] != "":
		w.drop(business)
		return person
	case first[business] != "":
		w.drop(person)
		return business
	case nulls[person] && !nulls[business]:
		return person
	case nulls[business] && !nulls[person]:
		return business
	}
	return ""
}

func (w *work) drop(shape string) {
	kept := w.values[:0]
	for _, v := range w.values {
		if w.set.list[v.Column].shape != shape {
			kept = append(kept, v)
		}
	}
	w.values = kept
}

// isoCode says which currency a row's amounts are in. Without it, Salesforce
// takes that of the user who writes, which for a bridge is nobody's (C38 of the
// users' cases).
const isoCode = "CurrencyIsoCode"

// currencies checks that a mapping of amounts says which currency they are in.
func (m *Mapper) currencies() error {
	set := m.columns.set()
	if !m.multiCurrency || set == nil {
		return nil
	}
	amount := ""
	for _, t := range m.targets {
		c := set.list[t.column]
		if c.isoCode {
			return nil
		}
		if c.currency && amount == "" {
			amount = c.name
		}
	}
	if amount == "" {
		return nil
	}
	return fmt.Errorf("fields.%s: the org has several currencies: map %s as well, to a path or to a fixed one such as '\"EUR\"'", amount, isoCode)
}

// currency checks that a row with an amount has its currency.
func (w *work) currency() {
	amount := ""
	for _, v := range w.values {
		c := w.set.list[v.Column]
		switch {
		case v.Kind == Null:
		case c.isoCode:
			return
		case c.currency && amount == "":
			amount = c.name
		}
	}
	if amount != "" {
		w.wrong(flow.BadValue, amount, errors.New("an amount without "+isoCode+", which the org would take to be in the integration user's own currency"))
	}
}
