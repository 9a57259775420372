package schemas_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/linkedin/goavro/v2"
	"github.com/twmb/franz-go/pkg/sr"

	"sfbridge/schemas"
)

// customer is a record of 30 fields as an ERP writes it, with its schema.
func customer(b *testing.B) (schema string, avro, plain []byte) {
	b.Helper()
	var fields []string
	values, tree := object{}, object{}
	for i := range 30 {
		name := fmt.Sprintf("Field_%02d", i)
		switch i % 5 {
		case 0, 1:
			fields = append(fields, fmt.Sprintf(`{"name":%q,"type":["null","string"]}`, name))
			values[name], tree[name] = goavro.Union("string", "Rue de la Paix 17, Paris"), "Rue de la Paix 17, Paris"
		case 2:
			fields = append(fields, fmt.Sprintf(`{"name":%q,"type":"long"}`, name))
			values[name], tree[name] = int64(9007199254740993), json.Number("9007199254740993")
		case 3:
			fields = append(fields, fmt.Sprintf(`{"name":%q,"type":"double"}`, name))
			values[name], tree[name] = 1234.56, 1234.56
		default:
			fields = append(fields, fmt.Sprintf(`{"name":%q,"type":["null","boolean"]}`, name))
			values[name], tree[name] = nil, nil
		}
	}
	schema = `{"type":"record","name":"Customer","fields":[` + strings.Join(fields, ",") + `]}`
	codec, err := goavro.NewCodec(schema)
	if err != nil {
		b.Fatal(err)
	}
	if avro, err = codec.BinaryFromNative(nil, values); err != nil {
		b.Fatal(err)
	}
	if plain, err = json.Marshal(tree); err != nil {
		b.Fatal(err)
	}
	return schema, avro, plain
}

// What write-back does with each value before anything else.
func BenchmarkDecode_30Fields(b *testing.B) {
	schema, avro, plain := customer(b)
	d := decoderOf(b, sr.Schema{Schema: schema})
	for name, data := range map[string][]byte{"avro": schemas.AppendFrame(nil, 1, avro), "json": plain} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, err := d.Decode(b.Context(), data, schemas.Auto); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecode_ChangeEvent120Fields(b *testing.B) {
	d := decoderOf(b, sr.Schema{Schema: read(b, "account.avsc")})
	data := schemas.AppendFrame(nil, 1, accountUpdate(b))
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := d.Decode(b.Context(), data, schemas.Auto); err != nil {
			b.Fatal(err)
		}
	}
}
