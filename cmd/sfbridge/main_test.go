package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sfbridge/config"
	"sfbridge/internal/sandbox"
	"sfbridge/orgsim"
)

// screen is where a command under test writes; it may be read meanwhile.
type screen struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(b)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// sfbridge runs a command line to its end.
func sfbridge(args ...string) (code int, out, errs string) {
	var o, e screen
	code = run(args, streams{&o, &e})
	return code, o.String(), e.String()
}

func hasAll(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("output\n%s\nlacks %q", text, p)
		}
	}
}

var commands = []string{"demo", "run", "check", "status", "dlq list", "dlq show", "dlq retry", "sim", "version"}

func TestCommandLine_Mistakes_Give2AndPointToHelp(t *testing.T) {
	for _, args := range [][]string{
		{},
		{"--nonsense"},
		{"walk"},
		{"run"},
		{"check"},
		{"status"},
		{"run", "-c"},
		{"demo", "--for", "soon"},
		{"version", "now"},
		{"check", "-c", "bridge.yaml", "--online"},
	} {
		code, out, errs := sfbridge(args...)
		if code != 2 {
			t.Errorf("%v: exit code %d, want 2", args, code)
		}
		hasAll(t, errs, "sfbridge: ", "--help")
		if out != "" && len(args) > 0 {
			t.Errorf("%v writes to the output: %s", args, out)
		}
	}
}

func TestHelp_Gives0_AndEveryCommandHasAnExample(t *testing.T) {
	code, out, errs := sfbridge("--help")
	if code != 0 || errs != "" {
		t.Errorf("--help: exit code %d, errors %q", code, errs)
	}
	hasAll(t, out, commands...)
	for _, c := range commands {
		code, out, _ := sfbridge(append(strings.Fields(c), "--help")...)
		if code != 0 {
			t.Errorf("%s --help: exit code %d", c, code)
		}
		hasAll(t, out, "Example: sfbridge "+c)
	}
}

