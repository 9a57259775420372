package config

import (
	"time"

	"sfbridge/bridge"
	"sfbridge/schemas"
	"sfbridge/writeback"
	"sfbridge/writeback/rows"
)

// Words of the keys of writeback and publish.
const (
	Reject = "reject"
	Ignore = "ignore"
	Skip   = "skip"
	Apply  = "apply"
	Values = "values"
	Labels = "labels"
)

// Writeback is one topic to carry into an object.
type Writeback struct {
	Topic           string
	Org             string
	Object          string
	Operation       string
	OperationFrom   string            // expression
	Operations      map[string]string // its values to operations
	OnTombstone     string
	ExternalID      string
	Fields          map[string]string // targets to expressions
	Unmapped        string            // Reject or Ignore
	Format          string
	From            string // Latest or Earliest
	Conflict        string
	Version         string // expression
	VersionField    string
	Echoes          string // Skip or Apply
	BulkAbove       int    // 0: never
	InFlight        int
	MaxWait         time.Duration
	Attempts        int
	AllowDuplicates bool
	AutoAssign      string // true, false or the id of a rule
	Picklists       string // Values or Labels
	Results         bool
}

func operations() []string {
	return []string{string(rows.Upsert), string(rows.Update), string(rows.Insert), string(rows.Delete), string(rows.Undelete)}
}

func formats() []string {
	return []string{string(schemas.Auto), string(schemas.Avro), string(schemas.JSON)}
}

func (w *Writeback) keys() []key {
	return append(w.mappingKeys(), w.sendingKeys()...)
}

// mappingKeys say what records become.
func (w *Writeback) mappingKeys() []key {
	return []key{
		{
			name: "topic", to: &w.Topic, required: true, valid: topicName, example: "erp.customers",
			doc: "Topic that is read. It must exist. Records of one key stay in order.",
		},
		{name: "org", to: &w.Org, required: true, example: "main", doc: "Name of an org under `orgs`."},
		{
			name: "object", to: &w.Object, required: true, valid: recordObject, example: "Account",
			doc: "sObject that records are written into, by API name.",
		},
		{
			name: "operation", to: &w.Operation, def: string(rows.Upsert), oneOf: operations(), example: string(rows.Update),
			doc: "What is done with each record that does not say so itself. `upsert` needs `external_id` and may be repeated without harm; `insert` may not, see [delivery](delivery.md#inserts).",
		},
		{
			name: "operation_from", to: &w.OperationFrom, valid: formula, example: "meta.op",
			doc: "Path or expression that gives each record's own operation. Where it leads nowhere, `operation` holds.",
		},
		{
			name: "operations", to: &w.Operations, oneOf: operations(), example: "{c: upsert, u: upsert, d: delete}",
			doc: "What the values of `operation_from` mean, besides the operations' own names.",
		},
		{
			name: "on_tombstone", to: &w.OnTombstone, def: rows.TombstoneDelete,
			oneOf: []string{rows.TombstoneDelete, rows.TombstoneIgnore, rows.TombstoneReject}, example: rows.TombstoneIgnore,
			doc: "What a record without a value means: the row with its key is deleted, or nothing, or a dead letter.",
		},
		{
			name: "external_id", to: &w.ExternalID, valid: fieldName, example: "ERP_Id__c",
			doc: "External id field that tells rows apart. Its value is mapped like any other, or else is the record's key. Without it, and with `Id`, rows are told by record id.",
		},
		{
			name: "fields", to: &w.Fields, names: writeTarget, valid: formula, example: "{Name: name, BillingCity: address.city}",
			doc: "Fields to write and where their values come from: paths or expressions ([mapping](mapping.md)). Without it each field of the record goes to the field of the same name.",
		},
		{
			name: "unmapped", to: &w.Unmapped, def: Reject, oneOf: []string{Reject, Ignore}, example: Ignore,
			doc: "Without `fields`: whether a record with a field that the object lacks is a dead letter, or is written without that field.",
		},
		{
			name: "format", to: &w.Format, def: string(schemas.Auto), oneOf: formats(), example: string(schemas.JSON),
			doc: "How values are read. `auto` takes what begins like the Schema Registry's framing for that, and anything else for JSON.",
		},
		{
			name: "from", to: &w.From, def: Earliest, oneOf: []string{Earliest, Latest}, example: Latest,
			doc: "Where an entry starts that has no offsets yet: with the oldest record of the topic, or with what comes from now on.",
		},
		{
			name: "picklists", to: &w.Picklists, def: Values, oneOf: []string{Values, Labels}, example: Labels,
			doc: "Whether records give picklists by the API names of their values or by their labels.",
		},
	}
}

