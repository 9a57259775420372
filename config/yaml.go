package config

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// parse turns the text into the mapping at its root, or reports why it cannot
// and returns nil.
func (d *decoder) parse(data []byte) *yaml.Node {
	if !d.plainText(data) {
		return nil
	}
	loader, err := yaml.NewLoader(strings.NewReader(mask(string(bytes.TrimPrefix(data, []byte("\uFEFF"))))))
	if err != nil {
		d.fail("", 1, 1, "cannot be read: "+err.Error(), "")
		return nil
	}
	var doc, more yaml.Node
	switch err := loader.Load(&doc); {
	case errors.Is(err, io.EOF):
		d.fail("", 1, 1, "is empty", "start from the example in docs/configuration.md")
		return nil
	case err != nil:
		d.syntax(err)
		return nil
	}
	switch err := loader.Load(&more); {
	case err == nil:
		d.fail("", more.Line, more.Column, "has a second document", "remove the line --- and what follows it")
		return nil
	case !errors.Is(err, io.EOF):
		d.syntax(err)
		return nil
	}
	root := doc.Content[0]
	unmaskAll(root)
	if root.Kind != yaml.MappingNode {
		d.fail("", root.Line, root.Column, "is no mapping of keys to values", "start from the example in docs/configuration.md")
		return nil
	}
	return root
}

// plainText refuses what is not text that a person could see in an editor,
// where the parser would say less of where it is.
func (d *decoder) plainText(data []byte) bool {
	if len(data) > maxFile {
		d.fail("", 0, 0, "is longer than "+Bytes(maxFile).String(), "split the bridge in two")
		return false
	}
	line, column := 1, 0
	for rest := data; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		column++
		switch {
		case r == utf8.RuneError && n == 1:
			d.fail("", line, column, "is not UTF-8 text", "save it as UTF-8")
			return false
		case r < ' ' && r != '\n' && r != '\r' && r != '\t', r == 0x7f:
			d.fail("", line, column, "has a control character", "remove it")
			return false
		case r == openMask || r == closeMask:
			d.fail("", line, column, "has a private-use character", "remove it")
			return false
		case r == '\n':
			line, column = line+1, 0
		}
		rest = rest[n:]
	}
	return true
}

// syntax reports an error of the parser. Its own words hold nothing of the
// text but the names of unknown anchors, which may be a part of a secret: an
// unquoted password can begin with an asterisk.
func (d *decoder) syntax(err error) {
	const quote = "quote values that begin with one of * & ! @ ` % | > # or hold \": \" or \" #\""
	le, ok := errors.AsType[*yaml.LoadError](err)
	switch {
	case !ok:
		d.fail("", 0, 0, "is no YAML", quote)
	case strings.Contains(le.Message, "anchor"):
		d.fail("", le.Mark.Line, le.Mark.Column, "refers to an anchor that does not exist", quote)
	default:
		d.fail("", le.Mark.Line, le.Mark.Column, "is no YAML: "+le.Message, quote)
	}
}

func unmaskAll(n *yaml.Node) {
	n.Value = unmask(n.Value)
	for _, c := range n.Content {
		unmaskAll(c)
	}
}
