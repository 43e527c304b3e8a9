package awscaller

import (
	"fmt"
	"strings"

	"github.com/waypoint-serverless/waypoint/api/validate"
	"github.com/waypoint-serverless/waypoint/functions/internal/job"
)

// Allowed is who may register runners by identity, and what their runners may do.
type Allowed map[string]Grant

// Grant is what the runners of one role may do.
type Grant struct {
	// Labels are those that the runners have.
	Labels map[string]string
	// Projects are those whose jobs they may run.
	Projects job.Projects
}

// projectKey is the key that binds a role to a project instead of giving its runners a label.
const projectKey = "project"

// ParseAllowed reads the installation's list: ARNs of roles (or users) with commas between them. "ARN=k=v;k=v" gives the
// runners of one labels, and so a pool; the key "project", which may stand several times, binds them to projects. A role
// without it, or with project=*, serves all.
func ParseAllowed(list string) (Allowed, error) {
	out := Allowed{}
	for _, entry := range strings.Split(list, ",") {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		arn, rest, bound := strings.Cut(entry, "=")
		key, ok := withoutPath(arn)
		if !ok {
			return nil, fmt.Errorf("%q in the list of runner roles is not the ARN of a role or user", arn)
		}
		grant := Grant{Labels: map[string]string{}, Projects: job.Projects{All: true}}
		if bound {
			var err error
			if grant, err = parseGrant(entry, rest); err != nil {
				return nil, err
			}
		}
		out[key] = grant
	}
	return out, nil
}

func parseGrant(entry, pairs string) (Grant, error) {
	g := Grant{Labels: map[string]string{}}
	named, all := 0, false
	for _, pair := range strings.Split(pairs, ";") {
		k, v, ok := strings.Cut(pair, "=")
		switch {
		case !ok || k == "":
			return g, fmt.Errorf("%q in the list of runner roles: labels and projects are written key=value;key=value", entry)
		case k != projectKey:
			g.Labels[k] = v
		case v == "*":
			named, all = named+1, true
		default:
			if err := validate.Name("project", v); err != nil {
				return g, fmt.Errorf("%q in the list of runner roles: %w", entry, err)
			}
			named++
			g.Projects.Names = append(g.Projects.Names, v)
		}
	}
	if all && named > 1 {
		return g, fmt.Errorf("%q in the list of runner roles: it is either project=* or projects by name", entry)
	}
	g.Projects.All = named == 0 || all
	return g, nil
}

// withoutPath is how STS names a role: without the path that its own ARN has.
func withoutPath(arn string) (string, bool) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "iam" || len(parts[4]) != 12 {
		return "", false
	}
	kind, name, _ := strings.Cut(parts[5], "/")
	if name == "" || strings.HasSuffix(name, "/") {
		return "", false
	}
	switch kind {
	case "role":
		parts[5] = "role/" + name[strings.LastIndexByte(name, '/')+1:]
		return strings.Join(parts, ":"), true
	case "user":
		return arn, true
	}
	return "", false
}

// Grant returns what a principal's runners may do, and false if it may not register any.
func (a Allowed) Grant(principal string) (Grant, bool) {
	grant, ok := a[principal]
	return grant, ok
}