// sendingKeys say how rows are written.
func (w *Writeback) sendingKeys() []key {
	return []key{
		{
			name: "conflict", to: &w.Conflict, def: string(writeback.Overwrite),
			oneOf:   []string{string(writeback.Overwrite), string(writeback.NewerWins), string(writeback.SkipIfChanged)},
			example: string(writeback.NewerWins),
			doc:     "What happens where the row in the org has changed meanwhile: the record wins; or it is skipped unless its version is after the row's; or it is skipped if the row changed after the record's version. The last two read the rows just before they write them.",
		},
		{
			name: "version", to: &w.Version, valid: formula, example: "updated_at",
			doc: "Path or expression for the record's version, a time or a number, for `conflict`. Without it the version is the record's timestamp.",
		},
		{
			name: "version_field", to: &w.VersionField, valid: fieldName, example: "ERP_Version__c",
			doc: "Field of the object that `conflict` compares with. Without it SystemModstamp.",
		},
		{
			name: "echoes", to: &w.Echoes, def: Skip, oneOf: []string{Skip, Apply}, example: Apply,
			doc: "Whether records with the header `sf_echo`, changes that this bridge itself made, are skipped. `apply` where a topic leads into another org than the one it came from and echoes are wanted there.",
		},
		{
			name: "bulk_above", to: &w.BulkAbove, unit: "rows", def: "2000", min: "0", max: "1000000", example: "10000",
			doc: "Rows that wait, in the topic and in memory, beyond which a Bulk API job is made for them. 0 for never.",
		},
		{
			name: "in_flight", to: &w.InFlight, unit: "calls", def: "5", min: "1", max: "25", example: "2",
			doc: "Calls at once. Fewer mean less trouble with locks and triggers in the org.",
		},
		{
			name: "max_wait", to: &w.MaxWait, def: "250ms", min: "1ms", max: "1m", example: "2s",
			doc: "How long a row waits for company while another call is under way; the first is sent at once. Longer means fewer calls.",
		},
		{
			name: "attempts", to: &w.Attempts, unit: "attempts", def: "8", min: "1", max: "100", example: "20",
			doc: "Attempts at one row that fails in a way that may pass, such as a lock, before it becomes a dead letter. Calls that fail as a whole do not count.",
		},
		{
			name: "allow_duplicates", to: &w.AllowDuplicates, def: "false", example: "true",
			doc: "Save rows in spite of duplicate rules that only alert. Rules that block still block.",
		},
		{
			name: "auto_assign", to: &w.AutoAssign, def: "true", valid: assignment, example: "01Qxx0000004C92AAE",
			doc: "Whether the org's active assignment rule runs for cases and leads: `true`, `false`, or the id of the rule to run.",
		},
		{
			name: "results", to: &w.Results, def: "true", example: "false",
			doc: "Write what became of each record to `<prefix>.results`. Dead letters are written in any case.",
		},
	}
}

// bridge gives the entry as package bridge takes it.
func (w *Writeback) bridge() bridge.Writeback {
	out := bridge.Writeback{
		Topic: w.Topic, Org: w.Org, Format: schemas.Format(w.Format), Latest: w.From == Latest,
		Rows: rows.Config{
			Object: w.Object, ExternalID: w.ExternalID, Operation: rows.Operation(w.Operation),
			OperationFrom: w.OperationFrom, OnTombstone: w.OnTombstone, Fields: w.Fields,
			IgnoreUnmapped: w.Unmapped == Ignore, Version: w.Version, PicklistLabels: w.Picklists == Labels,
		},
		Conflict: writeback.Conflict(w.Conflict), VersionField: w.VersionField, ApplyEchoes: w.Echoes == Apply,
		NoResults: !w.Results, BulkAbove: w.BulkAbove, InFlight: w.InFlight, MaxWait: w.MaxWait, Attempts: w.Attempts,
		AllowDuplicates: w.AllowDuplicates, AutoAssign: autoAssign(w.AutoAssign),
	}
	if w.BulkAbove == 0 {
		out.BulkAbove = -1
	}
	for value, op := range w.Operations {
		if out.Rows.Operations == nil {
			out.Rows.Operations = make(map[string]rows.Operation)
		}
		out.Rows.Operations[value] = rows.Operation(op)
	}
	return out
}

// autoAssign gives the value of the header; true is what the org does without
// one (REST API guide, Assignment Rule Header).
func autoAssign(text string) string {
	switch text {
	case "true":
		return ""
	case "false":
		return "FALSE"
	}
	return text
}
