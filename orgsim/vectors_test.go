package orgsim_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hamba/avro/v2"

	"sfbridge/event"
	"sfbridge/orgsim"
)

// The vectors of two schemas that other decoders agree on: one platform
// event and one change event.
const (
	dockAlertSchemaID = "ML1xvO1abEyAYOMHyAvgow"
	shipmentSchemaID  = "0PdYXbHrk9VDi6r5EcwuzA"

	dockAlertHex      = "80a0d5edee662430303553423030303030303030314159415102044437020000000000002940000201"
	shipmentUpdateHex = "16536869706d656e745f5f63022461303053423030303030303030314159415100025e636f6d2f73616c6573666f7263652f6170692f726573742f36362e303b636c69656e743d6272696467652d746573744830303030303030302d303030302d303030302d303030302d3030303030303030303030310280a0d5edee668280e7aa9ef0d4f12f24303035534230303030303030303141594151040c3078303430300e31312d307830310000040c3078303441300e31312d3078303300000000000280a0d5edee6600021244656c697665726564000000020002084c796f6e00000000000000"
	shipmentDeleteHex = "16536869706d656e745f5f630424613030534230303030303030303141594151246130305342303030303030303032415941510004004830303030303030302d303030302d303030302d303030302d30303030303030303030303202d0afd5edee668480e7aa9ef0d4f12f24303035534230303030303030303141594151000000000000000000000000000000"
	shipmentGapHex    = "16536869706d656e745f5f630224613030534230303030303030303141594151000a004830303030303030302d303030302d303030302d303030302d30303030303030303030303206d0afd5edee668480e7aa9ef0d4f12f24303035534230303030303030303141594151000000000000000000000000000000"
	shipmentOverHex   = "16536869706d656e745f5f6302243030303030303030303030303030304141410010004830303030303030302d303030302d303030302d303030302d3030303030303030303030320cd0afd5edee668480e7aa9ef0d4f12f24303035534230303030303030303141594151000000000000000000000000000000"

	vectorUser = "005SB000000001AYAQ"
)

func vectorObjects() []orgsim.ObjectDef {
	f := func(name string, t orgsim.FieldType, id string) *orgsim.FieldDef {
		return &orgsim.FieldDef{Name: name, Type: t, ID: "00NSB000000" + id, Scale: 2}
	}
	return []orgsim.ObjectDef{
		{Name: "Shipment__c", KeyPrefix: "a00", Fields: []*orgsim.FieldDef{
			f("Status__c", orgsim.TypePicklist, "002a"), f("Due__c", orgsim.TypeDate, "002b"), f("Weight__c", orgsim.TypeDouble, "002c"),
			f("Notes__c", orgsim.TypeLongTextArea, "002d"), f("Ship_To__c", orgsim.TypeAddress, "002e"), f("Depot__c", orgsim.TypeLocation, "002f"),
		}},
		{Name: "Dock_Alert__e", Event: true, Fields: []*orgsim.FieldDef{
			f("Dock_Code__c", orgsim.TypeString, "001a"), f("Pallets__c", orgsim.TypeDouble, "001b"),
			f("Seen_At__c", orgsim.TypeDateTime, "001c"), f("Is_Blocked__c", orgsim.TypeBoolean, "001d"),
		}},
	}
}

func sleepUntil(at string) {
	t, err := time.Parse(time.RFC3339, at)
	if err != nil {
		panic(err)
	}
	time.Sleep(time.Until(t))
}

func TestSchemaID_OfVectors_AsPublished(t *testing.T) {
	org := newOrg(t, orgsim.Config{Objects: vectorObjects()})
	for name, want := range map[string]string{"Dock_Alert__e": dockAlertSchemaID, "Shipment__ChangeEvent": shipmentSchemaID} {
		id, text, err := org.EventSchema(name)
		if err != nil || string(id) != want {
			t.Errorf("schema id of %s = %s, %v, want %s\n%s", name, id, err, want, text)
		}
	}
}

func TestSchemaID_OfBuiltins_MD5OfCanonicalForm(t *testing.T) {
	org := newOrg(t, orgsim.Config{})
	for _, def := range org.Objects() {
		id, text, err := org.EventSchema(def.EventName())
		if err != nil {
			t.Fatal(err)
		}
		s, err := avro.ParseWithCache(text, "", &avro.SchemaCache{})
		if err != nil {
			t.Fatalf("schema of %s: %v\n%s", def.Name, err, text)
		}
		sum, err := s.FingerprintUsing(avro.MD5)
		if err != nil {
			t.Fatal(err)
		}
		if want := base64url(sum); string(id) != want {
			t.Errorf("schema id of %s = %s, another Avro library says %s", def.Name, id, want)
		}
	}
}

