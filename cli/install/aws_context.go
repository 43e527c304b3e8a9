package install

import (
	"errors"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/waypoint-serverless/waypoint/cli/contexts"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/infra"
	"github.com/waypoint-serverless/waypoint/internal/client"
)

// endpointOf is the emulator's address in a context that leads to one, "" for AWS itself. Contexts of earlier versions
// have it in the API's address alone.
func endpointOf(c contexts.Context) string {
	if c.AWS != nil && c.AWS.Endpoint != "" {
		return c.AWS.Endpoint
	}
	if endpoint, _, ok := strings.Cut(c.Address, client.EmulatorAPIs); ok {
		return endpoint
	}
	return ""
}

// sameEndpoint compares two addresses of emulators, for which this machine's own names are the same.
func sameEndpoint(a, b string) bool { return plainEndpoint(a) == plainEndpoint(b) }

func plainEndpoint(address string) string {
	u, err := url.Parse(strings.TrimSuffix(address, "/"))
	if err != nil || u.Host == "" {
		return address
	}
	switch host := u.Hostname(); host {
	case "127.0.0.1", "::1":
		u.Host = strings.Replace(u.Host, host, "localhost", 1)
		u.Host = strings.NewReplacer("[", "", "]", "").Replace(u.Host)
	}
	return u.String()
}

// LeadsTo reports whether a context belongs to the installation of that name.
func LeadsTo(c contexts.Context, name string, id infra.Identity, endpoint string) bool {
	return c.AWS != nil && c.AWS.Name == name && c.AWS.Account == id.Account && c.AWS.Region == id.Region && sameEndpoint(endpointOf(c), endpoint)
}

// InstallationContext finds the context of the installation that the flags name: the one in use, else the only one. It
// returns "" if there is none, or if several match.
func InstallationContext(sh Host, f *AWSFlags) (name string, c contexts.Context, err error) {
	store, err := sh.ContextStore()
	if err != nil {
		return "", c, err
	}
	fits := func(c contexts.Context) bool {
		return c.AWS != nil && c.AWS.Name == f.Name && (f.Region == "" || f.Region == c.AWS.Region)
	}
	current, err := sh.CurrentContext(store)
	if err != nil {
		return "", c, err
	}
	names, err := store.List()
	if err != nil {
		return "", c, err
	}
	found := 0
	for _, n := range names {
		one, err := store.Load(n)
		if err != nil || !fits(one) {
			continue // a file that cannot be read leads nowhere
		}
		if n == current {
			return n, one, nil
		}
		name, c = n, one
		found++
	}
	if found != 1 {
		return "", contexts.Context{}, nil
	}
	return name, c, nil
}

// followContext compares the environment with where the installation's context leads. What the environment does not
// say, a command for an installation that is there takes from the context; what it says otherwise is told and wins.
func (f *AWSFlags) followContext(sh Host, config *aws.Config, known bool) error {
	name, c, err := InstallationContext(sh, f)
	if err != nil || name == "" {
		return err
	}
	kept, set := endpointOf(c), aws.ToString(config.BaseEndpoint)
	switch {
	case sameEndpoint(kept, set):
	case set == "" && known:
		config.BaseEndpoint = &kept
		if f.Region == "" {
			config.Region = c.AWS.Region
		}
		sh.Progressf("AWS_ENDPOINT_URL is not set; the context %q belongs to %s.\n", name, kept)
	case set == "":
		sh.Warnf("the context %q belongs to an installation at %s, but AWS_ENDPOINT_URL is not set: this installs into AWS itself.", name, kept)
	case kept == "":
		sh.Warnf("the context %q belongs to AWS itself, but AWS_ENDPOINT_URL is %s.", name, set)
	default:
		sh.Warnf("the context %q belongs to %s, but AWS_ENDPOINT_URL is %s.", name, kept, set)
	}
	if config.Region == "" && known {
		config.Region = c.AWS.Region
	}
	return nil
}

// contextFor decides which context an installation gets: the named one, the one that leads to it already, or the first
// free one of "aws" (or "aws-NAME"), with the region, with the account. A context of another server is never
// overwritten: its token may be the only one that its server has.
func (f *AWSFlags) contextFor(sh Host, store contexts.Store, id infra.Identity, endpoint string) (string, error) {
	usable := func(name string) (free, ours bool, err error) {
		c, err := store.Load(name)
		switch {
		case errors.Is(err, contexts.ErrNotFound):
			return true, false, nil
		case err != nil:
			return false, false, err
		}
		return false, LeadsTo(c, f.Name, id, endpoint), nil
	}
	if f.context != "" {
		free, ours, err := usable(f.context)
		switch {
		case err != nil:
			return "", problem.New("CONTEXT_UNREADABLE", "%s", err.Error()).WithHint("Choose another name with --context, or run `waypoint context delete %s`.", f.context)
		case !free && !ours:
			return "", problem.New("CONTEXT_TAKEN", "the context %q belongs to another server, and may hold the only copy of its token", f.context).
				WithHint("Choose another name with --context, or run `waypoint context delete %s` first.", f.context)
		}
		return f.context, nil
	}
	if name, c, err := InstallationContext(sh, f); err != nil {
		return "", err
	} else if LeadsTo(c, f.Name, id, endpoint) {
		return name, nil
	}
	base := "aws"
	if f.Name != infra.DefaultName {
		base += "-" + f.Name
	}
	candidates := []string{base, base + "-" + id.Region, base + "-" + id.Region + "-" + id.Account}
	first := ""
	for _, name := range candidates {
		free, ours, err := usable(name)
		switch {
		case err == nil && ours:
			return name, nil
		case err == nil && free && first == "":
			first = name
		}
	}
	if first == "" {
		return "", problem.New("CONTEXT_TAKEN", "the contexts %s belong to other servers", strings.Join(candidates, ", ")).
			WithHint("Choose a name with --context.")
	}
	return first, nil
}
