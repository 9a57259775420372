//go:build integration

package kafkatest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
)

// Real returns the Kafka that `make test` has started. Without one the test fails: an integration test that passes by not
// running is worse than none.
func Real(t testing.TB) *Cluster {
	t.Helper()
	return &Cluster{Brokers: []string{Env(t, "SFBRIDGE_TEST_KAFKA")}}
}

// Env returns a variable of the rig.
func Env(t testing.TB, name string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		t.Fatalf("%s is not set: run the integration tests through `make test`, or start Kafka with `scripts/rig.sh up` "+
			"and set the variables with `eval \"$(scripts/rig.sh env)\"`", name)
	}
	return v
}

// Topic makes a topic with a name of its own and deletes it after the test.
func (c *Cluster) Topic(t testing.TB, partitions int32, configs map[string]string) string {
	t.Helper()
	name := Name(t)
	admin := kadm.NewClient(c.Kgo(t))
	values := make(map[string]*string, len(configs))
	for k, v := range configs {
		values[k] = kadm.StringPtr(v)
	}
	if _, err := admin.CreateTopic(context.Background(), partitions, -1, values, name); err != nil {
		t.Fatalf("create topic %s: %v", name, err)
	}
	t.Cleanup(func() { admin.DeleteTopic(context.Background(), name) })
	return name
}

// Name returns a name that no other run has used, telling which test it is from.
func Name(t testing.TB) string {
	var b [4]byte
	rand.Read(b[:])
	return strings.NewReplacer("/", ".", " ", "-").Replace(t.Name()) + "." + hex.EncodeToString(b[:])
}