func TestVectors_MadeByOperations_ByteForByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t, orgsim.Config{Objects: vectorObjects()})
		caller := orgsim.Caller{UserID: vectorUser, API: "rest", Version: "66.0", Client: "bridge-test"}
		ids := vectorRows(t, org, caller)
		sleepUntil("2026-01-01T00:00:00Z")
		org.NextCommit("00000000-0000-0000-0000-000000000001", 1725346778429841409)
		_, err := org.Transact(t.Context(), caller, func(tx *orgsim.Tx) error {
			return tx.Update(ids[0], vals{"Status__c": orgsim.String("Delivered"), "Notes__c": {}, "Ship_To__Street__s": {}, "Ship_To__City__s": orgsim.String("Lyon")})
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		org.NextCommit("00000000-0000-0000-0000-000000000002", 1725346778429841410)
		_, err = org.Transact(t.Context(), orgsim.Caller{UserID: vectorUser}, func(tx *orgsim.Tx) error {
			for _, id := range ids {
				if err := tx.Delete(id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		events := org.Stored("Shipment__c")
		events = events[len(events)-2:]
		for i, want := range []string{shipmentUpdateHex, shipmentDeleteHex} {
			if got := hex.EncodeToString(events[i].Payload); got != want {
				t.Errorf("event %d\n got %s\nwant %s", i+1, got, want)
			}
		}
	})
}

// vectorRows makes the two shipments of the vectors, and rows before and
// between them so that the ids fall where they should.
func vectorRows(t *testing.T, org *orgsim.Org, caller orgsim.Caller) []string {
	t.Helper()
	var ids []string
	_, err := org.Transact(t.Context(), caller, func(tx *orgsim.Tx) error {
		for range 2*62 + 10 {
			id, err := tx.Insert("Shipment__c", vals{"Name": orgsim.String("S"), "Notes__c": orgsim.String("n"), "Ship_To__Street__s": orgsim.String("1 Quay")})
			if err != nil {
				return err
			}
			if strings.HasPrefix(id, "a00SB000000001A") || strings.HasPrefix(id, "a00SB000000002A") {
				ids = append(ids, id)
			}
		}
		return nil
	})
	if err != nil || len(ids) != 2 {
		t.Fatalf("rows: %v, %v", ids, err)
	}
	return ids
}

func TestVectors_GapAndOverflow_ByteForByte(t *testing.T) {
	org := newOrg(t, orgsim.Config{Objects: vectorObjects()})
	h := event.Header{
		EntityName: "Shipment__c", RecordIDs: []string{"a00SB000000001AYAQ"}, ChangeType: event.GapUpdate,
		TransactionKey: "00000000-0000-0000-0000-000000000002", SequenceNumber: 3, CommitTimestamp: 1767225601000,
		CommitNumber: 1725346778429841410, CommitUser: vectorUser,
	}
	if got := hex.EncodeToString(org.EncodeEmpty("Shipment__c", h)); got != shipmentGapHex {
		t.Errorf("gap\n got %s\nwant %s", got, shipmentGapHex)
	}
	h.ChangeType, h.RecordIDs, h.SequenceNumber = event.GapOverflow, []string{event.OverflowRecordID}, 6
	if got := hex.EncodeToString(org.EncodeEmpty("Shipment__c", h)); got != shipmentOverHex {
		t.Errorf("overflow\n got %s\nwant %s", got, shipmentOverHex)
	}
}

func TestVectors_PlatformEvent_ByteForByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newOrg(t, orgsim.Config{Objects: vectorObjects()})
		sleepUntil("2026-01-01T00:00:00Z")
		_, _, err := org.PublishEvent(context.Background(), orgsim.Caller{UserID: vectorUser}, "Dock_Alert__e", vals{
			"Dock_Code__c": orgsim.String("D7"), "Pallets__c": orgsim.MustDecimal("12.5"), "Is_Blocked__c": orgsim.Bool(true),
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(org.Stored("Dock_Alert__e")[0].Payload); got != dockAlertHex {
			t.Errorf("got %s\nwant %s", got, dockAlertHex)
		}
	})
}

func TestMask_PublishedExamples_SameHex(t *testing.T) {
	for _, c := range []struct {
		top    []int
		nested map[int][]int
		want   string
	}{
		{[]int{0}, nil, "0x01"},
		{[]int{7}, nil, "0x80"},
		{[]int{8}, nil, "0x0100"},
		{[]int{7, 13}, nil, "0x2080"},
		{[]int{16, 22}, nil, "0x410000"},
		{[]int{16}, nil, "0x010000"},
		{[]int{11, 22}, nil, "0x400800"},
		{[]int{7, 22}, nil, "0x400080"},
		{[]int{2, 22}, nil, "0x400004"},
		{[]int{22}, map[int][]int{4: {0}}, "0x400000 4-0x01"},
		{[]int{12, 19, 20, 21, 22, 23, 27}, nil, "0x08F81000"},
		{[]int{5, 6, 7, 10, 24, 26, 29, 30}, map[int][]int{4: {4}, 7: {1, 2}}, "0x650004E0 4-0x10 7-0x06"},
		{[]int{23, 103}, nil, "0x80000000000000000000800000"},
		{[]int{63}, nil, "0x8000000000000000"},
		{[]int{64}, nil, "0x010000000000000000"},
		{[]int{5, 7, 10}, map[int][]int{11: {0, 1}}, "0x04A0 11-0x03"},
		{[]int{10}, map[int][]int{11: {0}}, "0x0400 11-0x01"},
		{nil, map[int][]int{4: {0}}, "4-0x01"},
		{nil, nil, ""},
	} {
		if got := strings.Join(orgsim.Mask(c.top, c.nested, false), " "); got != c.want {
			t.Errorf("mask of %v %v = %q, want %q", c.top, c.nested, got, c.want)
		}
	}
	if got := strings.Join(orgsim.Mask(nil, map[int][]int{4: {0}}, true), " "); got != "0x00 4-0x01" {
		t.Errorf("with the first element kept: %q", got)
	}
}

func letterLines(sep string, third string) string {
	var lines []string
	for k := range 12 {
		lines = append(lines, strings.Repeat(string(rune('a'+k)), 100))
	}
	if third != "" {
		lines[2] = third
	}
	return strings.Join(lines, sep)
}

func TestTextDiff_Vector_AsPublished(t *testing.T) {
	changed := strings.Repeat("X", 100)
	old, now := letterLines("\r\n", ""), letterLines("\r\n", changed)
	want := "--- \n+++ f323bbfb006a3f5f9ea5502755cc90dea2540cc30a437d4071374df9cbee474e\n@@ -3,1 +3,1 @@\n-" +
		strings.Repeat("c", 100) + "\n+" + changed
	got, ok := orgsim.TextDiff(old, now)
	if !ok || got != want || len(got) != 293 {
		t.Errorf("diff %v, %d characters:\n%s\nwant\n%s", ok, len(got), got, want)
	}
	lf, ok := orgsim.TextDiff(letterLines("\n", ""), letterLines("\n", changed))
	if !ok || !strings.Contains(lf, "f22618a24d4fbbc9e4d732477c2a4ecf487239bb32510a4a52667c12d3dcd069") {
		t.Errorf("diff of the text with line feeds: %v\n%s", ok, lf)
	}
}

func TestTextDiff_WhenItDoesNotPay_WholeValue(t *testing.T) {
	long := letterLines("\n", "")
	for name, c := range map[string][2]string{
		"short":               {"a\nb\nc", "a\nb\nd"},
		"was empty":           {"", long},
		"much longer":         {long, long + "\n" + strings.Repeat(long, 2)},
		"most lines differ":   {long, strings.Repeat("z\n", 600) + "z"},
		"one line":            {strings.Repeat("a", 1200), strings.Repeat("a", 1199) + "b"},
		"line breaks differ":  {long, letterLines("\r\n", "x")},
		"mixed line breaks":   {long + "\r\nx", long + "\r\ny"},
		"four of twelve line": {long, strings.NewReplacer("a", "1", "b", "2", "c", "3", "d", "4").Replace(long)},
	} {
		if diff, ok := orgsim.TextDiff(c[0], c[1]); ok {
			t.Errorf("%s: got a diff of %d characters for a value of %d", name, len(diff), len(c[1]))
		}
	}
}

func TestTextDiff_Applied_GivesTheNewValue(t *testing.T) {
	base := strings.Split(letterLines("\n", ""), "\n")
	for name, edit := range map[string]func() []string{
		"inserted":           func() []string { return append(append(append([]string{}, base[:5]...), "new"), base[5:]...) },
		"inserted at start":  func() []string { return append([]string{"new"}, base...) },
		"appended":           func() []string { return append(append([]string{}, base...), "new") },
		"deleted":            func() []string { return append(append([]string{}, base[:5]...), base[6:]...) },
		"first line deleted": func() []string { return base[1:] },
		"two places":         func() []string { l := append([]string{}, base...); l[1], l[9] = "x", "y"; return l },
	} {
		old, now := strings.Join(base, "\n"), strings.Join(edit(), "\n")
		diff, ok := orgsim.TextDiff(old, now)
		if !ok {
			t.Errorf("%s: no diff", name)
			continue
		}
		if got := applyDiff(t, old, diff); got != now {
			t.Errorf("%s: applied diff gives\n%s\nwant\n%s\ndiff\n%s", name, got, now, diff)
		}
	}
}

// applyDiff applies a diff as a consumer has to, and checks its hash.
func applyDiff(t *testing.T, old, diff string) string {
	t.Helper()
	a, lines := strings.Split(old, "\n"), strings.Split(diff, "\n")
	var out []string
	at := 0
	for _, l := range lines[2:] {
		switch l[0] {
		case '@':
			var aAt, aLen, bAt, bLen int
			if _, err := fmt.Sscanf(l, "@@ -%d,%d +%d,%d @@", &aAt, &aLen, &bAt, &bLen); err != nil {
				t.Fatalf("hunk %q: %v", l, err)
			}
			if aLen > 0 {
				aAt--
			}
			out = append(out, a[at:aAt]...)
			at = aAt
		case '-':
			if a[at] != l[1:] {
				t.Fatalf("line %d is %q, the diff says %q", at, a[at], l[1:])
			}
			at++
		case '+':
			out = append(out, l[1:])
		}
	}
	got := strings.Join(append(out, a[at:]...), "\n")
	if sum := sha256.Sum256([]byte(got)); lines[1] != "+++ "+hex.EncodeToString(sum[:]) {
		t.Errorf("hash line %q does not fit", lines[1])
	}
	return got
}
