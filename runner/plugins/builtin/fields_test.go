package builtin_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/waypoint-serverless/waypoint/internal/config"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// A form is one struct that people fill: what a component takes, or what is set for a config source.
type form struct {
	name      string // "docker builder"
	newStruct func() any
	fields    []schema.Field
	// call says that it is written as the object of dynamic(…), and not as the body of a block.
	call bool
}

// forms are all of them, of all plugins.
func forms() []form {
	var list []form
	for _, d := range builtIn().Definitions() {
		for _, c := range d.Components() {
			if c.Config != nil {
				list = append(list, form{d.Name + " " + string(c.Kind), c.Config, schema.Describe(c.Config()), c.Kind == schema.ConfigSourcer})
			}
			if c.Source != nil {
				list = append(list, form{d.Name + " source", c.Source, schema.Describe(c.Source()), false})
			}
		}
	}
	return list
}

// A chain is a field with the blocks that it stands in, outermost first.
type chain []schema.Field

func (c chain) last() schema.Field { return c[len(c)-1] }

func (c chain) path() string {
	var names []string
	for _, f := range c {
		names = append(names, f.Name)
	}
	return strings.Join(names, ".")
}

// siblings are the names beside the last field.
func (c chain) siblings(f form) (names []string) {
	fields := f.fields
	if len(c) > 1 {
		fields = c[len(c)-2].Fields
	}
	for _, s := range fields {
		names = append(names, s.Name)
	}
	return names
}

// chains are all fields of a form.
func (f form) chains() []chain {
	var list []chain
	var walk func(outer chain, fields []schema.Field)
	walk = func(outer chain, fields []schema.Field) {
		for _, field := range fields {
			c := append(slices.Clone(outer), field)
			list = append(list, c)
			walk(c, field.Fields)
		}
	}
	walk(nil, f.fields)
	return list
}

// marker ends the line that a test looks for.
const marker = " # here"

// body is the least that the form takes with the field of the chain, which is written as given; "" leaves it out.
func (f form) body(c chain, written string) string {
	var lines []string
	var level func(fields []schema.Field, c chain)
	level = func(fields []schema.Field, c chain) {
		for _, field := range fields {
			switch onPath := len(c) > 0 && field.Name == c[0].Name; {
			case onPath && len(c) > 1:
				lines = append(lines, opening(field))
				level(field.Fields, c[1:])
				lines = append(lines, "}")
			case onPath && written != "":
				lines = append(lines, written+marker)
			case !onPath && field.Required:
				lines = append(lines, field.Name+" = "+valid(field.Type))
			}
		}
	}
	level(f.fields, c)
	return strings.Join(lines, "\n")
}

// opening opens a block.
func opening(f schema.Field) string {
	return f.Name + strings.Repeat(` "http"`, len(f.Labels)) + " {"
}

// as is the field, under that name, with a value that fits.
func as(f schema.Field, name string) string {
	if !f.Block {
		return name + " = " + valid(f.Type)
	}
	inner := form{fields: f.Fields}.body(nil, "")
	f.Name = name
	// On one line: the marker follows it.
	if inner = strings.ReplaceAll(inner, "\n", ", "); inner == "" {
		return opening(f) + "}"
	}
	if !strings.Contains(inner, ", ") {
		return opening(f) + " " + inner + " }"
	}
	// A block on one line has one attribute at most: write it as HCL takes it in its other form.
	return name + " = { " + inner + " }"
}

// valid is a value that fits a type.
func valid(typ string) string {
	switch rest, list := strings.CutPrefix(typ, "list of "); {
	case list:
		return "[" + valid(rest) + "]"
	case strings.HasPrefix(typ, "map of "):
		return "{ a = " + valid(strings.TrimPrefix(typ, "map of ")) + " }"
	case typ == "number":
		return "1"
	case typ == "bool":
		return "true"
	}
	return `"x"`
}

// wrong are values that fit no field of the type.
func wrong(f schema.Field) []string {
	switch {
	case f.Block:
		return []string{`"text"`, "1"}
	case strings.HasPrefix(f.Type, "list of "):
		return []string{`"text"`, "1", "{ a = 1 }"}
	case strings.HasPrefix(f.Type, "map of "):
		return []string{`"text"`, "1", "[1]"}
	case f.Type == "number":
		return []string{`"many"`, "true", "[1]", "{ a = 1 }"}
	case f.Type == "bool":
		return []string{`"perhaps"`, "[true]", "{ a = true }"}
	}
	return []string{`["x"]`, `{ a = "x" }`}
}

// A trial is a body, and what is expected of it.
type trial struct {
	chain chain
	// given is what is tried, says what the one error has to say; "" is no error.
	given, says string
	body        string
}

