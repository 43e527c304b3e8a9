//go:build docker

package docker

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/image"
)

// proxied writes a configuration of Docker's command with proxies, as behind a company's.
func proxied(t *testing.T, env *plugin.Call) {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "config.json"), `{"proxies":{"default":{"httpProxy":"http://proxy.corp:3128","noProxy":".corp"}}}`)
	env.Environ = append(env.Environ, "DOCKER_CONFIG="+dir)
}

func TestDockerProxiesReachBuildsAndContainers(t *testing.T) {
	for name, kit := range builders() {
		t.Run("a build with "+name, func(t *testing.T) {
			t.Parallel()
			env, ui := engineEnv(t, contextOf(t, map[string]string{
				"Dockerfile": "FROM scratch\nCOPY app /app\nRUN [\"/app\", \"proxies\"]\nENTRYPOINT [\"/app\"]\n",
			}))
			proxied(t, env)
			img, _ := built(t, env, BuilderConfig{BuildKit: kit, NoCache: true, BuildArgs: map[string]string{"no_proxy": ".mine"}})
			shown := ui.text(t)
			for _, want := range []string{"HTTP_PROXY=http://proxy.corp:3128", "http_proxy=http://proxy.corp:3128", "no_proxy=.mine"} {
				if !strings.Contains(shown, want) {
					t.Errorf("%s did not reach the build:\n%s", want, shown)
				}
			}
			about := inspect(t, theEngine(t), img.Name())
			if strings.Contains(fmt.Sprint(about.Config.Env), "proxy.corp") {
				t.Errorf("the image keeps the proxy: %v", about.Config.Env)
			}
		})
	}
	t.Run("a container", func(t *testing.T) {
		t.Parallel()
		b := newBench(t)
		proxied(t, b.env)
		_, about := b.deploy(b.image(plainImage, BuilderConfig{}), PlatformConfig{StaticEnvironment: map[string]string{"NO_PROXY": "all"}})
		vars := strings.Join(about.Config.Env, "\n")
		for _, want := range []string{"HTTP_PROXY=http://proxy.corp:3128", "no_proxy=.corp", "NO_PROXY=all"} {
			if !strings.Contains(vars, want) {
				t.Errorf("%s is not in\n%s", want, vars)
			}
		}
	})
}

// freePort is a port of this machine on which nothing listens.
func freePort(t *testing.T) uint {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return uint(l.Addr().(*net.TCPAddr).Port)
}

func TestDockerHostNetwork(t *testing.T) {
	b := newBench(t)
	a := b.image(plainImage, BuilderConfig{})
	port := freePort(t)
	d, about := b.deploy(a, PlatformConfig{Networks: []string{"host"}, ServicePort: port})
	if about.HostConfig.NetworkMode != "host" {
		t.Errorf("network mode %s", about.HostConfig.NetworkMode)
	}
	if want := fmt.Sprintf("http://127.0.0.1:%d", port); d.URL != want || body(t, d.URL) == "" {
		t.Errorf("the app is at %s, not at %s", d.URL, want)
	}
	status, err := (&platform{}).DeploymentStatus(t.Context(), b.env, d)
	if err != nil || status.Health != plugin.Ready {
		t.Errorf("status %+v %v", status, err)
	}
	if target, err := releaseTarget(t.Context(), b.env, d); err != nil || target.Port != int(port) {
		t.Errorf("it is released at %+v, %v", target, err)
	}
	_, _, err = b.try(a, PlatformConfig{Networks: []string{"host"}, ServicePort: port})
	if err == nil || !strings.Contains(err.Error(), "is in use") {
		t.Errorf("a second one on the same port: %v", err)
	}
	explained(t, err)
	if got := len(b.containers()); got != 1 {
		t.Errorf("%d containers", got)
	}
	// Without service_port deployments find ports of their own.
	one, _ := b.deploy(a, PlatformConfig{Networks: []string{"host"}})
	two, _ := b.deploy(a, PlatformConfig{Networks: []string{"host"}})
	if one.URL == two.URL || body(t, one.URL) == "" || body(t, two.URL) == "" {
		t.Errorf("deployed at %s and %s", one.URL, two.URL)
	}
}

