//go:build docker

package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/image"
)

// server is a static program for linux that serves on $PORT, unless its arguments say otherwise: "exit N", "sleep", "eat", "elsewhere".
var server = sync.OnceValues(func() (string, error) { return compiled(runtime.GOARCH) })

func compiled(architecture string) (string, error) {
	dir, err := os.MkdirTemp("", "server")
	if err != nil {
		return "", err
	}
	source := `package main

import ("fmt"; "io"; "net/http"; "os"; "os/signal"; "strconv"; "strings"; "syscall"; "time")

func main() {
	args := strings.Join(os.Args[1:], " ")
	fmt.Println("begun with", args)
	switch {
	case strings.HasPrefix(args, "exit"):
		fmt.Fprintln(os.Stderr, "boom at line 7")
		code, _ := strconv.Atoi(os.Args[2])
		os.Exit(code)
	case args == "check":
		if _, err := http.Get("http://127.0.0.1:" + os.Getenv("PORT")); err != nil {
			fmt.Println("it is sick")
			os.Exit(1)
		}
		return
	case args == "eat":
		var all [][]byte
		for {
			b := make([]byte, 1<<20)
			for i := range b { b[i] = 1 }
			all = append(all, b)
		}
	case args == "elsewhere":
		http.ListenAndServe("127.0.0.1:3000", nil)
	case args == "sleep":
		ended := make(chan os.Signal, 1)
		signal.Notify(ended, syscall.SIGTERM)
		select { case <-ended: case <-time.After(time.Hour): }
		return
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		text, err := os.ReadFile("/data/file")
		fmt.Fprintln(w, args, os.Getenv("COLOUR"), string(text), err == nil)
	})
	http.HandleFunc("/ask/", func(w http.ResponseWriter, r *http.Request) {
		res, err := http.Get("http://" + strings.TrimPrefix(r.URL.Path, "/ask/"))
		if err != nil {
			fmt.Fprintln(w, "cannot be reached:", err)
			return
		}
		defer res.Body.Close()
		io.Copy(w, res.Body)
	})
	go http.ListenAndServe(":"+os.Getenv("PORT"), nil)
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	<-ended
}
`
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o600); err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", filepath.Join(dir, "server"), filepath.Join(dir, "main.go"))
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+architecture)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.New(string(out))
	}
	return filepath.Join(dir, "server"), nil
}

// bench deploys images of one app.
type bench struct {
	t   *testing.T
	e   *engine
	env *plugin.Call
	ui  *screen
	n   int
	// patience with apps; generous, unless a test waits for its end.
	patience patience
}

// benches are counted, so that the ids of deployments, and with them the names of containers, differ between them.
var benches atomic.Int64

func newBench(t *testing.T) *bench {
	t.Helper()
	e := theEngine(t)
	env, ui := engineEnv(t, t.TempDir())
	env.StateDir, env.LaneFence = t.TempDir(), 7
	b := &bench{t: t, e: e, env: env, ui: ui, n: 1000 * int(benches.Add(1)), patience: generous}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		last := *env
		last.LaneFence = 1 << 60
		last.UI = silence{}
		if err := errors.Join((&platform{}).DestroyWorkspace(ctx, &last), (&builder{}).DestroyWorkspace(ctx, &last)); err != nil {
			t.Error(err)
		}
	})
	return b
}

