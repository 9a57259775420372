package writeback

import (
	"cmp"
	"errors"
	"fmt"
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
	Memory   int64 // bytes that records and rows without an outcome may take; 0: as many as Consumer.Window lets in

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

// fill checks the configuration and sets what was left out.
func (cfg *Config) fill() error {
	switch {
	case cfg.Kafka == nil, cfg.Decoder == nil, cfg.API == nil:
		return errors.New("write-back needs Kafka, a decoder and the org's API")
	case cfg.Consumer.Topic == "" || cfg.Consumer.Group == "":
		return errors.New("write-back needs a topic and a consumer group")
	case cfg.Rows.Object == "":
		return errors.New("write-back needs an object")
	case cfg.DeadLetterTopic == "":
		return errors.New("write-back needs a topic for dead letters")
	case cfg.Reserve < 0 || cfg.Reserve >= 1:
		return fmt.Errorf("reserve %g: want a share of the day's API calls, from 0 to below 1", cfg.Reserve)
	case cfg.Scarce < 0 || cfg.Scarce > 1:
		return fmt.Errorf("scarce %g: want a share of the day's API calls, from 0 to 1", cfg.Scarce)
	}
	if cfg.Name == "" {
		cfg.Name = cfg.Consumer.Topic + "/" + cfg.Org + "/" + cfg.Rows.Object
	}
	if cfg.Format == "" {
		cfg.Format = schemas.Auto
	}
	if cfg.Conflict == "" {
		cfg.Conflict = Overwrite
	}
	cfg.BulkAbove = cmp.Or(cfg.BulkAbove, 2000)
	if cfg.BulkAbove < 0 || cfg.Bulk == nil {
		cfg.BulkAbove = 0 // never, from here on
	}
	cfg.BulkRows = cmp.Or(max(0, cfg.BulkRows), 100_000)
	cfg.InFlight = cmp.Or(max(0, cfg.InFlight), 5)
	cfg.MaxWait = cmp.Or(max(0, cfg.MaxWait), 250*time.Millisecond)
	cfg.Attempts = cmp.Or(max(0, cfg.Attempts), 8)
	cfg.Reserve = cmp.Or(cfg.Reserve, 0.1)
	cfg.Scarce = cmp.Or(cfg.Scarce, 0.25)
	cfg.Drain = cmp.Or(max(0, cfg.Drain), 30*time.Second)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}
