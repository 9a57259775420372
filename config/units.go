package config

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Bytes is an amount of bytes, written as 16MiB in the file.
type Bytes int64

// units, the larger first; the powers of two before those of ten, since B
// ends them all.
func units() []struct {
	suffix string
	size   Bytes
} {
	return []struct {
		suffix string
		size   Bytes
	}{
		{"GiB", 1 << 30},
		{"MiB", 1 << 20},
		{"KiB", 1 << 10},
		{"GB", 1e9},
		{"MB", 1e6},
		{"kB", 1e3},
		{"KB", 1e3},
		{"B", 1},
		{"", 1},
	}
}

// String writes the amount in the largest power of 1024 that divides it.
func (b Bytes) String() string {
	for _, u := range units()[:3] {
		if b != 0 && b%u.size == 0 {
			return strconv.FormatInt(int64(b/u.size), 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

func parseBytes(text string) (Bytes, *issue) {
	bad := &issue{problem: "is no size", remedy: "write a whole number with a unit, such as 16MiB, 512KiB or 1GB"}
	for _, u := range units() {
		digits, ok := strings.CutSuffix(text, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 63)
		if err != nil {
			return 0, bad
		}
		if Bytes(n) > math.MaxInt64/u.size {
			return 0, &issue{problem: "is too large", remedy: bad.remedy}
		}
		return Bytes(n) * u.size, nil
	}
	return 0, bad
}

// parseDuration reads a Go duration, whole days such as 7d, or a bare 0.
func parseDuration(text string) (time.Duration, *issue) {
	bad := &issue{problem: "is no duration", remedy: "write a number with a unit, such as 500ms, 30s, 5m, 72h or 7d"}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0, bad
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, bad
	}
	if d < 0 {
		return 0, &issue{problem: "is negative", remedy: bad.remedy}
	}
	return d, nil
}

// Percent is a share in whole hundredths, written as 10% in the file.
type Percent int

// String writes the share as in the file.
func (p Percent) String() string { return strconv.Itoa(int(p)) + "%" }

// Share is the share as a fraction of one.
func (p Percent) Share() float64 { return float64(p) / 100 }

func parsePercent(text string) (Percent, *issue) {
	digits, ok := strings.CutSuffix(text, "%")
	n, err := strconv.ParseUint(digits, 10, 16)
	if !ok || err != nil {
		return 0, &issue{problem: "is no percentage", remedy: "write a whole number and a percent sign, such as 10%"}
	}
	return Percent(n), nil
}
