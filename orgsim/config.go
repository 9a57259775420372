package orgsim

import (
	"fmt"
	"log/slog"
	"time"
)

// Config shapes an org. The zero value is a whole org with the built-in
// objects; every switch defaults to what live orgs were seen to do.
type Config struct {
	OrgID      string      // 15 or 18 characters; default 00DSB0000000001 in its 18-character form
	APIVersion string      // default 64.0
	Objects    []ObjectDef // nil = BuiltinObjects
	// Captured names the objects with change events; nil = all objects that
	// are not NotCaptured.
	Captured []string
	// Channels are custom channels (/data/X__chn, /event/X__chn), and
	// /data/ChangeEvents where its members carry enriched fields.
	Channels []ChannelDef
	// PersonAccounts adds people to Account: a row with a LastName is a person,
	// with a Contact of its own that lives and changes with it.
	PersonAccounts bool
	// Currencies makes it an org of several currencies: every object gets a
	// CurrencyIsoCode, which defaults to that of the user who creates the row.
	// The first is the corporate one, and the integration user's.
	Currencies []string
	// Username is the integration user's; default integration@example.com.
	Username string
	// IDInfix are the characters after the key prefix in record ids, which
	// stand for the instance; default SB.
	IDInfix string
	// Seed drives everything random: replay id gaps, transaction keys, uuids.
	// Equal seeds and equal calls give equal orgs.
	Seed uint64

	Retention    time.Duration // of events; default 72h
	Keepalive    time.Duration // between empty responses while credit is outstanding; default 60s
	IdleClose    time.Duration // a subscription without credit is closed after this; default 60s
	PublishIdle  time.Duration // a publish stream without requests is closed after this; default 1800s
	LatestSettle time.Duration // a LATEST subscription misses what is stored in its first moments; default 0

	MaxEvents     int // events kept, whatever the retention; default 500,000
	MaxCalls      int // calls kept in the call log; default 10,000
	KeepLedger    int // ledger entries kept; 0 = counts only, negative = all
	OverflowAfter int // changes in one transaction before GAP_OVERFLOW; default 100,000
	MaxEventBytes int // a larger event becomes a gap event; default 1 MiB
	MaxMerged     int // record ids in one merged event; default 200

	DeliveryLimit int64 // events delivered in 24 h; 0 = no limit
	PublishLimit  int64 // platform events published in an hour; 0 = no limit

	MaxPublishEvents int // events in one publish request; 0 = no limit (Salesforce recommends 200)
	MaxPublishBytes  int // of a publish request, beyond which the stream is reset; default 4 MiB

	MaxStreams uint32 // concurrent streams on one connection; default 1,000

	// MaxBatch bounds the events of one response; default 100. VaryBatches
	// cuts batches at random lengths, as a live service does.
	MaxBatch    int
	VaryBatches bool

	OAuth OAuthConfig // who may log in
	REST  RESTConfig  // limits of the REST API
	Bulk  BulkConfig  // pace and limits of Bulk API 2.0

	Rules Rules // of the admins; none by default

	Switches Switches
	Faults   []Fault
	Logger   *slog.Logger // nil = discard
}

// Switches choose between behaviours where the real one is unknown or comes
// in several forms.
type Switches struct {
	ReplayIDBytes      int        // 10 (default), 8 or 16
	IdleCloseAs        CloseStyle // how a stream without credit ends; default unavailable
	EmptyCompounds     bool       // a compound whose parts all became null is a record of nulls, not null
	NullMaskFirst      bool       // nulledFields of nested parts only: 0x00 comes first
	StrictPings        bool       // frequent HTTP/2 pings are answered with GOAWAY too_many_pings
	SplitSecond        bool       // events of one transaction differ by a second in their commit timestamps
	WrongDiffHash      bool       // large-text diffs carry a hash that does not fit
	BinaryTrailer      bool       // error trailers hold a key ending in -bin
	OmitErrorCode      bool       // errors carry no error-code trailer
	OverflowError      bool       // asking beyond 100 outstanding events ends with subscription.fetch.overflow
	LatestBeyondEvents bool       // latest_replay_id of a response may lie beyond its last event
	NotFoundForbidden  bool       // a forbidden single-entity channel says topic.not.found
	AnyInstanceURL     bool       // do not check the form of instanceurl
}

// CloseStyle is how the service ends a stream that it gives up on.
type CloseStyle string

// The ways seen or suspected.
const (
	CloseUnavailable CloseStyle = "unavailable"
	CloseCancelled   CloseStyle = "cancelled"
	CloseClean       CloseStyle = "clean"
)

func (c Config) withDefaults() (Config, error) {
	def := func(p *time.Duration, d time.Duration) {
		if *p == 0 {
			*p = d
		}
	}
	defInt := func(p *int, n int) {
		if *p == 0 {
			*p = n
		}
	}
	defText := func(p *string, s string) {
		if *p == "" {
			*p = s
		}
	}
	defText(&c.OrgID, "00DSB0000000001")
	defText(&c.APIVersion, "64.0")
	defText(&c.Username, "integration@example.com")
	defText(&c.IDInfix, "SB")
	def(&c.Retention, 72*time.Hour)
	def(&c.Keepalive, time.Minute)
	def(&c.IdleClose, time.Minute)
	def(&c.PublishIdle, 30*time.Minute)
	defInt(&c.MaxEvents, 500_000)
	defInt(&c.MaxCalls, 10_000)
	defInt(&c.OverflowAfter, 100_000)
	defInt(&c.MaxEventBytes, 1<<20)
	defInt(&c.MaxMerged, 200)
	defInt(&c.MaxBatch, maxCredit)
	defInt(&c.MaxPublishBytes, 4<<20)
	defInt(&c.Switches.ReplayIDBytes, 10)
	if c.MaxStreams == 0 {
		c.MaxStreams = 1000
	}
	if c.Switches.IdleCloseAs == "" {
		c.Switches.IdleCloseAs = CloseUnavailable
	}
	if c.Objects == nil {
		c.Objects = BuiltinObjects()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, c.check()
}

// maxCredit is the most events that a subscription may have outstanding.
const maxCredit = 100

func (c *Config) check() error {
	id, err := ID18(c.OrgID)
	if err != nil {
		return fmt.Errorf("org id: %w", err)
	}
	c.OrgID = id
	if _, err := ID18("000" + c.IDInfix + "000000000000"[len(c.IDInfix):]); err != nil || len(c.IDInfix) > 6 {
		return fmt.Errorf("id infix %q: want at most six letters and digits", c.IDInfix)
	}
	if n := c.Switches.ReplayIDBytes; n != 8 && n != 10 && n != 16 {
		return fmt.Errorf("replay id of %d bytes: want 8, 10 or 16", n)
	}
	if err := checkCurrencies(c.Currencies); err != nil {
		return err
	}
	if c.MaxBatch < 1 || c.MaxEvents < 1 {
		return fmt.Errorf("max batch %d, max events %d: want at least 1", c.MaxBatch, c.MaxEvents)
	}
	return nil
}
