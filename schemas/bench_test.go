package schemas_test

import (
	"encoding/json"
	"testing"

	"github.com/linkedin/goavro/v2"

	"sfbridge/event"
	"sfbridge/schemas"
)

// accountUpdate is an UPDATE of five fields on the account schema of 120.
func accountUpdate(t testing.TB) []byte {
	t.Helper()
	var native map[string]any
	codec, err := goavro.NewCodec(read(t, "account.avsc"))
	if err != nil {
		t.Fatal(err)
	}
	text := `{"ChangeEventHeader":{"entityName":"Account","recordIds":["001SB000000001AYAQ"],"changeType":"UPDATE",
		"changeOrigin":"com/salesforce/api/soap/64.0;client=SfdcInternalAPI/","transactionKey":"00000000-0000-0000-0000-000000000001",
		"sequenceNumber":1,"commitTimestamp":1767225600000,"commitNumber":1725346778429841409,"commitUser":"005SB000000001AYAQ",
		"nulledFields":["0x80"],"diffFields":[],"changedFields":["0x4008C0","4-0x03"]}}`
	if err := json.Unmarshal([]byte(text), &native); err != nil {
		t.Fatal(err)
	}
	h := native["ChangeEventHeader"].(map[string]any)
	for _, n := range []string{"sequenceNumber", "commitTimestamp"} {
		h[n] = int64(h[n].(float64))
	}
	h["commitNumber"] = int64(1725346778429841409)
	native["Phone"] = goavro.Union("string", "+33 1 23 45 67 89")
	native["Industry"] = goavro.Union("string", "Banking")
	native["LastModifiedDate"] = goavro.Union("long", int64(1767225600000))
	native["Description"] = goavro.Union("string", "A description of one hundred characters, give or take, so that the body has some weight to carry.")
	b, err := codec.BinaryFromNative(nil, native)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The whole inbound step of this package: check, decode the header, write the
// record's value.
func BenchmarkInboundStep(b *testing.B) {
	c, datum := account(b), accountUpdate(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(datum)))
	var h event.Header
	for b.Loop() {
		if err := c.CheckPayload(datum); err != nil {
			b.Fatal(err)
		}
		body, err := c.DecodeHeader(datum, &h)
		if err != nil {
			b.Fatal(err)
		}
		if v := c.AppendChange(nil, 1, &h, h.RecordIDs[0], body); len(v) == 0 {
			b.Fatal("empty")
		}
	}
}

func BenchmarkDecodeHeader(b *testing.B) {
	c, datum := account(b), accountUpdate(b)
	b.ReportAllocs()
	var h event.Header
	for b.Loop() {
		if _, err := c.DecodeHeader(datum, &h); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendChange(b *testing.B) {
	c, datum := account(b), accountUpdate(b)
	var h event.Header
	body, err := c.DecodeHeader(datum, &h)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	var dst []byte
	for b.Loop() {
		dst = c.AppendChange(dst[:0], 1, &h, "001SB000000001AYAQ", body)
	}
}

func BenchmarkCheckPayload(b *testing.B) {
	c, datum := account(b), accountUpdate(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := c.CheckPayload(datum); err != nil {
			b.Fatal(err)
		}
	}
}

// What decoding the whole event with goavro would cost instead.
func BenchmarkGoavroWholeEvent(b *testing.B) {
	codec, err := goavro.NewCodec(read(b, "account.avsc"))
	if err != nil {
		b.Fatal(err)
	}
	datum := accountUpdate(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := codec.NativeFromBinary(datum); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	text := read(b, "account.avsc")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := schemas.Compile("", text); err != nil {
			b.Fatal(err)
		}
	}
}

// The promise of the package: what the bridge adds per event stays small.
func TestInboundStep_Allocations(t *testing.T) {
	c, datum := account(t), accountUpdate(t)
	var h event.Header
	got := testing.AllocsPerRun(100, func() {
		if err := c.CheckPayload(datum); err != nil {
			t.Fatal(err)
		}
		body, err := c.DecodeHeader(datum, &h)
		if err != nil {
			t.Fatal(err)
		}
		c.AppendChange(nil, 1, &h, h.RecordIDs[0], body)
	})
	if got > 3 {
		t.Errorf("check, decode and append allocate %v times, want 3 at most", got)
	}
}
