// Package readers reads topics with programs that nobody here wrote: Kafka's Java client with Apache Avro,
// confluent-kafka with fastavro, and kcat with hamba/avro. Tests hold what the bridge wrote against what they see. All read
// read_committed, from the start of the topic to its end. For tests only.
package readers

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sfbridge/test/rig"
)

// Row is one record as a reader saw it.
type Row struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	// Timestamp is in milliseconds since 1970.
	Timestamp int64 `json:"timestamp"`
	// Key is nil for a record without one.
	Key *string `json:"key"`
	// Headers are as text; of two with one name, the last.
	Headers map[string]string `json:"headers"`
	// Raw is the whole value with its frame; nil for a tombstone.
	Raw []byte `json:"raw"`
	// Value is what the reader decoded: Avro by the registry's schema when the value is framed, else JSON, else text. A record
	// is a map[string]any, numbers are json.Number, unions have no tag, bytes and fixed are in lower-case hexadecimal.
	Value any `json:"value"`
}

// Field follows names into nested records and returns what is there, nil when there is nothing.
func (r Row) Field(names ...string) any {
	v := r.Value
	for _, name := range names {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

// Body is the Avro payload: Raw without the five bytes of the frame; nil for a value that is not framed.
func (r Row) Body() []byte {
	if len(r.Raw) < 5 || r.Raw[0] != 0 {
		return nil
	}
	return r.Raw[5:]
}

// Java reads a topic with Kafka's Java client and Apache Avro.
func Java(t testing.TB, brokers, registry, topic string) []Row {
	t.Helper()
	dir := prepare(t)
	classpath := filepath.Join(dir, "readers/java/classes") + ":" + filepath.Join(dir, "readers/java/lib/*")
	out := run(t, "java", "-Xmx256m", "-cp", classpath, "TopicReader", brokers, registry, topic)
	return decode(t, "java", out)
}

// Python reads a topic with confluent-kafka (librdkafka) and fastavro.
func Python(t testing.TB, brokers, registry, topic string) []Row {
	t.Helper()
	dir := prepare(t)
	script := filepath.Join(rig.Root(t), "test/readers/python/read.py")
	out := run(t, filepath.Join(dir, "venv-readers/bin/python"), script, brokers, registry, topic)
	return decode(t, "python", out)
}

// prepared builds the readers once per test program; scripts/readers.sh keeps what it built under .rig.
var prepared struct {
	sync.Once
	out []byte
	err error
}

func prepare(t testing.TB) string {
	t.Helper()
	prepared.Do(func() {
		script := filepath.Join(rig.Root(t), "scripts", "readers.sh")
		prepared.out, prepared.err = exec.Command(script).CombinedOutput()
	})
	if prepared.err != nil {
		t.Fatalf("prepare the topic readers: %v\n%s", prepared.err, prepared.out)
	}
	return rig.Dir(t)
}

// run returns the standard output of a command and fails the test with its standard error when it fails.
func run(t testing.TB, name string, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(name), strings.Join(args, " "), err, stderr.String())
	}
	return stdout.Bytes()
}

// decode parses one JSON row a line.
func decode(t testing.TB, reader string, out []byte) []Row {
	t.Helper()
	var rows []Row
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		dec := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		dec.UseNumber()
		var row Row
		if err := dec.Decode(&row); err != nil {
			t.Fatalf("%s reader: line %d: %v", reader, len(rows)+1, err)
		}
		rows = append(rows, row)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(fmt.Errorf("%s reader: %w", reader, err))
	}
	return rows
}
