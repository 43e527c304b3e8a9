//go:build docker

package e2e

import (
	"context"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/moby/moby/client"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// engine is the machine's Docker engine, of which a test looks at what is a project's.
type engine struct {
	*client.Client
	t *testing.T
}

func theEngine(t *testing.T) engine {
	t.Helper()
	c, err := client.New(client.FromEnv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return engine{c, t}
}

func ofProject(project string) client.Filters {
	return client.Filters{}.Add("label", "waypoint.project="+project)
}

// containers are the names of a project's containers, running or not.
func (e engine) containers(project string) (names []string) {
	e.t.Helper()
	list, err := e.ContainerList(context.Background(), client.ContainerListOptions{All: true, Filters: ofProject(project)})
	if err != nil {
		e.t.Fatal(err)
	}
	for _, c := range list.Items {
		names = append(names, string(c.State)+" "+strings.Join(c.Names, " "))
	}
	return names
}

// volumes are the names of the volumes that a project's containers have.
func (e engine) volumes(project string) (names []string) {
	e.t.Helper()
	list, err := e.ContainerList(context.Background(), client.ContainerListOptions{All: true, Filters: ofProject(project)})
	if err != nil {
		e.t.Fatal(err)
	}
	for _, c := range list.Items {
		for _, m := range c.Mounts {
			if m.Name != "" {
				names = append(names, m.Name)
			}
		}
	}
	return names
}

// networks are the ids of the networks of a name: engines do not hold it unique.
func (e engine) networks(name string) (ids []string) {
	e.t.Helper()
	list, err := e.NetworkList(context.Background(), client.NetworkListOptions{})
	if err != nil {
		e.t.Fatal(err)
	}
	for _, n := range list.Items {
		if n.Name == name {
			ids = append(ids, n.ID)
		}
	}
	return ids
}

// expectNothing fails the test where the engine still has something of a project: a container, an image, its network, or
// one of the volumes that its containers had. What others keep in the engine is not looked at.
func (e engine) expectNothing(project string, volumes []string) {
	e.t.Helper()
	if left := e.containers(project); len(left) > 0 {
		e.t.Errorf("containers are left: %q", left)
	}
	images, err := e.ImageList(context.Background(), client.ImageListOptions{All: true, Filters: ofProject(project)})
	if err != nil {
		e.t.Fatal(err)
	}
	for _, i := range images.Items {
		e.t.Errorf("an image is left: %s %q", i.ID, i.RepoTags)
	}
	if left := e.networks(project); len(left) > 0 {
		e.t.Errorf("%d networks %s are left", len(left), project)
	}
	for _, name := range volumes {
		if _, err := e.VolumeInspect(context.Background(), name, client.VolumeInspectOptions{}); err == nil {
			e.t.Errorf("the volume %s is left", name)
		}
	}
}

// example copies an example to a project of this world: with a name, and a network, that no other test has, nor another
// run of this one.
func (w *world) example(example, name string, remote bool, change func(hcl string) string) (dir, project string) {
	w.t.Helper()
	project = name + "-" + filepath.Base(w.dir)
	dir = filepath.Join(w.dir, "p", project)
	if err := os.CopyFS(dir, os.DirFS("../examples/"+example)); err != nil {
		w.t.Fatal(err)
	}
	path := filepath.Join(dir, "waypoint.hcl")
	text, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	hcl := strings.Replace(string(text), fmt.Sprintf("project = %q", example), fmt.Sprintf("project = %q", project), 1)
	hcl = strings.ReplaceAll(hcl, "service_port", fmt.Sprintf("networks = [%q]\n      service_port", project))
	hcl = strings.Replace(hcl, "default     = 8788", "default     = 0", 1) // a free port
	if change != nil {
		hcl = change(hcl)
	}
	if remote {
		hcl += fmt.Sprintf("\nrunner {\n  enabled = true\n  data_source \"git\" {\n    url = \"file://%s\"\n  }\n}\n", dir)
	}
	if err := os.WriteFile(path, []byte(hcl), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if remote {
		w.commit(dir)
	}
	w.must(dir, "init")
	w.t.Cleanup(func() { theEngine(w.t).clear(project) })
	return dir, project
}

// clear removes what a test that failed has left.
func (e engine) clear(project string) {
	ctx := context.Background() // the test's has ended
	list, err := e.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ofProject(project)})
	if err != nil {
		e.t.Fatal(err)
	}
	for _, c := range list.Items {
		_, _ = e.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	}
	for _, id := range e.networks(project) {
		_, _ = e.NetworkRemove(ctx, id, client.NetworkRemoveOptions{})
	}
	removeProjectImages(e.t, project)
}

// releaseURL is the address that the command printed last.
func releaseURL(t *testing.T, out string) string {
	t.Helper()
	_, after, ok := strings.Cut(out, "Release URL:")
	if !ok {
		t.Fatalf("no release URL is printed:\n%s", out)
	}
	return urlPattern.FindString(after)
}

// Both examples come up, here and from git, answer, get their configuration, and leave nothing.
func TestDocker_ExamplesAnswerAndLeaveNothing(t *testing.T) {
	for _, remote := range []bool{false, true} {
		name := map[bool]string{false: "local", true: "git"}[remote]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, e := newWorld(t), theEngine(t)
			w.startServer()
			if remote {
				w.startRunner("r")
			}
			one, oneProject := w.example("docker", "one-"+name, remote, nil)
			two, twoProject := w.example("docker-two", "two-"+name, remote, nil)
			url := releaseURL(t, w.must(one, "up"))
			if page := get(t, url); !strings.Contains(page, "<h1>Hello</h1>") {
				t.Errorf("the app answers\n%s", page)
			}
			both := w.must(two, "up")
			for _, text := range []string{"The front says hello from default", "The back says hello from default"} {
				found := false
				for _, at := range urlPattern.FindAllString(both, -1) {
					w.waitFor("the configuration", 30*time.Second, func() error {
						page := get(t, at)
						if !strings.Contains(page, "from default") {
							return fmt.Errorf("it says %q", page)
						}
						found = found || strings.Contains(page, text)
						return nil
					})
				}
				if !found {
					t.Errorf("nobody answers %q", text)
				}
			}
			w.must(one, "config", "set", "GREETING=Moin")
			w.waitFor("the new configuration in the app", 90*time.Second, func() error {
				if page := get(t, url); !strings.Contains(page, "<h1>Moin</h1>") {
					return fmt.Errorf("it answers %s", page)
				}
				return nil
			})
			if status := w.must(one, "status", "-refresh"); !strings.Contains(status, "ready") {
				t.Errorf("the status is\n%s", status)
			}
			if got := e.containers(twoProject); len(got) != 2 {
				t.Errorf("containers %q", got)
			}
			oneVolumes, twoVolumes := e.volumes(oneProject), e.volumes(twoProject)
			w.must(one, "destroy", "-auto-approve")
			w.must(two, "destroy", "-auto-approve")
			e.expectNothing(oneProject, oneVolumes)
			e.expectNothing(twoProject, twoVolumes)
			if doors, err := os.ReadFile(filepath.Join(w.data(), "doors.json")); err != nil || string(doors) != "[]" {
				t.Errorf("container listeners are open: %s %v", doors, err)
			}
		})
	}
}

