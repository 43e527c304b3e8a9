//go:build docker

package docker

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// networkOf is a name of a network that no other test has; what is left of it goes with the test.
func networkOf(t *testing.T, e *engine) string {
	t.Helper()
	name := "net-" + strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))
	clear := func() {
		for _, n := range networksNamed(t, e, name) {
			_, _ = e.NetworkRemove(context.Background(), n.ID, client.NetworkRemoveOptions{})
		}
	}
	clear() // of a run that was cut short
	t.Cleanup(clear)
	return name
}

func networksNamed(t *testing.T, e *engine, name string) []candidate {
	t.Helper()
	list, err := e.NetworkList(context.Background(), client.NetworkListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var out []candidate
	for _, n := range list.Items {
		if n.Name == name {
			out = append(out, candidate{Network: n.Network})
		}
	}
	return out
}

// addNetwork makes a network, whether there is one of that name or not.
func addNetwork(t *testing.T, e *engine, name string, labels map[string]string) string {
	t.Helper()
	made, err := e.NetworkCreate(t.Context(), name, client.NetworkCreateOptions{Driver: "bridge", Labels: labels})
	if err != nil {
		t.Skipf("this engine holds the names of networks unique: %v", err)
	}
	return made.ID
}

// ofAnother are the labels of networks that an installation left which is gone.
var ofAnother = map[string]string{labelManaged: "true", labelHome: "gone", labelUse: "waypoint"}

// expectReach fails the test where the containers are not on one network, by which they reach each other.
func (b *bench) expectReach(d *plugin.Deployment, other container.InspectResponse, onto string) {
	b.t.Helper()
	about, err := b.e.ContainerInspect(b.t.Context(), stateOf(b.t, d).ID, client.ContainerInspectOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range []container.InspectResponse{about.Container, other} {
		if c.NetworkSettings.Networks[onto] == nil {
			b.t.Fatalf("%s is on the networks %v", c.Name, c.NetworkSettings.Networks)
		}
	}
	mine, theirs := about.Container.NetworkSettings.Networks[onto].NetworkID, other.NetworkSettings.Networks[onto].NetworkID
	if mine != theirs {
		b.t.Errorf("the containers are on two networks of the name %s: %s and %s", onto, mine, theirs)
	}
	if said := body(b.t, d.URL+"/ask"+other.Name+":3000/"); !strings.Contains(said, "false") {
		b.t.Errorf("%s answers %q", other.Name, said)
	}
}

func stateOf(t *testing.T, d *plugin.Deployment) deployment {
	t.Helper()
	state, err := decodeDeployment(d)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// beside is a bench of another installation, which has the same engine.
func (b *bench) beside(project string) *bench {
	other := newBench(b.t)
	other.env.Project = project
	return other
}

// Twenty requests of two installations for one network, and a deployment of each meanwhile, end with one network.
func TestDockerNetworkThatManyMakeAtOnceIsOne(t *testing.T) {
	one := newBench(t)
	name := networkOf(t, one.e)
	two := one.beside(one.env.Project + "-two")
	a := one.image(plainImage, BuilderConfig{DisableEntrypoint: true})
	config := PlatformConfig{Networks: []string{name}}
	var all sync.WaitGroup
	begin := make(chan struct{})
	for n := range 20 {
		env := []*bench{one, two}[n%2].env
		c := &creation{engine: one.e, env: env, where: surroundings{networks: []string{name}}}
		all.Go(func() {
			<-begin
			if err := c.network(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	deployed := make([]*plugin.Deployment, 2)
	abouts := make([]container.InspectResponse, 2)
	for i, b := range []*bench{one, two} {
		all.Go(func() {
			<-begin
			d, r, err := b.try(a, config)
			if err != nil {
				t.Error(err)
				return
			}
			about, err := b.e.ContainerInspect(t.Context(), r.Template["id"].(string), client.ContainerInspectOptions{})
			if err != nil {
				t.Error(err)
			}
			deployed[i], abouts[i] = d, about.Container
		})
	}
	close(begin)
	all.Wait()
	if t.Failed() {
		return
	}
	if left := networksNamed(t, one.e, name); len(left) != 1 {
		t.Errorf("%d networks", len(left))
	}
	one.expectReach(deployed[0], abouts[1], name)
	two.expectReach(deployed[1], abouts[0], name)
	for i, b := range []*bench{one, two} {
		if err := (&platform{config: config}).DestroyDeployment(t.Context(), b.env, deployed[i]); err != nil {
			t.Error(err)
		}
	}
	if left := networksNamed(t, one.e, name); len(left) != 0 {
		t.Errorf("%d networks are left", len(left))
	}
}

// Networks of one name that are there already fail no deployment.
func TestDockerNetworksOfOneName(t *testing.T) {
	cases := map[string]struct {
		make func(b *bench, a *plugin.Artifact, name string) (chosen string)
		// during is how many there are while the apps run, after how many are left: those that are not Waypoint's.
		during, after int
	}{
		"two of an installation that is gone": {func(b *bench, _ *plugin.Artifact, name string) string {
			first := addNetwork(b.t, b.e, name, ofAnother)
			addNetwork(b.t, b.e, name, ofAnother)
			return first
		}, 1, 0},
		"two of this installation": {func(b *bench, _ *plugin.Artifact, name string) string {
			ours := map[string]string{labelManaged: "true", labelHome: homeOf(b.env.StateDir)}
			first := addNetwork(b.t, b.e, name, ours)
			addNetwork(b.t, b.e, name, ours)
			return first
		}, 1, 0},
		"a younger one that an app is on": {func(b *bench, a *plugin.Artifact, name string) string {
			addNetwork(b.t, b.e, name, ofAnother)
			younger := addNetwork(b.t, b.e, name, ofAnother)
			labels := ownLabels(b.env)
			labels[labelDeployment], labels[labelHome] = "earlier", homeOf(b.env.StateDir)
			c, err := b.e.ContainerCreate(b.t.Context(), client.ContainerCreateOptions{
				Config:           &container.Config{Image: decodedImage(b.t, a), Cmd: []string{"sleep"}, Labels: labels},
				HostConfig:       &container.HostConfig{NetworkMode: container.NetworkMode(younger)},
				NetworkingConfig: &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{younger: endpoint(younger)}},
			})
			if err != nil {
				b.t.Fatal(err)
			}
			if _, err := b.e.ContainerStart(b.t.Context(), c.ID, client.ContainerStartOptions{}); err != nil {
				b.t.Fatal(err)
			}
			return younger
		}, 1, 0},
		"somebody's and one of ours": {func(b *bench, _ *plugin.Artifact, name string) string {
			addNetwork(b.t, b.e, name, ofAnother)
			return addNetwork(b.t, b.e, name, nil)
		}, 1, 1},
		"two of somebody": {func(b *bench, _ *plugin.Artifact, name string) string {
			first := addNetwork(b.t, b.e, name, nil)
			addNetwork(b.t, b.e, name, nil)
			return first
		}, 2, 2},
	}
	for title, c := range cases {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			one := newBench(t)
			name := networkOf(t, one.e)
			two := one.beside(one.env.Project + "-two")
			a := one.image(plainImage, BuilderConfig{DisableEntrypoint: true})
			chosen := c.make(one, a, name)
			config := PlatformConfig{Networks: []string{name}}
			first, firstAbout := one.deploy(a, config)
			second, secondAbout := two.deploy(a, config)
			one.expectReach(first, secondAbout, name)
			two.expectReach(second, firstAbout, name)
			if got := firstAbout.NetworkSettings.Networks[name].NetworkID; got != chosen {
				t.Errorf("they are on %s, not on %s", got, chosen)
			}
			if left := networksNamed(t, one.e, name); len(left) != c.during {
				t.Errorf("%d networks", len(left))
			}
			for _, b := range []*bench{one, two} {
				if err := (&platform{config: config}).DestroyWorkspace(t.Context(), b.env); err != nil {
					t.Error(err)
				}
			}
			if left := networksNamed(t, one.e, name); len(left) != c.after {
				t.Errorf("%d networks are left", len(left))
			}
		})
	}
}

// The end of an installation takes all networks of one name along.
func TestDockerPurgeRemovesAllNetworksOfAName(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	name := networkOf(t, b.e)
	b.deploy(b.image(plainImage, BuilderConfig{DisableEntrypoint: true}), PlatformConfig{Networks: []string{name}})
	for range 2 {
		addNetwork(t, b.e, name, map[string]string{labelManaged: "true", labelHome: homeOf(b.env.StateDir)})
	}
	if left, err := Purge(t.Context(), b.env.StateDir); err != nil || len(left) > 0 {
		t.Errorf("left %q, %v", left, err)
	}
	if left := networksNamed(t, b.e, name); len(left) > 0 || len(b.containers()) > 0 {
		t.Errorf("%d networks and %d containers are left", len(left), len(b.containers()))
	}
}

// between leads the requests to an engine through before, which may make others of its own: those that a killed runner has
// left on their way.
func between(t *testing.T, e *engine, before func(r *http.Request, engine http.RoundTripper)) *ClientConfig {
	t.Helper()
	_, socket, _ := strings.Cut(e.host, "://")
	way := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	t.Cleanup(way.CloseIdleConnections)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "docker"})
	proxy.Transport = way
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		before(r, way)
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return &ClientConfig{Host: "tcp://" + strings.TrimPrefix(server.URL, "http://")}
}

// repeated makes the first request whose path ends so twice.
func repeated(t *testing.T, path string) func(*http.Request, http.RoundTripper) {
	var once atomic.Bool
	return func(r *http.Request, engine http.RoundTripper) {
		if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, path) || !once.CompareAndSwap(false, true) {
			return
		}
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		r.Body = io.NopCloser(strings.NewReader(string(text)))
		again := r.Clone(r.Context())
		again.URL.Scheme, again.URL.Host, again.RequestURI = "http", "docker", ""
		again.Body = io.NopCloser(strings.NewReader(string(text)))
		res, err := engine.RoundTrip(again)
		if err != nil {
			t.Error(err)
			return
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusCreated {
			t.Errorf("%s: %s", r.URL, res.Status)
		}
	}
}

// What a killed runner had asked for may be made by the engine at the moment at which the next attempt asks for the same.
func TestDockerRequestsOfAKilledRunnerAreInNobodysWay(t *testing.T) {
	for title, path := range map[string]string{"a network": "/networks/create", "a container": "/containers/create"} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			name := networkOf(t, b.e)
			config := PlatformConfig{Networks: []string{name}, ClientConfig: between(t, b.e, repeated(t, path))}
			d, about := b.deploy(b.image(plainImage, BuilderConfig{DisableEntrypoint: true}), config)
			if !about.State.Running || body(t, d.URL) == "" {
				t.Errorf("state %+v", about.State)
			}
			if left := b.containers(); len(left) != 1 {
				t.Errorf("%d containers", len(left))
			}
			if left := networksNamed(t, b.e, name); len(left) != 1 {
				t.Errorf("%d networks", len(left))
			}
		})
	}
	t.Run("a network that goes again", func(t *testing.T) {
		t.Parallel()
		b := newBench(t)
		name := networkOf(t, b.e)
		var once atomic.Bool
		config := PlatformConfig{Networks: []string{name}, ClientConfig: between(t, b.e, func(r *http.Request, _ http.RoundTripper) {
			if strings.HasSuffix(r.URL.Path, "/start") && once.CompareAndSwap(false, true) {
				for _, n := range networksNamed(t, b.e, name) { // as who had decided for another one does
					if _, err := b.e.NetworkRemove(t.Context(), n.ID, client.NetworkRemoveOptions{}); err != nil {
						t.Error(err)
					}
				}
			}
		})}
		d, _ := b.deploy(b.image(plainImage, BuilderConfig{DisableEntrypoint: true}), config)
		if body(t, d.URL) == "" || len(b.containers()) != 1 || len(networksNamed(t, b.e, name)) != 1 {
			t.Errorf("%d containers, %d networks", len(b.containers()), len(networksNamed(t, b.e, name)))
		}
	})
}

// A container that is not Waypoint's and has the name of ours is not touched.
func TestDockerForeignContainerOfOurName(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	a := b.image(plainImage, BuilderConfig{DisableEntrypoint: true})
	name := containerName(b.env, fmt.Sprintf("01J%023d", b.n+1))
	c, err := b.e.ContainerCreate(t.Context(), client.ContainerCreateOptions{Name: name, Config: &container.Config{Image: decodedImage(t, a)}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if _, err := b.e.ContainerRemove(context.Background(), c.ID, client.ContainerRemoveOptions{}); err != nil {
			t.Error(err)
		}
	}()
	_, _, err = b.try(a, PlatformConfig{})
	if err == nil || !strings.Contains(err.Error(), "not Waypoint's") || !strings.Contains(err.Error(), name) {
		t.Errorf("%v", err)
	}
	explained(t, err)
}
