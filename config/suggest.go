package config

import (
	"strings"
)

// choose is the remedy for a word that is not among the known ones: the one
// that was probably meant, and all of them.
func choose(word string, known []string) string {
	all := "(known: " + strings.Join(known, ", ") + ")"
	if best, ok := nearest(word, known); ok {
		return "did you mean " + best + "? " + all
	}
	return "use a known one " + all
}

// nearest finds the known word that is a typing error away from word.
func nearest(word string, known []string) (best string, ok bool) {
	if word == "" || len(word) > 64 {
		return "", false
	}
	least := max(1, min(3, (len(word)+1)/3)) + 1
	for _, k := range known {
		if d := distance(plain(word), plain(k)); d < least {
			best, least, ok = k, d, true
		}
	}
	return best, ok
}

// plain drops what people mix up without a thought: case, hyphens, underscores.
func plain(s string) string {
	return strings.NewReplacer("-", "", "_", "", ".", "").Replace(strings.ToLower(s))
}

// distance counts the letters to insert, remove, replace or swap with their
// neighbour to make b from a (optimal string alignment).
func distance(a, b string) int {
	before, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, prev, row = prev, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
