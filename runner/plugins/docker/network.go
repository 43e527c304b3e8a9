package docker

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/stableport"
)

// networkMode is how a container is connected.
type networkMode int

const (
	// bridged: by networks of the engine, with ports that are published.
	bridged networkMode = iota
	// hostNetwork: the app listens on ports of the engine's machine.
	hostNetwork
	// noNetwork: the app has loopback alone.
	noNetwork
)

func modeOf(networks []string) networkMode {
	switch {
	case slices.Contains(networks, "host"):
		return hostNetwork
	case slices.Contains(networks, "none"):
		return noNetwork
	}
	return bridged
}

// checkNetworks refuses what the engine cannot do, before anything is made.
func (c PlatformConfig) checkNetworks() error {
	if modeOf(c.Networks) == bridged {
		return nil
	}
	name := "host"
	if modeOf(c.Networks) == noNetwork {
		name = "none"
	}
	switch {
	case len(c.Networks) > 1:
		return &plugin.Error{
			Message: fmt.Sprintf("networks has %q beside other networks", name),
			Hint:    fmt.Sprintf("A container with networks = [%q] cannot be connected to any other network: name it alone.", name),
		}
	case len(c.ExtraPorts) > 0:
		return &plugin.Error{
			Message: fmt.Sprintf("extra_ports cannot be published with networks = [%q]", name),
			Hint:    "Leave extra_ports out: with \"host\" the app's ports are the machine's, with \"none\" it has none.",
		}
	}
	return nil
}

// hostPort decides which port of the machine the app listens on, before its container starts. A port that the file
// names must be free here: the container would end with an error of its own, or another program's answers be taken for
// the app's.
func (c *creation) hostPort(ctx context.Context) error {
	here := !c.where.remote && !c.where.desktop
	if !c.wanted.chosen && here {
		port, err := stableport.ChooseDeployment(c.req.DeploymentID+" host", map[int]bool{})
		if err != nil {
			return err
		}
		c.wanted.servicePort = port
		return nil
	}
	if here && listening(ctx, c.wanted.servicePort) {
		return &plugin.Error{
			Message: fmt.Sprintf("port %d of this machine is in use, and with networks = [\"host\"] the app needs it", c.wanted.servicePort),
			Hint: "An older deployment of the app may have it: end it with `waypoint deployment destroy`. Or leave service_port out: " +
				"the app then finds a free port in the environment variable PORT, and deployments can run beside each other.",
		}
	}
	return nil
}

// listening reports whether something listens on a port of this machine.
func listening(ctx context.Context, port int) bool {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("", strconv.Itoa(port)))
	if err != nil {
		return true
	}
	_ = l.Close()
	return false
}

// network makes the networks that are not there, and finds the machine's address in the first.
func (c *creation) network(ctx context.Context) error {
	if c.where.mode != bridged {
		return nil
	}
	c.where.ids = nil
	for i, name := range c.where.networks {
		found, err := c.engine.ensureNetwork(ctx, name, homeOf(c.env.StateDir))
		if err != nil {
			return c.engine.explain("preparing the network "+name, err)
		}
		c.where.ids = append(c.where.ids, networkID(found))
		if i > 0 {
			continue
		}
		for _, config := range found.IPAM.Config {
			if config.Gateway.Is4() {
				c.where.gateway = config.Gateway
			}
		}
	}
	c.where.direct = !c.where.remote && !c.where.desktop && isOurs(c.where.gateway)
	return nil
}

// networkID is how a container is connected to a network: by its id, because engines do not hold names unique. The
// engine's own network is different: containers get other name servers on it, and that goes by its name.
func networkID(n network.Network) string {
	if n.Name == "bridge" {
		return n.Name
	}
	return n.ID
}

// firstNetwork is what the container is created with; further ones are connected afterwards.
func (c *creation) firstNetwork() (container.NetworkMode, *network.NetworkingConfig) {
	if c.where.mode != bridged {
		return container.NetworkMode(c.where.networks[0]), nil
	}
	id := c.where.ids[0]
	return container.NetworkMode(id), &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{id: endpoint(id)}}
}

// endpoint is a container's place in a network. With the id in it the engine does not look for the network's name when
// the container starts, and lists the container among those of the network before it has.
func endpoint(id string) *network.EndpointSettings {
	return &network.EndpointSettings{NetworkID: id}
}
