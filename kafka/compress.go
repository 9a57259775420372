package kafka

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"github.com/pierrec/lz4/v4"
	"github.com/segmentio/kafka-go/compress"
)

// maxDecompressed bounds what one batch may unpack to. Brokers accept batches up to max.message.bytes packed; a batch
// beyond this size unpacked is an accident or an attack.
const maxDecompressed = 128 << 20

func parseCompression(name string) (compress.Compression, error) {
	switch name {
	case "":
		return compress.Lz4, nil
	case "none":
		return compress.None, nil
	}
	for _, codec := range compress.Codecs[compress.Gzip:] {
		if codec.Name() == name {
			return compress.Compression(codec.Code()), nil
		}
	}
	return 0, fmt.Errorf("kafka compression %q: want none, gzip, snappy, lz4 or zstd", name)
}

// appender lets a codec write at the end of a slice.
type appender struct{ buf []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.buf = append(a.buf, p...)
	return len(p), nil
}

// packer packs batches with one codec.
type packer struct {
	codec compress.Compression
	lz4   sync.Pool // *lz4.Writer: each holds a block and a table
}

// append appends src to dst, packed.
func (p *packer) append(dst, src []byte) ([]byte, error) {
	a := appender{dst}
	var w io.WriteCloser
	if p.codec == compress.Lz4 {
		lw := p.lz4Writer()
		defer p.lz4.Put(lw)
		lw.Reset(&a)
		w = lw
	} else {
		w = p.codec.Codec().NewWriter(&a)
	}
	if _, err := w.Write(src); err != nil {
		w.Close()
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return a.buf, nil
}

// lz4Writer packs in blocks of 64 KiB without checksums, as Kafka's own clients do: the batch has a checksum already.
// kafka-go's writer takes blocks of 4 MiB, and every reader must then make room for as much.
func (p *packer) lz4Writer() *lz4.Writer {
	if w, ok := p.lz4.Get().(*lz4.Writer); ok {
		return w
	}
	w := lz4.NewWriter(nil)
	w.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false)) // both always valid, so there is no error
	return w
}

// decompress unpacks what a broker sent, up to maxDecompressed bytes.
func decompress(src []byte, codec compress.Compression) ([]byte, error) {
	c := codec.Codec()
	if c == nil {
		return nil, fmt.Errorf("compression codec %d is unknown", codec)
	}
	r := c.NewReader(bytes.NewReader(src))
	defer r.Close()
	var out bytes.Buffer
	out.Grow(min(4*len(src), 1<<20))
	n, err := out.ReadFrom(io.LimitReader(r, maxDecompressed+1))
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", c.Name(), err)
	}
	if n > maxDecompressed {
		return nil, fmt.Errorf("unpack %s: more than %d bytes", c.Name(), maxDecompressed)
	}
	return out.Bytes(), nil
}
