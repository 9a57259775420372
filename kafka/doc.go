// Package kafka moves records, keys and offsets in and out of Apache Kafka. It is the last package on the way in (records
// and the position they take a channel to are committed together, in one Kafka transaction) and the first on the way out.
// It knows nothing of Salesforce.
//
// It is the only importer of segmentio/kafka-go, which supplies the wire types of the Kafka protocol, the SASL mechanisms
// and the compression codecs. What kafka-go does not have is here: a transactional producer, reading that hides aborted
// transactions, and sizes measured as the broker measures them. DESIGN.md beside this file tells the protocol as we speak
// it, and what happens when each part fails.
//
// Every call takes a context and blocks; the goroutines that the package keeps are a group member's heartbeat, which
// ends with [Group.Close], and those of a [Share], which end with [Share.Close]. Connections come from [Config.Dial] and time from the standard library, so that the whole of it
// runs inside a testing/synctest bubble.
package kafka
