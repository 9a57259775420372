package schemas_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/hamba/avro/v2"

	"sfbridge/event"
	"sfbridge/schemas"
)

func TestFingerprint_IsSalesforcesSchemaID(t *testing.T) {
	for file, want := range map[string]event.SchemaID{"shipment": shipmentID, "dock_alert": dockAlertID} {
		got, err := schemas.Fingerprint(read(t, file+".avsc"))
		if err != nil || got != want {
			t.Errorf("%s: Fingerprint = %s, %v; want %s", file, got, err, want)
		}
	}
}

// canonicalSchemas are shapes in which a canonical form can go wrong.
var canonicalSchemas = map[string]string{
	"primitive object":   `{"type":"long","doc":"x"}`,
	"union":              `["null",{"type":"string"}]`,
	"field named a type": `{"type":"record","name":"A","namespace":"n.s","fields":[{"name":"Address","type":{"type":"record","name":"Address","fields":[]}},{"name":"b","type":"Address"}]}`,
	"namespace in name":  `{"type":"record","name":"x.y.A","namespace":"ignored","fields":[{"name":"f","type":{"type":"enum","name":"E","symbols":["A","B"],"default":"A"}}]}`,
	"other namespace":    `{"type":"record","name":"A","namespace":"n","fields":[{"name":"f","type":{"type":"fixed","name":"F","namespace":"m","size":4}},{"name":"g","type":"m.F"}]}`,
	"order of keys":      `{"fields":[{"default":null,"type":["null","int"],"name":"f","order":"ignore"}],"aliases":["B"],"name":"A","type":"record"}`,
	"containers":         `{"type":"map","values":{"type":"array","items":{"type":"map","values":"bytes"}}}`,
}

