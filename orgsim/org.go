package orgsim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"

	"sfbridge/event"
)

// Org is one simulated org. It is safe for use by many goroutines.
type Org struct {
	cfg Config
	log *slog.Logger
	web *web // OAuth, REST and control over HTTP

	// mu guards the rows, the definitions and everything that a commit
	// touches. The function of a transaction runs under it.
	mu       sync.RWMutex
	tables   map[string]*table // by API name
	byPrefix map[string]*table
	names    map[string]string // lower-case to API name
	rng      *rand.Rand
	commits  commitState
	schemas  map[event.SchemaID]*schema // of today and of before
	captured map[string]bool            // objects with change events
	detailed map[string]bool            // objects whose events keep their detail, for enrichment and hidden fields
	channels map[string]ChannelDef      // custom channels by name
	access   map[string]Access          // by user id
	userID   string
	people   [][2]string // fields that person accounts share with their contacts
	rules    Rules
	locks    map[string]time.Time // rows held, until when; zero = until released
	closed   bool

	bus     *bus
	ledger  *Ledger
	usage   *usage
	streams streams
	calls   callLog
	faults  faults
	buffers bufferPool // of responses

	servers  []*grpc.Server       // guarded by mu
	prepared map[string]*prepared // guarded by mu; by channel

	idMu  sync.Mutex // guards idRng: uuids outside of transactions
	idRng *rand.Rand
}

// New makes an org with its integration user and no other rows.
func New(cfg Config) (*Org, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("org configuration: %w", err)
	}
	o := empty(cfg)
	o.web = newWeb(o)
	for _, step := range []func() error{o.defineAll, o.checkReferences, o.addIntegrationUser, o.openChannels, func() error { return o.SetRules(cfg.Rules) }} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	for _, f := range cfg.Faults {
		if err := o.Inject(f); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// empty makes an org without objects.
func empty(cfg Config) *Org {
	return &Org{
		cfg: cfg, log: cfg.Logger.With("component", "orgsim"),
		tables: map[string]*table{}, byPrefix: map[string]*table{}, names: map[string]string{},
		rng:     rand.New(rand.NewPCG(cfg.Seed, 1)),
		commits: commitState{number: firstCommitNumber},
		schemas: map[event.SchemaID]*schema{}, captured: map[string]bool{}, detailed: map[string]bool{},
		channels: map[string]ChannelDef{}, access: map[string]Access{}, locks: map[string]time.Time{},
		bus:    newBus(&cfg, rand.New(rand.NewPCG(cfg.Seed, 2))),
		ledger: &Ledger{keep: cfg.KeepLedger, idBytes: cfg.Switches.ReplayIDBytes, counts: map[string]int64{}},
		usage:  newUsage(),
		calls:  callLog{max: cfg.MaxCalls},
		idRng:  rand.New(rand.NewPCG(cfg.Seed, 3)),

		prepared: map[string]*prepared{},
	}
}

// defineAll makes the tables of the configured objects, and of User.
func (o *Org) defineAll() error {
	if o.cfg.PersonAccounts {
		o.people = personPairs(o.cfg.Objects)
	}
	for i := range o.cfg.Objects {
		def := o.cfg.Objects[i].clone()
		if o.cfg.PersonAccounts {
			addPersonFields(def, o.cfg.Objects)
		}
		if len(o.cfg.Currencies) > 0 {
			addCurrency(def, o.cfg.Currencies)
		}
		if err := o.define(def, i); err != nil {
			return err
		}
	}
	if o.tables["User"] != nil {
		return nil
	}
	user := userObject()
	if len(o.cfg.Currencies) > 0 {
		addCurrency(&user, o.cfg.Currencies)
	}
	return o.define(&user, len(o.cfg.Objects))
}

// openChannels says what is captured and sets up the custom channels.
func (o *Org) openChannels() error {
	names := o.cfg.Captured
	if names == nil {
		for _, t := range o.tables {
			if !t.def.Event && !t.def.NotCaptured {
				names = append(names, t.def.Name)
			}
		}
	}
	for _, name := range names {
		if err := o.Capture(name, true); err != nil {
			return err
		}
	}
	for _, def := range o.cfg.Channels {
		if err := o.SetChannel(def); err != nil {
			return err
		}
	}
	return nil
}

// Close ends every stream and service of the org. It is safe to call twice.
func (o *Org) Close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.web.control.work.stop()
	o.web.rest.bulk.close()
	o.streams.close()
	o.closeServers()
}

