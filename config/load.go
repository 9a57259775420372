package config

import (
	"fmt"
	"os"
)

// Options are the ways out of the process, for tests and for programs that
// keep their files elsewhere. The zero value uses the environment and the
// file system.
type Options struct {
	Env      func(string) (string, bool)  // nil: os.LookupEnv
	ReadFile func(string) ([]byte, error) // nil: the file system, files up to 1 MiB
}

// Load reads and checks a configuration file. If the file can be read, the
// error is of type [Errors] and has all its problems.
func Load(path string, opts Options) (*Config, error) {
	read := opts.ReadFile
	if read == nil {
		read = readFile
	}
	data, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration %s: %w", path, reason(err))
	}
	return Parse(path, data, opts)
}

// Parse checks the text of a configuration file. Relative paths in it start
// at the folder of name, which is also the name that errors show. The error is
// of type [Errors].
func Parse(name string, data []byte, opts Options) (*Config, error) {
	exp := &expander{dir: dir(name), env: opts.Env, read: opts.ReadFile}
	if exp.env == nil {
		exp.env = os.LookupEnv
	}
	if exp.read == nil {
		exp.read = readFile
	}
	d := &decoder{file: name, exp: exp, places: make(map[string]place)}
	root := d.parse(data)
	if root == nil {
		return nil, d.result()
	}
	c := new(Config)
	setDefaults(c)
	d.section("", c, root)
	c.check(scope{d: d})
	if err := d.result(); err != nil {
		return nil, err
	}
	d.warnings.sort()
	c.warnings = d.warnings
	return c, nil
}
