package schemas_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/linkedin/goavro/v2"

	"sfbridge/event"
	"sfbridge/schemas"
)

// everyType has each Avro type, and a record that refers to itself.
const everyType = `{"type":"record","name":"All","fields":[
 {"name":"n","type":"null"},{"name":"b","type":"boolean"},{"name":"i","type":"int"},{"name":"l","type":"long"},
 {"name":"f","type":"float"},{"name":"d","type":"double"},{"name":"y","type":"bytes"},{"name":"s","type":"string"},
 {"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}},{"name":"x","type":{"type":"fixed","name":"X","size":3}},
 {"name":"a","type":{"type":"array","items":["null","int"]}},{"name":"z","type":{"type":"array","items":"null"}},
 {"name":"m","type":{"type":"map","values":"string"}},{"name":"r","type":["null","All"]}]}`

// stricter lists why CheckPayload refuses what goavro reads; each is a datum on
// which readers differ, and is told in CheckPayload's comment.
var stricter = []string{"longer than its type", "byte size is not", "claims more items", "nested too deep", "a length is negative", "ends inside"}

func stricterThanGoavro(err error) bool {
	for _, reason := range stricter {
		if strings.Contains(err.Error(), reason) {
			return true
		}
	}
	return false
}

// goavro is the second opinion on what is a datum. It allocates whatever a count
// claims, so it is bounded here; the package never gives it unchecked bytes.
func FuzzCheckPayload_AgreesWithGoavro(f *testing.F) {
	goavro.MaxBlockCount = 1 << 17
	for _, file := range []string{"v1_update", "v2_delete_merged", "v4_gap_overflow"} {
		f.Add(uint8(0), payload(f, file))
	}
	f.Add(uint8(1), accountUpdate(f))
	f.Add(uint8(2), []byte("\x01\x02\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02a\x02b\x02abc\x03\x06\x00\x02\x08\x00\x04\x00\x02\x02k\x02v\x00\x00"))
	texts := []string{read(f, "shipment.avsc"), read(f, "account.avsc"), everyType}
	var ours []*schemas.Codec
	var theirs []*goavro.Codec
	for _, text := range texts {
		ours = append(ours, compile(f, "", text))
		g, err := goavro.NewCodec(text)
		if err != nil {
			f.Fatal(err)
		}
		theirs = append(theirs, g)
	}
	f.Fuzz(func(t *testing.T, which uint8, datum []byte) {
		i := int(which) % len(texts)
		err := ours[i].CheckPayload(datum)
		if err != nil && stricterThanGoavro(err) {
			return
		}
		_, rest, gerr := theirs[i].NativeFromBinary(datum)
		if gerr == nil && len(rest) > 0 {
			gerr = errLeftOver
		}
		if (err == nil) != (gerr == nil) {
			t.Errorf("we say %v, goavro says %v", err, gerr)
		}
	})
}

