package orgsim

import (
	"fmt"
	"math/rand/v2"
)

// commitState is what goes on from transaction to transaction. Org.mu guards
// it.
type commitState struct {
	number int64 // the last commit number; beyond 2^53, as on live orgs
}

func (o *Org) commit(tx *Tx) Result {
	res := Result{TransactionKey: newUUID(o.rng), CommitTimestamp: tx.now}
	o.commits.number += 1 + o.rng.Int64N(1000)
	res.CommitNumber = o.commits.number
	return res
}

// newUUID makes a version 4 UUID from the org's random source.
func newUUID(rng *rand.Rand) string {
	hi, lo := rng.Uint64(), rng.Uint64()
	hi = hi&^0xf000 | 0x4000
	lo = lo&^(0b11<<62) | 0b10<<62
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", hi>>32, hi>>16&0xffff, hi&0xffff, lo>>48, lo&(1<<48-1))
}