func TestDockerNoNetwork(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	a := b.image(plainImage, BuilderConfig{})
	d, about := b.deploy(a, PlatformConfig{Networks: []string{"none"}, Command: []string{"sleep"}})
	if about.HostConfig.NetworkMode != "none" || d.URL != "" {
		t.Errorf("network mode %s, URL %q", about.HostConfig.NetworkMode, d.URL)
	}
	p := &platform{config: PlatformConfig{Networks: []string{"none"}}}
	if p.DefaultReleaser() != nil {
		t.Error("an app that cannot be reached is released")
	}
	if status, err := p.DeploymentStatus(t.Context(), b.env, d); err != nil || status.Health != plugin.Ready {
		t.Errorf("status %+v %v", status, err)
	}
	// One that ends at once is told, as everywhere.
	b.patience.alone = time.Minute
	if _, _, err := b.try(a, PlatformConfig{Networks: []string{"none"}, Command: []string{"exit", "3"}}); err == nil || !strings.Contains(err.Error(), "exit code 3") {
		t.Errorf("an app that ends: %v", err)
	}
}

func TestDockerNetworksThatCannotBe(t *testing.T) {
	for _, c := range []PlatformConfig{
		{Networks: []string{"host", "mine"}}, {Networks: []string{"mine", "none"}}, {Networks: []string{"host"}, ExtraPorts: []uint{81}},
	} {
		if _, err := c.read(); err == nil {
			t.Errorf("%v with %v is taken", c.Networks, c.ExtraPorts)
		} else {
			explained(t, err)
		}
	}
}

// Builds take no lane: two of one app at once must each get what they built.
func TestDockerBuildsOfOneAppDoNotMix(t *testing.T) {
	for name, kit := range builders() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := theEngine(t)
			first, _ := engineEnv(t, contextOf(t, nil))
			var all sync.WaitGroup
			for n := range 4 {
				env := *first
				env.JobID, env.UI = fmt.Sprintf("01JOB%d", n), newScreen(t)
				env.Dir = contextOf(t, map[string]string{"Dockerfile": simple + fmt.Sprintf("LABEL n=%d\n", n)})
				env.ProjectDir, env.TempDir = env.Dir, t.TempDir()
				all.Go(func() {
					for range 3 {
						r, err := (&builder{config: BuilderConfig{BuildKit: kit}}).Build(t.Context(), &env)
						if err != nil {
							t.Error(err)
							return
						}
						about, err := e.ImageInspect(t.Context(), r.State.(image.Image).ID)
						if err != nil || about.Config == nil || about.Config.Labels["n"] != strconv.Itoa(n) {
							t.Errorf("build %d made %+v: %v", n, about.Config, err)
						}
					}
				})
			}
			all.Wait()
			list, err := e.ImageList(t.Context(), client.ImageListOptions{Filters: ownFilter(first)})
			if err != nil {
				t.Fatal(err)
			}
			for _, item := range list.Items {
				for _, tag := range item.RepoTags {
					if strings.HasPrefix(tag, baseNames(first)) {
						t.Errorf("the intermediate name %s is left", tag)
					}
				}
			}
		})
	}
}

func TestDockerContainersHaveLogLimits(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, about := b.deploy(b.image(plainImage, BuilderConfig{}), PlatformConfig{})
	if about.HostConfig.LogConfig.Type == "json-file" && about.HostConfig.LogConfig.Config["max-size"] == "" {
		t.Errorf("logs are kept without a bound: %+v", about.HostConfig.LogConfig)
	}
}

