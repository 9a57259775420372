package schemas_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// wide is a record of n fields f0, f1, … in which some are compound, as the
// positions of each sample demand.
func wide(n int, compounds ...int) string {
	inner := `{"type":"record","name":"Inner","fields":[`
	for i := range 9 {
		inner += fmt.Sprintf(`{"name":"c%d","type":["null","string"]},`, i)
	}
	inner = strings.TrimSuffix(inner, ",") + "]}"
	var fields []string
	for i := range n {
		kind := `["null","string"]`
		if slices.Contains(compounds, i) {
			kind, inner = `["null",`+inner+`]`, `"Inner"`
		}
		fields = append(fields, fmt.Sprintf(`{"name":"f%d","type":%s}`, i, kind))
	}
	return `{"type":"record","name":"Wide","fields":[` + strings.Join(fields, ",") + `]}`
}

func bits(parent int, list ...int) (names []string) {
	for _, b := range list {
		if parent >= 0 {
			names = append(names, fmt.Sprintf("f%d.c%d", parent, b))
		} else {
			names = append(names, fmt.Sprintf("f%d", b))
		}
	}
	return names
}

// The verified values of the bitmap table.
func TestNames_VerifiedBitmaps(t *testing.T) {
	c := compile(t, "", wide(120, 4, 7, 11))
	for _, row := range []struct {
		set  []string
		want []string
	}{
		{[]string{}, nil},
		{[]string{"0x00"}, nil},
		{[]string{"0x01"}, bits(-1, 0)},
		{[]string{"0x80"}, bits(-1, 7)},
		{[]string{"0x0100"}, bits(-1, 8)},
		{[]string{"0x2080"}, bits(-1, 7, 13)},
		{[]string{"0x410000"}, bits(-1, 16, 22)},
		{[]string{"0x010000"}, bits(-1, 16)},
		{[]string{"0x400800"}, bits(-1, 11, 22)},
		{[]string{"0x400080"}, bits(-1, 7, 22)},
		{[]string{"0x400004"}, bits(-1, 2, 22)},
		{[]string{"0x400000", "4-0x01"}, append(bits(-1, 22), bits(4, 0)...)},
		{[]string{"0x08F81000"}, bits(-1, 12, 19, 20, 21, 22, 23, 27)},
		{[]string{"0x650004E0", "4-0x10", "7-0x06"}, slices.Concat(bits(-1, 5, 6, 7, 10, 24, 26, 29, 30), bits(4, 4), bits(7, 1, 2))},
		{[]string{"0x80000000000000000000800000"}, bits(-1, 23, 103)},
		{[]string{"0x8000000000000000"}, bits(-1, 63)},
		{[]string{"0x010000000000000000"}, bits(-1, 64)},
		{[]string{"0x04A0", "11-0x03"}, append(bits(-1, 5, 7, 10), bits(11, 0, 1)...)},
		{[]string{"0x0400", "11-0x01"}, append(bits(-1, 10), bits(11, 0)...)},
		// the top element may be missing, the order be another, zeros lead,
		// digits be small
		{[]string{"4-0x01"}, bits(4, 0)},
		{[]string{"11-0x01", "0x0400"}, append(bits(11, 0), bits(-1, 10)...)},
		{[]string{"0x" + strings.Repeat("0", 600) + "0400"}, bits(-1, 10)},
		{[]string{"0x4a0"}, bits(-1, 5, 7, 10)},
		{[]string{"0x0A", "0x06"}, bits(-1, 1, 3, 2)},
		{[]string{"4-0x0100"}, bits(4, 8)},
		// all inner bits: each part is told
		{[]string{"4-0x01FF"}, bits(4, 0, 1, 2, 3, 4, 5, 6, 7, 8)},
		// names, which our own records have
		{[]string{"f3", "f4.c8", "f4"}, []string{"f3", "f4.c8", "f4"}},
		{bits(-1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1), bits(-1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)},
	} {
		for range 2 { // the second time from the cache
			got, err := c.Names(row.set)
			if err != nil || !slices.Equal(got, row.want) {
				t.Errorf("Names(%q) = %v, %v; want %v", row.set, got, err, row.want)
			}
		}
	}
}

func TestNames_AccountSamples_RealNames(t *testing.T) {
	c := account(t)
	for _, row := range []struct{ set, want []string }{
		{[]string{"0x410000"}, []string{"Description", "LastModifiedDate"}},
		{[]string{"0x400800"}, []string{"Industry", "LastModifiedDate"}},
		{[]string{"0x400000", "4-0x01"}, []string{"LastModifiedDate", "BillingAddress.Street"}},
		{[]string{"0x400004"}, []string{"Type", "LastModifiedDate"}},
		{[]string{"5-0x10"}, []string{"ShippingAddress.Country"}}, // the type is referred to by name
		{[]string{"1-0x06"}, []string{"Name.FirstName", "Name.LastName"}},
		{[]string{"0x80000000000000000000800000"}, []string{"LastModifiedById", "Custom_103__c"}},
	} {
		if got, err := c.Names(row.set); err != nil || !slices.Equal(got, row.want) {
			t.Errorf("Names(%q) = %v, %v; want %v", row.set, got, err, row.want)
		}
	}
}

func TestNames_NotOfThisSchema_Refused(t *testing.T) {
	c := account(t)
	for set, want := range map[string]string{
		"0x01" + strings.Repeat("0", 30): "bit 120",
		"120-0x01":                       "120 fields",
		"99999999999999999999-0x01":      "120 fields",
		"-1-0x01":                        "120 fields",
		"2-0x01":                         "field Type has no fields of its own",
		"4-0x0200":                       "bit 9",
		"0x":                             "no digits",
		"4-0x":                           "no digits",
		"0xG1":                           "not hexadecimal",
		"0x-1":                           "is this the event's own schema",
		"410000":                         "neither a bitmap nor a field",
		"":                               "neither a bitmap nor a field",
		"Nmae":                           "neither a bitmap nor a field",
		"BillingAddress.Stret":           "neither a bitmap nor a field",
		"Type.Street":                    "neither a bitmap nor a field",
	} {
		if got, err := c.Names([]string{set}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Names(%q) = %v, %v; want an error about %q", set, got, err, want)
		}
	}
	if _, err := c.Names(slices.Repeat([]string{"0x02"}, 1000)); err == nil {
		t.Error("a set of 1000 elements was resolved for 120 fields")
	}
}

// More distinct bitmaps than the cache keeps.
func TestNames_ManyBitmaps_StayRight(t *testing.T) {
	c := compile(t, "", wide(40))
	for n := range uint64(3000) {
		got, err := c.Names([]string{fmt.Sprintf("0x%X", n)})
		var want []string
		for b := range 40 {
			if n>>b&1 == 1 {
				want = append(want, fmt.Sprintf("f%d", b))
			}
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("0x%X: %v, %v; want %v", n, got, err, want)
		}
	}
}

// C04: masks refer to the event's own schema, nested ones too.
func TestC04_Masks_BecomeNames(t *testing.T) {
	c := compile(t, "", `{"type":"record","name":"XChangeEvent","fields":[
		{"name":"ChangeEventHeader","type":["null","string"]},{"name":"Name","type":["null","string"]},
		{"name":"BillingAddress","type":["null",{"type":"record","name":"Address","fields":[{"name":"Street","type":["null","string"]},{"name":"City","type":["null","string"]}]}]},
		{"name":"Phone","type":["null","string"]}]}`)
	got, err := c.Names([]string{"0x0A", "2-0x02"})
	if want := []string{"Name", "Phone", "BillingAddress.City"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}
