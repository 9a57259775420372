package pubsub

import (
	"fmt"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// codec reads responses of one Subscribe call into *fetchResponse and writes
// requests as usual. Each stream has its own, so that schema ids are shared
// within a channel without a lock.
type codec struct {
	limit int // bytes of one response
	names *interned
}

// Name is empty so that the content type stays application/grpc.
func (codec) Name() string { return "" }

// Marshal writes a request.
func (codec) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("marshal %T: not a message", v)
	}
	b, err := proto.Marshal(m)
	if err != nil {
		return nil, err
	}
	return mem.BufferSlice{mem.SliceBuffer(b)}, nil
}

// Unmarshal copies a response once, out of the transport's buffers, and reads
// it in place. One that is over the limit is not read: its size is told, so
// that the mistake is not taken for a broken stream and tried for ever.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	r, ok := v.(*fetchResponse)
	if !ok {
		return fmt.Errorf("unmarshal into %T: want a fetch response", v)
	}
	if data.Len() > c.limit {
		*r = fetchResponse{tooBig: data.Len()}
		return nil
	}
	return r.decode(data.Materialize(), c.names)
}
