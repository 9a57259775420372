package schemas

import (
	"encoding/binary"
	"errors"
	"math"
)

// What can be wrong with a datum. PayloadError says where.
var (
	errTruncated       = errors.New("the payload ends inside the value")
	errVarint          = errors.New("a number is longer than its type allows")
	errNegative        = errors.New("a length is negative")
	errCount           = errors.New("an array claims more items than the bytes left can hold")
	errBlockSize       = errors.New("an array block's byte size is not the size of its items")
	errBranch          = errors.New("the union has no such branch")
	errSymbol          = errors.New("the enum has no such symbol")
	errBoolean         = errors.New("a boolean is neither 0 nor 1")
	errDepth           = errors.New("values are nested too deep")
	errDuplicate       = errors.New("a map has a key twice")
	errTrailing        = errors.New("bytes follow the datum")
	errTooManyIDs      = errors.New("too many record ids in one event")
	errEmptyBitmap     = errors.New("a bitmap has no digits")
	errTooManyElements = errors.New("a set has more elements than the schema has fields")
)

// cursor reads Avro's binary encoding. Nothing that it reads is trusted: every
// length and count is checked against the bytes that are left.
type cursor struct {
	b []byte
	i int
}

func (c *cursor) left() int { return len(c.b) - c.i }

// long reads a zigzag varint of at most 64 bits.
func (c *cursor) long() (int64, error) {
	if c.i < len(c.b) && c.b[c.i] < 0x80 { // most lengths, counts and branches
		v := c.b[c.i]
		c.i++
		return int64(v>>1) ^ -int64(v&1), nil
	}
	return c.longVarint()
}

func (c *cursor) longVarint() (int64, error) {
	var v uint64
	for n := 0; n < 10; n++ {
		if c.i+n >= len(c.b) {
			return 0, errTruncated
		}
		d := c.b[c.i+n]
		if n == 9 && d > 1 {
			return 0, errVarint
		}
		v |= uint64(d&0x7f) << (7 * n)
		if d < 0x80 {
			c.i += n + 1
			return int64(v>>1) ^ -int64(v&1), nil
		}
	}
	return 0, errVarint
}

// int reads a zigzag varint of at most 32 bits.
func (c *cursor) int() (int32, error) {
	start := c.i
	v, err := c.long()
	if err != nil {
		return 0, err
	}
	if c.i-start > 5 || v != int64(int32(v)) {
		return 0, errVarint
	}
	return int32(v), nil
}

// skip passes over n bytes.
func (c *cursor) skip(n int) error {
	if n > c.left() {
		return errTruncated
	}
	c.i += n
	return nil
}

// span reads the length of a string or of bytes, and passes over them: they are
// b[from:to].
func (c *cursor) span() (from, to int, err error) {
	n, err := c.long()
	switch {
	case err != nil:
		return 0, 0, err
	case n < 0:
		return 0, 0, errNegative
	case n > int64(c.left()):
		return 0, 0, errTruncated
	}
	from = c.i
	c.i += int(n)
	return from, c.i, nil
}

// maxEmptyItems bounds arrays whose items take no bytes, such as nulls, which
// the bytes left do not bound.
const maxEmptyItems = 1 << 16

// block reads the head of an array's or map's block: how many items it has and,
// for the form with a byte size, where it has to end; end is -1 otherwise. Avro
// writes a negative count before a byte size.
func (c *cursor) block(itemMin int) (count, end int, err error) {
	n, err := c.long()
	if err != nil {
		return 0, 0, err
	}
	end = -1
	if n < 0 {
		n = -n
		size, err := c.long()
		switch {
		case err != nil:
			return 0, 0, err
		case size < 0:
			return 0, 0, errNegative
		case size > int64(c.left()):
			return 0, 0, errTruncated
		}
		end = c.i + int(size)
	}
	limit := maxEmptyItems
	if itemMin > 0 {
		limit = c.left() / itemMin
	}
	if n < 0 || n > int64(limit) { // below 0 again: the least 64-bit number
		return 0, 0, errCount
	}
	return int(n), end, nil
}

// appendLong writes a zigzag varint.
func appendLong(dst []byte, v int64) []byte {
	u := uint64(v)<<1 ^ uint64(v>>63)
	for u >= 0x80 {
		dst = append(dst, byte(u)|0x80)
		u >>= 7
	}
	return append(dst, byte(u))
}

func appendString(dst []byte, s string) []byte {
	return append(appendLong(dst, int64(len(s))), s...)
}

// appendStrings writes an array in one block with a positive count.
func appendStrings(dst []byte, list []string) []byte {
	if len(list) > 0 {
		dst = appendLong(dst, int64(len(list)))
		for _, s := range list {
			dst = appendString(dst, s)
		}
	}
	return append(dst, 0)
}

// float reads a float or a double.
func (c *cursor) float(k kind) (float64, error) {
	at := c.i
	if err := c.skip(floatBits(k) / 8); err != nil {
		return 0, err
	}
	if k == kindFloat {
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(c.b[at:]))), nil
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(c.b[at:])), nil
}

func floatBits(k kind) int {
	if k == kindFloat {
		return 32
	}
	return 64
}