func TestVersion_NamesGoAndCommit(t *testing.T) {
	code, out, _ := sfbridge("version")
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	hasAll(t, out, "sfbridge "+version, "commit ", "go1.")
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// withKey puts a configuration beside a key file.
func withKey(t *testing.T, text string, key []byte) string {
	t.Helper()
	path := file(t, "bridge.yaml", text)
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "key.pem"), key, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func newKey(t *testing.T) []byte {
	t.Helper()
	_, key, err := orgsim.NewKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestCheckOffline_TheExample_IsGood(t *testing.T) {
	t.Setenv("SF_CLIENT_ID", "3MVG9example")
	path := withKey(t, config.Example(), newKey(t))
	code, out, errs := sfbridge("check", "--offline", "-c", path)
	if code != 0 {
		t.Errorf("exit code %d: %s", code, errs)
	}
	hasAll(t, out, "ok", path)
}

func TestCheckOffline_BadFiles_NameLineKeyAndRemedy(t *testing.T) {
	t.Setenv("SF_CLIENT_ID", "3MVG9example")
	key := newKey(t)
	for _, tt := range []struct {
		name, old, with string
		wants           []string
	}{
		{"unknown key", "capture:", "captures:", []string{":10:", "captures", "capture"}},
		{"wrong type", "brokers: [localhost:9092]", "lanes: many", []string{":7:", "lanes", "many"}},
		{"missing variable", "${SF_CLIENT_ID}", "${SF_CLIENT_IDD}", []string{":5:", "client_id", "SF_CLIENT_IDD"}},
		{"missing file", "key.pem", "kee.pem", []string{":5:", "private_key_file", "kee.pem"}},
		{"unknown org", "org: main, events", "org: mian, events", []string{":11:", "mian", "main"}},
	} {
		text := strings.Replace(config.Example(), tt.old, tt.with, 1)
		code, _, errs := sfbridge("check", "--offline", "-c", withKey(t, text, key))
		if code != 1 {
			t.Errorf("%s: exit code %d, want 1", tt.name, code)
		}
		hasAll(t, errs, append(tt.wants, "sfbridge: ", "bridge.yaml")...)
	}
	code, _, errs := sfbridge("check", "--offline", "-c", filepath.Join(t.TempDir(), "none.yaml"))
	if code != 1 {
		t.Errorf("no file: exit code %d, want 1", code)
	}
	hasAll(t, errs, "none.yaml")
}

// setting is a system on loopback sockets, and the file of a bridge for it.
type setting struct {
	sb   *sandbox.Sandbox
	text string
}

func newSetting(t *testing.T) *setting {
	t.Helper()
	sb, err := sandbox.Start(sandbox.Config{Org: orgsim.Config{KeepLedger: -1}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sb.Close() })
	return &setting{sb: sb, text: fmt.Sprintf(`name: test
orgs:
  main:
    login_url: %s
    api_version: "%s"
    pubsub_endpoint: %s
    pubsub_tls: false
    auth: {method: jwt-bearer, client_id: %s, username: %s, private_key_file: key.pem}
kafka: {brokers: ["%s"]}
schema_registry: {url: "%s"}
capture:
  - {org: main, objects: [Account], from: earliest}
listen: ""
`, sb.OrgURL, sb.Org.APIVersion(), sb.PubSubAddr, sandbox.ClientID, sb.Org.Username(), sb.KafkaAddr, sb.RegistryURL)}
}

// file writes the file, changed in one place or in none.
func (s *setting) file(t *testing.T, old, with string) string {
	t.Helper()
	if !strings.Contains(s.text, old) {
		t.Fatalf("the file has no %q", old)
	}
	return withKey(t, strings.Replace(s.text, old, with, 1), s.sb.PrivateKey())
}

func TestRun_WhatCannotWork_EndsWith1AndTheRemedy(t *testing.T) {
	s := newSetting(t)
	path := s.file(t, "[Account]", "[Account, Acount]")
	code, _, errs := sfbridge("run", "-c", path)
	if code != 1 {
		t.Errorf("unknown object: exit code %d, want 1", code)
	}
	hasAll(t, errs, "sfbridge: ", "/data/AcountChangeEvent", "spelling", "Change Data Capture")

	code, _, errs = sfbridge("run", "-c", withKey(t, s.text, newKey(t)))
	if code != 1 {
		t.Errorf("wrong key: exit code %d, want 1", code)
	}
	hasAll(t, errs, "sfbridge: ", "org:main", "invalid_grant", "certificate")
	if strings.Contains(errs, "PRIVATE KEY") {
		t.Error("the key is shown")
	}

	code, _, errs = sfbridge("run", "-c", s.file(t, `listen: ""`, `listen: "`+s.sb.KafkaAddr+`"`))
	if code != 1 {
		t.Errorf("listener taken: exit code %d, want 1", code)
	}
	hasAll(t, errs, "sfbridge: ", s.sb.KafkaAddr, "set listen")
}

func TestCheck_LineByLine(t *testing.T) {
	s := newSetting(t)
	code, out, errs := sfbridge("check", "-c", s.file(t, "", ""))
	if code != 0 || strings.Contains(out, "FAIL") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	hasAll(t, out, "kafka", "registry", "org:main", "log in with jwt-bearer", "API version", "clocks", "channel /data/AccountChangeEvent", "API calls left")

	code, out, _ = sfbridge("check", "-c", s.file(t, "[Account]", "[Account, Acount]"))
	if code != 1 {
		t.Errorf("unknown object: exit code %d, want 1", code)
	}
	hasAll(t, out, "FAIL  org:main", "/data/AcountChangeEvent", "spelling", "ok    org:main")
}

// TestRun_LeavesInOrderOnSIGTERM runs a bridge, looks at it from outside while
// it works, and ends it as an orchestrator does.
func TestRun_LeavesInOrderOnSIGTERM(t *testing.T) {
	s := newSetting(t)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := lis.Addr().String()
	lis.Close()
	path := s.file(t, `listen: ""`, "listen: "+addr)
	var out, errs screen
	done := make(chan int, 1)
	go func() { done <- run([]string{"run", "-c", path}, streams{&out, &errs}) }()
	_, err = s.sb.Org.Transact(t.Context(), orgsim.Caller{API: "rest"}, func(tx *orgsim.Tx) error {
		_, err := tx.Insert("Account", map[string]orgsim.Value{"Name": orgsim.String("Acme")})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	awaitPage(t, "http://"+addr+"/readyz", `"ready":true`, &errs)
	awaitPage(t, "http://"+addr+"/metrics", `sfbridge_capture_records_total{channel="/data/AccountChangeEvent",org="main"} 1`, &errs)

	code, text, _ := sfbridge("status", "-c", path, "--json")
	var status struct {
		Name     string
		Members  []struct{ PID int }
		Channels []struct {
			Channel string
			Records int
		}
	}
	if err := json.Unmarshal([]byte(text), &status); err != nil || code != 0 {
		t.Fatalf("status: exit code %d, %v: %s", code, err, text)
	}
	if status.Name != "test" || len(status.Members) != 1 || status.Members[0].PID != os.Getpid() || len(status.Channels) != 1 || status.Channels[0].Records != 1 {
		t.Errorf("status: %s", text)
	}
	if code, text, _ = sfbridge("status", "-c", path); code != 0 {
		t.Errorf("status: exit code %d", code)
	}
	hasAll(t, text, "/data/AccountChangeEvent", "dead letters")

	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case code := <-done:
		if code != 0 {
			t.Errorf("exit code %d: %s", code, errs.String())
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("still running: %s", errs.String())
	}
	hasAll(t, errs.String(), "leaving in order")
	if _, err := http.Get("http://" + addr + "/healthz"); err == nil {
		t.Error("the listener is still there")
	}
}

// awaitPage asks for a page until it holds a text.
func awaitPage(t *testing.T, url, want string, log *screen) {
	t.Helper()
	var got string
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		resp, err := http.Get(url)
		if err != nil {
			got = err.Error()
			continue
		}
		var b bytes.Buffer
		b.ReadFrom(resp.Body)
		resp.Body.Close()
		if got = b.String(); strings.Contains(got, want) {
			return
		}
	}
	t.Fatalf("%s never has %q but\n%s\nlog:\n%s", url, want, got, log.String())
}

func TestDemo_CountsWhatItReadsBack(t *testing.T) {
	code, out, errs := sfbridge("demo", "--for", "2s", "--rate", "100", "--json")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var sum map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &sum); err != nil {
		t.Fatalf("last line %q: %v", lines[len(lines)-1], err)
	}
	for _, key := range []string{"changes_made", "records_committed", "duplicates", "lost", "latency_p99_ms"} {
		if _, ok := sum[key]; !ok {
			t.Errorf("the summary lacks %s: %v", key, sum)
		}
	}
	if sum["lost"] != 0.0 || sum["duplicates"] != 0.0 || sum["changes_made"] != sum["records_committed"] || sum["changes_made"].(float64) < 50 {
		t.Errorf("summary %v", sum)
	}
}