func TestFingerprint_AgreesWithHamba(t *testing.T) {
	texts := map[string]string{"shipment": read(t, "shipment.avsc"), "account": read(t, "account.avsc")}
	for name, text := range canonicalSchemas {
		texts[name] = text
	}
	for name, text := range texts {
		s, err := avro.ParseWithCache(text, "", &avro.SchemaCache{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		sum, err := s.FingerprintUsing(avro.MD5)
		if err != nil {
			t.Fatal(err)
		}
		got, err := schemas.Fingerprint(text)
		if want := event.SchemaID(base64URL(sum)); err != nil || got != want {
			t.Errorf("%s: Fingerprint = %s, %v; hamba has %s for %s", name, got, err, want, s.String())
		}
	}
}

// Salesforce uses no logical types; the specification strips them (hamba keeps
// them).
func TestFingerprint_StripsWhatIsNotInTheForm(t *testing.T) {
	plain, err := schemas.Fingerprint(`{"type":"record","name":"A","fields":[{"name":"d","type":"int"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := schemas.Fingerprint(`{"doc":"d","aliases":["B"],"type":"record","name":"A","x":1,"fields":[{"doc":"d","name":"d","default":1,"type":{"type":"int","logicalType":"date"}}]}`)
	if err != nil || got != plain {
		t.Errorf("Fingerprint = %s, %v; want %s, as without docs and logical types", got, err, plain)
	}
}

func TestCompile_ToldWhatItIs(t *testing.T) {
	c := shipment(t)
	if c.Name() != "Shipment__ChangeEvent" || !c.IsChangeEvent() || !c.FingerprintMatches() || c.SchemaID() != shipmentID {
		t.Errorf("shipment: name %s, change event %v, fingerprint matches %v, id %s", c.Name(), c.IsChangeEvent(), c.FingerprintMatches(), c.SchemaID())
	}
	c = compile(t, "another-id", read(t, "dock_alert.avsc"))
	if c.Name() != "Dock_Alert__e" || c.IsChangeEvent() || c.FingerprintMatches() {
		t.Errorf("dock alert: name %s, change event %v, fingerprint matches %v", c.Name(), c.IsChangeEvent(), c.FingerprintMatches())
	}
}

func TestCompile_BrokenSchema_SaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		``:                              "EOF",
		`{"type":"record"`:              "EOF",
		`{} {}`:                         "more than one",
		`{"name":"A"}`:                  "needs a type",
		`7`:                             "not 7",
		`"Address"`:                     `"Address" is not defined`,
		`[]`:                            "needs a branch",
		`["null",["int"]]`:              "a union directly inside",
		`["null","null"]`:               "a second null",
		`{"type":"record","fields":[]}`: "needs a name",
		`{"type":"record","name":"A"}`:  "needs fields",
		`{"type":"enum","name":"A"}`:    "needs symbols",
		`{"type":"enum","name":"A","symbols":[1]}`: "not a new string",
		`{"type":"array"}`:                         "needs items",
		`{"type":"fixed","name":"A","size":0}`:     "size",
		`{"type":"fixed","name":"A","size":"1"}`:   "size",
		`{"type":"record","name":"A","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]}`:                          "field a twice",
		`{"type":"record","name":"A","fields":[{"name":"a","type":"A"}]}`:                                                      "without end",
		`{"type":"record","name":"A","fields":[{"name":"a","type":{"type":"record","name":"A","fields":[]}}]}`:                 "defined twice",
		`{"type":"record","name":"A","fields":[{"name":"ChangeEventHeader","type":{"type":"record","name":"H","fields":[]}}]}`: "lacks recordIds",
		strings.Repeat(`[`, 100): "deeper",
	} {
		_, err := schemas.Compile("the-id", text)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "the-id") {
			t.Errorf("Compile(%s): %v; want the id and %q", text, err, want)
		}
	}
}

func TestCompile_HugeSchema_Refused(t *testing.T) {
	if _, err := schemas.Compile("", `"`+strings.Repeat("x", 5<<20)+`"`); err == nil {
		t.Error("a schema of 5 MiB was read")
	}
}

func TestCompile_ManyCollidingNames_NoSearch(t *testing.T) {
	var fields []string
	for i := range 5000 {
		fields = append(fields, `{"name":"x`+strings.Repeat("!", 1+i%7)+strings.Repeat("?", i/7%30)+strings.Repeat("-", i/210)+`","type":"null"}`)
	}
	c := compile(t, "", `{"type":"record","name":"R","fields":[`+strings.Join(fields, ",")+`]}`)
	seen := map[string]bool{}
	for _, f := range c.Fields() {
		if seen[f.Name] {
			t.Fatalf("%s twice", f.Name)
		}
		seen[f.Name] = true
	}
}

func TestNormalised_AddsDefaultNull_KeepsTheRest(t *testing.T) {
	for in, want := range map[string]string{
		`{"type":"record","name":"A","doc":"<b>","fields":[{"name":"f","type":["null","int"],"doc":"Data:Integer"},{"name":"g","type":["int","null"]},{"name":"h","type":["null","int"],"default":null}]}`: `{"type":"record","name":"A","doc":"<b>","fields":[{"name":"f","type":["null","int"],"doc":"Data:Integer","default":null},{"name":"g","type":["int","null"]},{"name":"h","type":["null","int"],"default":null}]}`,
		// also within compound fields
		`{"type":"record","name":"A","fields":[{"name":"f","type":["null",{"type":"record","name":"B","fields":[{"name":"g","type":["null","int"]}]}]}]}`: `{"type":"record","name":"A","fields":[{"name":"f","type":["null",{"type":"record","name":"B","fields":[{"name":"g","type":["null","int"],"default":null}]}],"default":null}]}`,
		// names: made legal, each its own, references follow
		`{"type":"record","name":"A-b","namespace":"1x.y","fields":[{"name":"a-b","type":"int"},{"name":"a_b","type":"int"},{"name":"a b","type":["null",{"type":"enum","name":"E!","symbols":["x-1","x_1"]}]},{"name":"r","type":"E!"}]}`: `{"type":"record","name":"A_b","namespace":"_1x.y","fields":[{"name":"a_b_2","type":"int"},{"name":"a_b","type":"int"},{"name":"a_b_3","type":["null",{"type":"enum","name":"E_","symbols":["x_1_2","x_1"],"namespace":"_1x.y"}],"default":null},{"name":"r","type":"_1x.y.E_"}]}`,
	} {
		c := compile(t, "", in)
		if got := c.Normalised(); got != want {
			t.Errorf("normalised\n%s\nto\n%s\nwant\n%s", in, got, want)
		}
		if again := compile(t, "", c.Normalised()).Normalised(); again != c.Normalised() {
			t.Errorf("normalising twice changes %s into %s", c.Normalised(), again)
		}
		if _, err := avro.ParseWithCache(c.Normalised(), "", &avro.SchemaCache{}); err != nil {
			t.Errorf("hamba refuses %s: %v", c.Normalised(), err)
		}
	}
}

func TestNormalised_SalesforcesSchema_SameAsGiven(t *testing.T) {
	for _, file := range []string{"shipment.avsc", "account.avsc", "dock_alert.avsc"} {
		text := read(t, file)
		c := compile(t, "", text)
		var given, got any
		if err := errors.Join(json.Unmarshal([]byte(text), &given), json.Unmarshal([]byte(c.Normalised()), &got)); err != nil {
			t.Fatal(err)
		}
		if same(given, got) {
			continue
		}
		t.Errorf("%s: normalised to %s", file, c.Normalised())
	}
}

func TestCheckPayload_Vectors_Accepted(t *testing.T) {
	for _, file := range []string{"v1_update", "v2_delete_merged", "v3_gap_update", "v4_gap_overflow"} {
		if err := shipment(t).CheckPayload(payload(t, file)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	if err := compile(t, "", read(t, "dock_alert.avsc")).CheckPayload(payload(t, "dock_alert")); err != nil {
		t.Errorf("dock alert: %v", err)
	}
}

func TestCheckPayload_AnyCutOrTrailingByte_Refused(t *testing.T) {
	c, whole := shipment(t), payload(t, "v1_update")
	for n := range whole {
		if err := c.CheckPayload(whole[:n]); err == nil {
			t.Fatalf("%d of %d bytes pass as a datum", n, len(whole))
		}
	}
	err := c.CheckPayload(append(whole, 0))
	pe, ok := errors.AsType[*schemas.PayloadError](err)
	if !ok || pe.Schema != "Shipment__ChangeEvent" || pe.Offset != len(whole) {
		t.Fatalf("trailing byte: %v; want a PayloadError at byte %d", err, len(whole))
	}
}

func TestCheckPayload_NamesTheField(t *testing.T) {
	c := shipment(t)
	bad := payload(t, "v1_update")
	bad[len(bad)-14] = 9 // the branch of Ship_To__c
	err := c.CheckPayload(bad)
	pe, ok := errors.AsType[*schemas.PayloadError](err)
	if !ok || !strings.HasPrefix(pe.Field, "Ship_To__c") {
		t.Fatalf("%v; want the error to name a part of Ship_To__c", err)
	}
}

// Each is a way in which a reader could be made to hang, to allocate without
// end, or to read something else than the next reader.
func TestCheckPayload_HostileBytes_Refused(t *testing.T) {
	node := `{"type":"record","name":"N","fields":[{"name":"next","type":["null","N"]}]}`
	for name, c := range map[string]struct {
		schema string
		datum  []byte
	}{
		"items beyond the bytes":      {`{"type":"array","items":"string"}`, []byte{0xfe, 0xff, 0xff, 0xff, 0x0f, 0}},
		"least long as count":         {`{"type":"array","items":"string"}`, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x00}},
		"endless nulls":               {`{"type":"array","items":"null"}`, []byte{0xfe, 0xff, 0xff, 0xff, 0x0f, 0}},
		"nulls in many blocks":        {`{"type":"array","items":"null"}`, append([]byte(strings.Repeat("\x80\x80\x04", 3)), 0)},
		"block size too small":        {`{"type":"array","items":"string"}`, []byte{0x01, 0x02, 0x02, 'a', 0}},
		"block size too large":        {`{"type":"array","items":"string"}`, []byte{0x01, 0x06, 0x02, 'a', 0}},
		"negative block size":         {`{"type":"array","items":"string"}`, []byte{0x01, 0x01, 0x02, 'a', 0}},
		"negative length":             {`"string"`, []byte{0x01}},
		"length beyond the bytes":     {`"bytes"`, []byte{0x04, 'a'}},
		"long of 11 bytes":            {`"long"`, []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0}},
		"long of 65 bits":             {`"long"`, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}},
		"int of 33 bits":              {`"int"`, []byte{0x80, 0x80, 0x80, 0x80, 0x10}},
		"boolean 2":                   {`"boolean"`, []byte{2}},
		"symbol out of range":         {`{"type":"enum","name":"E","symbols":["A"]}`, []byte{2}},
		"negative symbol":             {`{"type":"enum","name":"E","symbols":["A"]}`, []byte{1}},
		"branch out of range":         {`["null","int"]`, []byte{4}},
		"map key twice":               {`{"type":"map","values":"int"}`, []byte{4, 2, 'a', 0, 2, 'a', 0, 0}},
		"a list that never ends":      {node, []byte(strings.Repeat("\x02", 1<<20) + "\x00")},
		"nothing where a double goes": {`"double"`, []byte{0, 0, 0}},
	} {
		err := compile(t, "", c.schema).CheckPayload(c.datum)
		if _, ok := errors.AsType[*schemas.PayloadError](err); !ok {
			t.Errorf("%s: %v; want a PayloadError", name, err)
		}
	}
}

func TestCheckPayload_AllTypes_Accepted(t *testing.T) {
	for schema, datum := range map[string][]byte{
		`"null"`:                               {},
		`"int"`:                                {0xff, 0xff, 0xff, 0xff, 0x0f},
		`"long"`:                               {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
		`"float"`:                              {0, 0, 0, 0},
		`{"type":"fixed","name":"F","size":2}`: {1, 2},
		`{"type":"map","values":"boolean"}`:    {1, 6, 2, 'a', 1, 0},
		`{"type":"array","items":"string"}`:    {1, 4, 2, 'a', 2, 2, 'b', 0},
		`{"type":"array","items":["null","int"]}`: {4, 0, 2, 2, 0},
	} {
		if err := compile(t, "", schema).CheckPayload(datum); err != nil {
			t.Errorf("%s: %v", schema, err)
		}
		for name, read := range readers(t, schema) {
			if _, err := read(datum); err != nil {
				t.Errorf("%s: %s refuses the test's own datum: %v", schema, name, err)
			}
		}
	}
}
