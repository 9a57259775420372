// Package writeback applies the records of Kafka topics to the rows of an org:
// records come in through a consumer group, go out through REST, sObject
// Collections or Bulk API 2.0, and leave an outcome each, which is committed
// together with the offset.
//
// Rows of one key are written in the order of their records, never two of them
// in one call or in two calls at once. A record that cannot be written becomes a
// dead letter and holds up nobody; one that cannot be written now is tried
// again, and what waits for it waits in Kafka.
package writeback