// image builds a Dockerfile around the server.
func (b *bench) image(dockerfile string, c BuilderConfig) *plugin.Artifact {
	b.t.Helper()
	binary, err := server()
	if foreign, ok := strings.CutPrefix(c.Platform, "linux/"); ok {
		binary, err = compiled(foreign)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	content, err := os.ReadFile(binary)
	if err != nil {
		b.t.Fatal(err)
	}
	b.env.Dir = b.t.TempDir()
	if err := os.WriteFile(filepath.Join(b.env.Dir, "server"), content, 0o755); err != nil {
		b.t.Fatal(err)
	}
	write(b.t, filepath.Join(b.env.Dir, "Dockerfile"), dockerfile)
	_, result := built(b.t, b.env, c)
	return artifactOf(b.t, result)
}

const plainImage = "FROM scratch\nCOPY server /server\nENTRYPOINT [\"/server\"]\n"

// generous is a patience that no machine is too slow for; quick one for tests that wait for its end.
var (
	generous = patience{port: 5 * time.Minute, guess: 5 * time.Minute, health: 5 * time.Minute, alone: time.Second}
	quick    = patience{port: 5 * time.Second, guess: 3 * time.Second, health: 5 * time.Minute, alone: time.Second}
)

func (b *bench) try(a *plugin.Artifact, c PlatformConfig) (*plugin.Deployment, *plugin.DeployResult, error) {
	b.n++
	id := fmt.Sprintf("01J%023d", b.n)
	p := &platform{config: c, patience: b.patience}
	r, err := p.Deploy(b.t.Context(), b.env, &plugin.DeployRequest{
		Artifact: a, DeploymentID: id, Sequence: int64(b.n),
		EntrypointEnv: map[string]string{"WAYPOINT_DEPLOYMENT_ID": id},
	})
	if err != nil {
		return nil, nil, err
	}
	state, err := json.Marshal(r.State)
	if err != nil {
		b.t.Fatal(err)
	}
	return &plugin.Deployment{ID: id, Sequence: int64(b.n), Plugin: "docker", State: state, URL: r.URL}, r, nil
}

func (b *bench) deploy(a *plugin.Artifact, c PlatformConfig) (*plugin.Deployment, container.InspectResponse) {
	b.t.Helper()
	d, r, err := b.try(a, c)
	if err != nil {
		b.t.Fatalf("%v\n%s", err, b.ui.text(b.t))
	}
	about, err := b.e.ContainerInspect(b.t.Context(), r.Template["id"].(string), client.ContainerInspectOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	return d, about.Container
}

func (b *bench) containers() []container.Summary {
	b.t.Helper()
	list, err := b.e.ContainerList(b.t.Context(), client.ContainerListOptions{All: true, Filters: ownFilter(b.env)})
	if err != nil {
		b.t.Fatal(err)
	}
	return list.Items
}

func body(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func TestDockerPlatformFields(t *testing.T) {
	b := newBench(t)
	a := b.image(plainImage, BuilderConfig{})
	data := t.TempDir()
	write(t, filepath.Join(data, "file"), "of the host")
	ours, other := newAuthority(t), newAuthority(t)
	certs, _ := ours.write(t)
	wrong, _ := other.write(t)
	tlsHost := overTLS(t, ours)
	port := func(n uint16) network.Port { p, _ := network.PortFrom(n, network.TCP); return p }
	cases := map[string]struct {
		config PlatformConfig
		check  func(t *testing.T, d *plugin.Deployment, c container.InspectResponse)
	}{
		"nothing": {PlatformConfig{}, func(t *testing.T, d *plugin.Deployment, c container.InspectResponse) {
			bindings := c.NetworkSettings.Ports[port(3000)]
			if len(bindings) != 1 || bindings[0].HostIP != netip.MustParseAddr("127.0.0.1") || d.URL != "http://127.0.0.1:"+bindings[0].HostPort {
				t.Errorf("it is published at %v, and its URL is %s", bindings, d.URL)
			}
			if c.NetworkSettings.Networks["waypoint"] == nil || len(c.NetworkSettings.Networks) != 1 {
				t.Errorf("its networks are %v", c.NetworkSettings.Networks)
			}
			if c.HostConfig.RestartPolicy.Name != container.RestartPolicyUnlessStopped || !slices.Contains(c.Config.Env, "PORT=3000") {
				t.Errorf("restart %q, environment %q", c.HostConfig.RestartPolicy.Name, c.Config.Env)
			}
		}},
		"command": {PlatformConfig{Command: []string{"one", "two words"}}, func(t *testing.T, d *plugin.Deployment, c container.InspectResponse) {
			if !slices.Equal(c.Config.Cmd, []string{"one", "two words"}) || !strings.HasPrefix(body(t, d.URL), "one two words") {
				t.Errorf("it runs %q", c.Config.Cmd)
			}
		}},
		"scratch_path": {PlatformConfig{ScratchPath: "/scratch"}, func(t *testing.T, _ *plugin.Deployment, c container.InspectResponse) {
			if _, ok := c.HostConfig.Tmpfs["/scratch"]; !ok {
				t.Errorf("tmpfs: %v", c.HostConfig.Tmpfs)
			}
		}},
		"static_environment": {PlatformConfig{StaticEnvironment: map[string]string{"COLOUR": "blue"}}, func(t *testing.T, d *plugin.Deployment, c container.InspectResponse) {
			if !slices.Contains(c.Config.Env, "COLOUR=blue") || !strings.Contains(body(t, d.URL), "blue") {
				t.Errorf("%q", c.Config.Env)
			}
		}},
		"service_port": {PlatformConfig{ServicePort: 8123}, func(t *testing.T, d *plugin.Deployment, c container.InspectResponse) {
			if len(c.NetworkSettings.Ports[port(8123)]) != 1 || !slices.Contains(c.Config.Env, "PORT=8123") {
				t.Errorf("ports %v", c.NetworkSettings.Ports)
			}
			body(t, d.URL)
		}},
		"extra_ports": {PlatformConfig{ExtraPorts: []uint{9000, 9001}}, func(t *testing.T, _ *plugin.Deployment, c container.InspectResponse) {
			for _, n := range []uint16{3000, 9000, 9001} {
				if bindings := c.NetworkSettings.Ports[port(n)]; len(bindings) != 1 || bindings[0].HostPort == "" {
					t.Errorf("port %d is published at %v", n, bindings)
				}
			}
		}},
		"networks": {PlatformConfig{Networks: []string{"wp-test-a", "wp-test-b"}}, func(t *testing.T, _ *plugin.Deployment, c container.InspectResponse) {
			for _, name := range []string{"wp-test-a", "wp-test-b"} {
				about, err := b.e.NetworkInspect(t.Context(), name, client.NetworkInspectOptions{})
				if err != nil || about.Network.Labels[labelManaged] != "true" || c.NetworkSettings.Networks[name] == nil {
					t.Errorf("network %s: %v %v", name, about.Network.Labels, err)
				}
			}
		}},
		"binds": {PlatformConfig{Binds: []string{data + ":/data:ro"}}, func(t *testing.T, d *plugin.Deployment, c container.InspectResponse) {
			if len(c.Mounts) != 1 || c.Mounts[0].Source != data || c.Mounts[0].Destination != "/data" || c.Mounts[0].RW {
				t.Errorf("mounts %+v", c.Mounts)
			}
			if !strings.Contains(body(t, d.URL), "of the host") {
				t.Error("the file of the host is not there")
			}
		}},
		"labels": {PlatformConfig{Labels: map[string]string{"tier": "front", labelApp: "not ours"}}, func(t *testing.T, d *plugin.Deployment, c container.InspectResponse) {
			if c.Config.Labels["tier"] != "front" || c.Config.Labels[labelApp] != "web" || c.Config.Labels[labelDeployment] != d.ID {
				t.Errorf("labels %v", c.Config.Labels)
			}
		}},
		"resources": {PlatformConfig{Resources: map[string]string{"memory": "64m", "cpu": "512"}}, func(t *testing.T, _ *plugin.Deployment, c container.InspectResponse) {
			if c.HostConfig.Memory != 64<<20 || c.HostConfig.CPUShares != 512 {
				t.Errorf("memory %d, cpu %d", c.HostConfig.Memory, c.HostConfig.CPUShares)
			}
		}},
		"client_config": {PlatformConfig{ClientConfig: &ClientConfig{Host: tlsHost, CertPath: certs, APIVersion: "1.41"}}, func(t *testing.T, d *plugin.Deployment, _ container.InspectResponse) {
			if got, err := decodeDeployment(d); err != nil || got.Engine != tlsHost {
				t.Errorf("it was deployed at %q, %v", got.Engine, err)
			}
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d, about := b.deploy(a, c.config)
			if !about.State.Running || about.Image != decodedImage(t, a) {
				t.Errorf("state %+v, image %s", about.State, about.Image)
			}
			c.check(t, d, about)
			if err := (&platform{config: c.config}).DestroyDeployment(t.Context(), b.env, d); err != nil {
				t.Fatal(err)
			}
			if left := b.containers(); len(left) > 0 {
				t.Errorf("%d containers are left", len(left))
			}
		})
	}
	if _, _, err := b.try(a, PlatformConfig{ClientConfig: &ClientConfig{Host: tlsHost, CertPath: wrong}}); err == nil || !strings.Contains(err.Error(), "certificates") {
		t.Errorf("a certificate of somebody else: %v", err)
	}
	networks, err := b.e.NetworkList(t.Context(), client.NetworkListOptions{Filters: client.Filters{}.Add("label", labelHome+"="+homeOf(b.env.StateDir))})
	if err != nil || len(networks.Items) > 0 {
		t.Errorf("networks are left: %v %v", networks.Items, err)
	}
}

func decodedImage(t *testing.T, a *plugin.Artifact) string {
	t.Helper()
	var state struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(a.State, &state); err != nil {
		t.Fatal(err)
	}
	return state.ID
}

func TestDockerForcePullTakesWhatTheRegistryHas(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := newStore(t, false, false)
	writeConfig := func(name, password string) {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "config.json"), fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, s.host, encodedAuth(name, password)))
		b.env.Environ = append(b.env.Environ, "DOCKER_CONFIG="+dir)
	}
	writeConfig(user, password)
	first := b.image(plainImage+"LABEL is=first\n", BuilderConfig{})
	push := func(a *plugin.Artifact) *plugin.Artifact {
		r, err := (&registry{config: RegistryConfig{Image: s.host + "/acme/app", Tag: "latest", Insecure: true}}).Push(t.Context(), b.env, a)
		if err != nil {
			t.Fatal(err)
		}
		out := artifactOf(t, r)
		var state map[string]any
		if err := json.Unmarshal(out.State, &state); err != nil {
			t.Fatal(err)
		}
		delete(state, "digest") // as of a reference that nobody has looked up
		out.State, _ = json.Marshal(state)
		return out
	}
	a := push(first)
	_, about := b.deploy(a, PlatformConfig{})
	if about.Config.Labels["is"] != "first" {
		t.Fatalf("labels %v", about.Config.Labels)
	}
	a = push(b.image(plainImage+"LABEL is=second\n", BuilderConfig{}))
	// The engine has an image of that name: the first.
	name := s.host + "/acme/app:latest"
	if _, err := b.e.ImageTag(t.Context(), client.ImageTagOptions{Source: decodedImage(t, first), Target: name}); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = b.e.ImageRemove(context.Background(), name, client.ImageRemoveOptions{Force: true}) }()
	if _, about = b.deploy(a, PlatformConfig{}); about.Config.Labels["is"] != "first" {
		t.Errorf("without force_pull it is the %s", about.Config.Labels["is"])
	}
	if _, about = b.deploy(a, PlatformConfig{ForcePull: true}); about.Config.Labels["is"] != "second" {
		t.Errorf("with force_pull it is the %s", about.Config.Labels["is"])
	}
	writeConfig(user, "wrong")
	_, _, err := b.try(a, PlatformConfig{ForcePull: true})
	if err == nil || strings.Contains(err.Error(), "wrong") {
		t.Errorf("a wrong password: %v", err)
	}
}

