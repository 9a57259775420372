package rows_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"sfbridge/internal/expression"
)

// TestPage_ItsExpressionsCompile holds docs/mapping.md to what it shows.
func TestPage_ItsExpressionsCompile(t *testing.T) {
	text, err := os.ReadFile("../../docs/mapping.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	_, example, _ := strings.Cut(page, "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	var c struct {
		Writeback []struct {
			OperationFrom string `yaml:"operation_from"`
			Fields        map[string]string
		}
	}
	if err := yaml.Unmarshal([]byte(example), &c); err != nil || len(c.Writeback) != 1 || len(c.Writeback[0].Fields) < 5 {
		t.Fatalf("example %+v, %v", c, err)
	}
	sources := []string{c.Writeback[0].OperationFrom}
	for _, source := range c.Writeback[0].Fields {
		sources = append(sources, source)
	}
	_, table, _ := strings.Cut(page, "| right side | gives |")
	table, _, _ = strings.Cut(table, "\n\n")
	for line := range strings.Lines(table) {
		first, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(first, -1) {
			sources = append(sources, strings.Trim(m[1], "'"))
		}
	}
	if len(sources) < 25 {
		t.Fatalf("found %d expressions: the test looks in the wrong place", len(sources))
	}
	for _, source := range sources {
		if _, err := expression.Compile(source); err != nil {
			t.Errorf("%s: %v", source, err)
		}
	}
}
