// Package docs_test holds the documents to what they speak of: links lead
// somewhere, every metric and every alert is explained.
package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = ".."

var (
	link     = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	heading  = regexp.MustCompile(`(?m)^#{1,6} (.+)$`)
	fence    = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	punct    = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	metric   = regexp.MustCompile(`"(sfbridge_[a-z0-9_]+)"`)
	inTicks  = regexp.MustCompile("(?m)^\\| `(sfbridge_[a-z0-9_]+)` \\|")
	alert    = regexp.MustCompile(`(?m)- alert: (\w+)`)
	runbook  = regexp.MustCompile(`runbook: (\S+)`)
	external = regexp.MustCompile(`^[a-z]+:`)
)

func TestLinks_LeadSomewhere(t *testing.T) {
	for _, page := range pages(t) {
		text := fence.ReplaceAllString(read(t, page), "")
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if external.MatchString(m[1]) {
				continue
			}
			checkTarget(t, page, filepath.Dir(page), m[1])
		}
	}
}

func TestRunbooks_LeadSomewhere(t *testing.T) {
	rules := filepath.Join(root, "deploy/prometheus/alerts.yaml")
	for _, m := range runbook.FindAllStringSubmatch(read(t, rules), -1) {
		checkTarget(t, rules, root, m[1])
	}
}

func TestMetrics_AreAllDocumented_AndNoOthers(t *testing.T) {
	var code []string
	for _, dir := range []string{"bridge", "pubsub", "kafka", "salesforce", "writeback", "publish"} {
		for _, file := range files(t, filepath.Join(root, dir), ".go") {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			for _, m := range metric.FindAllStringSubmatch(read(t, file), -1) {
				code = append(code, m[1])
			}
		}
	}
	var page []string
	for _, m := range inTicks.FindAllStringSubmatch(section(t, "metrics.md", "## Which alert"), -1) {
		page = append(page, m[1])
	}
	compare(t, "metric", code, page)
}

func TestFileMap_NamesFilesThatExist(t *testing.T) {
	_, text, found := strings.Cut(read(t, filepath.Join(root, "ARCHITECTURE.md")), "## Where things are")
	if !found {
		t.Fatal("ARCHITECTURE.md has no file map any more")
	}
	text, _, _ = strings.Cut(text, "\n## ")
	named := 0
	for part := range strings.SplitSeq(text, "\n**") {
		dir, _, _ := strings.Cut(part, "**")
		for _, m := range regexp.MustCompile("`(\\w+\\.go)`").FindAllStringSubmatch(part, -1) {
			named++
			if _, err := os.Stat(filepath.Join(root, dir, m[1])); err != nil {
				t.Errorf("ARCHITECTURE.md names %s/%s, which is not there", dir, m[1])
			}
		}
	}
	if named < 50 {
		t.Errorf("found %d files in the map: the test looks in the wrong place", named)
	}
}

func TestAlerts_AreAllExplained_AndNoOthers(t *testing.T) {
	var rules, page []string
	for _, m := range alert.FindAllStringSubmatch(read(t, filepath.Join(root, "deploy/prometheus/alerts.yaml")), -1) {
		rules = append(rules, m[1])
	}
	for _, m := range regexp.MustCompile("`(Sfbridge\\w+)`").FindAllStringSubmatch(read(t, "operations.md"), -1) {
		page = append(page, m[1])
	}
	compare(t, "alert", rules, page)
}

// compare names what only one of two lists has.
func compare(t *testing.T, what string, code, page []string) {
	t.Helper()
	if len(code) == 0 || len(page) == 0 {
		t.Fatalf("found %d of each %s in the code and %d in the page: the test looks in the wrong place", len(code), what, len(page))
	}
	for _, name := range code {
		if !slices.Contains(page, name) {
			t.Errorf("%s %s is not in the page", what, name)
		}
	}
	for _, name := range page {
		if !slices.Contains(code, name) {
			t.Errorf("the page speaks of the %s %s, which does not exist", what, name)
		}
	}
}

// checkTarget follows a relative link, with its anchor.
func checkTarget(t *testing.T, page, dir, target string) {
	t.Helper()
	path, anchor, _ := strings.Cut(target, "#")
	file := page
	if path != "" {
		file = filepath.Join(dir, path)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Errorf("%s links to %s, which is not there", page, target)
		return
	}
	if anchor == "" || info.IsDir() {
		return
	}
	if !slices.Contains(anchors(read(t, file)), anchor) {
		t.Errorf("%s links to %s: the page has no such heading", page, target)
	}
}

// anchors makes the names of a page's headings as GitHub does.
func anchors(text string) []string {
	var names []string
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		name := punct.ReplaceAllString(strings.ToLower(m[1]), "")
		names = append(names, strings.ReplaceAll(strings.TrimSpace(name), " ", "-"))
	}
	return names
}

// pages lists the documents of the project, those beside packages included.
func pages(t *testing.T) []string {
	t.Helper()
	return files(t, root, ".md")
}

func files(t *testing.T, dir, suffix string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != dir && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "testdata"):
			return filepath.SkipDir
		case !d.IsDir() && strings.HasSuffix(path, suffix):
			found = append(found, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// section is a page up to a heading.
func section(t *testing.T, page, end string) string {
	t.Helper()
	text, _, found := strings.Cut(read(t, page), end)
	if !found {
		t.Fatalf("%s has no heading %q any more", page, end)
	}
	return text
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
