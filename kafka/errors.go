package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"

	kafkago "github.com/segmentio/kafka-go"
)

var (
	// ErrFenced says that a newer producer has taken over the transactional id, or that the broker gave up on a
	// transaction that stayed open longer than its timeout; the two have one error code. Nothing of the failed commit
	// will ever be visible to readers of committed data. The caller goes on only if it still owns the work.
	ErrFenced = errors.New("fenced: a newer producer owns the transactional id")

	// ErrClosed is returned by calls on a closed client, producer, reader or group.
	ErrClosed = errors.New("closed")

	// ErrLost ends a group generation whose member has been removed by the coordinator, or could not reach it for a whole
	// session timeout and so must assume that somebody else has its partitions.
	ErrLost = errors.New("group membership lost")
)

// Error is a failed step with what to do about it. Error() reads as one sentence; Hint alone is for `check` and the like.
type Error struct {
	Op   string // what was being tried, with its names: "connect to broker 10.0.0.1:9092"
	Err  error
	Hint string // the remedy, or "" when there is none worth telling
}

// Error implements error.
func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Op + ": " + e.Err.Error()
	}
	return e.Op + ": " + e.Err.Error() + " (" + e.Hint + ")"
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// TooLargeError names the one record that is too large for its topic, found before anything was sent. Size and Limit
// are bytes of a record batch that holds this record alone, after compression, which is what the broker compares with the
// topic's max.message.bytes.
type TooLargeError struct {
	Topic     string
	Partition int32
	Index     int // position in the slice given to Commit
	Size      int
	Limit     int
}

// Error implements error.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("record %d for topic %s partition %d takes %d bytes, over the topic's max.message.bytes of %d",
		e.Index, e.Topic, e.Partition, e.Size, e.Limit)
}

// TopicError says how an existing topic differs from what was asked for.
type TopicError struct {
	Topic  string
	What   string // "partitions" or the name of a topic configuration
	Have   string
	Want   string
	Remedy string
}

// Error implements error.
func (e *TopicError) Error() string {
	return fmt.Sprintf("topic %s has %s %s, wanted %s: %s", e.Topic, e.What, e.Have, e.Want, e.Remedy)
}

// OffsetError is returned when the position asked for is no longer, or not yet, in the partition's log.
type OffsetError struct {
	Topic     string
	Partition int32
	Offset    int64 // asked for
	Start     int64 // first offset that is there
	End       int64 // offset after the last
}

// Error implements error.
func (e *OffsetError) Error() string {
	return fmt.Sprintf("topic %s partition %d holds offsets %d to %d, not %d", e.Topic, e.Partition, e.Start, e.End-1, e.Offset)
}

// Unwrap makes errors.Is(err, kafkago.OffsetOutOfRange) hold inside this package.
func (e *OffsetError) Unwrap() error { return kafkago.OffsetOutOfRange }

// connError is a failure of the connection itself: nothing is known about a request that was on its way.
type connError struct {
	addr string
	step string // "dial", "send", "receive", ...
	err  error
}

func (e *connError) Error() string { return e.step + " " + e.addr + ": " + e.err.Error() }
func (e *connError) Unwrap() error { return e.err }

// manyErrors are errors of several attempts, on one line.
type manyErrors []error

func (m manyErrors) Error() string {
	texts := make([]string, len(m))
	for i, err := range m {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (m manyErrors) Unwrap() []error { return m }

// join is errors.Join for messages that read as a sentence.
func join(errs ...error) error {
	var all manyErrors
	for _, err := range errs {
		if err != nil {
			all = append(all, err)
		}
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return all
}

// codeOf returns the protocol error code in err's chain.
func codeOf(err error) (kafkago.Error, bool) {
	return errors.AsType[kafkago.Error](err)
}

// brokerError makes an error of a response's code, nil for 0.
func brokerError(code int16) error {
	if code == 0 {
		return nil
	}
	return kafkago.Error(code)
}

// Retryable reports whether the same request may be sent again with hope: the connection broke, or the broker answered
// that something moves or loads at this moment. It says nothing of whether repeating is safe; that is for the caller, who
// knows the request.
func Retryable(err error) bool {
	if err == nil || errors.Is(err, ErrClosed) {
		return false
	}
	if code, ok := codeOf(err); ok {
		return retryableCode(code)
	}
	_, broken := errors.AsType[*connError](err)
	return broken && !permanent(err)
}

// retryableCode follows the "Retriable" column of the Kafka protocol guide's error table, less the codes that this
// package handles by themselves.
func retryableCode(code kafkago.Error) bool {
	switch code {
	case kafkago.InvalidMessage, // corrupt on the way: the checksum did not hold
		kafkago.UnknownTopicOrPartition, // metadata of a new topic is still spreading
		kafkago.LeaderNotAvailable, kafkago.NotLeaderForPartition, kafkago.RequestTimedOut, kafkago.BrokerNotAvailable,
		kafkago.ReplicaNotAvailable, kafkago.NetworkException,
		kafkago.GroupLoadInProgress, kafkago.GroupCoordinatorNotAvailable, kafkago.NotCoordinatorForGroup,
		kafkago.NotEnoughReplicas, kafkago.NotEnoughReplicasAfterAppend, kafkago.NotController,
		kafkago.ConcurrentTransactions, kafkago.KafkaStorageError,
		kafkago.FencedLeaderEpoch, kafkago.UnknownLeaderEpoch, kafkago.OffsetNotAvailable,
		kafkago.PreferredLeaderNotAvailable, kafkago.ThrottlingQuotaExceeded:
		return true
	}
	return false
}

// movedCode reports codes that mean "ask again who is in charge".
func movedCode(code kafkago.Error) bool {
	switch code {
	case kafkago.UnknownTopicOrPartition, kafkago.LeaderNotAvailable, kafkago.NotLeaderForPartition,
		kafkago.ReplicaNotAvailable, kafkago.FencedLeaderEpoch, kafkago.UnknownLeaderEpoch, kafkago.KafkaStorageError,
		kafkago.NotCoordinatorForGroup, kafkago.GroupCoordinatorNotAvailable, kafkago.BrokerNotAvailable:
		return true
	}
	return false
}

// fencedCode reports the codes that a producer gets once its epoch is not the newest.
func fencedCode(code kafkago.Error) bool {
	return code == kafkago.InvalidProducerEpoch || code == kafkago.ProducerFenced
}

// reason is a short, bounded metric label for an error.
func reason(err error) string {
	switch code, ok := codeOf(err); {
	case ok:
		return strings.ReplaceAll(strings.ToLower(code.Title()), " ", "_")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	default:
		return "connection"
	}
}
