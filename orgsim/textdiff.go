package orgsim

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	minDiffChars = 1000    // shorter values are always sent whole
	maxDiffCells = 4 << 20 // bounds the work of comparing two texts line by line
)

// textDiff gives the unified diff that an update event carries in place of a
// long text, or says that the whole value is sent: the value is short, the
// texts differ too much, the diff is no shorter, or their line breaks are not
// of one kind, so that a reader could not put the text together again.
func textDiff(old, now string) (string, bool) {
	oldLen, newLen := utf8.RuneCountInString(old), utf8.RuneCountInString(now)
	if newLen < minDiffChars || old == "" {
		return "", false
	}
	if gap := max(oldLen, newLen) - min(oldLen, newLen); gap*2 > max(oldLen, newLen) {
		return "", false
	}
	sep, ok := lineBreak(old)
	if newSep, ok2 := lineBreak(now); !ok || !ok2 || sep != newSep {
		return "", false
	}
	a, b := strings.Split(old, sep), strings.Split(now, sep)
	hunks, ok := diffLines(a, b)
	if !ok {
		return "", false
	}
	changed := 0
	for _, h := range hunks {
		changed += h.aLen + h.bLen
	}
	if changed*4 > len(a)+len(b) {
		return "", false
	}
	diff := renderDiff(a, b, hunks, now)
	return diff, utf8.RuneCountInString(diff) <= newLen
}

// lineBreak tells which line break a text uses, and whether it is only one.
func lineBreak(s string) (string, bool) {
	crlf := strings.Count(s, "\r\n")
	cr, lf := strings.Count(s, "\r")-crlf, strings.Count(s, "\n")-crlf
	switch {
	case cr == 0 && lf == 0 && crlf > 0:
		return "\r\n", true
	case crlf == 0 && lf == 0 && cr > 0:
		return "\r", true
	case crlf == 0 && cr == 0 && lf > 0:
		return "\n", true
	}
	return "", false // none at all, or mixed
}

// hunk replaces lines a[aAt:aAt+aLen] with b[bAt:bAt+bLen].
type hunk struct{ aAt, aLen, bAt, bLen int }

// diffLines compares line by line, by the longest common subsequence of what
// lies between the common head and tail.
func diffLines(a, b []string) ([]hunk, bool) {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	am, bm := a[head:len(a)-tail], b[head:len(b)-tail]
	if (len(am)+1)*(len(bm)+1) > maxDiffCells {
		return nil, false
	}
	lcs := commonLengths(am, bm)
	var hunks []hunk
	i, j := 0, 0
	for i < len(am) || j < len(bm) {
		if i < len(am) && j < len(bm) && am[i] == bm[j] {
			i, j = i+1, j+1
			continue
		}
		h := hunk{aAt: head + i, bAt: head + j}
		for i < len(am) || j < len(bm) {
			if i < len(am) && j < len(bm) && am[i] == bm[j] {
				break
			}
			if j == len(bm) || i < len(am) && lcs[i+1][j] >= lcs[i][j+1] {
				i++
			} else {
				j++
			}
		}
		h.aLen, h.bLen = head+i-h.aAt, head+j-h.bAt
		hunks = append(hunks, h)
	}
	return hunks, true
}

// commonLengths gives, for every pair of tails, the length of their longest
// common subsequence.
func commonLengths(a, b []string) [][]int32 {
	lcs := make([][]int32, len(a)+1)
	for i := range lcs {
		lcs[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				lcs[i][j] = lcs[i+1][j+1] + 1
			} else {
				lcs[i][j] = max(lcs[i+1][j], lcs[i][j+1])
			}
		}
	}
	return lcs
}

// renderDiff writes the two head lines, the second with the SHA-256 of the
// whole new value, and the hunks without context, joined by line feeds.
func renderDiff(a, b []string, hunks []hunk, now string) string {
	sum := sha256.Sum256([]byte(now))
	lines := []string{"--- ", "+++ " + hex.EncodeToString(sum[:])}
	start := func(at, n int) int {
		if n == 0 {
			return at // unified diffs name the line before an empty range
		}
		return at + 1
	}
	for _, h := range hunks {
		lines = append(lines, fmt.Sprintf("@@ -%d,%d +%d,%d @@", start(h.aAt, h.aLen), h.aLen, start(h.bAt, h.bLen), h.bLen))
		for _, l := range a[h.aAt : h.aAt+h.aLen] {
			lines = append(lines, "-"+l)
		}
		for _, l := range b[h.bAt : h.bAt+h.bLen] {
			lines = append(lines, "+"+l)
		}
	}
	return strings.Join(lines, "\n")
}

// spoilHash turns the hash of a diff into one that does not fit.
func spoilHash(diff string) string {
	const at = len("--- \n+++ ")
	digits := []byte(diff)
	for i := at; i < at+2*sha256.Size; i++ {
		digits[i] = "fedcba9876543210"[strings.IndexByte("0123456789abcdef", digits[i])]
	}
	return string(digits)
}
