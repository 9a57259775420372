package config_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"sfbridge/config"
)

// FuzzParse gives foreign text to the parser: it either accepts it or says
// what is wrong, with a key or a line, and does not panic.
func FuzzParse(f *testing.F) {
	f.Add([]byte(base))
	f.Add([]byte(everyKey))
	f.Add([]byte(config.Example()))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("writeback: [&w {topic: t, org: a, object: A, external_id: E__c, fields: &f {A: &x 'a ? b : c', B: *x}}, {fields: *f, version: *x}]"))
	f.Add([]byte("orgs: &o {a: *o}"))
	f.Add([]byte("orgs: {a: &x {auth: {method: access-token, access_token: '${A}$${', instance_url: https://a}}, b: *x}\n"))
	f.Add([]byte("capture: [&c {org: a, objects: &o [A, A]}, *c, {objects: *o}]"))
	for _, s := range []string{"[", "- ", "a: ", "{a: ", "? ", "${", "---\n", "a:\n b", "#\n"} {
		f.Add([]byte(strings.Repeat(s, 20_000)))
	}
	for _, p := range problems() {
		if p.old == "" && len(p.with) < 1000 {
			f.Add([]byte(p.with))
		}
	}
	opts := config.Options{
		Env:      func(name string) (string, bool) { return "value of " + name, len(name) < 3 },
		ReadFile: func(string) ([]byte, error) { return nil, fs.ErrNotExist },
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse("fuzz.yaml", data, opts)
		if err == nil {
			if c.Name == "" || len(c.Capture)+len(c.Writeback)+len(c.Publish) == 0 || len(c.Fingerprint()) != 32 {
				t.Errorf("accepted as %+v", c)
			}
			return
		}
		es, ok := errors.AsType[config.Errors](err)
		if !ok || len(es) == 0 {
			t.Fatalf("error of type %T: %v", err, err)
		}
		for _, e := range es {
			if e.Problem == "" || e.Line < 0 || e.Line > len(data)+1 || e.File != "fuzz.yaml" {
				t.Errorf("error = %#v", e)
			}
		}
	})
}