// OrgID is the org's id, 18 characters.
func (o *Org) OrgID() string { return o.cfg.OrgID }

// APIVersion is the org's API version, such as 64.0.
func (o *Org) APIVersion() string { return o.cfg.APIVersion }

// IntegrationUser is the id of the user that exists from the start, 18
// characters; Username is its name.
func (o *Org) IntegrationUser() string { return o.userID }

// Username is the integration user's name.
func (o *Org) Username() string { return o.cfg.Username }

func (o *Org) define(def *ObjectDef, ordinal int) error {
	if err := def.normalise(ordinal); err != nil {
		return err
	}
	def.ModifiedAt = time.Now().UTC().Truncate(time.Second)
	lower := strings.ToLower(def.Name)
	if o.names[lower] != "" {
		return fmt.Errorf("object %s: defined twice", def.Name)
	}
	if other := o.byPrefix[def.KeyPrefix]; other != nil {
		return fmt.Errorf("object %s: key prefix %s belongs to %s", def.Name, def.KeyPrefix, other.def.Name)
	}
	t := newTable(def)
	o.setSchema(t)
	o.tables[def.Name], o.byPrefix[def.KeyPrefix], o.names[lower] = t, t, def.Name
	return nil
}

// setSchema makes the event schema of a table's definition; the ones before
// stay known, since stored events name them.
func (o *Org) setSchema(t *table) {
	s := newSchema(t.def)
	if known := o.schemas[s.id]; known != nil && known.json == s.json {
		s = known
	}
	o.schemas[s.id] = s
	t.schema = s
}

// Ledger gives the record of what the org committed.
func (o *Org) Ledger() *Ledger { return o.ledger }

func (o *Org) checkReferences() error {
	for _, t := range o.tables {
		for _, f := range t.def.Fields {
			for _, to := range f.ReferenceTo {
				if o.tables[to] == nil {
					return fmt.Errorf("object %s: field %s: refers to %s, which the org does not have", t.def.Name, f.Name, to)
				}
			}
		}
	}
	return nil
}

// addIntegrationUser makes the user that the bridge logs in as. The user
// creates itself, so its id is known beforehand.
func (o *Org) addIntegrationUser() error {
	o.userID = makeID("005", o.cfg.IDInfix, 1)
	tx := &Tx{org: o, now: wholeSecond(time.Now()), system: true, caller: Caller{UserID: o.userID}}
	_, err := tx.Insert("User", map[string]Value{
		"Username": String(o.cfg.Username), "LastName": String("Integration"), "Email": String(o.cfg.Username), "Alias": String("integ"),
	})
	if err != nil {
		return fmt.Errorf("integration user: %w", err)
	}
	return nil
}

// wholeSecond cuts a time to what the platform stores.
func wholeSecond(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// Result tells what a transaction became.
type Result struct {
	TransactionKey  string
	CommitNumber    int64
	CommitTimestamp time.Time // whole seconds
	Changes         int       // records changed
	Events          int       // change events stored for them
}

// Transact runs fn as one transaction and commits what it did, or undoes it
// all when fn fails. Transactions run one after the other; fn must use the Tx
// and not the Org, whose readers wait for the commit.
func (o *Org) Transact(ctx context.Context, caller Caller, fn func(tx *Tx) error) (Result, error) {
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return Result{}, ErrClosed
	}
	if caller.UserID == "" {
		caller.UserID = o.userID
	}
	if caller.Version == "" {
		caller.Version = o.cfg.APIVersion
	}
	tx := &Tx{org: o, caller: caller, now: wholeSecond(time.Now())}
	done := false
	defer func() {
		if !done { // fn panicked: leave the rows as they were
			tx.RollbackTo(0)
		}
	}()
	err := fn(tx)
	done = true
	if err != nil {
		tx.RollbackTo(0)
		return Result{}, err
	}
	return o.commit(tx), nil
}

// Get reads a row by its id of 15 or 18 characters, also one in the recycle
// bin; nil when there is none.
func (o *Org) Get(id string) *Record {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.lookup(id)
}

