package kafka

import (
	"cmp"
	"slices"
)

// claimant is a member of a group as its leader sees it.
type claimant struct {
	id    string
	owned []int32 // partitions it had in the generation before
}

// assign spreads partitions 0..n-1 over the members, so that their shares differ by at most one and each member keeps as
// much as possible of what it had. The result does not depend on the order of members.
func assign(members []claimant, n int32) map[string][]int32 {
	shares := make(map[string][]int32, len(members))
	if len(members) == 0 {
		return shares
	}
	members = slices.Clone(members)
	slices.SortFunc(members, func(a, b claimant) int { return cmp.Compare(a.id, b.id) })
	taken := make([]bool, n)
	for i := range members { // the first claim holds
		members[i].owned = claim(members[i].owned, taken)
	}
	// Those who have most may have one more than the others.
	slices.SortStableFunc(members, func(a, b claimant) int { return cmp.Compare(len(b.owned), len(a.owned)) })
	least, more := int(n)/len(members), int(n)%len(members)
	clear(taken)
	quota := make(map[string]int, len(members))
	for i, m := range members {
		quota[m.id] = least
		if i < more {
			quota[m.id]++
		}
		keep := m.owned[:min(len(m.owned), quota[m.id])]
		for _, p := range keep {
			taken[p] = true
		}
		shares[m.id] = slices.Clone(keep)
	}
	next := int32(0)
	for _, m := range members {
		for len(shares[m.id]) < quota[m.id] {
			for taken[next] {
				next++
			}
			taken[next] = true
			shares[m.id] = append(shares[m.id], next)
		}
		slices.Sort(shares[m.id])
	}
	return shares
}

// claim returns the partitions of owned that exist and nobody has claimed, in order, and marks them.
func claim(owned []int32, taken []bool) []int32 {
	var mine []int32
	for _, p := range slices.Sorted(slices.Values(owned)) {
		if p >= 0 && int(p) < len(taken) && !taken[p] {
			taken[p] = true
			mine = append(mine, p)
		}
	}
	return mine
}
