package echo

import "time"

// DecodeRecord reads a record of the topic and gives how many rows it announces,
// for the fuzz test.
func DecodeRecord(value []byte) (rows int, err error) {
	err = messages(value, func(kind byte, body []byte) error {
		switch kind {
		case kindAnnounce:
			a, err := decodeAnnouncement(body)
			if err != nil {
				return err
			}
			for i := range a.rows {
				a.touch(i)
			}
			rows += len(a.rows)
		case kindDone:
			_, _, err := decodeDone(body)
			return err
		}
		return nil
	})
	return rows, err
}

func (a *announcement) touch(i int) {
	l := newLive(a, 0, 0)
	for _, f := range l.shapes[l.rows[i].shape].fields {
		_ = l.fields[f]
	}
	_ = l.valuesOf(i)
}

// EncodeRecords gives the records of a batch, without a Kafka.
func EncodeRecords(b Batch) [][]byte {
	w, _ := NewAnnouncer(AnnouncerConfig{}).encode(&b)
	var pack packer
	for _, m := range w.messages {
		pack.add(m)
	}
	return pack.values
}

// Take feeds a record to a registry that follows no topic.
func (r *Registry) Take(value []byte) {
	_ = messages(value, func(_ byte, body []byte) error {
		a, err := decodeAnnouncement(body)
		if err == nil {
			r.announced(a, time.Now().UnixMilli())
		}
		return err
	})
}

// WrittenHash and EventHash are the two sides of a comparison.
var (
	WrittenHash = writtenHash
	EventHash   = eventHash
	ClassOf     = classOf
)

// Settled says that all announcements are read.
func (j *Judge) Settled() { j.settled = true }