// try holds the bodies to the form, as `waypoint validate` does, all in one file.
func (f form) try(t *testing.T, trials []trial) {
	t.Helper()
	b := &strings.Builder{}
	b.WriteString("project = \"p\"\n")
	for i, tr := range trials {
		if f.call {
			fmt.Fprintf(b, "variable \"v%d\" {\ndefault = dynamic(\"it\", {\n%s\n})\n}\n", i, tr.body)
		} else {
			fmt.Fprintf(b, "app \"a%d\" {\nbuild {\nuse \"null\" {}\n}\ndeploy {\nuse \"it\" {\n%s\n}\n}\n}\n", i, tr.body)
		}
	}
	file, diags := config.Parse([]byte(b.String()), "waypoint.hcl")
	if diags.HasErrors() {
		t.Fatalf("%s: %v", f.name, diags)
	}
	lines := strings.Split(b.String(), "\n")
	found := 0
	judge := func(at hcl.Range, diags hcl.Diagnostics) {
		f.judge(t, trials[found], lines, at.Start.Line, diags)
		found++
	}
	for _, use := range file.SourceUses() {
		judge(use.Range, use.Check(f.newStruct()))
	}
	for _, use := range file.Uses() {
		if use.Plugin == "it" {
			judge(use.Range, use.Check(f.newStruct(), nil))
		}
	}
	if found != len(trials) {
		t.Fatalf("%s: %d of %d bodies were found", f.name, found, len(trials))
	}
}

// judge wants the error that the trial says, on the line with the marker that follows the line start; any line if the
// body has no marker.
func (f form) judge(t *testing.T, tr trial, lines []string, start int, diags hcl.Diagnostics) {
	t.Helper()
	line := 0
	if strings.Contains(tr.body, marker) {
		for line = start; !strings.HasSuffix(lines[line-1], marker); line++ {
			continue
		}
	}
	switch {
	case tr.says == "" && len(diags) > 0:
		t.Errorf("%s: %s: %v\n%s", f.name, tr.chain.path(), diags, tr.body)
	case tr.says == "":
	case len(diags) == 0:
		t.Errorf("%s: %s: %s is taken", f.name, tr.chain.path(), tr.given)
	default:
		// What is misspelt is missing, too; that is said after it.
		also := fmt.Sprintf("Missing attribute %q", tr.chain.last().Name)
		if last := len(diags) - 1; last > 0 && diags[last].Summary == also {
			diags = diags[:last]
		}
		d := diags[0]
		if len(diags) > 1 || d.Subject == nil || line != 0 && d.Subject.Start.Line != line || !strings.Contains(d.Summary+": "+d.Detail, tr.says) {
			t.Errorf("%s: %s: %s: want %q on line %d, got %v", f.name, tr.chain.path(), tr.given, tr.says, line, diags)
		}
	}
}

// tryAll makes trials of all fields of all forms.
func tryAll(t *testing.T, trials func(form, chain) []trial) {
	t.Helper()
	for _, f := range forms() {
		var all []trial
		for _, c := range f.chains() {
			all = append(all, trials(f, c)...)
		}
		f.try(t, all)
	}
}

func TestEveryFieldIsTaken(t *testing.T) {
	tryAll(t, func(f form, c chain) []trial {
		return []trial{{chain: c, body: f.body(c, as(c.last(), c.last().Name))}}
	})
}

func TestEveryMisspeltFieldIsRefusedWithItsName(t *testing.T) {
	tryAll(t, func(f form, c chain) (trials []trial) {
		name := c.last().Name
		for _, given := range misspelt(name) {
			if slices.Contains(c.siblings(f), given) {
				continue
			}
			trials = append(trials, trial{chain: c, given: given, says: fmt.Sprintf("Did you mean %q?", name), body: f.body(c, as(c.last(), given))})
		}
		return trials
	})
}

// misspelt are the name with a letter doubled, two swapped, one changed, and one left out.
func misspelt(name string) []string {
	i := len(name) / 2
	list := []string{name[:i] + name[i-1:i] + name[i:]}
	if name[i] != name[i-1] {
		list = append(list, name[:i-1]+name[i:i+1]+name[i-1:i]+name[i+1:])
	}
	if len(name) > 3 {
		list = append(list, name[:i]+"q"+name[i+1:], name[:i]+name[i+1:])
	}
	return list
}

func TestEveryFieldOfAWrongTypeIsRefused(t *testing.T) {
	tryAll(t, func(f form, c chain) (trials []trial) {
		name := c.last().Name
		for _, value := range wrong(c.last()) {
			trials = append(trials, trial{chain: c, given: value, says: name, body: f.body(c, name+" = "+value)})
		}
		return trials
	})
}

func TestEveryRequiredFieldIsAskedFor(t *testing.T) {
	tryAll(t, func(f form, c chain) []trial {
		if !c.last().Required {
			return nil
		}
		return []trial{{chain: c, given: "nothing", says: fmt.Sprintf("Missing attribute %q", c.last().Name), body: f.body(c, "")}}
	})
}