func TestDockerDeployments(t *testing.T) {
	checked := plainImage + "HEALTHCHECK --interval=200ms --timeout=2s --retries=3 CMD [\"/server\", \"check\"]\n"
	t.Run("are healthy when their own check says so", func(t *testing.T) {
		t.Parallel()
		b := newBench(t)
		d, about := b.deploy(b.image(checked, BuilderConfig{}), PlatformConfig{})
		if about.State.Health == nil || about.State.Health.Status != container.Healthy {
			t.Errorf("%+v", about.State.Health)
		}
		st, err := (&platform{}).DeploymentStatus(t.Context(), b.env, d)
		if err != nil || st.Health != plugin.Ready || !strings.Contains(st.Message, "own health check") {
			t.Errorf("%+v %v", st, err)
		}
	})
	t.Run("are told how they are", func(t *testing.T) {
		t.Parallel()
		b := newBench(t)
		p := &platform{}
		d, about := b.deploy(b.image(plainImage, BuilderConfig{}), PlatformConfig{ServicePort: 8080})
		look := func(want plugin.Health, text string) {
			t.Helper()
			st, err := p.DeploymentStatus(t.Context(), b.env, d)
			if err != nil || st.Health != want || !strings.Contains(st.Message, text) {
				t.Errorf("%+v %v", st, err)
			}
			if want == plugin.Missing {
				return
			}
			state := st.Resources[0].State.(map[string]any)
			if lines := state["last_lines"].([]string); len(lines) == 0 || !strings.Contains(lines[0], "begun") {
				t.Errorf("last lines %q", lines)
			}
		}
		look(plugin.Ready, "port 8080")
		zero := 5
		if _, err := b.e.ContainerStop(t.Context(), about.ID, client.ContainerStopOptions{Timeout: &zero}); err != nil {
			t.Fatal(err)
		}
		look(plugin.Down, "exited")
		if _, err := releaseTarget(t.Context(), b.env, d); err == nil || !strings.Contains(err.Error(), "does not run") {
			t.Errorf("a stopped container is released: %v", err)
		}
		if err := errors.Join(p.DestroyDeployment(t.Context(), b.env, d), p.DestroyDeployment(t.Context(), b.env, d)); err != nil {
			t.Errorf("destroyed twice: %v", err)
		}
		look(plugin.Missing, "not in the Docker engine")
	})
	t.Run("of an attempt that was cut short are replaced", func(t *testing.T) {
		t.Parallel()
		b := newBench(t)
		a := b.image(plainImage, BuilderConfig{})
		b.deploy(a, PlatformConfig{})
		b.n--
		b.env.LaneFence++
		_, second := b.deploy(a, PlatformConfig{})
		if left := b.containers(); len(left) != 1 || left[0].ID != second.ID {
			t.Errorf("%d containers", len(left))
		}
		b.n--
		b.env.LaneFence -= 2
		if _, _, err := b.try(a, PlatformConfig{}); err == nil || !strings.Contains(err.Error(), "overtaken") {
			t.Errorf("an overtaken attempt goes on: %v", err)
		}
		if left := b.containers(); len(left) != 1 || left[0].ID != second.ID {
			t.Errorf("an overtaken attempt took the newer one's container")
		}
		b.env.LaneFence += 2
	})
	t.Run("keep their port when they are started again", func(t *testing.T) {
		t.Parallel()
		b := newBench(t)
		d, about := b.deploy(b.image(plainImage, BuilderConfig{}), PlatformConfig{})
		if _, err := b.e.ContainerRestart(t.Context(), about.ID, client.ContainerRestartOptions{}); err != nil {
			t.Fatal(err)
		}
		for range 2000 {
			if answers(t.Context(), strings.TrimPrefix(d.URL, "http://")) == nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Error("it does not answer at " + d.URL)
	})
	t.Run("that are no servers run", func(t *testing.T) {
		t.Parallel()
		b := newBench(t)
		b.patience = quick
		_, r, err := b.try(b.image(plainImage+"EXPOSE 9000\n", BuilderConfig{}), PlatformConfig{Command: []string{"sleep"}})
		if err != nil || r.Resources[0].Health != plugin.Alive {
			t.Errorf("%+v %v", r, err)
		}
		if said := b.ui.text(t); !strings.Contains(said, "the image exposes 9000/tcp") || !strings.Contains(said, "service_port") {
			t.Error(said)
		}
	})
}

// The engine has the logs of an app without the entrypoint.
func TestDockerLogsOfAnAppWithoutTheEntrypoint(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := &platform{}
	with, _ := b.deploy(b.image(plainImage, BuilderConfig{}), PlatformConfig{})
	if p.OwnLogs(with) {
		t.Error("an app with the entrypoint has logs of its own")
	}
	d, _, err := b.try(b.image(plainImage, BuilderConfig{DisableEntrypoint: true}), PlatformConfig{Command: []string{"one"}})
	if err != nil {
		t.Fatal(err)
	}
	if !p.OwnLogs(d) {
		t.Fatal("an app without the entrypoint has no logs of its own")
	}
	began := time.Now().Add(-time.Minute)
	var lines []plugin.LogLine
	if err := p.DeploymentLogs(t.Context(), b.env, d, 10, false, func(l plugin.LogLine) { lines = append(lines, l) }); err != nil {
		t.Fatal(err)
	}
	if len(lines) != 1 || lines[0].Text != "begun with one" || lines[0].Stderr || lines[0].Time.Before(began) {
		t.Errorf("it printed %+v", lines)
	}
	// Followed until the container ends.
	ended := make(chan error, 1)
	go func() {
		ended <- p.DeploymentLogs(t.Context(), b.env, d, 0, true, func(plugin.LogLine) {})
	}()
	if err := p.DestroyDeployment(t.Context(), b.env, d); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("a log is followed after its container has gone")
	}
	if err := p.DeploymentLogs(t.Context(), b.env, d, 10, false, func(plugin.LogLine) {}); err == nil {
		t.Error("a container that is gone has logs")
	}
}

