package config

import "slices"

// A Rule describes a stanza in the reference (docs/reference/language.md).
type Rule struct {
	// Stanza is its name in a file; "project" is the whole of it.
	Stanza string
	// Mark is C for a rule that every user meets, U for one that many do.
	Mark string
	// Rule is what holds, in Markdown.
	Rule string
}

// Rules describe the stanzas, each once.
func Rules() (list []Rule) {
	for _, s := range newLanguage().all {
		r := Rule{Stanza: s.block, Mark: s.mark, Rule: s.rule}
		if s.block == "" {
			r.Stanza = "project"
		}
		if s.rule != "" && !slices.ContainsFunc(list, func(other Rule) bool { return other.Stanza == r.Stanza }) {
			list = append(list, r)
		}
	}
	return list
}
