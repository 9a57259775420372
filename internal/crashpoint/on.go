//go:build crashpoints

// Package crashpoint ends the process at a named point, for crash tests.
package crashpoint

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

var (
	once sync.Once
	mu   sync.Mutex
	name string
	left int
)

// Here kills the process with SIGKILL, so that no deferred call and no flush
// runs, the nth time that it passes the point which SFBRIDGE_CRASHPOINT names
// as <point>:<n>.
func Here(point string) {
	once.Do(func() {
		n := "1"
		name, n, _ = strings.Cut(os.Getenv("SFBRIDGE_CRASHPOINT"), ":")
		left, _ = strconv.Atoi(n)
	})
	if point != name {
		return
	}
	mu.Lock()
	defer mu.Unlock()
	if left--; left == 0 {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // nothing runs between the signal and the end
	}
}
