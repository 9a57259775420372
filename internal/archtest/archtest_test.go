package archtest_test

import (
	"strings"
	"testing"

	"sfbridge/internal/archtest"
)

// TestImports_PointDownward is the check itself.
func TestImports_PointDownward(t *testing.T) {
	pkgs, err := archtest.Load("../..")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, p := range pkgs {
		seen[p.Path] = true
	}
	for _, want := range []string{"event", "kafka", "bridge", "pubsub", "schemas", "salesforce/auth", "cmd/sfbridge"} {
		if !seen[want] {
			t.Errorf("package %s was not read; the check would be blind to it", want)
		}
	}
	for _, wrong := range archtest.Check(pkgs) {
		t.Error(wrong)
	}
}

// TestCheck_ExplainsForbiddenArrows shows the check a tree with one arrow at a time.
func TestCheck_ExplainsForbiddenArrows(t *testing.T) {
	for _, c := range []struct {
		from, imported string
		main           bool
		want           string // part of the explanation; empty when the arrow is allowed
	}{
		{from: "bridge", imported: "./kafka"},
		{from: "bridge", imported: "./salesforce/auth"},
		{from: "bridge", imported: "./config", want: "both are wiring"},
		{from: "config", imported: "./bridge"},
		{from: "kafka", imported: "./bridge", want: "points upward, from clients to wiring"},
		{from: "kafka", imported: "./event", want: "knows nothing of Salesforce"},
		{from: "kafka", imported: "./salesforce/auth", want: "knows nothing of Salesforce"},
		{from: "kafka", imported: "./schemas", want: "both are clients"},
		{from: "kafka", imported: "./kafka/codec"},
		{from: "kafka", imported: "github.com/segmentio/kafka-go/protocol"},
		{from: "bridge", imported: "github.com/segmentio/kafka-go", want: "stays inside package kafka"},
		{from: "cmd/sfbridge", main: true, imported: "github.com/segmentio/kafka-go", want: "stays inside package kafka"},
		{from: "pubsub", imported: "./pubsub/pubsubpb"},
		{from: "pubsub", imported: "./salesforce/auth"},
		{from: "pubsub", imported: "./salesforce", want: "both are clients"},
		{from: "salesforce", imported: "./salesforce/auth"},
		{from: "salesforce/auth", imported: "./salesforce", want: "points upward"},
		{from: "salesforce/auth", imported: "./internal/backoff"},
		{from: "internal/backoff", imported: "./event", want: "points upward, from helpers to leaves"},
		{from: "internal/pipenet", imported: "./internal/backoff"},
		{from: "internal/backoff", imported: "./kafka", want: "points upward"},
		{from: "event", imported: "encoding/json"},
		{from: "event", imported: "./internal/backoff", want: "standard library alone"},
		{from: "event", imported: "github.com/linkedin/goavro/v2", want: "standard library alone"},
		{from: "orgsim", imported: "./event"},
		{from: "orgsim", imported: "./orgsim/soql"},
		{from: "bridge", imported: "./orgsim", want: "only a command or a test"},
		{from: "cmd/sfbridge", main: true, imported: "./orgsim"},
		{from: "internal/docgen", main: true, imported: "./config"},
		{from: "bridge", imported: "./test/rig", want: "no part of the program"},
		{from: "bridge", imported: "testing", want: "belongs to tests"},
		{from: "kafka/kafkatest", imported: "testing"},
		{from: "test/crash", imported: "./bridge"},
		{from: "writeback", imported: "./snapshot", want: "both are flows"},
		{from: "schemas", imported: "github.com/hamba/avro/v2", want: "second decoder"},
		{from: "kafka", imported: "github.com/twmb/franz-go/pkg/kgo", want: "second opinion"},
		{from: "util", imported: "fmt", want: "has no level"},
	} {
		got := archtest.Check([]archtest.Package{{Path: c.from, Main: c.main, Imports: []string{c.imported}}})
		switch all := strings.Join(got, "; "); {
		case c.want == "" && all != "":
			t.Errorf("%s → %s: allowed, but got %q", c.from, c.imported, all)
		case c.want != "" && !strings.Contains(all, c.want):
			t.Errorf("%s → %s: got %q, want a reason with %q", c.from, c.imported, all, c.want)
		}
	}
}
