package readers

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/hamba/avro/v2"
)

// kcatFormat: numbers first, each with its length known afterwards, so that keys and values may hold any byte. Headers come
// last, as name=value pairs with commas between, so a header's value must hold neither a comma nor a line break.
const kcatFormat = `%t %p %o %T %K %S\n%k%s%h\n`

// Kcat reads a topic with kcat. Debian's kcat is built without Avro, so framed values are decoded by hamba/avro here, with
// the schema from the registry.
func Kcat(t testing.TB, brokers, registry, topic string) []Row {
	t.Helper()
	prepare(t)
	out := run(t, "kcat", "-C", "-e", "-q", "-b", brokers, "-t", topic, "-o", "beginning",
		"-X", "isolation.level=read_committed", "-f", kcatFormat)
	schemas := map[uint32]avro.Schema{}
	var rows []Row
	for len(out) > 0 {
		row, rest, err := kcatRow(out)
		if err != nil {
			t.Fatalf("kcat: record %d: %v", len(rows), err)
		}
		out = rest
		if row.Value, err = kcatValue(row.Raw, registry, schemas); err != nil {
			t.Fatalf("kcat: %s partition %d offset %d: %v", topic, row.Partition, row.Offset, err)
		}
		rows = append(rows, row)
	}
	return rows
}

// kcatRow takes one record off the front of kcat's output.
func kcatRow(out []byte) (Row, []byte, error) {
	row := Row{Headers: map[string]string{}}
	line, rest, _ := bytes.Cut(out, []byte("\n"))
	var keyLen, valueLen int // -1 is null
	_, err := fmt.Sscanf(string(line), "%s %d %d %d %d %d", &row.Topic, &row.Partition, &row.Offset, &row.Timestamp, &keyLen, &valueLen)
	if err != nil {
		return row, nil, fmt.Errorf("line %.80q: %w", line, err)
	}
	if len(rest) < max(keyLen, 0)+max(valueLen, 0) {
		return row, nil, fmt.Errorf("output ends inside a record")
	}
	if keyLen >= 0 {
		key := string(rest[:keyLen])
		row.Key, rest = &key, rest[keyLen:]
	}
	if valueLen >= 0 {
		row.Raw, rest = rest[:valueLen:valueLen], rest[valueLen:]
	}
	headers, rest, _ := bytes.Cut(rest, []byte("\n"))
	for pair := range strings.SplitSeq(string(headers), ",") {
		if name, value, ok := strings.Cut(pair, "="); ok {
			row.Headers[name] = value
		}
	}
	return row, rest, nil
}

func kcatValue(raw []byte, registry string, schemas map[uint32]avro.Schema) (any, error) {
	if raw == nil {
		return nil, nil
	}
	if len(raw) < 5 || raw[0] != 0 {
		if v, err := asJSON(raw); err == nil {
			return v, nil
		}
		return string(raw), nil
	}
	id := binary.BigEndian.Uint32(raw[1:])
	if schemas[id] == nil {
		schema, err := fetchSchema(registry, id)
		if err != nil {
			return nil, err
		}
		schemas[id] = schema
	}
	var v any
	if err := avro.Unmarshal(schemas[id], raw[5:], &v); err != nil {
		return nil, err
	}
	b, err := json.Marshal(plain(schemas[id], v))
	if err != nil {
		return nil, err
	}
	return asJSON(b)
}

func asJSON(b []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any
	err := dec.Decode(&v)
	return v, err
}

func fetchSchema(registry string, id uint32) (avro.Schema, error) {
	resp, err := http.Get(fmt.Sprintf("%s/schemas/ids/%d", registry, id))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("schema %d: registry answers %s", id, resp.Status)
	}
	var answer struct{ Schema string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("schema %d: %w", id, err)
	}
	// A cache of its own: two versions of a schema share their names.
	return avro.ParseBytesWithCache([]byte(answer.Schema), "", &avro.SchemaCache{})
}

// plain takes the tags off unions and writes bytes in hexadecimal, as the other readers do.
func plain(schema avro.Schema, v any) any {
	switch s := schema.(type) {
	case *avro.RefSchema:
		return plain(s.Schema(), v)
	case *avro.UnionSchema:
		return plainUnion(s, v)
	case *avro.RecordSchema:
		m, _ := v.(map[string]any)
		out := make(map[string]any, len(m))
		for _, f := range s.Fields() {
			out[f.Name()] = plain(f.Type(), m[f.Name()])
		}
		return out
	case *avro.ArraySchema:
		items, _ := v.([]any)
		out := make([]any, len(items))
		for i, item := range items {
			out[i] = plain(s.Items(), item)
		}
		return out
	case *avro.MapSchema:
		m, _ := v.(map[string]any)
		out := make(map[string]any, len(m))
		for k, item := range m {
			out[k] = plain(s.Values(), item)
		}
		return out
	}
	if b, ok := v.([]byte); ok {
		return hex.EncodeToString(b)
	}
	return v
}

func plainUnion(s *avro.UnionSchema, v any) any {
	if v == nil {
		return nil
	}
	if m, ok := v.(map[string]any); ok && len(m) == 1 {
		for name, inner := range m {
			if branch, _ := s.Types().Get(name); branch != nil {
				return plain(branch, inner)
			}
		}
	}
	for _, branch := range s.Types() {
		if branch.Type() != avro.Null {
			return plain(branch, v)
		}
	}
	return v
}
