// Package bulk runs jobs of Bulk API 2.0: many rows into an org as CSV, and the
// results of long queries out of it. Records go in and are written as CSV while
// they are sent; an outcome for each row comes out, with the columns that were
// sent, in an order that is not theirs. Match outcomes by a key column.
//
// An ingest job is created, gets its data in one upload, and does nothing until
// it is closed: Submit does all three. Wait then polls until the job ends. A
// job that is complete may still have rows that failed, and a job that failed
// has rows that were written: read all three sets of results.
//
// CSV is the same on every machine: commas, LF, UTF-8 without a byte-order
// mark, dots in decimals. A column that a record does not have is left empty,
// which the org ignores; nil is #N/A, which clears the field.
package bulk
