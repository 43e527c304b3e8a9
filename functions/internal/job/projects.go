package job

import (
	"slices"
	"strings"
)

// Projects are the projects that a runner may run jobs of. The zero value is none.
type Projects struct {
	// All stands for every project, those to come included.
	All bool
	// Names count when All is false.
	Names []string
}

// Has reports whether a project is among them.
func (p Projects) Has(project string) bool { return p.All || slices.Contains(p.Names, project) }

// None reports whether there is no project at all.
func (p Projects) None() bool { return !p.All && len(p.Names) == 0 }

// String renders them for a message: "all projects", "project a", "projects a, b".
func (p Projects) String() string {
	switch {
	case p.All:
		return "all projects"
	case len(p.Names) == 0:
		return "no project"
	case len(p.Names) == 1:
		return "project " + p.Names[0]
	}
	names := slices.Sorted(slices.Values(p.Names))
	return "projects " + strings.Join(names, ", ")
}
