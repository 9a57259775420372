package kafka_test

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kfake"

	"sfbridge/internal/pipenet"
	"sfbridge/kafka"
)

// Records and the position that they take a channel to, in one transaction; then the position as a restart finds it.
func ExampleProducer_Commit() {
	network := pipenet.New()
	cluster := kfake.MustCluster(kfake.ListenFn(network.Listen))
	defer cluster.Close()

	ctx := context.Background()
	client, err := kafka.New(kafka.Config{Brokers: cluster.ListenAddrs(), Dial: network.Dial})
	if err != nil {
		panic(err)
	}
	defer client.Close()
	for _, topic := range []kafka.TopicSpec{
		{Name: "sf.cdc.Account", Partitions: 4},
		{Name: "_sfbridge.crm.checkpoints", Partitions: 1, Configs: map[string]string{"cleanup.policy": "compact"}},
	} {
		if _, err := client.EnsureTopic(ctx, topic); err != nil {
			panic(err)
		}
	}
	producer, err := client.NewProducer(ctx, kafka.ProducerConfig{TransactionalID: "sfbridge-crm-0"})
	if err != nil {
		panic(err)
	}
	defer producer.Close()
	err = producer.Commit(ctx, []kafka.Record{
		{Topic: "sf.cdc.Account", Partition: kafka.AnyPartition, Key: []byte("001000000000001AAA"), Value: []byte("change")},
		{Topic: "_sfbridge.crm.checkpoints", Key: []byte("main/AccountChangeEvent"), Value: []byte("0a1b")},
	})
	if err != nil {
		panic(err)
	}
	positions, err := kafka.LoadTable(ctx, client, "_sfbridge.crm.checkpoints", 0)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s\n", positions["main/AccountChangeEvent"])
	// Output: 0a1b
}
