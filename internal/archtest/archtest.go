// Package archtest holds the import picture of the program to what ARCHITECTURE.md draws. It reads the import lines of every
// file, whatever its build tags, and explains each arrow that points the wrong way.
package archtest

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Module is the path that all packages of the program begin with.
const Module = "sfbridge"

// Package is one folder of Go files without its tests.
type Package struct {
	// Path is relative to the module: "salesforce/auth".
	Path string
	// Main is true for a program.
	Main bool
	// Imports are import paths as written, without doubles; those of the module are relative as Path is, after "./".
	Imports []string
}

// Load reads the packages below root. Test files are left out: a test may import what it needs. The import lines are parsed
// here and not asked of the go command, so that go test sees which files the answer depends on and caches it rightly.
func Load(root string) ([]Package, error) {
	found := map[string]*Package{}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if file != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		return add(found, root, file)
	})
	if err != nil {
		return nil, fmt.Errorf("read packages below %s: %w", root, err)
	}
	var pkgs []Package
	for _, p := range found {
		slices.Sort(p.Imports)
		p.Imports = slices.Compact(p.Imports)
		pkgs = append(pkgs, *p)
	}
	slices.SortFunc(pkgs, func(a, b Package) int { return strings.Compare(a.Path, b.Path) })
	return pkgs, nil
}

// add takes one file into its package.
func add(found map[string]*Package, root, file string) error {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(root, filepath.Dir(file))
	if err != nil {
		return err
	}
	rel = filepath.ToSlash(rel)
	p := found[rel]
	if p == nil {
		p = &Package{Path: rel}
		found[rel] = p
	}
	p.Main = p.Main || parsed.Name.Name == "main"
	for _, imp := range parsed.Imports {
		name, err := strconv.Unquote(imp.Path.Value)
		if err != nil {
			return fmt.Errorf("%s: import %s: %w", file, imp.Path.Value, err)
		}
		if rest, ok := strings.CutPrefix(name, Module+"/"); ok {
			name = "./" + rest
		}
		p.Imports = append(p.Imports, name)
	}
	return nil
}

// Check returns one explanation for each forbidden import, and for each package that has no place in the picture.
func Check(pkgs []Package) []string {
	var wrong []string
	for _, p := range pkgs {
		if _, ok := levelOf(p); !ok {
			wrong = append(wrong, fmt.Sprintf("%s has no level: name it in internal/archtest/levels.go, and in ARCHITECTURE.md", p.Path))
			continue
		}
		for _, imported := range p.Imports {
			if why := forbidden(p, imported); why != "" {
				wrong = append(wrong, fmt.Sprintf("%s must not import %s: %s", p.Path, strings.TrimPrefix(imported, "./"), why))
			}
		}
	}
	return wrong
}

// forbidden returns why p must not import it, or nothing.
func forbidden(p Package, imported string) string {
	from, _ := levelOf(p)
	if from == tests {
		return ""
	}
	for _, r := range rules {
		if matches(r.imported, imported) && !within(r.allowed, p.Path) && (r.from == nil || within(r.from, p.Path)) {
			return r.why
		}
	}
	target, ours := strings.CutPrefix(imported, "./")
	if !ours || family(target) == family(p.Path) {
		return ""
	}
	to, ok := levelOf(Package{Path: target})
	switch {
	case !ok, from == programs, to < from, to == from && from == helpers:
		return ""
	case to == wiring && from == wiring && family(p.Path) == "config" && family(target) == "bridge":
		return ""
	case to == from:
		return fmt.Sprintf("both are %s, and packages of one level do not know each other; declare the small interface where "+
			"it is used and let bridge pass the other in", from)
	}
	return fmt.Sprintf("it points upward, from %s to %s; data flows down the levels, and what is below must work without "+
		"what is above", from, to)
}

// matches: is the import the named package or one below it?
func matches(pattern, imported string) bool {
	if pattern == anythingElse {
		first, _, _ := strings.Cut(imported, "/")
		return strings.Contains(first, ".") // "./event" and "github.com/..." but not "encoding/json"
	}
	ok, _ := path.Match(pattern, imported)
	return ok || imported == pattern || strings.HasPrefix(imported, pattern+"/")
}

// within: is the package one of those, or below one?
func within(list []string, pkg string) bool {
	return slices.ContainsFunc(list, func(p string) bool { return pkg == p || strings.HasPrefix(pkg, p+"/") })
}
