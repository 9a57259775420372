package writeback

import (
	"fmt"
	"testing"

	"sfbridge/writeback/rows"
)

func TestPack_ChangesNothing(t *testing.T) {
	for _, r := range []rows.Row{
		{},
		{Key: "K", Identity: "k", Parent: "001", Values: []rows.Value{{Column: 1, Kind: rows.Text, Text: "a"}, {Column: 2, Kind: rows.Text, Text: "001"}, {Column: 3}}},
		{Key: "K", Identity: "K", Values: []rows.Value{{Kind: rows.Text, Text: "Zoë"}, {Kind: rows.Number, Text: "1.5"}}},
	} {
		want := fmt.Sprintf("%+v", r)
		if pack(&r); fmt.Sprintf("%+v", r) != want {
			t.Errorf("packed %+v, want %s", r, want)
		}
	}
}
