package config

import (
	"cmp"
	"slices"
)

// Target is for whom configuration is resolved.
type Target struct {
	Workspace string
	Labels    map[string]string
	// Runner asks for a runner's own configuration; RunnerID says which runner's.
	Runner   bool
	RunnerID string
	// Input asks for the input variables of waypoint.hcl.
	Input bool
}

// Resolve picks one variable per name, by Waypoint's rules (reference §8): global, then project, then
// app, later ones win; in each, without a workspace before with one, then any runner before an exact one,
// then the shorter before the longer label selector. What is meant for another workspace, for other labels,
// or (for an app) for a runner, does not take part. The answer is sorted by name. matches evaluates selectors.
func Resolve(candidates []Variable, target Target, matches func(selector string, labels map[string]string) bool) []Variable {
	var in []Variable
	for _, v := range candidates {
		s := v.GetScope()
		switch {
		case s.GetInput() != target.Input, s.GetRunner() != target.Runner,
			s.GetRunnerId() != "" && s.GetRunnerId() != target.RunnerID,
			s.GetWorkspace() != "" && s.GetWorkspace() != target.Workspace,
			!matches(s.GetLabelSelector(), target.Labels):
			continue
		}
		in = append(in, v)
	}
	slices.SortStableFunc(in, func(a, b Variable) int {
		x, y := a.GetScope(), b.GetScope()
		return cmp.Or(
			cmp.Compare(x.GetLevel(), y.GetLevel()),
			cmp.Compare(min(len(x.GetWorkspace()), 1), min(len(y.GetWorkspace()), 1)),
			cmp.Compare(min(len(x.GetRunnerId()), 1), min(len(y.GetRunnerId()), 1)),
			cmp.Compare(len(x.GetLabelSelector()), len(y.GetLabelSelector())),
			cmp.Compare(x.GetLabelSelector(), y.GetLabelSelector()),
		)
	})
	byName := map[string]Variable{}
	for _, v := range in {
		byName[configName(v.GetScope(), v.GetName())] = v
	}
	out := make([]Variable, 0, len(byName))
	for _, v := range byName {
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b Variable) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return out
}
