// Package embedded runs a Kafka broker and a Schema Registry inside the
// process, so that the demo and the tests need nothing installed. Both speak
// the real protocols, on loopback sockets or on any listener they are given,
// and both can keep their data in a directory.
//
// They are made for trying things out: one process, no replication, and no
// defence against hostile clients, so they listen on loopback unless told
// otherwise. Limits that were seen are in DESIGN.md.
package embedded

import (
	"net"
	"strconv"
)

// listenFunc has the shape of net.Listen.
type listenFunc = func(network, address string) (net.Listener, error)

// splitListen reads a listen address; empty means a free loopback port.
func splitListen(addr string) (host string, port int, err error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, err
	}
	port, err = strconv.Atoi(p)
	return host, port, err
}
