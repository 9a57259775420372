package orgsim_test

import (
	"context"
	"fmt"

	"sfbridge/orgsim"
)

// A transaction changes rows; each change is an event for subscribers and an
// entry in the ledger.
func Example() {
	org, err := orgsim.New(orgsim.Config{KeepLedger: -1})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer org.Close()
	res, err := org.Transact(context.Background(), orgsim.Caller{API: "rest", Client: "shop"}, func(tx *orgsim.Tx) error {
		id, err := tx.Insert("Account", map[string]orgsim.Value{"Name": orgsim.String("Acme")})
		if err != nil {
			return err
		}
		_, err = tx.Insert("Contact", map[string]orgsim.Value{"LastName": orgsim.String("Ito"), "AccountId": orgsim.String(id)})
		return err
	})
	fmt.Println(res.Changes, "changes,", res.Events, "events,", err)
	for _, e := range org.Ledger().Since(0) {
		fmt.Println(e.Seq, e.ChangeType, e.Object, e.RecordID)
	}
	// Output:
	// 2 changes, 2 events, <nil>
	// 1 CREATE Account 001SB0000000001YAA
	// 2 CREATE Contact 003SB0000000001YAA
}
