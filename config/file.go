package config

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// maxFile bounds what is read: the configuration file, and each file that it
// names.
const maxFile = 1 << 20

// File is a file named in the configuration.
type File struct {
	Path string // relative paths of the configuration are joined to its folder
	read func(string) ([]byte, error)
}

// IsSet tells whether the file was named.
func (f File) IsSet() bool { return f.Path != "" }

// Read gives what the file holds now. The error names the file.
func (f File) Read() ([]byte, error) {
	data, err := f.read(f.Path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.Path, reason(err))
	}
	return data, nil
}

// Secret treats the file's content as a secret, without the newline at its end.
func (f File) Secret() Secret {
	return Secret{from: func() (string, error) {
		data, err := f.Read()
		return trimNewline(data), err
	}}
}

func trimNewline(data []byte) string {
	s, _ := strings.CutSuffix(string(data), "\n")
	s, _ = strings.CutSuffix(s, "\r")
	return s
}

// readFile reads a file of at most maxFile bytes.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("longer than %s", Bytes(maxFile))
	}
	return data, nil
}
