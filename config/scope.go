package config

import (
	"strconv"

	"go.yaml.in/yaml/v4"
)

// place is where a key stands in the file.
type place struct {
	key   *yaml.Node // nil for an entry of a list
	node  *yaml.Node // the value
	shown string     // the value as errors may show it
}

// scope is the part of the file that a check looks at, so that a check can
// say what is wrong with a key without knowing where the section stands.
type scope struct {
	d    *decoder
	path string
}

func (s scope) in(key string) scope   { return scope{d: s.d, path: join(s.path, key)} }
func (s scope) index(i int) scope     { return scope{d: s.d, path: element(s.path, i)} }
func (s scope) given(key string) bool { return s.d.given(join(s.path, key)) }

// line gives the line of the part itself.
func (s scope) line() int {
	line, _ := s.d.position(s.path)
	return line
}

// fail reports what is wrong with a key of the part, or with the part itself.
// A key that could not be decoded has had its report.
func (s scope) fail(key, problem, remedy string) {
	path := join(s.path, key)
	if s.d.failed(path) {
		return
	}
	line, column := s.d.position(path)
	s.d.add(&Error{Line: line, Column: column, Key: path, Value: s.d.places[path].shown, Problem: problem, Remedy: remedy})
}

func (s scope) warn(key, problem, remedy string) {
	path := join(s.path, key)
	line, column := s.d.position(path)
	s.d.warn(&Error{Line: line, Column: column, Key: path, Value: s.d.places[path].shown, Problem: problem, Remedy: remedy})
}

// need reports a key that is not there.
func (s scope) need(key, why string) {
	if !s.given(key) {
		s.fail(key, "is missing: "+why, "give "+key)
	}
}

func join(path, key string) string {
	switch {
	case path == "":
		return key
	case key == "":
		return path
	}
	return path + "." + key
}

func element(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
