package table

import (
	"slices"

	"github.com/waypoint-serverless/waypoint/functions/internal/job"
)

// StoredProjects is how items hold the projects that a token, a runner or a pool is bound to: their names, or allProjects
// alone. An item without them is older than the binding, and stands for all projects as it did then.
type StoredProjects []string

// StoreProjects is how an item holds them. No project at all is stored as the empty name, which no project has: an empty
// list would be read as all.
func StoreProjects(p job.Projects) StoredProjects {
	switch {
	case p.All:
		return StoredProjects{allProjects}
	case p.None():
		return StoredProjects{""}
	}
	return slices.Sorted(slices.Values(p.Names))
}

// Read returns what is stored.
func (s StoredProjects) Read() job.Projects {
	if len(s) == 0 || len(s) == 1 && s[0] == allProjects {
		return job.Projects{All: true}
	}
	return job.Projects{Names: s}
}