// The logs of an app without the entrypoint come from the engine.
func TestDocker_LogsWithoutTheEntrypoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.startServer()
	dir, _ := w.example("docker", "bare", false, func(hcl string) string {
		return strings.Replace(hcl, "use \"docker\" {}", "use \"docker\" {\n      disable_entrypoint = true\n    }", 1)
	})
	w.must(dir, "up")
	if logs := w.must(dir, "logs", "-follow=false"); !strings.Contains(logs, "stderr:") || !strings.Contains(logs, "hello listens on port 8080") {
		t.Errorf("the logs are\n%s", logs)
	}
	if logs := w.must(dir, "logs", "-follow=false", "--json"); !strings.Contains(logs, `"stderr":true`) {
		t.Errorf("the logs are\n%s", logs)
	}
	w.must(dir, "destroy", "-auto-approve")
}

// An app serves without the server, and finds it again.
func TestDocker_TheAppRunsWithoutTheServer(t *testing.T) {
	t.Parallel()
	w, e := newWorld(t), theEngine(t)
	w.startServer()
	dir, project := w.example("docker", "serverless", false, nil)
	url := releaseURL(t, w.must(dir, "up"))
	w.killServer()
	list, err := e.ContainerList(t.Context(), client.ContainerListOptions{Filters: ofProject(project)})
	if err != nil || len(list.Items) != 1 {
		t.Fatalf("%v %v", list.Items, err)
	}
	if _, err := e.ContainerRestart(t.Context(), list.Items[0].ID, client.ContainerRestartOptions{}); err != nil {
		t.Fatal(err)
	}
	w.waitFor("the app without its server", time.Minute, func() error {
		res, err := http.Get(url)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("it answers %s", res.Status)
		}
		return nil
	})
	w.startServer()
	w.must(dir, "config", "set", "GREETING=Back")
	w.waitFor("the configuration of the server that is back", 90*time.Second, func() error {
		if page := get(t, url); !strings.Contains(page, "Back") { // not one request fails while the app is started again
			return fmt.Errorf("it answers %s", page)
		}
		return nil
	})
	w.must(dir, "destroy", "-auto-approve")
}

