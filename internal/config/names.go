package config

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/waypoint-serverless/waypoint/internal/config/functions"
)

// validName: names of projects, apps and pipelines: 1 to 64 of letters, digits, _ and -.
func validName(name string) bool {
	if name == "" || len(name) > 64 {
		return false
	}
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-' {
			return false
		}
	}
	return true
}

func checkName(kind, name string, rng hcl.Range) hcl.Diagnostics {
	if validName(name) {
		return nil
	}
	return hcl.Diagnostics{warningAt(rng, fmt.Sprintf("Invalid %s name", kind),
		"%q is not valid: use 1 to 64 letters, digits, underscores and hyphens.", name)}
}

func checkSelector(selector string, rng hcl.Range) hcl.Diagnostics {
	if _, err := functions.MatchSelector(nil, selector); err != nil {
		return hcl.Diagnostics{errorAt(rng, "Invalid label selector", "%s.", err)}
	}
	return nil
}

// checkLabelKey: at most 255 characters, the part before the first slash a host name, waypoint/ is ours.
func checkLabelKey(key string) error {
	first, rest, slash := strings.Cut(key, "/")
	switch {
	case key == "":
		return fmt.Errorf("a label's name is empty")
	case len(key) > 255:
		return fmt.Errorf("the label name %q is longer than 255 characters", key[:40]+"…")
	case slash && first == "waypoint":
		return fmt.Errorf("the label %q is reserved: names that begin with waypoint/ are for Waypoint itself", key)
	case slash && rest == "":
		return fmt.Errorf("the label name %q ends with a slash", key)
	}
	// RFC 952, with underscores, which real files have.
	bad := strings.IndexFunc(first, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-' && r != '.'
	})
	if first == "" || bad >= 0 || strings.ContainsAny(first[:1]+first[len(first)-1:], ".-") {
		return fmt.Errorf("the label name %q must begin with a host name: letters, digits, dots and hyphens", key)
	}
	return nil
}
