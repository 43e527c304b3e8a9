package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/stableport"
)

// defaultNetwork is Waypoint's: apps of a machine reach each other on it.
const defaultNetwork = "waypoint"

// surroundings are what a container is put into.
type surroundings struct {
	// mode is how the container is connected; networks are the names of those that it is connected to, one at least, and
	// ids the engine's ids of them, once they are there.
	mode     networkMode
	networks []string
	ids      []string
	// bindTo is the engine's address on which ports are published: that by which it was named, if it is on another
	// machine.
	bindTo netip.Addr
	// logs bounds what the engine keeps of the app's output.
	logs container.LogConfig
	// gateway is the machine's address in the first of them, as containers see it.
	gateway netip.Addr
	// remote says that the engine is on another machine; publishedAt is its name then.
	remote      bool
	publishedAt string
	// direct says that the container's own address is reached from here.
	direct bool
	// desktop says that the engine runs in a virtual machine of this one, which calls it host.docker.internal.
	desktop      bool
	architecture string
}

// surroundings asks the engine what it is.
func (c *creation) surroundings(ctx context.Context) error {
	info, err := c.engine.Info(ctx, client.InfoOptions{})
	if err != nil {
		return c.engine.explain("asking the Docker engine what it is", err)
	}
	c.where.architecture = architecture(info.Info.Architecture)
	system := strings.ToLower(info.Info.OperatingSystem)
	c.where.desktop = strings.Contains(system, "docker desktop") || strings.Contains(system, "orbstack")
	if u, err := url.Parse(c.engine.host); err == nil && u.Scheme == "tcp" {
		if ip, err := netip.ParseAddr(u.Hostname()); u.Hostname() != "localhost" && (err != nil || !ip.IsLoopback()) {
			c.where.remote, c.where.publishedAt = true, u.Hostname()
		}
	}
	c.where.networks = slices.Clone(c.wanted.Networks)
	if len(c.where.networks) == 0 {
		c.where.networks = []string{defaultNetwork}
	}
	c.where.mode = modeOf(c.wanted.Networks)
	c.where.bindTo = c.address(ctx)
	c.where.logs = logLimits(info.Info.LoggingDriver)
	return nil
}

// address finds the address of another machine's engine on which ports are published: the one that we were told, not
// every one that the machine has.
func (c *creation) address(ctx context.Context) netip.Addr {
	if !c.where.remote {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	if ip, err := netip.ParseAddr(c.where.publishedAt); err == nil {
		return ip
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	addrs, err := new(net.Resolver).LookupNetIP(ctx, "ip", c.where.publishedAt)
	if err != nil || len(addrs) == 0 {
		return netip.IPv4Unspecified()
	}
	return addrs[0].Unmap()
}

// otherAddress reports whether ports should be published on all addresses after err: the engine's machine is behind an
// address that it does not have itself, as machines of clouds are.
func (c *creation) otherAddress(err error) bool {
	if !c.where.remote || c.where.bindTo.IsUnspecified() || !strings.Contains(err.Error(), "cannot assign requested address") {
		return false
	}
	c.env.UI.Line(plugin.Warning, "The engine's machine does not have the address %s itself: ports are published on all of its addresses.", c.where.bindTo)
	c.where.bindTo = netip.IPv4Unspecified()
	return true
}

// logLimits bounds what the engine keeps of a container's output where its driver would keep everything. Other drivers
// have limits of their own, or send it elsewhere.
func logLimits(driver string) container.LogConfig {
	if driver != "json-file" {
		return container.LogConfig{}
	}
	return container.LogConfig{Type: driver, Config: map[string]string{"max-size": "10m", "max-file": "3"}}
}

// architecture is Go's word for the kernel's.
func architecture(kernel string) string {
	switch kernel {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	}
	return kernel
}

// isOurs reports whether this machine has the address.
func isOurs(ip netip.Addr) bool {
	addrs, err := net.InterfaceAddrs()
	if err != nil || !ip.IsValid() {
		return false
	}
	return slices.ContainsFunc(addrs, func(a net.Addr) bool {
		prefix, err := netip.ParsePrefix(a.String())
		return err == nil && prefix.Addr() == ip
	})
}

// serverEnv is what the entrypoint needs to reach the server from the container. Where it cannot be reached the app
// runs all the same, without configuration and logs.
func (c *creation) serverEnv(ctx context.Context) (map[string]string, error) {
	c.listener = ""
	if c.env.LocalServer == nil {
		return c.req.EntrypointEnv, nil
	}
	bind, name := c.listenerAddress()
	if bind == "" {
		c.env.UI.Line(plugin.Warning, "The container cannot reach the server on this machine: the app runs without configuration and logs from it.")
		return nil, nil
	}
	port, pin, err := c.env.LocalServer.OpenListener(ctx, bind)
	if err != nil {
		c.env.UI.Line(plugin.Warning, "The container cannot reach the server on this machine (%s): the app runs without configuration and logs from it.", err)
		return nil, nil
	}
	c.listener = bind
	c.listeners = append(c.listeners, bind)
	vars := maps.Clone(c.req.EntrypointEnv)
	vars["WAYPOINT_SERVER_ADDR"] = "https://" + net.JoinHostPort(name, strconv.Itoa(port))
	vars["WAYPOINT_SERVER_TLS_PIN"] = pin
	return vars, nil
}

// listenerAddress is the address of this machine that the container reaches, and how it calls it; "" for none.
func (c *creation) listenerAddress() (bind, name string) {
	switch {
	case c.where.remote, c.where.mode == noNetwork:
		return "", ""
	case c.where.mode == hostNetwork && !c.where.desktop:
		return "127.0.0.1", "127.0.0.1"
	case c.where.desktop:
		return "127.0.0.1", "host.docker.internal"
	case c.where.direct:
		return c.where.gateway.String(), c.where.gateway.String()
	}
	return "", ""
}

// tidy removes networks of ours that no container needs any more, and closes the listeners to the server that
// containers had which are gone.
func (e *engine) tidy(ctx context.Context, env *plugin.Call, had freed) error {
	place, err := stableport.In(env)
	if err != nil {
		return err
	}
	lock, err := place.Lock(ctx)
	if err != nil {
		return fmt.Errorf("tidying up: %w", err)
	}
	defer lock.Close()
	home := homeOf(env.StateDir)
	for _, listener := range had.listeners {
		if env.LocalServer == nil {
			continue
		}
		using, err := e.ContainerList(ctx, client.ContainerListOptions{
			All: true, Filters: client.Filters{}.Add("label", labelListener+"="+listener, labelHome+"="+home),
		})
		if err != nil {
			return e.explain("listing the containers that need the server", err)
		}
		if len(using.Items) > 0 {
			continue
		}
		if err := env.LocalServer.CloseListener(ctx, listener); err != nil {
			return fmt.Errorf("closing the server to containers: %w", err)
		}
	}
	networks, err := e.ours(ctx, home, had)
	if err != nil {
		return err
	}
	for _, n := range networks {
		using, err := e.connected(ctx, n.ID)
		if err != nil {
			return e.explain("listing the containers of a network", err)
		}
		if len(using) == 0 {
			if err := e.removeNetwork(ctx, n); err != nil && !errors.Is(err, errInUse) {
				return err
			}
			continue
		}
		if others := strangers(using, home); len(others) > 0 && n.Labels[labelHome] == home {
			env.UI.Line(plugin.Info, "The network %s stays: other containers use it (%s).", n.Name, strings.Join(others, ", "))
		}
	}
	return nil
}
