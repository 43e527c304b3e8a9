package docker

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"

	"github.com/moby/moby/api/types/network"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugin/stableport"
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

// hostPort decides which port of the machine the app listens on, before its container starts. A port that the file names
// must be free here: the container would end with an error of its own, or another program's answers be taken for the app's.
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

// endpoints are the networks that the container is created with; further ones are connected afterwards.
func (c *creation) endpoints() *network.NetworkingConfig {
	if c.where.mode != bridged {
		return nil
	}
	return &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{c.where.networks[0]: {}}}
}
