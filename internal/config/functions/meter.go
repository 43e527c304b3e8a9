package functions

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"sync/atomic"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

const (
	// maxBytes bounds the text and values that one evaluation makes, all together. What is made in between counts as well, so
	// that the memory that it takes is bounded, too.
	maxBytes = 256 << 20
	// maxSteps bounds its work: a call counts 10, an element or a kilobyte that is looked at 1. It is some seconds of work.
	maxSteps = 5_000_000
	callCost = 10
	// elementBytes is what an element of a collection takes, beside its text.
	elementBytes = 48
	// maxExponent is that of 10^10000: a number that is printed has so many digits.
	maxExponent = 33_220
)

// ErrTooMuch is wrapped by the errors of an evaluation that was stopped because of what it costs.
var ErrTooMuch = errors.New("the evaluation was stopped")

// ErrNumber is returned for a number out of the supported range.
var ErrNumber = errors.New("the number is out of range: at most 10,000 digits before or after the point are supported")

// A Meter bounds what one evaluation costs, and ends it with its context. Once it has refused something it refuses
// everything. It is safe for concurrent use. A nil Meter bounds nothing but numbers.
type Meter struct {
	ctx          context.Context
	bytes, steps atomic.Int64
	failed       atomic.Pointer[error]
}

// NewMeter makes a meter for one evaluation, which ctx ends.
func NewMeter(ctx context.Context) *Meter {
	if ctx == nil { // the zero Input's
		ctx = context.Background()
	}
	return &Meter{ctx: ctx}
}

// Err is why the evaluation was stopped; nil if it was not.
func (m *Meter) Err() error {
	if m == nil {
		return nil
	}
	if err := m.failed.Load(); err != nil {
		return *err
	}
	if m.ctx.Err() != nil {
		return m.fail(fmt.Errorf("%w: %w", ErrTooMuch, context.Cause(m.ctx)))
	}
	return nil
}

func (m *Meter) fail(err error) error {
	m.failed.CompareAndSwap(nil, &err)
	return *m.failed.Load()
}

// Spend notes what is about to be done, or was done.
func (m *Meter) Spend(steps, bytes int64) error {
	if m == nil {
		return nil
	}
	switch {
	case m.steps.Add(max(steps, 0)) > maxSteps || steps < 0:
		return m.fail(fmt.Errorf("%w: it requires more than %d steps; a list is too long, or loops are nested too deeply", ErrTooMuch, maxSteps))
	case m.bytes.Add(max(bytes, 0)) > maxBytes || bytes < 0:
		return m.fail(fmt.Errorf("%w: it creates more than %d MB of text and values", ErrTooMuch, maxBytes>>20))
	}
	return m.Err()
}

// Look walks over a value that is used: it counts as work, and its numbers must be in range.
func (m *Meter) Look(v cty.Value) error {
	steps, _, err := m.measure(v)
	if err != nil {
		return err
	}
	return m.Spend(steps, 0)
}

// Made walks over a value that was made: it counts as memory, too.
func (m *Meter) Made(v cty.Value) error {
	steps, bytes, err := m.measure(v)
	if err != nil {
		return err
	}
	return m.Spend(steps, bytes)
}

// measure counts a value's elements and bytes. It stops at what the evaluation may still cost: values can share parts, and
// have more of them than the memory holds.
func (m *Meter) measure(v cty.Value) (steps, bytes int64, err error) {
	left := int64(maxSteps)
	if m != nil {
		left -= m.steps.Load()
	}
	err = measure(v, left, &steps, &bytes)
	return steps, bytes, err
}

func measure(v cty.Value, left int64, steps, bytes *int64) error {
	if *steps++; *steps > left {
		return nil // to spend it is refused
	}
	*bytes += elementBytes
	v, _ = v.Unmark()
	if v == cty.NilVal || v.IsNull() || !v.IsKnown() {
		return nil
	}
	switch t := v.Type(); {
	case t == cty.String:
		n := int64(len(v.AsString()))
		*bytes += n
		*steps += n >> 10
	case t == cty.Number:
		return CheckNumber(v.AsBigFloat())
	case v.CanIterateElements():
		if t.IsTupleType() { // to make a list of it compares each type with each
			n := int64(v.LengthInt())
			*steps += mul(n, n) >> 5
		}
		for it := v.ElementIterator(); it.Next() && *steps <= left; {
			key, elem := it.Element()
			if key.Type() == cty.String && key.IsKnown() && !key.IsMarked() {
				*bytes += int64(len(key.AsString()))
			}
			if err := measure(elem, left, steps, bytes); err != nil {
				return err
			}
		}
	}
	return nil
}

// CheckNumber refuses numbers that would fill the memory when they are written out, and infinite ones.
func CheckNumber(f *big.Float) error {
	if f.IsInf() || f.MantExp(nil) > maxExponent || f.MantExp(nil) < -maxExponent {
		return ErrNumber
	}
	return nil
}

// Guard makes a function that is paid for: what it is given, what it may make of that, and what it made.
func (m *Meter) Guard(name string, f function.Function) function.Function {
	growth := growths[name]
	return function.New(&function.Spec{
		Params: f.Params(), VarParam: f.VarParam(),
		Type: func(args []cty.Value) (cty.Type, error) {
			for _, a := range args {
				if err := m.Look(a); err != nil {
					return cty.NilType, err
				}
				if !a.IsWhollyKnown() {
					return f.ReturnTypeForValues(args)
				}
			}
			// The value brings its type. To ask for it would cost as much as the call, twice.
			return cty.DynamicPseudoType, nil
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if err := m.Spend(callCost, 0); err != nil {
				return cty.DynamicVal, err
			}
			if growth != nil {
				steps, bytes := growth(args)
				if err := m.afford(steps, bytes); err != nil {
					return cty.DynamicVal, err
				}
			}
			out, err := f.Call(args)
			if err != nil {
				return cty.DynamicVal, err
			}
			return out, m.Made(out)
		},
	})
}

// afford refuses what would cost too much, before it is done. The work is spent; what is made is spent once it is known.
func (m *Meter) afford(steps, bytes int64) error {
	if bytes < 0 || m.bytes.Load()+bytes > maxBytes {
		return m.Spend(0, maxBytes+1)
	}
	return m.Spend(steps, 0)
}