// requestsPerSecond is the load under which releases must drop nothing.
const requestsPerSecond = 500

// Twenty releases, half of them with containers made and pruned, and five of older deployments.
func TestDocker_ReleasesUnderLoadDropNothing(t *testing.T) {
	w, e := newWorld(t), theEngine(t)
	w.startServer()
	dir, project := w.example("docker", "loaded", false, func(hcl string) string {
		return strings.Replace(hcl, "      static_environment = {", "      static_environment = {\n        VERSION   = var.version", 1) +
			"\nvariable \"version\" {\n  default = \"0\"\n}\n"
	})
	dockerfile := filepath.Join(dir, "Dockerfile")
	text, err := os.ReadFile(dockerfile)
	if err != nil {
		t.Fatal(err)
	}
	lines := slices.DeleteFunc(strings.Split(string(text), "\n"), func(l string) bool { return strings.HasPrefix(l, "HEALTHCHECK") })
	if err := os.WriteFile(dockerfile, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	up := func(version int, args ...string) string {
		t.Helper()
		return w.must(dir, append([]string{"up", "-var", "version=" + strconv.Itoa(version)}, args...)...)
	}
	url := releaseURL(t, up(1, "-prune=false"))

	load := newLoad(url)
	releases := 0
	for version := 2; version <= 5; version++ { // four
		up(version, "-prune=false")
		releases++
	}
	release := func(n int) {
		t.Helper()
		w.must(dir, "release", "-repeat", "-prune=false", "-deployment", strconv.Itoa(n))
		releases++
	}
	for i := range 10 {
		release(1 + i%5)
	}
	for version := 6; version <= 11; version++ { // six, each prunes
		up(version, "-prune-retain", "6")
		releases++
	}
	for _, older := range []int{10, 8, 9, 7, 10} {
		release(older)
	}
	sent, failed, first := load.stop()
	t.Logf("%d requests in %s (%d/s) during %d releases, %d failed", sent, load.took, int(float64(sent)/load.took.Seconds()), releases, failed)
	if failed > 0 || releases != 25 {
		t.Errorf("%d of %d requests failed during %d releases: %s", failed, sent, releases, first)
	}
	if page := get(t, url); !strings.Contains(page, "10") {
		t.Errorf("the last release is of version 10:\n%s", page)
	}
	w.must(dir, "destroy", "-auto-approve")
	e.expectNothing(project, nil)
}

// load sends requests until it is stopped.
type load struct {
	cancel  context.CancelFunc
	senders sync.WaitGroup
	begun   time.Time
	took    time.Duration

	sent, failed atomic.Int64
	first        atomic.Value
}

func newLoad(url string) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{cancel: cancel, begun: time.Now()}
	const senders = 20
	for n := range senders {
		l.senders.Go(func() {
			c := &http.Client{Transport: &http.Transport{DisableKeepAlives: n%4 == 0}, Timeout: 20 * time.Second}
			defer c.CloseIdleConnections()
			pace := time.NewTicker(senders * time.Second / requestsPerSecond)
			defer pace.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-pace.C:
				}
				l.sent.Add(1)
				if err := ask(c, url); err != nil {
					l.failed.Add(1)
					l.first.CompareAndSwap(nil, err.Error())
				}
			}
		})
	}
	return l
}

