package projects

import (
	"slices"

	"github.com/waypoint-serverless/waypoint/functions/internal/job"
)

// allProjects stands for all projects: DynamoDB takes no empty attribute names.
const allProjects = "*"

// Binding is how items hold the projects that a token, a runner or a pool is bound to: their names, or allProjects
// alone. An item without them is older than the binding, and stands for all projects as it did then.
type Binding []string

// Bind is how an item holds them. No project at all is stored as the empty name, which no project has: an empty
// list would be read as all.
func Bind(p job.Projects) Binding {
	switch {
	case p.All:
		return Binding{allProjects}
	case p.None():
		return Binding{""}
	}
	return slices.Sorted(slices.Values(p.Names))
}

// Read returns what is stored.
func (s Binding) Read() job.Projects {
	if len(s) == 0 || len(s) == 1 && s[0] == allProjects {
		return job.Projects{All: true}
	}
	return job.Projects{Names: s}
}
