package expression

import (
	"errors"
	"fmt"
	"maps"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
)

// evaluationName is where functions find the evaluation that they belong to. No
// source can spell it.
const evaluationName = ""

// evaluation is one run of a program.
type evaluation struct {
	in      *Input
	missing bool // a field was read that is not there
}

// compile checks source as the language defines it, with fields of any type,
// and compiles it with our meaning of numbers and nil.
func compile(source string) (*vm.Program, error) {
	if _, err := compileWith(source, true); err != nil {
		return nil, err
	}
	return compileWith(source, false)
}

func compileWith(source string, namesOnly bool) (*vm.Program, error) {
	p := &patcher{functions: functions(), variables: make(map[string]bool), namesOnly: namesOnly}
	program, err := expr.Compile(source,
		expr.Env(map[string]any{}),
		expr.AllowUndefinedVariables(),
		expr.MaxNodes(maxNodes),
		expr.Optimize(false), // a range that is folded would escape the memory budget
		expr.Patch(letVisitor{p}),
		expr.Patch(p),
		func(c *conf.Config) { maps.Copy(c.Functions, p.functions) },
	)
	if p.err != nil {
		return nil, p.err
	}
	if err != nil {
		return nil, compileError(err)
	}
	return program, nil
}

// letVisitor finds the names that let declares. A let's own value does not know
// its name yet: let name = trim(name) reads the field.
type letVisitor struct{ p *patcher }

// Visit takes note of one declaration.
func (l letVisitor) Visit(n *ast.Node) {
	let, ok := (*n).(*ast.VariableDeclaratorNode)
	if !ok {
		return
	}
	l.p.variables[let.Name] = true
	ast.Walk(&let.Value, visitFunc(func(n *ast.Node) {
		if id, ok := (*n).(*ast.IdentifierNode); ok && id.Value == let.Name {
			ast.Patch(n, fieldCall(id.Value))
		}
	}))
}

type visitFunc func(n *ast.Node)

// Visit calls f.
func (f visitFunc) Visit(n *ast.Node) { f(n) }

// compileError says where an expression is wrong. All it quotes is the source.
func compileError(err error) error {
	if e, ok := errors.AsType[*file.Error](err); ok {
		return fmt.Errorf("line %d, column %d: %s", e.Line, e.Column+1, e.Message)
	}
	return err
}

// problem is what is wrong with an evaluation, in words without values.
type problem struct{ text string }

// Error gives the words.
func (p *problem) Error() string { return p.text }

func problemf(format string, args ...any) error {
	return &problem{fmt.Sprintf(format, args...)}
}

// runError says where an evaluation failed. What the language's own library
// says is left out, since it quotes values.
func runError(err error) error {
	why := "it cannot be computed from the values of this record"
	if p, ok := errors.AsType[*problem](err); ok {
		why = p.text
	}
	if e, ok := errors.AsType[*file.Error](err); ok {
		return fmt.Errorf("line %d, column %d: %s", e.Line, e.Column+1, why)
	}
	return errors.New(why)
}
