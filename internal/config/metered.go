package config

import (
	"context"
	"errors"
	"reflect"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/waypoint-serverless/waypoint/internal/config/functions"
)

// meterName is the name in the outermost evaluation context under which the evaluation's meter is found. No expression can
// refer to it.
const meterName = "\x00meter"

var meterType = cty.Capsule("meter", reflect.TypeOf(meterBox{}))

type meterBox struct{ meter *functions.Meter }

// meterValue is what stands under meterName.
func meterValue(m *functions.Meter) cty.Value { return cty.CapsuleVal(meterType, &meterBox{m}) }

// metered is an expression that is paid for when it is evaluated: what loops evaluate, what templates are made of, what
// functions and operators are given. Functions themselves are guarded in package functions.
type metered struct {
	hclsyntax.Expression
	// made: its value is copied, not only looked at.
	made bool
	// own is the meter of an expression that is evaluated without a context; nil: the context's counts.
	own *functions.Meter
}

// UnwrapExpression lets HCL look at what the expression is.
func (m metered) UnwrapExpression() hcl.Expression { return m.Expression }

func (m metered) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	meter := m.own
	if meter == nil {
		meter = meterOf(ctx)
	}
	if meter.Err() != nil {
		panic(stopped{m.Range()}) // an error of its own for each turn of a loop would cost as much as the loop
	}
	v, diags := m.Expression.Value(ctx)
	if diags.HasErrors() {
		if meter.Spend(int64(len(diags))*100, 0) != nil {
			panic(stopped{m.Range()})
		}
		return v, diags
	}
	look := meter.Look
	if m.made {
		look = meter.Made
	}
	switch err := look(v); {
	case errors.Is(err, functions.ErrNumber):
		return cty.DynamicVal, append(diags, numberOutOfRange(m.Range()))
	case err != nil:
		panic(stopped{m.Range()})
	}
	return v, diags
}

// stopped unwinds an evaluation whose meter refused something; the meter knows why.
type stopped struct{ at hcl.Range }

func numberOutOfRange(at hcl.Range) *hcl.Diagnostic {
	return errorAt(at, "Number out of range", "%s.", upperFirst(functions.ErrNumber.Error()))
}

// meterOf finds the evaluation's meter; nil outside of one.
func meterOf(ctx *hcl.EvalContext) *functions.Meter {
	for ; ctx != nil; ctx = ctx.Parent() {
		if v, ok := ctx.Variables[meterName]; ok {
			box, _ := v.EncapsulatedValue().(*meterBox)
			return box.meter
		}
	}
	return nil
}

// value evaluates an expression under the scope's meter.
func (s *scope) value(e hcl.Expression) (cty.Value, hcl.Diagnostics) {
	if native, ok := e.(hclsyntax.Expression); ok {
		return s.file.metered(native).evaluate(s.ctx, s.meter)
	}
	return evaluate(e, s.ctx, s.meter)
}

// constant evaluates an expression that stands for itself, without names and functions.
func constant(e hcl.Expression) (cty.Value, hcl.Diagnostics) {
	meter := functions.NewMeter(context.Background())
	if native, ok := e.(hclsyntax.Expression); ok {
		return copied(native, meter).evaluate(nil, meter)
	}
	return evaluate(e, nil, meter)
}

// evaluate evaluates an expression whose parts are paid for. An evaluation that was stopped has that as its one error.
func evaluate(e hcl.Expression, ctx *hcl.EvalContext, meter *functions.Meter) (v cty.Value, diags hcl.Diagnostics) {
	at := e.Range()
	defer func() {
		r := recover()
		stop, is := r.(stopped)
		if r != nil && !is {
			panic(r)
		}
		if is {
			at = stop.at
		}
		if meter.Err() == nil && !diags.HasErrors() && errors.Is(meter.Look(v), functions.ErrNumber) {
			v, diags = cty.DynamicVal, append(diags, numberOutOfRange(at))
		}
		if err := meter.Err(); err != nil {
			v, diags = cty.DynamicVal, hcl.Diagnostics{tooMuch(at, err)}
		}
	}()
	return e.Value(ctx)
}

// isNumber reports whether an evaluation failed because of a number out of range, isStopped whether it was stopped.
func isNumber(diags hcl.Diagnostics) bool {
	return diags.HasErrors() && firstError(diags).Summary == "Number out of range"
}

func isStopped(diags hcl.Diagnostics) bool {
	return diags.HasErrors() && firstError(diags).Summary == "Evaluation stopped"
}

// tooMuch words why an evaluation was stopped.
func tooMuch(at hcl.Range, err error) *hcl.Diagnostic {
	d := errorAt(at, "Evaluation stopped", "%s.", upperFirst(strings.TrimPrefix(err.Error(), functions.ErrTooMuch.Error()+": ")))
	d.Extra = err
	return d
}

// copies is an expression whose parts are paid for, and which original each part of it stands for.
type copies struct {
	whole hclsyntax.Expression
	own   *functions.Meter
	of    map[hcl.Expression]hclsyntax.Expression
}