// Scan walks the rows of an object in the order of insertion until fn says
// stop. It sees one state of the object; fn may take its time.
func (o *Org) Scan(object string, includeDeleted bool, fn func(*Record) bool) {
	o.mu.RLock()
	var rows []*Record
	if t := o.table(object); t != nil {
		rows = make([]*Record, 0, len(t.rows))
		t.scan(includeDeleted, func(r *Record) bool {
			rows = append(rows, r)
			return true
		})
	}
	o.mu.RUnlock()
	for _, r := range rows {
		if !fn(r) {
			return
		}
	}
}

// Count is the number of live rows of an object.
func (o *Org) Count(object string) int {
	n := 0
	o.Scan(object, false, func(*Record) bool { n++; return true })
	return n
}

// FindByExternalID gives the live rows of an object whose field has the
// value: none, one, or several where the field is not unique.
func (o *Org) FindByExternalID(object, field string, v Value) []*Record {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.findRows(object, field, v)
}

// Object gives the definition of an object or platform event, whatever the
// case of the name; nil when there is none.
func (o *Org) Object(name string) *ObjectDef {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if t := o.table(name); t != nil {
		return t.def
	}
	return nil
}

// ObjectOf gives the definition of the object that an id belongs to, by its
// key prefix; nil when there is none.
func (o *Org) ObjectOf(id string) *ObjectDef {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if len(id) < 3 || o.byPrefix[id[:3]] == nil {
		return nil
	}
	return o.byPrefix[id[:3]].def
}

// Objects lists all definitions by name.
func (o *Org) Objects() []*ObjectDef {
	o.mu.RLock()
	defer o.mu.RUnlock()
	out := make([]*ObjectDef, 0, len(o.tables))
	for _, t := range o.tables {
		out = append(out, t.def)
	}
	slices.SortFunc(out, func(a, b *ObjectDef) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// AlterObject changes the definition of an object while its events stay as
// they were stored: fn edits a copy. Values of removed fields are dropped.
func (o *Org) AlterObject(object string, fn func(*ObjectDef)) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.table(object)
	if t == nil {
		return fmt.Errorf("alter object %q: no such object", object)
	}
	def := t.def.clone()
	fn(def)
	if def.Name != t.def.Name || def.KeyPrefix != t.def.KeyPrefix {
		return errors.New("alter object " + t.def.Name + ": name and key prefix cannot change")
	}
	if err := def.normalise(len(o.tables)); err != nil {
		return fmt.Errorf("alter %w", err)
	}
	def.ModifiedAt = time.Now().UTC().Truncate(time.Second)
	t.def = def
	o.setSchema(t)
	for id, r := range t.rows {
		kept := r.with(nil)
		for name := range r.fields {
			if def.Field(name) == nil {
				delete(kept.fields, name)
			}
		}
		t.rows[id] = kept
	}
	t.reindex()
	return nil
}

func (o *Org) table(name string) *table {
	if t := o.tables[name]; t != nil {
		return t
	}
	return o.tables[o.names[strings.ToLower(name)]]
}

func (o *Org) lookup(id string) *Record {
	full, err := ID18(id)
	if err != nil || o.byPrefix[full[:3]] == nil {
		return nil
	}
	return o.byPrefix[full[:3]].rows[full]
}

func (o *Org) findRows(object, field string, v Value) []*Record {
	t := o.table(object)
	if t == nil {
		return nil
	}
	f := t.def.Field(field)
	if f == nil {
		return nil
	}
	if c, err := f.convert(v); err == nil {
		v = c
	}
	return t.find(f, v)
}

type childRef struct {
	table *table
	field *FieldDef
}

// childRefs lists the fields of all objects that tie rows to a parent object.
func (o *Org) childRefs(object string) []childRef {
	var out []childRef
	for _, t := range o.tables {
		for _, f := range t.def.Fields {
			if (f.CascadeDelete || f.RestrictedDelete) && slices.Contains(f.ReferenceTo, object) {
				out = append(out, childRef{t, f})
			}
		}
	}
	slices.SortFunc(out, func(a, b childRef) int {
		return strings.Compare(a.table.def.Name+a.field.Name, b.table.def.Name+b.field.Name)
	})
	return out
}
