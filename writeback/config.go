package writeback

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sfbridge/kafka"
	"sfbridge/salesforce"
	"sfbridge/salesforce/bulk"
	"sfbridge/schemas"
	"sfbridge/writeback/echo"
	"sfbridge/writeback/rows"
)

// Config is one flow: a topic into an object.
type Config struct {
	Name     string // of the flow: erp.customers/main/Account
	Org      string // name of the org in the configuration
	Rows     rows.Config
	Consumer kafka.ConsumerConfig // topic, group, retry topic under With, transactional ids
	Format   schemas.Format

	ResultsTopic    string // "" writes no results
	DeadLetterTopic string

	Conflict     Conflict
	VersionField string // of the object, for Conflict; default SystemModstamp
	ApplyEchoes  bool   // also apply records marked sf_echo

	BulkAbove int           // rows that wait beyond which a bulk job is made; 0: 2,000, negative: never
	BulkRows  int           // of one job at most; default 100,000
	InFlight  int           // calls at once; default 5
	MaxWait   time.Duration // that a row waits for company while another call is under way; default 250 ms
	Attempts  int           // at one row that fails in a way that may pass; default 8
	Reserve   float64       // share of the day's API calls that is left to others; default 0.1
	Scarce    float64       // share of the day's API calls below which they are saved; default 0.25
	Drain     time.Duration // how long a share that ends may take to finish its calls; default 30 s

	Kafka   *kafka.Client
	Decoder *schemas.Decoder
	// API calls the org. It is best made with Attempts: 1, since the flow
	// repeats calls itself and asks whether it still owns the records each time.
	API      *salesforce.Client
	Bulk     *bulk.Client
	Announce *echo.Announcer // nil if nobody captures the object

	DeadLettered func(reason string) // counts dead letters; nil for nobody

	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Conflict says what happens when the row was changed in the org meanwhile.
type Conflict string

// The policies.
const (
	Overwrite     Conflict = "overwrite"
	NewerWins     Conflict = "newer-wins"      // skip a record whose version is not after the row's
	SkipIfChanged Conflict = "skip-if-changed" // skip a record if the row changed after the record's version
)
