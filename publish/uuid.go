package publish

import (
	"crypto/sha1"
	"fmt"
	"strings"

	"sfbridge/internal/flow"
	"sfbridge/kafka"
)

// namespace is what the UUIDs of this package are made under (RFC 9562, version
// 5). It must never change: a record that is published again would get another
// UUID.
var namespace = [16]byte{0x1d, 0x6b, 0x25, 0xd0, 0x5f, 0x0a, 0x4c, 0x11, 0x9e, 0x3c, 0x7a, 0x41, 0x52, 0xb8, 0x90, 0xe7}

// uuidOf makes a UUID of a name: the same name, the same UUID.
func uuidOf(name string) string {
	h := sha1.New()
	h.Write(namespace[:])
	h.Write([]byte(name))
	b := h.Sum(nil)[:16]
	b[6], b[8] = b[6]&0x0f|0x50, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// asUUID gives a UUID in lower case, or makes one of any other text.
func asUUID(text string) string {
	if isUUID(text) {
		return strings.ToLower(text)
	}
	return uuidOf(text)
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range []byte(s) {
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'):
			return false
		}
	}
	return true
}

// positionOf names the place of a record: that at which it was first read, if
// it is a dead letter that is tried again.
func positionOf(r *kafka.Record) string {
	if of := header(r, flow.HeaderRetryOf); of != "" {
		return of
	}
	return fmt.Sprintf("%s/%d/%d", r.Topic, r.Partition, r.Offset)
}

// header is the value of a record's header, "" for none.
func header(r *kafka.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}
