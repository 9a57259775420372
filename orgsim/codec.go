package orgsim

import (
	"fmt"
	"sync"

	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec underneath
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// rawResponse is a message that is already encoded: events are encoded once,
// when they are stored, and not again for every subscriber.
type rawResponse struct {
	buf  *[]byte
	pool *bufferPool // gets the buffer back once it is sent
}

// bufferPool keeps the buffers of responses. gRPC's own pool knows a few
// sizes only, and responses grow to any size while they are written.
type bufferPool struct{ pool sync.Pool }

// Get implements mem.BufferPool.
func (p *bufferPool) Get(length int) *[]byte {
	if buf, ok := p.pool.Get().(*[]byte); ok && cap(*buf) >= length {
		*buf = (*buf)[:length]
		return buf
	}
	buf := make([]byte, length)
	return &buf
}

// Put implements mem.BufferPool.
func (p *bufferPool) Put(buf *[]byte) { p.pool.Put(buf) }

// newResponse begins a response.
func (p *bufferPool) newResponse() *rawResponse {
	buf := p.Get(0)
	return &rawResponse{buf: buf, pool: p}
}

// drop gives the buffer back unsent.
func (r *rawResponse) drop() { r.pool.Put(r.buf) }

// finish adds the fields of a FetchResponse after its events.
func (r *rawResponse) finish(latest []byte, rpcID string, pending int) {
	b := protowire.AppendBytes(protowire.AppendTag(*r.buf, 2, protowire.BytesType), latest)
	b = protowire.AppendString(protowire.AppendTag(b, 3, protowire.BytesType), rpcID)
	if pending > 0 {
		b = protowire.AppendVarint(protowire.AppendTag(b, 4, protowire.VarintType), uint64(pending))
	}
	*r.buf = b
}

// rawCodec is the protobuf codec of gRPC that also sends encoded messages.
type rawCodec struct{ encoding.CodecV2 }

func newRawCodec() rawCodec { return rawCodec{encoding.GetCodecV2("proto")} }

// Marshal implements encoding.CodecV2.
func (c rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	if r, ok := v.(*rawResponse); ok {
		return mem.BufferSlice{mem.NewBuffer(r.buf, r.pool)}, nil
	}
	out, err := c.CodecV2.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("marshal %T: %w", v, err)
	}
	return out, nil
}