func TestDockerImagesDoNotPileUp(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	images := func() int {
		t.Helper()
		list, err := b.e.ImageList(t.Context(), client.ImageListOptions{Filters: ownFilter(b.env)})
		if err != nil {
			t.Fatal(err)
		}
		return len(list.Items)
	}
	first := b.image(plainImage+"LABEL n=first\n", BuilderConfig{DisableEntrypoint: true})
	b.deploy(first, PlatformConfig{})
	for n := range keptImages + 3 {
		b.image(fmt.Sprintf("%sLABEL n=%d\n", plainImage, n), BuilderConfig{DisableEntrypoint: true})
	}
	if got := images(); got > keptImages+1 { // made within one second, the one in use may count as new
		t.Errorf("there are %d images: the newest %d and the one in use are expected", got, keptImages)
	}
	inspect(t, b.e, decodedImage(t, first))
	again := b.image(fmt.Sprintf("%sLABEL n=%d\n", plainImage, 0), BuilderConfig{DisableEntrypoint: true})
	b.deploy(again, PlatformConfig{})
	last := *b.env
	if err := (&platform{}).DestroyWorkspace(t.Context(), &last); err != nil {
		t.Fatal(err)
	}
	if err := (&builder{}).DestroyWorkspace(t.Context(), &last); err != nil {
		t.Fatal(err)
	}
	if got := images(); got != 0 {
		t.Errorf("%d images are left", got)
	}
}