func copied(e hclsyntax.Expression, own *functions.Meter) *copies {
	c := &copies{own: own, of: map[hcl.Expression]hclsyntax.Expression{}}
	c.whole = c.copy(e)
	return c
}

// evaluate evaluates the copy. What it says is about the original, whose names and parts can be looked at.
func (c *copies) evaluate(ctx *hcl.EvalContext, meter *functions.Meter) (cty.Value, hcl.Diagnostics) {
	v, diags := evaluate(c.whole, ctx, meter)
	for _, d := range diags {
		if m, ok := d.Expression.(metered); ok {
			d.Expression = m.Expression
		}
		if original, ok := c.of[d.Expression]; ok {
			d.Expression = original
		}
	}
	return v, diags
}

// metered copies an expression, once. The copy is for evaluation only: what looks at a file's structure sees the original.
func (f *File) metered(e hclsyntax.Expression) *copies {
	if done, ok := f.meteredCopies.Load(e); ok {
		return done.(*copies)
	}
	c := copied(e, nil)
	f.meteredCopies.Store(e, c)
	return c
}

// copy copies an expression and remembers what it is a copy of.
func (c *copies) copy(e hclsyntax.Expression) hclsyntax.Expression {
	made := c.parts(e)
	if made != e {
		c.of[made] = e
	}
	return made
}

// parts copies the kinds of expression that have others in them.
func (m *copies) parts(e hclsyntax.Expression) hclsyntax.Expression {
	switch x := e.(type) {
	case *hclsyntax.ParenthesesExpr:
		c := *x
		c.Expression = m.copy(x.Expression)
		return &c
	case *hclsyntax.RelativeTraversalExpr:
		c := *x
		c.Source = m.copy(x.Source)
		return &c
	case *hclsyntax.FunctionCallExpr:
		c := *x
		c.Args = m.paid(x.Args, false)
		return &c
	case *hclsyntax.ConditionalExpr:
		c := *x
		c.Condition, c.TrueResult, c.FalseResult = m.copy(x.Condition), m.pay(x.TrueResult, false), m.pay(x.FalseResult, false)
		return &c
	case *hclsyntax.IndexExpr:
		c := *x
		c.Collection, c.Key = m.copy(x.Collection), m.pay(x.Key, false)
		return &c
	case *hclsyntax.TupleConsExpr:
		c := *x
		c.Exprs = make([]hclsyntax.Expression, len(x.Exprs))
		for i, elem := range x.Exprs {
			c.Exprs[i] = m.copy(elem)
		}
		return &c
	case *hclsyntax.ObjectConsExpr:
		c := *x
		c.Items = make([]hclsyntax.ObjectConsItem, len(x.Items))
		for i, item := range x.Items {
			c.Items[i] = hclsyntax.ObjectConsItem{KeyExpr: m.copy(item.KeyExpr), ValueExpr: m.copy(item.ValueExpr)}
		}
		return &c
	case *hclsyntax.ObjectConsKeyExpr:
		if hcl.ExprAsKeyword(x.Wrapped) != "" {
			return x // a name, not an expression
		}
		c := *x
		c.Wrapped = m.pay(x.Wrapped, false)
		return &c
	case *hclsyntax.ForExpr:
		c := *x
		c.CollExpr, c.ValExpr = m.copy(x.CollExpr), m.pay(x.ValExpr, true)
		if x.KeyExpr != nil {
			c.KeyExpr = m.pay(x.KeyExpr, true)
		}
		if x.CondExpr != nil {
			c.CondExpr = m.pay(x.CondExpr, false)
		}
		return &c
	case *hclsyntax.SplatExpr:
		c := *x
		c.Source = m.pay(x.Source, true)
		return &c
	case *hclsyntax.BinaryOpExpr:
		c := *x
		c.LHS, c.RHS = m.pay(x.LHS, false), m.pay(x.RHS, false)
		return &c
	case *hclsyntax.UnaryOpExpr:
		c := *x
		c.Val = m.copy(x.Val)
		return &c
	case *hclsyntax.TemplateExpr:
		c := *x
		c.Parts = m.paid(x.Parts, true)
		return &c
	case *hclsyntax.TemplateWrapExpr:
		c := *x
		c.Wrapped = m.copy(x.Wrapped)
		return &c
	case *hclsyntax.TemplateJoinExpr:
		c := *x
		c.Tuple = m.copy(x.Tuple)
		return &c
	}
	return e
}

// pay makes an expression one that is paid for. A constant text is part of the file and costs nothing.
func (m *copies) pay(e hclsyntax.Expression, made bool) hclsyntax.Expression {
	if literal, ok := e.(*hclsyntax.LiteralValueExpr); ok && literal.Val.Type() != cty.Number {
		return e
	}
	return metered{m.copy(e), made, m.own}
}

func (m *copies) paid(list []hclsyntax.Expression, made bool) []hclsyntax.Expression {
	out := make([]hclsyntax.Expression, len(list))
	for i, e := range list {
		out[i] = m.pay(e, made)
	}
	return out
}
