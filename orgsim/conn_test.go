package orgsim_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"testing"

	"sfbridge/orgsim"
)

// frame builds one HTTP/2 frame.
func frame(kind byte, stream uint32, payload []byte) []byte {
	f := make([]byte, 9, 9+len(payload))
	f[0], f[1], f[2], f[3] = byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload)), kind
	binary.BigEndian.PutUint32(f[5:], stream)
	return append(f, payload...)
}

// sink is a connection that keeps what is written.
type sink struct {
	net.Conn
	bytes.Buffer
}

func (s *sink) Write(b []byte) (int, error) { return s.Buffer.Write(b) }
func (s *sink) Read([]byte) (int, error)    { return 0, io.EOF }
func (s *sink) Close() error                { return nil }

// FuzzFaultConn_AnyCuts writes frames in pieces of any length, arms the reset
// and the GOAWAY between two pieces, and wants whole frames: the marked one
// replaced, one GOAWAY more, the others as they were.
func FuzzFaultConn_AnyCuts(f *testing.F) {
	f.Add([]byte{3, 9, 1, 40}, uint8(1), uint8(2))
	f.Add([]byte{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, uint8(0), uint8(7))
	f.Add([]byte{200}, uint8(0), uint8(0))
	f.Fuzz(func(t *testing.T, cuts []byte, resetAt, goAwayAt uint8) {
		marker := []byte("the-marker")
		frames := [][]byte{
			frame(4, 0, nil), frame(1, 1, bytes.Repeat([]byte("h"), 30)), frame(0, 1, []byte("data")), frame(0, 3, nil),
			frame(0, 1, append([]byte("x"), marker...)), frame(0, 3, bytes.Repeat([]byte("d"), 70)), frame(6, 0, make([]byte, 8)),
		}
		rest := bytes.Join(frames, nil)
		var out sink
		c := orgsim.NewFaultConn(&out)
		armed, passed := false, 0
		for i := 0; len(rest) > 0; i++ {
			if i == int(resetAt) {
				c.ResetOn(marker)
				armed = passed <= markedEnd(frames)-len(frames[4])
			}
			if i == int(goAwayAt) {
				if err := c.GoAway(); err != nil {
					t.Fatal(err)
				}
			}
			n := len(rest)
			if len(cuts) > 0 {
				n = min(n, 1+int(cuts[i%len(cuts)]))
			}
			if m, err := c.Write(rest[:n]); m != n || err != nil {
				t.Fatalf("write %d: %d, %v", n, m, err)
			}
			passed, rest = passed+n, rest[n:]
		}
		checkFrames(t, out.Bytes(), frames, armed)
	})
}

// markedEnd is the offset after the frame that holds the marker.
func markedEnd(frames [][]byte) int {
	n := 0
	for _, f := range frames[:5] {
		n += len(f)
	}
	return n
}

func checkFrames(t *testing.T, got []byte, frames [][]byte, armed bool) {
	t.Helper()
	want := frames
	if armed {
		want = append(append([][]byte{}, frames[:4]...), frame(3, 1, make([]byte, 4)))
		want = append(want, frames[5:]...)
	}
	for len(got) > 0 {
		if len(got) < 9 {
			t.Fatalf("%d bytes of no frame are left", len(got))
		}
		n := 9 + (int(got[0])<<16 | int(got[1])<<8 | int(got[2]))
		if n > len(got) {
			t.Fatalf("a frame of %d bytes is cut to %d", n, len(got))
		}
		one := got[:n]
		got = got[n:]
		if one[3] == 7 {
			continue // GOAWAY may stand between any two
		}
		if len(want) == 0 || !bytes.Equal(one, want[0]) {
			t.Fatalf("frame %x, want %x", one, want)
		}
		want = want[1:]
	}
	if len(want) > 0 {
		t.Errorf("%d frames are missing", len(want))
	}
}
