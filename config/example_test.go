package config_test

import (
	"fmt"

	"sfbridge/config"
)

func ExampleParse() {
	_, err := config.Parse("bridge.yaml", []byte(`name: crm
orgs:
  main:
    auth: {method: access-token, access_token: "${SF_TOKEN}", instance_url: https://acme.example}
kafka: {deliver: at-least-once, lanes: 0}
capture:
  - {org: main, objects: [AccountChangeEvent]}
`), config.Options{Env: func(string) (string, bool) { return "", false }})
	fmt.Println(err)
	// Output:
	// bridge.yaml:4:48: orgs.main.auth.access_token: needs the environment variable SF_TOKEN, which is not set; set SF_TOKEN, or write $${ for the characters themselves
	// bridge.yaml:5:9: kafka.deliver: unknown key deliver; did you mean delivery? (known: brokers, topic_prefix, delivery, compression, tls, sasl, topics, transaction_timeout, lanes, session_timeout)
	// bridge.yaml:5:40: kafka.lanes: "0" is too small; give 1 or more
	// bridge.yaml:7:27: capture[0].objects[0]: "AccountChangeEvent" is the change event of an object; write Account
}
