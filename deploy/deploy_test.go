// Package deploy_test holds the dashboard and the alert rules to what the code registers.
package deploy_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// metricName finds sfbridge's own metrics in an expression, without the suffixes of a histogram.
var metricName = regexp.MustCompile(`\bsfbridge_[a-z_]+[a-z]`)

// registered returns the names between quotes in the code, outside of tests: what a package registers.
func registered(t *testing.T) map[string]bool {
	t.Helper()
	quoted := regexp.MustCompile(`"(sfbridge_[a-z_]+)"`)
	names := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != ".." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "test") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range quoted.FindAllStringSubmatch(string(text), -1) {
			names[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 10 {
		t.Fatalf("found only %d metrics in the code; the check would be blind", len(names))
	}
	return names
}

func TestMetrics_OfDashboardAndAlerts_AreRegistered(t *testing.T) {
	known := registered(t)
	for _, file := range []string{"grafana/dashboard.json", "prometheus/alerts.yaml", "prometheus/alerts_test.yaml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		used := metricName.FindAllString(string(text), -1)
		if len(used) == 0 {
			t.Errorf("%s names no metric", file)
		}
		for _, name := range used {
			if !known[name] && !known[histogram(name)] {
				t.Errorf("%s uses %s, which nothing registers", file, name)
			}
		}
	}
}

// histogram gives the name that a series of a histogram was registered under.
func histogram(series string) string {
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if name, ok := strings.CutSuffix(series, suffix); ok {
			return name
		}
	}
	return series
}

func TestDashboard_ShowsThePromises(t *testing.T) {
	text, err := os.ReadFile("grafana/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			ID      int
			Title   string
			Type    string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	ids := map[int]string{}
	var all strings.Builder
	for _, p := range board.Panels {
		if other, ok := ids[p.ID]; ok {
			t.Errorf("panels %q and %q share the id %d", p.Title, other, p.ID)
		}
		ids[p.ID] = p.Title
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q asks for nothing", p.Title)
		}
		for _, target := range p.Targets {
			all.WriteString(target.Expr + "\n")
		}
	}
	for _, name := range []string{
		"sfbridge_capture_lag_seconds", "sfbridge_capture_events_total", "sfbridge_capture_latency_seconds_bucket",
		"sfbridge_capture_reconnects_total", "sfbridge_dead_letters_total", "sfbridge_replay_window_remaining_seconds",
		"sfbridge_writeback_lag_seconds", "sfbridge_writeback_records_total", "sfbridge_writeback_latency_seconds_bucket",
		"sfbridge_writeback_calls_total", "sfbridge_salesforce_api_remaining",
	} {
		if !strings.Contains(all.String(), name) {
			t.Errorf("no panel shows %s", name)
		}
	}
}

// TestRunbooks_OfAlerts_ExistAsHeadings follows each link of the alert rules into the documents.
func TestRunbooks_OfAlerts_ExistAsHeadings(t *testing.T) {
	text, err := os.ReadFile("prometheus/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	links := regexp.MustCompile(`runbook: (docs/\S+\.md)#(\S+)`).FindAllStringSubmatch(string(text), -1)
	if alerts := strings.Count(string(text), "- alert:"); len(links) != alerts {
		t.Errorf("%d alerts, %d runbooks", alerts, len(links))
	}
	for _, link := range links {
		page, err := os.ReadFile(filepath.Join("..", link[1]))
		if err != nil {
			t.Error(err)
			continue
		}
		if !anchors(string(page))[link[2]] {
			t.Errorf("%s has no heading #%s", link[1], link[2])
		}
	}
}

// anchors are the link targets that a Markdown reader makes of the headings.
func anchors(page string) map[string]bool {
	drop := regexp.MustCompile(`[^a-z0-9 _-]`)
	found := map[string]bool{}
	for line := range strings.Lines(page) {
		if title, ok := strings.CutPrefix(line, "#"); ok {
			title = strings.ToLower(strings.TrimSpace(strings.TrimLeft(title, "#")))
			found[strings.ReplaceAll(drop.ReplaceAllString(title, ""), " ", "-")] = true
		}
	}
	return found
}
