package pubsub

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"sfbridge/pubsub/pubsubpb"
)

// samples are responses as the service writes them, and the odd ones.
func samples() [][]byte {
	keepalive, err := hex.DecodeString("120a000000000010db4d00001a2431313131313131312d323232322d343333332d383434342d353535353535353535353535204b")
	if err != nil {
		panic(err)
	}
	twice := protowire.AppendTag(nil, 1, protowire.BytesType) // an event whose event field comes in two parts
	twice = protowire.AppendBytes(twice, append(
		must(&pubsubpb.ConsumerEvent{Event: &pubsubpb.ProducerEvent{Id: "a", Payload: []byte("x")}}),
		must(&pubsubpb.ConsumerEvent{Event: &pubsubpb.ProducerEvent{SchemaId: "s"}, ReplayId: []byte{1}})...))
	wrongTypes := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 7)
	wrongTypes = protowire.AppendFixed32(protowire.AppendTag(wrongTypes, 4, protowire.Fixed32Type), 7)
	return [][]byte{
		nil, keepalive, twice, wrongTypes,
		must(response(3)),
		must(&pubsubpb.FetchResponse{Events: []*pubsubpb.ConsumerEvent{{}, {Event: &pubsubpb.ProducerEvent{Headers: []*pubsubpb.EventHeader{{Key: "k", Value: []byte("v")}}}}}}),
		must(&pubsubpb.FetchResponse{PendingNumRequested: -1}),
		{0x0a, 0x05, 0x0a},
		{0x0b},
		{0xff},
	}
}

func must(m proto.Message) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

func response(n int) *pubsubpb.FetchResponse {
	res := &pubsubpb.FetchResponse{LatestReplayId: []byte("latest 10b"), RpcId: "11111111-2222-4333-8444-555555555555", PendingNumRequested: 75}
	for i := range n {
		res.Events = append(res.Events, &pubsubpb.ConsumerEvent{
			Event: &pubsubpb.ProducerEvent{
				Id:       fmt.Sprintf("%08d-2222-4333-8444-555555555555", i),
				SchemaId: "AAAAAAAAAAAAAAAAAAAAAA",
				Payload:  bytes.Repeat([]byte{byte(i)}, 500),
			},
			ReplayId: fmt.Appendf(nil, "replay%04d", i),
		})
	}
	return res
}

// FuzzFetchResponse holds our reading against the generated code's: what that
// takes, ours takes, with the same content; and nothing makes ours panic.
func FuzzFetchResponse(f *testing.F) {
	for _, b := range samples() {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var got fetchResponse
		whole := bytes.Clone(b)
		err := codec{limit: 1 << 20, names: &interned{}}.Unmarshal(mem.BufferSlice{mem.SliceBuffer(b)}, &got)
		if !bytes.Equal(whole, b) {
			t.Fatal("the transport's buffer was written to")
		}
		var want pubsubpb.FetchResponse
		if proto.Unmarshal(b, &want) != nil {
			if err == nil {
				checkBounds(t, &got, len(b))
			}
			return
		}
		if err != nil {
			t.Fatalf("refused what the generated code takes: %v", err)
		}
		checkSame(t, &got, &want)
		checkHead(t, &got)
	})
}

// checkBounds makes sure that nothing came from elsewhere.
func checkBounds(t *testing.T, got *fetchResponse, size int) {
	t.Helper()
	sum := len(got.latest)
	for _, e := range got.events {
		sum += len(e.Payload) + len(e.ReplayID)
	}
	if sum > size {
		t.Fatalf("%d bytes out of %d", sum, size)
	}
}

func checkSame(t *testing.T, got *fetchResponse, want *pubsubpb.FetchResponse) {
	t.Helper()
	if len(got.events) != len(want.Events) || !bytes.Equal(got.latest, want.LatestReplayId) || got.pending != want.PendingNumRequested {
		t.Fatalf("got %d events, latest %x, pending %d; want %d, %x, %d", len(got.events), got.latest, got.pending,
			len(want.Events), want.LatestReplayId, want.PendingNumRequested)
	}
	for i, w := range want.Events {
		g := got.events[i]
		if g.UUID != w.GetEvent().GetId() || string(g.SchemaID) != w.GetEvent().GetSchemaId() ||
			!bytes.Equal(g.Payload, w.GetEvent().GetPayload()) || !bytes.Equal(g.ReplayID, w.GetReplayId()) {
			t.Fatalf("event %d: got %+v, want %v", i, g, w)
		}
		if cap(g.Payload) != len(g.Payload) || cap(g.ReplayID) != len(g.ReplayID) {
			t.Fatalf("event %d: appending to a field would write into its neighbour", i)
		}
	}
}

// checkHead runs the events through a resume: passed over is what lies up to
// the position, and of what follows no more than the open group's count.
func checkHead(t *testing.T, got *fetchResponse) {
	t.Helper()
	c := NewCursor("/data/ChangeEvents", FromEarliest())
	for _, e := range got.events {
		c.Event(e.ReplayID)
	}
	start, _ := c.Resume()
	left := newHead(c, newRecent()).unseen(got.events)
	passed := got.events[:len(got.events)-len(left)]
	for i := len(passed) - 1; i >= 0 && start.ReplayID != nil; i-- {
		if bytes.Equal(passed[i].ReplayID, start.ReplayID) {
			passed = passed[i+1:]
			break
		}
	}
	if len(passed) > start.OpenCount {
		t.Fatalf("passed over %d events behind the position, want at most %d", len(passed), start.OpenCount)
	}
	for _, e := range passed {
		if !bytes.Equal(e.ReplayID, start.OpenReplayID) {
			t.Fatalf("passed over an event at %s, which is neither before %s nor of %s", e.ReplayID, start.ReplayID, start.OpenReplayID)
		}
	}
}

func TestDecode_TextThatIsNotUTF8_StopsNothing(t *testing.T) {
	event := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), []byte("a\xffb"))
	event = protowire.AppendBytes(protowire.AppendTag(event, 3, protowire.BytesType), []byte("payload"))
	consumer := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), event)
	b := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), consumer)
	var got fetchResponse
	if err := got.decode(b, &interned{}); err != nil {
		t.Fatal(err)
	}
	if len(got.events) != 1 || got.events[0].UUID != "a\uFFFDb" || string(got.events[0].Payload) != "payload" {
		t.Errorf("got %+v", got.events)
	}
}

func TestDecode_MoreEventsThanCreditCouldBring_IsRefused(t *testing.T) {
	var got fetchResponse
	if err := got.decode([]byte(strings.Repeat("\x0a\x00", maxEvents+1)), &interned{}); err == nil {
		t.Error("no error")
	}
}

func TestInterned_ForgetsAtItsBound(t *testing.T) {
	var names interned
	for i := range 3 * internMax {
		if got := names.get(fmt.Appendf(nil, "%d", i)); got != fmt.Sprint(i) {
			t.Fatalf("got %s, want %d", got, i)
		}
	}
	if len(names.texts) > internMax {
		t.Errorf("%d texts kept, want at most %d", len(names.texts), internMax)
	}
}

func BenchmarkDecode(b *testing.B) {
	wire := must(response(100))
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(wire)))
		c := codec{limit: 8 << 20, names: &interned{}}
		for b.Loop() {
			var res fetchResponse
			if err := c.Unmarshal(mem.BufferSlice{mem.SliceBuffer(wire)}, &res); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("generated", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(wire)))
		for b.Loop() {
			var res pubsubpb.FetchResponse
			if err := proto.Unmarshal(wire, &res); err != nil {
				b.Fatal(err)
			}
		}
	})
}
