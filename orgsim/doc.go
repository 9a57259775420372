// Package orgsim is a simulated Salesforce org: rows in objects, transactions
// that turn into change events, an event bus with retention, and the Pub/Sub
// API over gRPC in front of it. People use it to try the bridge, to test
// their own consumers and to rehearse outages; the tests of sfbridge stand on
// it.
//
// One table of fields (ObjectDef, FieldDef) describes each object. Describe
// results, Avro schemas, JSON values and stored rows all derive from it. Rows
// change only through Org.Transact; each committed transaction becomes change
// events as Change Data Capture would make them, which subscribers read from
// the bus by replay id.
//
// Time comes from the standard library alone and every listener is handed in,
// so an org can live inside a testing/synctest bubble over in-memory
// connections.
package orgsim
