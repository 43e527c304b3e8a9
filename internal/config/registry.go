package config

import "slices"

// This file says which stanza may stand in which, in the order in which messages and the documentation list them. What a
// stanza is stands in its own file.

func inFile() []place {
	return []place{
		many(appStanza()), many(variableStanza()), one(runnerStanza()), one(configStanza(projectConfigPhase())), many(pipelineStanza(0)),
		many(pluginStanza()),
	}
}

func inApp() []place {
	return []place{
		must(stageStanza(Build)), must(stageStanza(Deploy)), one(stageStanza(Release)), one(configStanza(appConfigPhase())), one(urlStanza()),
		one(appRunnerStanza()),
	}
}

func inStage(kind StageKind) []place {
	list := []place{
		one(useStanza(kind)), many(hookStanza(kind)), many(scopedStageStanza(kind, "workspace")), many(scopedStageStanza(kind, "label")),
	}
	if kind == Build {
		list = append(list, one(stageStanza(Registry)))
	}
	return list
}

// inScopedStage is what a workspace or label block of a stage holds.
func inScopedStage(kind StageKind) []place {
	list := []place{one(useStanza(kind)), many(hookStanza(kind))}
	if kind == Build {
		list = append(list, one(unusedRegistryStanza()))
	}
	return list
}

func inRunner() []place { return []place{one(dataSourceStanza()), one(pollStanza())} }

func inPipeline(depth int) []place { return []place{some(stepStanza(depth))} }

func inStep(depth int) []place {
	list := []place{one(stepUseStanza())}
	if depth == 0 {
		return append(list, one(pipelineStanza(1)))
	}
	return append(list, one(deepPipelineStanza()))
}

func inPlugin() []place { return []place{one(pluginTypeStanza())} }

// A language is the tree of the stanzas, and what is found out about all of them.
type language struct {
	root *stanza
	// all lists each stanza once, the outer before the inner.
	all []*stanza
}

func newLanguage() *language {
	l := &language{root: rootStanza()}
	var add func(s *stanza)
	add = func(s *stanza) {
		l.all = append(l.all, s)
		for _, p := range s.holds {
			add(p.stanza)
		}
	}
	add(l.root)
	return l
}

// blockHome says where blocks of a type belong, with its preposition; empty if the language has none.
func (l *language) blockHome(typ string) string {
	for _, s := range l.all {
		if s.block == typ && typ != "" && s.home != "" {
			return s.home
		}
	}
	return ""
}

// attrHome says where attributes of a name belong.
func (l *language) attrHome(name string) string {
	for _, s := range l.all {
		for _, a := range s.attrs {
			switch {
			case a.name != name:
			case a.home != "":
				return a.home
			case s.attrHome != "":
				return s.attrHome
			}
		}
	}
	return ""
}

// reserved reports whether no plugin may have a block of this type.
func (l *language) reserved(typ string) bool {
	return slices.ContainsFunc(l.all, func(s *stanza) bool { return s.block == typ && s.reserved })
}

// outermost reports whether a block stands at the top level or in app, which a forgotten brace typically swallows.
func (l *language) outermost(typ string) bool {
	app := l.root.place("app")
	return typ != "plugin" && (l.root.hasBlock(typ) || app != nil && app.hasBlock(typ))
}
