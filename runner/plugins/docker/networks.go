package docker

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/waypoint-serverless/waypoint/internal/retry"
)

// Engines before version 25 do not hold the names of networks unique: two requests at the same time make two networks
// of one name, and the second may be that of a runner which was killed while its engine still worked for it. So whoever
// needs a network looks at all that have its name, decides for one as everybody would, and removes the others that are
// ours and that nothing needs; who had decided for one of those finds it gone when its container starts, and looks
// again (creation.start). From then on a network is named by its id.

// networkLooks bounds how often the networks of a name are looked at again because somebody else works on them too;
// after that the first is taken as it is.
const networkLooks = 8

// networkWaits are the pauses between these looks.
var networkWaits = retry.Policy{First: 20 * time.Millisecond, Most: time.Second}

// ensureNetwork gives the network of that name, or with that id, and makes it if there is none.
func (e *engine) ensureNetwork(ctx context.Context, name, home string) (network.Network, error) {
	wait := networkWaits.Start()
	for look := 1; ; look++ {
		found, err := e.named(ctx, name)
		if err == nil && len(found) == 0 {
			found, err = e.makeNetwork(ctx, name, home)
		}
		if err != nil {
			return network.Network{}, err
		}
		settled, err := e.settle(ctx, found)
		if err != nil {
			return network.Network{}, err
		}
		if settled || look == networkLooks {
			return found[0].Network, nil
		}
		if !wait.Wait(ctx, nil) {
			return network.Network{}, context.Cause(ctx)
		}
	}
}

// candidate is one of the networks of a name.
type candidate struct {
	network.Network
	// ours says that Waypoint made it; apps and others who is connected to it, or will be when it is started.
	ours, apps, others bool
}

// named are the networks of that name, the one to use first: one that apps are on, then one that is needed at all, then
// one that we may not remove, then the oldest. If there is none it may be an id, of which the beginning is enough.
func (e *engine) named(ctx context.Context, name string) ([]candidate, error) {
	// The engine's own filter takes the name for a pattern.
	list, err := e.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		return nil, err
	}
	var found []candidate
	for _, n := range list.Items {
		if n.Name == name {
			found = append(found, candidate{Network: n.Network, ours: n.Labels[labelManaged] == "true"})
		}
	}
	if len(found) == 0 {
		about, err := e.NetworkInspect(ctx, name, client.NetworkInspectOptions{})
		switch {
		case cerrdefs.IsNotFound(err):
			return nil, nil
		case err != nil:
			return nil, err
		}
		return []candidate{{Network: about.Network.Network}}, nil
	}
	if len(found) == 1 {
		return found, nil
	}
	for i := range found {
		using, err := e.connected(ctx, found[i].ID)
		if err != nil {
			return nil, err
		}
		for _, c := range using {
			_, app := c.Labels[labelDeployment]
			found[i].apps, found[i].others = found[i].apps || app, found[i].others || !app
		}
	}
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(first(a.apps, b.apps), first(a.others, b.others), first(!a.ours, !b.ours),
			a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	return found, nil
}

// first orders what has a property before what has not.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// makeNetwork makes a network, and gives those of its name: others may have made one meanwhile, and theirs is as good.
func (e *engine) makeNetwork(ctx context.Context, name, home string) ([]candidate, error) {
	_, refused := e.NetworkCreate(ctx, name, client.NetworkCreateOptions{
		Driver: "bridge", Labels: map[string]string{labelManaged: "true", labelHome: home, labelUse: "waypoint"},
	})
	found, err := e.named(ctx, name)
	switch {
	case err != nil, len(found) > 0:
		return found, err
	case refused != nil:
		return nil, refused
	}
	return nil, errors.New("it was made, and is gone")
}

// settle removes the networks behind the first that nobody needs, and reports whether the first is the one to use: the
// only one, or the first of several that have to stay. It is not while any of the others goes, because who has it may
// have found it the only one.
func (e *engine) settle(ctx context.Context, found []candidate) (bool, error) {
	settled := true
	for _, other := range found[1:] {
		if !other.ours || other.apps || other.others {
			continue
		}
		settled = false
		if err := e.removeNetwork(ctx, other.Network); err != nil && !errors.Is(err, errInUse) {
			return false, err
		}
	}
	return settled, nil
}

// connected are the containers of a network, those that do not run as well.
func (e *engine) connected(ctx context.Context, id string) ([]container.Summary, error) {
	list, err := e.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: client.Filters{}.Add("network", id)})
	return list.Items, err
}

// ours are the networks that an installation may remove when nobody needs them: those that it made, and those of other
// installations that its containers were on. Whoever leaves last takes the network along.
func (e *engine) ours(ctx context.Context, home string, had freed) ([]network.Network, error) {
	list, err := e.NetworkList(ctx, client.NetworkListOptions{Filters: client.Filters{}.Add("label", labelManaged+"=true")})
	if err != nil {
		return nil, e.explain("listing networks", err)
	}
	var out []network.Network
	for _, n := range list.Items {
		if n.Labels[labelHome] == home || slices.Contains(had.networks, n.ID) {
			out = append(out, n.Network)
		}
	}
	return out, nil
}

// errInUse says that a network has containers.
var errInUse = errors.New("containers use the network")

// removeNetwork removes a network. That it is gone already is fine; that somebody uses it is errInUse.
func (e *engine) removeNetwork(ctx context.Context, n network.Network) error {
	_, err := e.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{})
	switch {
	case err == nil, cerrdefs.IsNotFound(err):
		return nil
	case cerrdefs.IsConflict(err), cerrdefs.IsPermissionDenied(err): // engines differ in how they say it
		return errInUse
	}
	return e.explain("removing the network "+n.Name, err)
}

// strangers are the names of those containers that are not of the installation.
func strangers(containers []container.Summary, home string) []string {
	var out []string
	for _, c := range containers {
		if c.Labels[labelHome] != home {
			name := c.ID[:min(12, len(c.ID))]
			if len(c.Names) > 0 {
				name = strings.TrimPrefix(c.Names[0], "/")
			}
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
