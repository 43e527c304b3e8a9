package config

import (
	"slices"

	"github.com/hashicorp/hcl/v2"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// A stanza is the registration of a kind of block in one place: what it may hold, how it is checked and evaluated, what of it
// goes to the server, and what becomes of each of its fields. Each has a file, stanza_NAME.go, and a line in registry.go for
// each place where it may stand. Everything else in the package that goes through the language walks the registry.
//
// What nobody needs before an operation runs is not evaluated with the project: the file of its stanza has a method for it,
// as App.ConfigEntries.
type stanza struct {
	// block is its type in a file; empty for the top level.
	block string
	// name is how messages call it: `the top level`, `app`, `build`.
	name string
	// label is the name of its label; empty: it has none.
	label string
	// attrs and holds are what may stand in it, in the order in which messages list them.
	attrs []attribute
	holds []place
	// open reports that its body belongs to a plugin, and is taken as it is.
	open bool
	// shallow reports that what stands in it is checked for its place and not read.
	shallow bool
	// narrows reports that it is a narrower form of the stanza around it (workspace "prod" in deploy), whose fields its fields are.
	narrows bool
	// reserved reports that no plugin may have a block of this type, so that one in a plugin's body is misplaced.
	reserved bool

	// home finishes "belongs …" for the block, attrHome "belongs in …" for its attributes.
	home, attrHome string

	// carried and ignored are what becomes of the block as a whole; neither: of each of its fields something of its own.
	carried []string
	ignored string

	// rule describes it in docs/reference/language.md, in Markdown. mark is C for what every user meets, U for what many do.
	mark, rule string

	// choose returns the form of the stanza that a block has, by its label or its place, or why it is not read at all.
	choose func(n *node) (*stanza, *hcl.Diagnostic)
	// enter checks what can be checked without values before what stands in the block is read; leave does so afterwards.
	enter, leave func(f *File, n *node) hcl.Diagnostics
	// phase is which names its expressions see; nil: what those of the stanza around it see.
	phase *phase
	// evaluate returns its value, with those of its inner stanzas before it, when the project is evaluated. a is nil outside an app.
	evaluate func(p *Project, a *App, n *node) (any, hcl.Diagnostics)
	// register adds what the server keeps to a registration of the project. a is nil outside an app.
	register func(p *Project, a *App, n *node, req *waypointv1.UpsertProjectRequest)
}

// An attribute of a stanza.
type attribute struct {
	name     string
	required bool
	// constant reports that it is evaluated when the file is read, without any names.
	constant bool
	// home is what a message says when it stands elsewhere; empty: the attrHome of its stanza.
	home string
	// carried are the exported fields and methods of this package that bring it to a reader in another one: "App.Path".
	carried []string
	// ignored is the reason that the user is told (File.Ignored) if nobody reads it.
	ignored string
}

// carriedBy is an attribute that others read by a field or method.
func carriedBy(name string, by ...string) attribute { return attribute{name: name, carried: by} }

// at is the attribute with what a message says of its home.
func (a attribute) at(home string) attribute {
	a.home = home
	return a
}

// asConstant is the attribute, evaluated when the file is read.
func (a attribute) asConstant() attribute {
	a.constant = true
	return a
}

// A place is where a stanza may stand in another.
type place struct {
	*stanza
	single, required bool
}

func many(s *stanza) place { return place{stanza: s} }
func one(s *stanza) place  { return place{stanza: s, single: true} }

// must is one that has to be there.
func must(s *stanza) place { return place{stanza: s, single: true, required: true} }

// some is one that has to be there at least once.
func some(s *stanza) place { return place{stanza: s, required: true} }

func (s *stanza) hasAttr(name string) bool {
	return slices.ContainsFunc(s.attrs, func(a attribute) bool { return a.name == name })
}

func (s *stanza) hasBlock(typ string) bool { return s.place(typ) != nil }

// place finds the stanza that a block in this one is; nil: none of that type may stand here.
func (s *stanza) place(typ string) *place {
	for i := range s.holds {
		if s.holds[i].block == typ {
			return &s.holds[i]
		}
	}
	return nil
}

// header is how a block of the stanza begins, as HCL wants it.
func (s *stanza) header() hcl.BlockHeaderSchema {
	h := hcl.BlockHeaderSchema{Type: s.block}
	if s.label != "" {
		h.LabelNames = []string{s.label}
	}
	return h
}

// schema is what HCL is told to expect in the stanza.
func (s *stanza) schema() *hcl.BodySchema {
	out := &hcl.BodySchema{}
	for _, a := range s.attrs {
		out.Attributes = append(out.Attributes, hcl.AttributeSchema{Name: a.name, Required: a.required})
	}
	for _, p := range s.holds {
		out.Blocks = append(out.Blocks, p.header())
	}
	return out
}

// fieldNames are the attributes and blocks that may stand in the stanza.
func (s *stanza) fieldNames() (attrNames, blockNames []string) {
	for _, a := range s.attrs {
		attrNames = append(attrNames, a.name)
	}
	for _, p := range s.holds {
		blockNames = append(blockNames, p.block)
	}
	return attrNames, blockNames
}
