package embedded

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
)

// storeFile holds one JSON line for each registered version, in order.
const storeFile = "schemas.jsonl"

// store keeps what was registered, so that records kept by the broker stay
// readable. Deletions and compatibility levels are not kept.
type store struct {
	mu    sync.Mutex
	file  *os.File        // nil: in memory; guarded by mu, as below
	known map[string]bool // subject and version already written
}

type entry struct {
	Subject string    `json:"subject"`
	Version int       `json:"version"`
	ID      int       `json:"id"`
	Schema  sr.Schema `json:"schema"`
}

func (e entry) key() string { return fmt.Sprintf("%s\x00%d", e.Subject, e.Version) }

// openStore loads what dir holds into fake. A last line cut short by a crash is
// dropped: nobody was given its number.
func openStore(dir string, fake *srfake.Registry) (*store, error) {
	s := &store{known: make(map[string]bool)}
	if dir == "" {
		return s, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	path := filepath.Join(dir, storeFile)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open schemas: %w", err)
	}
	if err := s.load(f, fake); err != nil {
		f.Close()
		return nil, fmt.Errorf("load %s: %w", path, err)
	}
	s.file = f
	return s, nil
}

func (s *store) load(f *os.File, fake *srfake.Registry) error {
	var good int64
	ids := make(map[int]bool)
	lines := bufio.NewReader(f)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil { // the end, with or without half a line
			break
		}
		var e entry
		if err := json.Unmarshal(bytes.TrimSpace(line), &e); err != nil {
			return fmt.Errorf("after byte %d: %w", good, err)
		}
		if err := seed(fake, e, ids[e.ID]); err != nil {
			return err
		}
		ids[e.ID] = true
		s.known[e.key()] = true
		good += int64(len(line))
	}
	if err := f.Truncate(good); err != nil {
		return err
	}
	_, err := f.Seek(good, 0)
	return err
}

// seed puts one version back. srfake panics when a number is seeded twice, so
// the second subject of one schema goes the way of a registration.
func seed(fake *srfake.Registry, e entry, idKnown bool) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("subject %s version %d: %v", e.Subject, e.Version, p)
		}
	}()
	if !idKnown {
		fake.SeedSchema(e.Subject, e.Version, e.ID, e.Schema)
		return nil
	}
	id, _, err := fake.RegisterSchema(e.Subject, e.Schema)
	if err == nil && id != e.ID {
		err = errors.New("the same schema has two numbers")
	}
	if err != nil {
		return fmt.Errorf("subject %s version %d: %w", e.Subject, e.Version, err)
	}
	return nil
}

// add writes e to disk unless it is there.
func (s *store) add(e entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil || s.known[e.key()] {
		return nil
	}
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if _, err := s.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("keep subject %s version %d: %w", e.Subject, e.Version, err)
	}
	s.known[e.key()] = true
	return nil
}

func (s *store) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