// What cannot be deployed is told in one sentence, and nothing of it is left.
func TestDockerPlatformRefuses(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	a := b.image(plainImage, BuilderConfig{})
	foreign := "arm64"
	if b.architecture() == "arm64" {
		foreign = "amd64"
	}
	other := b.image(plainImage, BuilderConfig{Platform: "linux/" + foreign, DisableEntrypoint: true})
	cases := map[string]struct {
		artifact  *plugin.Artifact
		config    PlatformConfig
		err, said string
		hint      string
		quick     bool
	}{
		"an app that ends at once":           {artifact: a, config: PlatformConfig{Command: []string{"exit", "3"}}, err: "ended with exit code 3", said: "boom at line 7"},
		"an app that does not listen":        {artifact: a, config: PlatformConfig{Command: []string{"sleep"}, ServicePort: 8080}, err: "does not listen on service_port 8080", hint: "PORT", said: "begun with sleep", quick: true},
		"an app that eats too much":          {artifact: a, config: PlatformConfig{Command: []string{"eat"}, ServicePort: 8080, Resources: map[string]string{"memory": "16m"}}, err: "more memory than it may", hint: "resources"},
		"an image without a command":         {artifact: b.image("FROM scratch\nCOPY server /server\n", BuilderConfig{DisableEntrypoint: true}), err: "neither ENTRYPOINT nor CMD", hint: "command"},
		"an image of another architecture":   {artifact: other, err: "is for " + foreign, hint: "platform = "},
		"a program that is not there":        {artifact: b.image("FROM scratch\nCOPY server /server\nCMD [\"/none\"]\n", BuilderConfig{DisableEntrypoint: true}), err: `no program "/none"`},
		"a check that fails":                 {artifact: b.image(plainImage+"HEALTHCHECK --interval=100ms --timeout=1s --retries=2 CMD [\"/server\", \"check\"]\n", BuilderConfig{}), config: PlatformConfig{Command: []string{"sleep"}}, err: "own health check fails", hint: "HEALTHCHECK"},
		"an image that the engine has not":   {artifact: &plugin.Artifact{Plugin: "docker", State: json.RawMessage(`{"image":"waypoint.local/none","tag":"1","id":"sha256:` + strings.Repeat("0", 64) + `","location":"docker"}`)}, err: "does not have the image", hint: "registry"},
		"what is no image":                   {artifact: &plugin.Artifact{Plugin: "files", State: json.RawMessage(`{"path":"/x"}`)}, err: "needs an image"},
		"a bind of a path that is not there": {artifact: a, config: PlatformConfig{Binds: []string{"/none/of/this"}}, err: "binds has", hint: "host-path"},
		"resources that are none":            {artifact: a, config: PlatformConfig{Resources: map[string]string{"disk": "1"}}, err: `resources has "disk"`},
		"memory that is none":                {artifact: a, config: PlatformConfig{Resources: map[string]string{"memory": "much"}}, err: `memory = "much"`},
		"too little memory":                  {artifact: a, config: PlatformConfig{Resources: map[string]string{"memory": "1k"}}, err: "memory"},
		"a port that is none":                {artifact: a, config: PlatformConfig{ServicePort: 70000}, err: "70000 is not a valid port"},
		"a scratch path that is none":        {artifact: a, config: PlatformConfig{ScratchPath: "tmp"}, err: "scratch_path"},
		"no engine":                          {artifact: a, config: PlatformConfig{ClientConfig: &ClientConfig{Host: "unix:///none.sock"}}, err: "no Docker engine at unix:///none.sock", hint: "Start Docker"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b.patience = generous
			if c.quick {
				b.patience = quick
			}
			_, _, err := b.try(c.artifact, c.config)
			var known *plugin.Error
			if !errors.As(err, &known) || !strings.Contains(err.Error(), c.err) || !strings.Contains(known.Hint, c.hint) {
				t.Errorf("%v", err)
			}
			if said := b.ui.text(t); !strings.Contains(said, c.said) {
				t.Errorf("%q is not shown:\n%s", c.said, said)
			}
			if left := b.containers(); len(left) > 0 {
				t.Errorf("%d containers are left", len(left))
			}
		})
	}
}