// Whatever payload has a header that we accept: the header is the one that
// others read, and the record that we write reads the same except for names and
// the one id.
func FuzzRewrite_OthersReadTheSame(f *testing.F) {
	for _, file := range []string{"v1_update", "v2_delete_merged", "v3_gap_update", "v4_gap_overflow"} {
		f.Add(payload(f, file))
	}
	text := read(f, "shipment.avsc")
	c := compile(f, shipmentID, text)
	read := readers(f, text)
	readNew := readers(f, c.Normalised())
	f.Fuzz(func(t *testing.T, datum []byte) {
		var h, whole event.Header
		inOne, oneErr := c.DecodeEvent(datum, &whole)
		checkErr := c.CheckPayload(datum)
		body, err := c.DecodeHeader(datum, &h)
		if (oneErr == nil) != (checkErr == nil && err == nil) {
			t.Fatalf("DecodeEvent says %v, CheckPayload %v, DecodeHeader %v", oneErr, checkErr, err)
		}
		if oneErr != nil {
			return // one of them: bitmaps of another schema, see FuzzNames
		}
		if !bytes.Equal(body, inOne) || !reflect.DeepEqual(h, whole) {
			t.Fatalf("DecodeEvent reads %v and %x, DecodeHeader %v and %x", whole, inOne, h, body)
		}
		for reader := range read {
			before, err := read[reader](datum)
			if err != nil {
				t.Fatalf("%s cannot read what we accept: %v", reader, err)
			}
			want := before.(object)
			sets := want["ChangeEventHeader"].(object)
			wantHeader := headerOf(h)
			for _, set := range []string{"nulledFields", "diffFields", "changedFields"} {
				sets[set] = wantHeader[set]
			}
			if !reflect.DeepEqual(sets, wantHeader) {
				t.Fatalf("%s reads header %v, we %v", reader, sets, wantHeader)
			}
			for _, id := range h.RecordIDs[:min(len(h.RecordIDs), 3)] {
				wantHeader["recordIds"] = []any{id}
				want["ChangeEventHeader"] = wantHeader
				_, value, err := schemas.ParseFrame(c.AppendChange(nil, 1, &h, id, body))
				if err != nil {
					t.Fatal(err)
				}
				got, err := readNew[reader](value)
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Fatalf("%s reads from our record\n%v, %v; want\n%v", reader, got, err, want)
				}
			}
		}
	})
}

// A bitmap's number, taken as a big integer, has the bits that Names tells.
func FuzzNames_AgreesWithBigInt(f *testing.F) {
	for _, s := range []string{"0x410000", "4-0x01", "0x", "11-0x03", "-1-0x01", "0x80000000000000000000800000", "f3", "f4.c1", "0X01", "4-0x0200", "+4-0x01", "0x_1"} {
		f.Add(s)
	}
	c := compile(f, "", wide(120, 4, 7, 11))
	f.Fuzz(func(t *testing.T, element string) {
		got, err := c.Names([]string{element})
		if err != nil || !strings.Contains(element, "0x") {
			return
		}
		parent, hex, _ := strings.Cut(element, "0x")
		number, ok := new(big.Int).SetString(hex, 16)
		if !ok {
			t.Fatalf("%q is no number and became %v", element, got)
		}
		var want []string
		for i := range number.BitLen() {
			if number.Bit(i) == 0 {
				continue
			}
			if parent == "" {
				want = append(want, fmt.Sprintf("f%d", i))
			} else {
				want = append(want, fmt.Sprintf("f%s.c%d", strings.TrimLeft(strings.TrimSuffix(parent, "-"), "0"), i))
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("Names(%q) = %v, want %v", element, got, want)
		}
	})
}

// Compile survives any text, and what it accepts has a stable normal form.
func FuzzCompile_NormalFormIsStable(f *testing.F) {
	f.Add(everyType)
	f.Add(otherHeader)
	f.Add(read(f, "shipment.avsc"))
	f.Add(`["null",{"type":"enum","name":"x y","symbols":["a b","a_b"]}]`)
	for _, text := range canonicalSchemas {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := schemas.Compile("", text)
		if err != nil {
			return
		}
		again, err := schemas.Compile("", c.Normalised())
		if err != nil {
			t.Fatalf("the normal form of %s does not compile: %v", text, err)
		}
		if again.Normalised() != c.Normalised() {
			t.Errorf("normalising again changes\n%s\ninto\n%s", c.Normalised(), again.Normalised())
		}
		if c.CheckPayload(nil) == nil && c.IsChangeEvent() {
			t.Error("a change event of no bytes")
		}
	})
}

func FuzzParseFrame_RoundTrip(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 1, 2})
	f.Add([]byte{1, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		id, payload, err := schemas.ParseFrame(b)
		if err != nil {
			if !errors.Is(err, schemas.ErrNotFramed) {
				t.Errorf("%v is not ErrNotFramed", err)
			}
			return
		}
		if got := schemas.AppendFrame(nil, id, payload); string(got) != string(b) {
			t.Errorf("%x became %x", b, got)
		}
	})
}
