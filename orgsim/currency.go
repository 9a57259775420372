package orgsim

import (
	"fmt"
	"slices"
)

// currencyField is what every row of an org with several currencies has: the
// currency that its amounts are in.
const currencyField = "CurrencyIsoCode"

// addCurrency makes an object what it is in an org with several currencies.
// Users have a currency of their own, which new rows get that name none.
func addCurrency(def *ObjectDef, codes []string) {
	if def.Event {
		return
	}
	choices := func(name string) *FieldDef {
		f := restricted(picklist(name, codes...))
		f.Length = 3
		return f
	}
	code := choices(currencyField)
	code.DefaultedOnCreate = true
	def.Fields = append(def.Fields, code)
	if def.Name == "User" {
		def.Fields = append(def.Fields, defaulted(choices("DefaultCurrencyIsoCode"), codes[0]))
	}
}

// fillCurrency gives a new row the currency of the user who makes it.
func (tx *Tx) fillCurrency(t *table, r *Record) {
	if len(tx.org.cfg.Currencies) == 0 || t.def.Field(currencyField) == nil || !r.fields[currencyField].IsNull() {
		return
	}
	code := String(tx.org.cfg.Currencies[0])
	if u := tx.org.lookup(tx.caller.UserID); u != nil && !u.fields["DefaultCurrencyIsoCode"].IsNull() {
		code = u.fields["DefaultCurrencyIsoCode"]
	}
	r.set(currencyField, code)
}

func checkCurrencies(codes []string) error {
	for i, code := range codes {
		upper := len(code) == 3
		for _, c := range []byte(code) {
			upper = upper && c >= 'A' && c <= 'Z'
		}
		if !upper || slices.Contains(codes[:i], code) {
			return fmt.Errorf("currency %q: want codes such as EUR, each once", code)
		}
	}
	return nil
}
