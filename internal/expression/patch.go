package expression

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/conf"
)

// Names of functions that patched programs call, and that no source can spell.
const (
	fnField  = "field "
	fnMember = "member "
	fnSlice  = "slice "
	fnNumber = "number "
	fnList   = "list "
	fnMark   = "mark "
	fnForget = "forget "
)

// operators are those that are done by functions of the same name with a space
// behind it: they take numbers with all their digits, and nil.
var operators = map[string]bool{
	"+": true, "-": true, "*": true, "/": true, "%": true, "**": true, "^": true,
	"<": true, "<=": true, ">": true, ">=": true,
}

// patcher gives a syntax tree our meaning. Names become look-ups that notice
// what is missing; members and slices of nil are nil; numbers stay as they were
// written until an operator needs them.
type patcher struct {
	functions conf.FunctionsTable
	variables map[string]bool // declared by let
	lists     int             // variables that the patcher has made
	namesOnly bool
	err       error
}

// Visit patches one node, whose children are patched already.
func (p *patcher) Visit(n *ast.Node) {
	switch node := (*n).(type) {
	case *ast.IdentifierNode:
		p.identifier(n, node)
		return
	case *ast.CallNode:
		p.call(node)
		return
	}
	if p.namesOnly {
		return
	}
	switch node := (*n).(type) {
	case *ast.MemberNode:
		ast.Patch(n, call(fnMember, evaluationNode(), node.Node, node.Property))
	case *ast.SliceNode:
		ast.Patch(n, call(fnSlice, node.Node, orNil(node.From), orNil(node.To)))
	case *ast.BinaryNode:
		p.binary(n, node)
	case *ast.UnaryNode:
		if node.Operator == "-" || node.Operator == "+" {
			ast.Patch(n, call(node.Operator+" ", &ast.IntegerNode{Value: 0}, node.Node))
		}
	case *ast.BuiltinNode:
		p.builtin(n, node)
	}
}

func (p *patcher) identifier(n *ast.Node, id *ast.IdentifierNode) {
	switch {
	case id.Value == evaluationName || strings.Contains(id.Value, " ") || p.variables[id.Value]:
	case id.Value == "$env":
		p.fail(id, "$env is not in use here: write _value")
	case id.Value == "null":
		p.fail(id, "null is written nil")
	default:
		ast.Patch(n, fieldCall(id.Value))
	}
}

// call turns the name of a function back into one: it was taken for a field.
func (p *patcher) call(node *ast.CallNode) {
	inner, ok := node.Callee.(*ast.CallNode)
	if !ok {
		return
	}
	if id, ok := inner.Callee.(*ast.IdentifierNode); !ok || id.Value != fnField {
		return
	}
	name := inner.Arguments[1].(*ast.StringNode).Value
	if p.functions[name] == nil {
		p.fail(inner, "there is no function "+name)
	}
	ast.Patch(&node.Callee, &ast.IdentifierNode{Value: name})
}

func (p *patcher) binary(n *ast.Node, node *ast.BinaryNode) {
	switch op := node.Operator; {
	case operators[op]:
		ast.Patch(n, call(op+" ", node.Left, node.Right))
	case op == "??":
		node.Left = asked(node.Left)
	case (op == "==" || op == "!=") && isNil(node.Right):
		node.Left = asked(node.Left)
	case (op == "==" || op == "!=") && isNil(node.Left):
		node.Right = asked(node.Right)
	case op == "==" || op == "!=" || op == "in" || op == "..":
		node.Left, node.Right = numeric(node.Left), numeric(node.Right)
	}
}

func isNil(n ast.Node) bool {
	_, ok := n.(*ast.NilNode)
	return ok
}

// asked lets n be nil without its missing fields counting: the source says what
// then.
func asked(n ast.Node) ast.Node {
	return call(fnForget, evaluationNode(), call(fnMark, evaluationNode()), n)
}

// compares tells whether an expression as a whole is a comparison, or several
// that are combined.
func compares(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.BinaryNode:
		switch n.Operator {
		case "==", "!=", "in", "contains", "startsWith", "endsWith", "matches", "and", "or", "&&", "||":
			return true
		}
	case *ast.UnaryNode:
		return compares(n.Node)
	}
	return false
}

// builtin patches a function that takes a predicate. Of nil it gives nil: the
// list goes into a variable, since it is looked at twice.
func (p *patcher) builtin(n *ast.Node, node *ast.BuiltinNode) {
	if len(node.Arguments) == 0 {
		return
	}
	switch node.Name {
	case "sum", "sortBy", "groupBy":
		if len(node.Arguments) == 1 {
			node.Arguments[0] = numeric(node.Arguments[0])
		} else if predicate, ok := node.Arguments[1].(*ast.PredicateNode); ok {
			predicate.Node = numeric(predicate.Node)
		}
	}
	p.lists++
	name := fnList + strconv.Itoa(p.lists)
	list := node.Arguments[0]
	node.Arguments[0] = &ast.IdentifierNode{Value: name}
	ast.Patch(n, &ast.VariableDeclaratorNode{
		Name: name, Value: call(fnList, list),
		Expr: &ast.ConditionalNode{
			Cond: &ast.BinaryNode{Operator: "==", Left: &ast.IdentifierNode{Value: name}, Right: &ast.NilNode{}},
			Exp1: &ast.NilNode{},
			Exp2: node,
		},
	})
}

// fail keeps the first error.
func (p *patcher) fail(n ast.Node, why string) {
	if p.err == nil {
		p.err = fmt.Errorf("column %d: %s", n.Location().From+1, why)
	}
}

// numeric makes numbers of an operand's the VM's. Literals are.
func numeric(n ast.Node) ast.Node {
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.StringNode, *ast.BoolNode, *ast.NilNode:
		return n
	}
	return call(fnNumber, n)
}

func fieldCall(name string) ast.Node {
	return call(fnField, evaluationNode(), &ast.StringNode{Value: name})
}

// call makes the call of a function, at the place of its last argument until it
// is put into the place of another node.
func call(name string, args ...ast.Node) *ast.CallNode {
	c := &ast.CallNode{Callee: &ast.IdentifierNode{Value: name}, Arguments: args}
	c.SetLocation(args[len(args)-1].Location())
	return c
}

func evaluationNode() ast.Node { return &ast.IdentifierNode{Value: evaluationName} }

func orNil(n ast.Node) ast.Node {
	if n == nil {
		return &ast.NilNode{}
	}
	return n
}