func TestDockerPlatformTellsWhereAnAppListens(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if runtime.GOOS != "linux" || !strings.HasPrefix(b.e.host, "unix://") {
		t.Skip("the engine is on another machine, and the test's image has no cat")
	}
	b.patience = quick
	_, _, err := b.try(b.image(plainImage, BuilderConfig{}), PlatformConfig{Command: []string{"elsewhere"}, ServicePort: 8080})
	if err == nil || !strings.Contains(err.Error(), "does not listen on service_port 8080 after 5s; it listens on 127.0.0.1:3000") {
		t.Errorf("%v", err)
	}
	if said := b.ui.text(t); strings.Count(said, "begun with elsewhere") != 1 {
		t.Errorf("what it printed is to be shown once:\n%s", said)
	}
}

func (b *bench) architecture() string {
	info, err := b.e.Info(b.t.Context(), client.InfoOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	return architecture(info.Info.Architecture)
}

func encodedAuth(name, password string) string {
	return strings.TrimPrefix(basicAuth(name, password), "Basic ")
}

func authOf(name, password string) image.Auth {
	return image.Auth{Username: name, Password: password}
}

func basicAuth(name, password string) string {
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(name, password)
	return r.Header.Get("Authorization")
}

func TestBytesAreReadAsDockerDoes(t *testing.T) {
	for text, want := range map[string]int64{"512": 512, "512b": 512, "1k": 1024, "512m": 512 << 20, "0.5g": 512 << 20, "2GB": 2 << 30, " 1 g": 1 << 30, "64MiB": 64 << 20} {
		if got, err := bytesOf(text); err != nil || got != want {
			t.Errorf("%q is %d, %v", text, got, err)
		}
	}
	if _, err := bytesOf("much"); err == nil {
		t.Error(strconv.Quote("much") + " is taken")
	}
}
