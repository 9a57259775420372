// Package schemas turns what an org sends into what Kafka's tools read: it
// compiles Salesforce's Avro schemas, decodes and rewrites the header of a
// change event, checks payloads, and registers schemas with a Schema Registry.
//
// In comes a payload, one bare Avro datum with Salesforce's schema id; out goes
// the same datum in Confluent's wire format with the registry's number. Only
// the ChangeEventHeader is decoded, because its bitmaps need the schema and its
// record ids become records of their own; the body is copied as it came. The
// package moves no records and knows nothing of topics beyond a subject's name.
//
// DESIGN.md beside this file says why things are as they are.
package schemas
