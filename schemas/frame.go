package schemas

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ID is the registry's number of a schema.
type ID int32

// frameBytes is the size of the head of Confluent's wire format: a zero byte
// and the id, big endian.
const frameBytes = 5

// ErrNotFramed says that a value does not start like Confluent's wire format.
var ErrNotFramed = errors.New("not in the Schema Registry's wire format")

func appendFrameHead(dst []byte, id ID) []byte {
	return binary.BigEndian.AppendUint32(append(dst, 0), uint32(id))
}

// AppendFrame appends payload in Confluent's wire format.
func AppendFrame(dst []byte, id ID, payload []byte) []byte {
	return append(appendFrameHead(dst, id), payload...)
}

// ParseFrame takes a value in Confluent's wire format apart; payload aliases b.
func ParseFrame(b []byte) (id ID, payload []byte, err error) {
	if len(b) < frameBytes {
		return 0, nil, fmt.Errorf("%w: %d bytes, at least %d are needed", ErrNotFramed, len(b), frameBytes)
	}
	if b[0] != 0 {
		return 0, nil, fmt.Errorf("%w: first byte is %#02x, not 0", ErrNotFramed, b[0])
	}
	return ID(binary.BigEndian.Uint32(b[1:frameBytes])), b[frameBytes:], nil
}
