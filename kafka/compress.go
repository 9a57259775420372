package kafka

import (
	"bytes"
	"fmt"
	"io"

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

// appendCompressed appends src to dst, packed.
func appendCompressed(dst, src []byte, codec compress.Compression) ([]byte, error) {
	a := appender{dst}
	w := codec.Codec().NewWriter(&a)
	if _, err := w.Write(src); err != nil {
		w.Close()
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return a.buf, nil
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
