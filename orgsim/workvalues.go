package orgsim

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// What people type. The lists are short: it is the shape that matters.
var (
	workCompanies = []string{"Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir", "Hazel", "Juniper", "Larch", "Maple", "Oak", "Pine", "Rowan", "Spruce", "Willow"}
	workTrades    = []string{"Bearings", "Foods", "Freight", "Instruments", "Lighting", "Paper", "Pumps", "Textiles", "Tools", "Works"}
	workForms     = []string{"AG", "GmbH", "Inc.", "Ltd", "S.A.", "S.p.A.", "Oy"}
	workFirst     = []string{"Ana", "Björn", "Chloé", "Dmitri", "Emre", "Fatima", "Giulia", "Hana", "Ivo", "Jun", "Kofi", "Lúcia", "Mei", "Noor", "Zoë"}
	workLast      = []string{"Almeida", "Bauer", "Costa", "Dubois", "Eriksen", "Fontaine", "García", "Haddad", "Ito", "Kowalski", "Müller", "Nguyen", "Okafor", "Rossi", "Şahin"}
	workCities    = []string{"Aarhus", "Bologna", "Córdoba", "Dakar", "Graz", "Łódź", "Lyon", "Malmö", "Nagoya", "Porto", "Quito", "Tampere", "Zürich"}
	workWords     = strings.Fields("agreed awaiting budget call carton contract customer delivery discount draft invoice late later meeting order pallet partner price quality quote renewal sample signed supplier truck visit warehouse")
)

// newRow fills what a new record needs, and some of the rest.
func (w *worker) newRow(def *ObjectDef) map[string]Value {
	values := map[string]Value{}
	for _, f := range def.Fields {
		if !f.Createable() || f.Name == "OwnerId" || def.isPersonPart(f) {
			continue
		}
		if must := f.Required && !f.DefaultedOnCreate; must || f.Unique || w.rng.IntN(2) == 0 {
			values[f.Name] = w.value(f)
		}
	}
	return values
}

// isPersonPart tells whether a field belongs to people among the accounts:
// the people at work enter businesses.
func (o *ObjectDef) isPersonPart(f *FieldDef) bool {
	return f.Compound != "" && o.Field(f.Compound).Type == TypeSwitchablePerson
}

// someChanges picks a few fields to change; now and then one is cleared. row
// may be nil.
func (w *worker) someChanges(def *ObjectDef, row *Record, n int) map[string]Value {
	var fields []*FieldDef
	for _, f := range def.Fields {
		if f.Updateable() && !f.Unique && f.Name != "OwnerId" && !def.isPersonPart(f) {
			fields = append(fields, f)
		}
	}
	values := map[string]Value{}
	for range min(n, len(fields)) {
		f := fields[w.rng.IntN(len(fields))]
		switch {
		case f.Nillable() && w.rng.IntN(8) == 0:
			values[f.Name] = Value{}
		case f.Type.IsLongText() && row != nil && len(row.Get(f.Name).Text()) > minDiffChars && w.rng.IntN(4) > 0:
			values[f.Name] = w.editedText(row.Get(f.Name).Text())
		default:
			values[f.Name] = w.value(f)
		}
	}
	return values
}

// value makes a value that fits a field.
func (w *worker) value(f *FieldDef) Value {
	switch f.Type {
	case TypeReference:
		return w.reference(f)
	case TypePicklist, TypeMultiPicklist:
		return w.choice(f)
	case TypeEmail:
		return String(fmt.Sprintf("%s%d@example.com", strings.ToLower(pickOf(w, workCompanies)), w.rng.IntN(1000)))
	case TypePhone:
		return String(fmt.Sprintf("+%d %03d %06d", 30+w.rng.IntN(60), w.rng.IntN(1000), w.rng.IntN(1_000_000)))
	case TypeURL:
		return String("https://" + strings.ToLower(pickOf(w, workCompanies)) + ".example.com/" + strconv.Itoa(w.rng.IntN(1000)))
	case TypeLongTextArea, TypeRichTextArea:
		return w.longText(f)
	}
	switch f.Type.Kind() {
	case KindBool:
		return Bool(w.rng.IntN(2) == 0)
	case KindInt:
		return Int(int64(w.rng.IntN(5000)))
	case KindDecimal:
		return w.number(f)
	case KindDate:
		return DateOf(time.Now().AddDate(0, 0, w.rng.IntN(200)-60))
	case KindDateTime:
		return DateTimeOf(time.Now().Add(-time.Duration(w.rng.IntN(500)) * time.Hour))
	case KindTime:
		return TimeOfDay(int64(w.rng.IntN(86_400)) * 1000)
	}
	return w.shortText(f)
}

