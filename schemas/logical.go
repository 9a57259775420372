package schemas

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// logical is what a value means beyond its Avro type. Annotations that we do not
// know, or that are not valid for the type, are passed over, as the Avro
// specification, "Logical Types", wants it.
type logical uint8

const (
	logicalNone logical = iota
	logicalDecimal
	logicalUUID // of fixed; text is text already
	logicalDate
	logicalTimeMillis
	logicalTimeMicros
	logicalMillis // timestamps, also local ones
	logicalMicros
	logicalNanos
)

// logicals are the annotations of each type.
var logicals = map[kind]map[string]logical{
	kindBytes: {"decimal": logicalDecimal},
	kindFixed: {"decimal": logicalDecimal, "uuid": logicalUUID},
	kindInt:   {"date": logicalDate, "time-millis": logicalTimeMillis},
	kindLong: {
		"time-micros": logicalTimeMicros, "timestamp-millis": logicalMillis, "local-timestamp-millis": logicalMillis,
		"timestamp-micros": logicalMicros, "local-timestamp-micros": logicalMicros,
		"timestamp-nanos": logicalNanos, "local-timestamp-nanos": logicalNanos,
	},
}

const (
	maxScale        = 1000
	maxDecimalBytes = 1024 // some 2,400 digits
)

// What a logical type can find wrong with a value.
var (
	errYear      = errors.New("a date or time is not in the years 0 to 9999")
	errTimeOfDay = errors.New("a time of day is not within a day")
	errDecimal   = errors.New("a decimal is longer than 1,024 bytes")
)

// annotate takes the logical type of o, if it is valid for n.
func (n *node) annotate(o *object) {
	l := logicals[n.kind][o.text("logicalType")]
	switch l {
	case logicalDecimal:
		precision, ok := integerIn(o, "precision")
		if n.scale, _ = integerIn(o, "scale"); !ok || precision < 1 || n.scale < 0 || n.scale > min(precision, maxScale) {
			l, n.scale = logicalNone, 0
		}
	case logicalUUID:
		if n.size != 16 {
			l = logicalNone
		}
	}
	n.logical = l
}

func integerIn(o *object, key string) (int, bool) {
	number, ok := o.get(key).(json.Number)
	v, err := strconv.Atoi(string(number))
	return v, ok && err == nil
}

// decimalText gives an unscaled number in two's complement with all its digits.
func decimalText(b []byte, scale int) (json.Number, error) {
	if len(b) > maxDecimalBytes {
		return "", errDecimal
	}
	v := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0] >= 0x80 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	digits := v.String()
	if scale == 0 {
		return json.Number(digits), nil
	}
	sign := ""
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	if pad := scale + 1 - len(digits); pad > 0 {
		digits = strings.Repeat("0", pad) + digits
	}
	point := len(digits) - scale
	return json.Number(sign + digits[:point] + "." + digits[point:]), nil
}

// dateText gives the date that is days after 1970-01-01.
func dateText(days int32) (string, error) {
	t := time.Unix(int64(days)*86400, 0).UTC()
	if t.Year() < 0 || t.Year() > 9999 {
		return "", errYear
	}
	return t.Format(time.DateOnly), nil
}

// timeOfDayText gives the time of day that is micros after midnight, as
// Salesforce writes it, with microseconds only if there are any.
func timeOfDayText(micros int64) (string, error) {
	if micros < 0 || micros >= 24*3600*1e6 {
		return "", errTimeOfDay
	}
	t := time.UnixMicro(micros).UTC()
	if micros%1000 == 0 {
		return t.Format("15:04:05.000Z"), nil
	}
	return t.Format("15:04:05.000000Z"), nil
}

// timestampText gives a time in RFC 3339 in UTC, in milliseconds, or in as many
// digits as it has.
func timestampText(v int64, l logical) (string, error) {
	var t time.Time
	switch l {
	case logicalMillis:
		t = time.UnixMilli(v).UTC()
	case logicalMicros:
		t = time.UnixMicro(v).UTC()
	default:
		t = time.Unix(0, v).UTC()
	}
	if t.Year() < 0 || t.Year() > 9999 {
		return "", errYear
	}
	layout := "2006-01-02T15:04:05.000Z"
	switch {
	case t.Nanosecond()%1e3 != 0:
		layout = "2006-01-02T15:04:05.000000000Z"
	case t.Nanosecond()%1e6 != 0:
		layout = "2006-01-02T15:04:05.000000Z"
	}
	return t.Format(layout), nil
}

// uuidText gives 16 bytes in the form of RFC 9562.
func uuidText(b []byte) string {
	s := hex.EncodeToString(b)
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
