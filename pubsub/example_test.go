package pubsub_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"sfbridge/pubsub"
	"sfbridge/salesforce/auth"
)

// Reading a channel from where an earlier run has stopped.
func Example() {
	ctx := context.Background()
	session, err := auth.New(auth.Config{
		Method: auth.MethodJWTBearer, LoginURL: "https://acme.my.salesforce.com",
		ClientID: os.Getenv("SF_CLIENT_ID"), Username: "sync@acme.example",
		PrivateKey: func() ([]byte, error) { return os.ReadFile("key.pem") },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := pubsub.New(pubsub.Config{Session: session})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	cursor := pubsub.NewCursor("/data/AccountChangeEvent", pubsub.FromEarliest())
	start, _ := cursor.Resume()
	sub, err := client.Subscribe(ctx, pubsub.SubscribeConfig{Channel: "/data/AccountChangeEvent", Start: start})
	if errors.Is(err, pubsub.ErrReplayExpired) {
		fmt.Println("choose a new position, and read again what changed since the old one")
		return
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	for {
		batch, err := sub.Recv(ctx)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, e := range batch.Events {
			fmt.Println(e.UUID, e.SchemaID, len(e.Payload))
			cursor.Event(e.ReplayID) // store cursor.Resume() together with the event
		}
		if len(batch.Events) == 0 {
			cursor.Keepalive(batch.Latest)
		}
	}
}