// A network of ours on which somebody else's container is stays, and is told; all else goes.
func TestDockerPurgeGoesOnWhenANetworkIsInUse(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	name := "purge-" + strings.ToLower(b.env.Project)
	a := b.image(plainImage, BuilderConfig{DisableEntrypoint: true})
	_, about := b.deploy(a, PlatformConfig{Networks: []string{name}})
	made, err := b.e.NetworkInspect(t.Context(), name, client.NetworkInspectOptions{})
	if err != nil || made.Network.Labels["use"] != "waypoint" {
		t.Fatalf("labels %v, %v", made.Network.Labels, err)
	}
	foreign, err := b.e.ContainerCreate(t.Context(), client.ContainerCreateOptions{
		Name: "foreign-" + name, Config: &container.Config{Image: about.Image, Cmd: []string{"sleep"}},
		HostConfig: &container.HostConfig{NetworkMode: container.NetworkMode(name)},
	})
	if err != nil {
		t.Fatal(err)
	}
	gone := func() {
		_, _ = b.e.ContainerRemove(t.Context(), foreign.ID, client.ContainerRemoveOptions{Force: true})
	}
	defer gone()
	if _, err := b.e.ContainerStart(t.Context(), foreign.ID, client.ContainerStartOptions{}); err != nil {
		t.Fatal(err)
	}
	// Destroying says who uses it.
	last := *b.env
	if err := (&platform{}).DestroyWorkspace(t.Context(), &last); err != nil {
		t.Fatal(err)
	}
	if shown := b.ui.text(t); !strings.Contains(shown, "stays") || !strings.Contains(shown, "foreign-"+name) {
		t.Errorf("it said\n%s", shown)
	}
	left, err := Purge(t.Context(), b.env.StateDir)
	if err != nil || len(left) != 1 || !strings.Contains(left[0], name) {
		t.Errorf("left %q, %v", left, err)
	}
	gone()
	if left, err := Purge(t.Context(), b.env.StateDir); err != nil || len(left) != 0 {
		t.Errorf("left %q, %v", left, err)
	}
	if _, err := b.e.NetworkInspect(t.Context(), name, client.NetworkInspectOptions{}); err == nil {
		t.Error("the network is still there")
	}
}

// The platform's own credentials are used for the pull.
func TestDockerPlatformAuth(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := newStore(t, false, false)
	r, err := (&registry{config: RegistryConfig{
		Image: s.host + "/acme/auth", Tag: "1", Insecure: true, Username: user, Password: password,
	}}).Push(t.Context(), b.env, b.image(plainImage, BuilderConfig{}))
	if err != nil {
		t.Fatal(err)
	}
	a := artifactOf(t, r)
	if _, _, err := b.try(a, PlatformConfig{ForcePull: true}); err == nil {
		t.Error("pulled without credentials")
	}
	auth := authOf(user, password)
	if _, _, err := b.try(a, PlatformConfig{ForcePull: true, Auth: &auth}); err != nil {
		t.Error(err)
	}
	wrong := authOf(user, "wrong-word")
	_, _, err = b.try(a, PlatformConfig{ForcePull: true, Auth: &wrong})
	if err == nil || strings.Contains(err.Error(), "wrong-word") {
		t.Errorf("a wrong password: %v", err)
	}
	_, _ = b.e.ImageRemove(t.Context(), s.host+"/acme/auth:1", client.ImageRemoveOptions{Force: true})
}

// Ports of another machine's engine are published on the address by which it was named, and no other. The engine stands
// in for another machine's behind the address of its own bridge.
func TestDockerRemotePortsAreOnTheAddressThatWasAskedFor(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	bridge, err := b.e.NetworkInspect(t.Context(), "bridge", client.NetworkInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var gateway netip.Addr
	for _, c := range bridge.Network.IPAM.Config {
		gateway = c.Gateway
	}
	if !isOurs(gateway) {
		t.Skipf("the engine's bridge (%s) is not an address of this machine", gateway)
	}
	a := b.image(plainImage, BuilderConfig{DisableEntrypoint: true})
	l, err := net.Listen("tcp", netip.AddrPortFrom(gateway, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	forward(t, l, strings.TrimPrefix(b.e.host, "unix://"))
	_, about := b.deploy(a, PlatformConfig{ClientConfig: &ClientConfig{Host: "tcp://" + l.Addr().String()}})
	port, _ := network.PortFrom(defaultServicePort, network.TCP)
	for _, binding := range about.NetworkSettings.Ports[port] {
		if binding.HostIP != gateway {
			t.Errorf("published on %s, the engine was named %s", binding.HostIP, gateway)
		}
	}
}

// forward leads connections to a Unix socket until the test ends.
func forward(t *testing.T, l net.Listener, socket string) {
	t.Helper()
	var all sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				back, err := net.DialTimeout("unix", socket, 10*time.Second)
				if err != nil {
					return
				}
				defer back.Close()
				done := make(chan struct{}, 2)
				go func() { _, _ = io.Copy(back, conn); done <- struct{}{} }()
				go func() { _, _ = io.Copy(conn, back); done <- struct{}{} }()
				<-done
			})
		}
	})
}
