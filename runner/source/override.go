package source

import (
	"fmt"
	"net"
	"net/url"
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
		return func(v string) (err error) { *field, err = strconv.ParseBool(v); return err }
	}
	return map[string]func(string) error{
		"url": text(&g.Url), "ref": text(&g.Ref), "path": text(&g.Path),
		"username": text(&g.Username), "password": text(&g.Password),
		"key": text(&g.PrivateKeyPem), "key_password": text(&g.PrivateKeyPassword),
		"known_hosts":                 text(&g.KnownHosts),
		"ignore_changes_outside_path": flag(&g.IgnoreChangesOutsidePath),
		"recurse_submodules":          flag(&g.RecurseSubmodules),
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
			return nil, &Error{Message: fmt.Sprintf("the override %s=%q is not true or false", name, value)}
		}
	}
	if err := validate.RelativePath("path", g.Path); err != nil {
		return nil, &Error{Message: "the git source's path is not usable", Cause: err}
	}
	// A new address must not be shown the credentials that were stored for another host.
	if _, moved := overrides["url"]; moved && hostOf(g.Url) != hostOf(git.Url) {
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

func hostOf(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.Scheme + "://" + u.Host
	}
	host, _, _ := strings.Cut(address, ":")
	return host
}

// shown is an address without its password, for people.
func shown(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.User == nil {
		return address
	}
	return u.Redacted()
}

// inClear says whether a password would cross a network in clear text.
func inClear(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback())
}
