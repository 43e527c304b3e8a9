package source

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// setters are the fields of a git source that a job may override, by their names in waypoint.hcl.
func setters(g *waypointv1.GitSource) map[string]func(string) error {
	text := func(field *string) func(string) error {
		return func(v string) error { *field = v; return nil }
	}
	flag := func(field *bool) func(string) error {
		return func(v string) (err error) {
			if *field, err = strconv.ParseBool(v); err != nil {
				err = errors.New("true or false is required")
			}
			return err
		}
	}
	return map[string]func(string) error{
		"url": text(&g.Url), "ref": text(&g.Ref), "path": text(&g.Path),
		"username": text(&g.Username), "password": text(&g.Password),
		"key": text(&g.PrivateKeyPem), "key_password": text(&g.PrivateKeyPassword),
		"known_hosts":                 text(&g.KnownHosts),
		"ignore_changes_outside_path": flag(&g.IgnoreChangesOutsidePath),
		"recurse_submodules":          submodules(g),
	}
}

// override applies the job's overrides to a copy of the source and checks the result.
func override(git *waypointv1.GitSource, overrides map[string]string) (*waypointv1.GitSource, error) {
	g := proto.CloneOf(git)
	set := setters(g)
	for name, value := range overrides {
		f, ok := set[name]
		if !ok {
			names := make([]string, 0, len(set))
			for n := range set {
				names = append(names, n)
			}
			slices.Sort(names)
			return nil, &Error{
				Message: fmt.Sprintf("a git source has no %q to override", name),
				Hint:    "Possible: " + strings.Join(names, ", ") + ".",
			}
		}
		if err := f(value); err != nil {
			return nil, &Error{Message: fmt.Sprintf("the override %s=%q is not usable", name, value), Cause: err}
		}
	}
	if err := validate.RelativePath("path", g.Path); err != nil {
		return nil, &Error{Message: "the git source's path is not usable", Cause: err}
	}
	// A new address must not be shown the credentials that were stored for another host.
	if _, moved := overrides["url"]; moved && !sameOrigin(g.Url, git.Url) {
		forget(g, overrides)
	}
	return g, nil
}

func forget(g *waypointv1.GitSource, given map[string]string) {
	for name, field := range map[string]*string{
		"username": &g.Username, "password": &g.Password, "key": &g.PrivateKeyPem, "key_password": &g.PrivateKeyPassword,
	} {
		if _, ok := given[name]; !ok {
			*field = ""
		}
	}
}

// sameOrigin reports whether two urls lead to the same scheme, host and port.
func sameOrigin(one, other string) bool {
	a, err := parseAddress(one)
	if err != nil {
		return false
	}
	b, err := parseAddress(other)
	return err == nil && a.origin() == b.origin()
}

// submodules reads a number of levels, or whether there are any.
func submodules(g *waypointv1.GitSource) func(string) error {
	return func(v string) error {
		if n, err := strconv.ParseInt(v, 10, 32); err == nil && n >= 0 {
			g.RecurseSubmodules, g.SubmoduleLevels = n > 0, int32(n)
			return nil
		}
		is, err := strconv.ParseBool(v)
		if err != nil {
			return errors.New("a number of levels, true or false is required")
		}
		g.RecurseSubmodules, g.SubmoduleLevels = is, 0
		return nil
	}
}
