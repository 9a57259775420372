package kafka_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"sfbridge/kafka"
)

func TestAssign_AnyHistory_EvenCompleteAndSticky(t *testing.T) {
	for seed := range uint64(500) {
		rng := rand.New(rand.NewPCG(seed, 3))
		n := rng.Int32N(40)
		had := map[string][]int32{}
		for step := range 8 {
			// members come, go and forget
			for i := range 6 {
				id := fmt.Sprintf("m%d", i)
				switch rng.IntN(4) {
				case 0:
					delete(had, id)
				case 1:
					had[id] = nil
				case 2:
					had[id] = append(had[id], rng.Int32N(60)-10) // claims what it should not
				}
			}
			got := kafka.AssignShares(had, n)
			checkShares(t, fmt.Sprintf("seed %d step %d", seed, step), had, got, n)
			had = got
		}
	}
}

func checkShares(t *testing.T, name string, had, got map[string][]int32, n int32) {
	t.Helper()
	if len(got) != len(had) {
		t.Fatalf("%s: shares for %d of %d members", name, len(got), len(had))
	}
	if len(had) == 0 {
		return
	}
	var all []int32
	least, most := int(n), 0
	for _, ps := range got {
		all = append(all, ps...)
		least, most = min(least, len(ps)), max(most, len(ps))
	}
	slices.Sort(all)
	if len(all) != int(n) || len(slices.Compact(all)) != int(n) {
		t.Fatalf("%s: %v given out of %d", name, got, n)
	}
	if most-least > 1 {
		t.Fatalf("%s: shares from %d to %d", name, least, most)
	}
	again := kafka.AssignShares(got, n)
	if !maps.EqualFunc(got, again, slices.Equal) {
		t.Fatalf("%s: the same members shared anew: %v, then %v", name, got, again)
	}
}

func TestAssign_OneLeaves_OnlyItsShareMoves(t *testing.T) {
	shares := kafka.AssignShares(map[string][]int32{"a": nil, "b": nil, "c": nil}, 12)
	delete(shares, "b")
	after := kafka.AssignShares(shares, 12)
	for id, before := range shares {
		if !containsAll(after[id], before) {
			t.Errorf("%s had %v and now has %v", id, before, after[id])
		}
	}
}
