package salesforce

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"sync"
)

// gzipFrom is the size from which a request body is packed: below, packing
// costs more time than it saves.
const gzipFrom = 8 << 10

// payload is a request body. It is opened anew for each attempt and is read
// as it goes out, so it is never whole in memory.
type payload struct {
	kind  string // content type
	plain bool   // never packed
	open  func() (io.ReadCloser, error)
}

// attach makes the payload the body of a request: packed and of unknown
// length, or as it is if it is short.
func (p *payload) attach(req *http.Request, op string, touch func()) (io.Closer, error) {
	src, err := p.open()
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", p.kind)
	head := make([]byte, gzipFrom)
	n, err := io.ReadFull(src, head)
	out := &outgoing{op: op, src: src, touch: touch}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		out.r = bytes.NewReader(head[:n])
		req.ContentLength = int64(n)
		if n == 0 {
			req.Body = http.NoBody
			return out, nil
		}
	case err != nil:
		return nil, errors.Join(err, src.Close())
	default:
		out.r = io.MultiReader(bytes.NewReader(head), src)
		req.ContentLength = -1
		if !p.plain {
			out.r = newPacker(out.r)
			req.Header.Set("Content-Encoding", "gzip")
		}
	}
	req.Body = out
	return out, nil
}

// outgoing is a body on its way. Once closed it reads its source no more,
// whoever still holds it.
type outgoing struct {
	op    string
	touch func() // nil for none

	mu     sync.Mutex
	r      io.Reader // guarded by mu
	src    io.Closer // guarded by mu
	closed bool      // guarded by mu
}

func (o *outgoing) Read(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return 0, errors.New("read of a closed request body")
	}
	n, err := o.r.Read(p)
	if o.touch != nil {
		o.touch()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = &sourceError{o.op, err}
	}
	return n, err
}

func (o *outgoing) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil
	}
	o.closed = true
	return o.src.Close()
}

// packer gives the gzip form of what it reads, without a goroutine between.
type packer struct {
	src  io.Reader
	in   []byte
	out  bytes.Buffer
	zip  *gzip.Writer
	done bool
}

func newPacker(src io.Reader) *packer {
	p := &packer{src: src, in: make([]byte, 32<<10)}
	p.zip = gzip.NewWriter(&p.out)
	return p
}

func (p *packer) Read(dst []byte) (int, error) {
	for p.out.Len() == 0 && !p.done {
		n, err := p.src.Read(p.in)
		_, _ = p.zip.Write(p.in[:n]) // a Buffer takes everything
		switch {
		case errors.Is(err, io.EOF):
			p.done = true
			_ = p.zip.Close()
		case err != nil:
			return 0, err
		}
	}
	if p.out.Len() == 0 {
		return 0, io.EOF
	}
	return p.out.Read(dst)
}

// pieces is a body made one piece at a time: next appends a piece, and tells
// whether there was one.
type pieces struct {
	next func([]byte) ([]byte, bool)
	buf  []byte // made and not yet read, from off
	off  int
}

func (p *pieces) Read(dst []byte) (int, error) {
	for p.off == len(p.buf) {
		var more bool
		if p.buf, more = p.next(p.buf[:0]); !more {
			return 0, io.EOF
		}
		p.off = 0
	}
	n := copy(dst, p.buf[p.off:])
	p.off += n
	return n, nil
}