func pickOf(w *worker, list []string) string { return list[w.rng.IntN(len(list))] }

func (w *worker) reference(f *FieldDef) Value {
	to := f.ReferenceTo[w.rng.IntN(len(f.ReferenceTo))]
	if to == "User" {
		return String(w.org.IntegrationUser())
	}
	ids := w.live[to]
	if len(ids) == 0 {
		return Value{}
	}
	return String(ids[w.rng.IntN(len(ids))])
}

func (w *worker) choice(f *FieldDef) Value {
	if len(f.Picklist) == 0 {
		if f.Component == "GeocodeAccuracy" {
			return String("Address")
		}
		return String(pickOf(w, workWords))
	}
	first := f.Picklist[w.rng.IntN(len(f.Picklist))].Value
	second := f.Picklist[w.rng.IntN(len(f.Picklist))].Value
	if f.Type == TypeMultiPicklist && first != second {
		return String(first + ";" + second)
	}
	return String(first)
}

func (w *worker) number(f *FieldDef) Value {
	switch f.Component {
	case "Latitude":
		return MustDecimal(fmt.Sprintf("%.6f", w.rng.Float64()*120-60))
	case "Longitude":
		return MustDecimal(fmt.Sprintf("%.6f", w.rng.Float64()*360-180))
	}
	digits := min(f.Precision-f.Scale, 6)
	whole := 0
	if digits > 0 {
		limit := 1
		for range digits {
			limit *= 10
		}
		whole = w.rng.IntN(limit)
	}
	return MustDecimal(strconv.Itoa(whole) + "." + fmt.Sprintf("%06d", w.rng.IntN(1_000_000)))
}

func (w *worker) shortText(f *FieldDef) Value {
	name := f.Name
	if f.Component != "" {
		name = f.Component
	}
	var s string
	switch {
	case f.Unique || f.ExternalID:
		s = fmt.Sprintf("E-%012d", w.rng.Int64N(1_000_000_000_000))
	case name == "FirstName":
		s = pickOf(w, workFirst)
	case name == "LastName":
		s = pickOf(w, workLast)
	case name == "Name":
		s = pickOf(w, workCompanies) + " " + pickOf(w, workTrades) + " " + pickOf(w, workForms)
	case name == "City":
		s = pickOf(w, workCities)
	case name == "Street":
		s = strconv.Itoa(1+w.rng.IntN(200)) + " " + pickOf(w, workCompanies) + " Road"
	case name == "PostalCode":
		s = fmt.Sprintf("%05d", w.rng.IntN(100_000))
	default:
		s = w.words(2 + w.rng.IntN(3))
	}
	if r := []rune(s); f.Length > 0 && len(r) > f.Length {
		s = string(r[:f.Length])
	}
	return String(s)
}

func (w *worker) words(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = pickOf(w, workWords)
	}
	return strings.Join(list, " ")
}

// longText is mostly a few lines; one in ten is long enough for diffs.
func (w *worker) longText(f *FieldDef) Value {
	lines := 1 + w.rng.IntN(4)
	if w.rng.IntN(10) == 0 {
		lines = 30
	}
	text := make([]string, lines)
	for i := range text {
		text[i] = w.words(6 + w.rng.IntN(6))
	}
	s := strings.Join(text, "\r\n")
	if f.Length > 0 && len(s) > f.Length {
		s = s[:f.Length]
	}
	return String(s)
}

// editedText changes one line, as people who keep notes do.
func (w *worker) editedText(text string) Value {
	lines := strings.Split(text, "\r\n")
	lines[w.rng.IntN(len(lines))] = w.words(8)
	return String(strings.Join(lines, "\r\n"))
}