func ask(c *http.Client, url string) error {
	res, err := c.Get(url)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", res.Status)
	}
	return nil
}

func (l *load) stop() (sent, failed int64, first any) {
	l.cancel()
	l.senders.Wait()
	l.took = time.Since(l.begun)
	return l.sent.Load(), l.failed.Load(), l.first.Load()
}

// A runner dies in the middle of each stage: the next attempt ends well, one container serves, and nothing is orphaned.
// WAYPOINT_DOCKER_MOMENTS says at how many seeded moments in each stage; 10 is the whole campaign.
func TestDocker_KillRunner(t *testing.T) {
	t.Parallel() // most of its time it waits for leases to lapse
	moments := 2
	if n, err := strconv.Atoi(os.Getenv("WAYPOINT_DOCKER_MOMENTS")); err == nil {
		moments = n
	}
	store := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(store.Close)
	host := strings.TrimPrefix(store.URL, "http://")
	stages := []struct {
		name, sign string
		within     time.Duration
	}{
		{"build", "Building Dockerfile", 900 * time.Millisecond},
		{"push", "Pushing", 250 * time.Millisecond},
		{"deploy", "Starting the container", 1300 * time.Millisecond},
		{"release", "Checking deployment", 60 * time.Millisecond},
	}
	t.Run("group", func(t *testing.T) {
		rng := rand.New(rand.NewPCG(20261126, 6))
		for _, stage := range stages {
			for n := range moments {
				after := time.Duration(rng.Int64N(int64(stage.within)))
				t.Run(fmt.Sprintf("%s_%d_after_%dms", stage.name, n, after.Milliseconds()), func(t *testing.T) {
					t.Parallel()
					killInStage(t, host, fmt.Sprintf("kill-%s-%d", stage.name, n), stage.sign, after)
				})
			}
		}
	})
}

func killInStage(t *testing.T, host, name, sign string, after time.Duration) {
	w, e := newWorld(t), theEngine(t)
	w.startServer()
	dir, project := w.example("docker", name, true, func(hcl string) string {
		return strings.Replace(hcl, "    use \"docker\" {}\n", fmt.Sprintf(
			"    use \"docker\" {}\n    registry {\n      use \"docker\" {\n        image = \"%s/acme/%s\"\n        tag   = \"1\"\n      }\n    }\n", host, name), 1)
	})
	runners := map[string]*exec.Cmd{"a": w.startRunner("a"), "b": w.startRunner("b")}
	cmd, out := w.start(dir, "up")
	w.waitFor("the stage", 2*time.Minute, func() error {
		if !strings.Contains(out.String(), sign) {
			return fmt.Errorf("%q is not in\n%s", sign, out)
		}
		return nil
	})
	time.Sleep(after)
	victim := w.latestJob(project).GetRunnerName()
	if runners[victim] == nil {
		t.Fatalf("the job runs on %q", victim)
	}
	_ = runners[victim].Process.Kill()
	_ = runners[victim].Wait()
	if err := wait(t, cmd, 4*time.Minute); err != nil {
		t.Fatalf("up: %v\n%s", err, out)
	}
	job := w.latestJob(project)
	if job.GetState() != waypointv1.JobState_JOB_STATE_SUCCEEDED {
		t.Fatalf("the job ended %s: %v", job.GetState(), job.GetError())
	}
	if page := get(t, releaseURL(t, out.String())); !strings.Contains(page, "<h1>Hello</h1>") {
		t.Errorf("the app answers\n%s", page)
	}
	if got := e.containers(project); len(got) != 1 || !strings.HasPrefix(got[0], "running") {
		t.Errorf("containers %q\n%s", got, out)
	}
	w.must(dir, "destroy", "-auto-approve")
	e.expectNothing(project, nil)
}
