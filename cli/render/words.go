// Package render turns messages of the API into what commands show: JSON objects, words, times and tables. It calls
// nothing.
package render

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// FirstUpper capitalizes the first letter of a text.
func FirstUpper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// Plural is a number with its noun: "1 variable", "2 variables".
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// OrElse returns the text, or the fallback if it is empty.
func OrElse(given, fallback string) string {
	if given != "" {
		return given
	}
	return fallback
}

// WhereRuns returns where the operations of a project run: "remotely" or "locally".
func WhereRuns(p *waypointv1.Project) string {
	if p.GetRemoteEnabled() {
		return "remotely"
	}
	return "locally"
}

// SourceText renders a data source in a line.
func SourceText(ds *waypointv1.DataSource) string {
	g := ds.GetGit()
	if g == nil {
		return "local directory"
	}
	text := "git " + g.GetUrl()
	if g.GetRef() != "" {
		text += " at " + g.GetRef()
	}
	if g.GetPath() != "" {
		text += " in " + g.GetPath()
	}
	return text
}

// LabelText renders labels: "a=1, b=2".
func LabelText(labels map[string]string) string {
	parts := make([]string, 0, len(labels))
	for _, k := range sortedKeys(labels) {
		parts = append(parts, k+"="+labels[k])
	}
	return OrNone([]string{strings.Join(parts, ", ")}[:min(1, len(parts))])
}

// OrNone lists names: "a, b", or "none".
func OrNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// ShortID is the end of an id, which differs between ids of one time.
func ShortID(id string, long bool) string {
	if long || len(id) <= 10 {
		return id
	}
	return "…" + id[len(id)-10:]
}

// HealthWord is the word for a health: "ready".
func HealthWord(h waypointv1.Health) string { return Enum(h.String(), "HEALTH_") }

// MayText renders what a token allows.
func MayText(t *waypointv1.Token) string {
	switch t.GetKind() {
	case waypointv1.TokenKind_TOKEN_KIND_RUNNER:
		return "run jobs of " + ProjectText(t.GetProjects(), t.GetAllProjects()) + ", labels " + LabelText(t.GetRunnerLabels())
	case waypointv1.TokenKind_TOKEN_KIND_ENTRYPOINT:
		return "one deployment"
	}
	var parts []string
	for _, project := range sortedKeys(t.GetRoles()) {
		role := Enum(t.GetRoles()[project].String(), "ROLE_")
		if project != "" {
			role += " of " + project
		}
		parts = append(parts, role)
	}
	return OrNone(parts)
}

// ProjectText renders the projects that a runner, or its token, is bound to.
func ProjectText(names []string, all bool) string {
	if all {
		return "all projects"
	}
	return strings.Join(names, ", ")
}

// Mark shows the current one of a list.
func Mark(current bool) string {
	if current {
		return "*"
	}
	return ""
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
