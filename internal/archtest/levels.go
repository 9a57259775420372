package archtest

import "strings"

// level is a row of the picture; a package imports only lower ones.
type level int

const (
	helpers level = iota
	leaves
	clients
	flows
	wiring
	programs
	tests
)

func (l level) String() string {
	return [...]string{"helpers", "leaves", "clients", "flows", "wiring", "programs", "tests"}[l]
}

// top gives each top-level folder its row. A sub-package has the row of its parent unless it is named itself.
var top = map[string]level{
	"cmd":      programs,
	"config":   wiring,
	"bridge":   wiring,
	"snapshot": flows, "materialize": flows, "writeback": flows, "publish": flows, "gateway": flows,
	"pubsub": clients, "cometd": clients, "salesforce": clients, "schemas": clients, "kafka": clients,
	// The simulated org stands beside the clients: it speaks their protocols and knows nothing of Kafka.
	"orgsim":          clients,
	"event":           leaves,
	"salesforce/auth": leaves,
	"pubsub/pubsubpb": leaves,
	"internal":        helpers,
	// A whole system to play with: what the demo and whole-program tests start.
	"internal/sandbox": programs,
	"test":             tests,
	".":                tests,
}

// levelOf finds the row of a package.
func levelOf(p Package) (level, bool) {
	if p.Main && !strings.HasPrefix(p.Path, "test/") {
		return programs, true
	}
	if strings.HasSuffix(p.Path, "test") && p.Path != "internal/archtest" {
		return tests, true // kafkatest, orgsimtest: for tests only
	}
	for path := p.Path; ; {
		if l, ok := top[path]; ok {
			return l, true
		}
		i := strings.LastIndexByte(path, '/')
		if i < 0 {
			return 0, false
		}
		path = path[:i]
	}
}

// family is the top-level folder, or for one that is a row of its own, that one: two packages of a family may import each
// other as the go command allows.
func family(path string) string {
	if path == "salesforce/auth" || path == "pubsub/pubsubpb" {
		return path
	}
	if isInternal(path) {
		return path
	}
	first, _, _ := strings.Cut(path, "/")
	return first
}

func isInternal(path string) bool { return strings.HasPrefix(path, "internal/") }

// anythingElse matches every import that is not from the standard library.
const anythingElse = "*.*"

// rule forbids one import to all packages, or only to those in from, except those in allowed. Lists hold folders.
type rule struct {
	imported string
	from     []string
	allowed  []string
	why      string
}

// rules are the arrows that levels alone do not forbid. Rules about our own packages name them after "./".
var rules = []rule{
	{
		imported: anythingElse, from: []string{"event"},
		why: "event is what everyone may import, so it stands on the standard library alone",
	},
	{
		imported: "github.com/segmentio/kafka-go", allowed: []string{"kafka"},
		why: "kafka-go stays inside package kafka, which adds the transactions and the read-committed reading that it lacks",
	},
	{
		imported: "./event", from: []string{"kafka"},
		why: "kafka moves records, keys and offsets and knows nothing of Salesforce",
	},
	{
		imported: "./salesforce", from: []string{"kafka", "schemas"},
		why: "Kafka's side knows nothing of Salesforce's clients; bridge brings the two together",
	},
	{
		imported: "./pubsub", from: []string{"kafka", "schemas"},
		why: "Kafka's side knows nothing of Salesforce's clients; bridge brings the two together",
	},
	{
		imported: "./orgsim", allowed: []string{"cmd", "orgsim", "test", "internal/sandbox"},
		why: "the simulated org is a part of its own: only a command or a test starts one, and nothing may come to depend on it",
	},
	{
		imported: "./internal/embedded", allowed: []string{"cmd", "test", "internal/embedded", "internal/sandbox"},
		why: "the embedded Kafka and registry are for the demo and for tests",
	},
	{
		imported: "./test", allowed: []string{"test"},
		why: "what helps tests is no part of the program",
	},
	{
		imported: "testing", allowed: []string{"test"},
		why: "package testing belongs to tests; put the helper below test/ or in a package whose name ends in test",
	},
	{
		imported: "github.com/twmb/franz-go/pkg/kgo", allowed: []string{"cmd", "test", "internal/sandbox"},
		why: "franz-go is the second opinion on what package kafka wrote; the bridge itself has one Kafka client",
	},
	{
		imported: "github.com/twmb/franz-go/pkg/kfake", allowed: []string{"cmd", "test", "internal/embedded"},
		why: "the embedded Kafka is for the demo and for tests",
	},
	{
		imported: "github.com/hamba/avro", allowed: []string{"test"},
		why: "hamba/avro is the second decoder that tests hold ours against",
	},
}
