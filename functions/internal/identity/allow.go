package identity

import (
	"fmt"
	"strings"
)

// Allowed is who may register runners by identity, with the labels that their runners get (none: those that they name).
type Allowed map[string]map[string]string

// ParseAllowed reads the installation's list: ARNs of roles (or users) with commas between them; "ARN=k=v;k=v" binds the
// runners of one to labels, and so to a pool.
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
			return nil, fmt.Errorf("%q in the list of runner roles is no ARN of a role or user", arn)
		}
		labels := map[string]string{}
		for _, pair := range strings.Split(rest, ";") {
			k, v, ok := strings.Cut(pair, "=")
			if bound && (!ok || k == "") {
				return nil, fmt.Errorf("%q in the list of runner roles: labels are written k=v;k=v", entry)
			}
			if bound {
				labels[k] = v
			}
		}
		out[key] = labels
	}
	return out, nil
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

// Labels says whether a principal may register runners, and with which labels.
func (a Allowed) Labels(principal string) (map[string]string, bool) {
	labels, ok := a[principal]
	return labels, ok
}
