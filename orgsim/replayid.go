package orgsim

import (
	"encoding/binary"

	"sfbridge/event"
)

// replayID renders a bus counter: 8 bytes big-endian and, in the form of
// today, two zero bytes.
func replayID(counter uint64, size int) event.ReplayID {
	id := make([]byte, size)
	binary.BigEndian.PutUint64(id, counter)
	return id
}

// parseReplayID reads a counter back; the form of 8 bytes is accepted too.
func parseReplayID(id []byte, size int) (uint64, bool) {
	if len(id) != size && len(id) != 8 {
		return 0, false
	}
	for _, b := range id[8:] {
		if b != 0 {
			return 0, false
		}
	}
	return binary.BigEndian.Uint64(id), true
}
