//go:build unix

package process

import (
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/waypoint-serverless/waypoint/runner/machine"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/stableport"
	"github.com/waypoint-serverless/waypoint/runner/proxy"
)

func (b *bench) tryRelease(port int, d *plugin.Deployment) (*plugin.Release, error) {
	b.t.Helper()
	r := newReleaser(Options{Now: time.Now})
	r.Options.Port = port
	res, err := r.Release(b.t.Context(), b.env, d)
	if err != nil {
		return nil, err
	}
	return &plugin.Release{ID: "R", State: marshal(b.t, res.State), URL: res.URL, DeploymentID: d.ID}, nil
}

func (b *bench) release(port int, d *plugin.Deployment) *plugin.Release {
	b.t.Helper()
	rel, err := b.tryRelease(port, d)
	if err != nil {
		b.t.Fatal(err)
	}
	return rel
}

func (b *bench) releaseStatus(rel *plugin.Release) *plugin.Status {
	b.t.Helper()
	st, err := newReleaser(Options{Now: time.Now}).ReleaseStatus(b.t.Context(), b.env, rel)
	if err != nil {
		b.t.Fatal(err)
	}
	return st
}

func (b *bench) proxyStatus() proxy.Status {
	b.t.Helper()
	place, err := stableport.In(b.env)
	if err != nil {
		b.t.Fatal(err)
	}
	st, err := proxy.At(place.Dir(b.env)).Status(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return st
}

// freePort is a port that was free a moment ago.
func freePort(t *testing.T) int {
	t.Helper()
	port, err := stableport.ChooseDeployment(t.Name(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func TestTwentySwitchesUnderLoadDropNoRequest(t *testing.T) {
	b := newBench(t)
	a, z := b.deploy("a", nil), b.deploy("z", nil)
	rel := b.release(0, a)
	var sent, wrong atomic.Int64
	var firstWrong atomic.Value
	stop := make(chan struct{})
	var load sync.WaitGroup
	for worker := range 6 {
		load.Go(func() {
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: worker == 0}, Timeout: patience}
			pace := time.NewTicker(20 * time.Millisecond) // 6 workers: 300 requests a second
			defer pace.Stop()
			for {
				select {
				case <-stop:
					return
				case <-pace.C:
				}
				sent.Add(1)
				var res *http.Response
				var err error
				if worker%2 == 0 {
					res, err = client.Get(rel.URL)
				} else {
					res, err = client.Post(rel.URL, "text/plain", strings.NewReader("body"))
				}
				body := ""
				if err == nil {
					raw, readErr := io.ReadAll(res.Body)
					_ = res.Body.Close()
					body, err = string(raw), readErr
				}
				if err != nil || res.StatusCode != 200 || body != "a " && body != "z " {
					wrong.Add(1)
					firstWrong.CompareAndSwap(nil, []any{err, body})
				}
			}
		})
	}
	for n := range 20 {
		b.env.LaneFence++
		target := []*plugin.Deployment{z, a}[n%2]
		b.release(0, target)
		want := []string{"z ", "a "}[n%2]
		if got := get(t, rel.URL); got != want {
			t.Errorf("after switch %d the port answers %q, want %q", n+1, got, want)
		}
		before := sent.Load()
		eventually(t, "the load goes on", func() bool { return sent.Load() >= before+20 })
	}
	close(stop)
	load.Wait()
	if wrong.Load() > 0 {
		t.Errorf("%d of %d requests went wrong, first: %v", wrong.Load(), sent.Load(), firstWrong.Load())
	}
	t.Logf("%d requests during 20 switches", sent.Load())
}

func TestARequestThatIsUnderWayEndsWhereItBegan(t *testing.T) {
	b := newBench(t)
	old, next := b.deploy("old", nil), b.deploy("new", nil)
	rel := b.release(0, old)
	slow, until := make(chan string, 1), filepath.Join(t.TempDir(), "until")
	go func() { _, body := try(rel.URL + "/slow?until=" + until); slow <- body }()
	eventually(t, "the request is under way", func() bool { return b.proxyStatus().InFlight == 1 })
	b.env.LaneFence++
	b.release(0, next)
	if got := get(t, rel.URL); got != "new " {
		t.Errorf("the port answers %q", got)
	}
	destroyed := make(chan struct{})
	go func() { defer close(destroyed); b.destroy(old) }() // waits for it
	time.Sleep(200 * time.Millisecond)                     // the destroy has begun, on most machines; the outcome does not depend on it
	write(t, until, "")
	<-destroyed
	if got := <-slow; got != "slow old" {
		t.Errorf("the slow request got %q", got)
	}
}

// proxyPatience is how long the proxy waits for an app that does not listen. On a busy machine an app may take longer to
// be started again; then the request has waited that long.
const proxyPatience = 3 * time.Second

func TestACrashedAppIsWaitedForByItsRequests(t *testing.T) {
	b := newBench(t)
	d := b.deploy("v1", nil)
	rel := b.release(0, d)
	for range 3 {
		code, pid := try(rel.URL + "/pid")
		if code != 200 {
			t.Fatalf("%d %s", code, pid)
		}
		if err := syscall.Kill(atoi(t, pid), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the death is noticed", func() bool { code, _ := try(d.URL); return code == 0 || code == 200 })
		began := time.Now()
		if code, body := try(rel.URL); code != 200 && time.Since(began) < proxyPatience {
			t.Errorf("%d %s after %s", code, body, time.Since(began))
		}
		eventually(t, "it is healthy again", func() bool { return b.status(d).Health == plugin.Ready })
	}
}

func TestAKilledProxyIsStartedAgainWithItsRoute(t *testing.T) {
	b := newBench(t)
	a, z := b.deploy("a", nil), b.deploy("z", nil)
	rel := b.release(0, a)
	kill := func() {
		p, _ := machine.Find(b.proxyStatus().PID)
		if err := syscall.Kill(p.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if err := p.AwaitEnd(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	kill()
	if st := b.releaseStatus(rel); st.Health != plugin.Ready || !strings.Contains(st.Message, "started again") {
		t.Errorf("status %+v", st)
	}
	if got := get(t, rel.URL); got != "a " {
		t.Errorf("the port answers %q", got)
	}
	kill()
	b.env.LaneFence++
	again := b.release(0, z)
	if again.URL != rel.URL {
		t.Errorf("the port moved from %s to %s", rel.URL, again.URL)
	}
	if got := get(t, rel.URL); got != "z " {
		t.Errorf("the port answers %q", got)
	}
	if st := b.releaseStatus(rel); st.Health != plugin.Unknown {
		t.Errorf("status of the former release %+v", st)
	}
}

func TestAnOvertakenOperationCannotMoveTheRoute(t *testing.T) {
	b := newBench(t)
	a, z := b.deploy("a", nil), b.deploy("z", nil)
	b.env.LaneFence = 7
	rel := b.release(0, a)
	b.env.LaneFence = 6
	_, err := b.tryRelease(0, z)
	sentence(t, err, "a newer operation (fence 7)")
	if err := b.platform("", nil).DestroyDeployment(t.Context(), b.env, a); err == nil {
		t.Error("an overtaken operation destroyed what is released")
	}
	if got := get(t, rel.URL); got != "a " {
		t.Errorf("the port answers %q", got)
	}
}

// A server whose data was lost counts its fences anew: the route that it finds is another server's and gives way.
func TestTheRouteOfAnotherServerGivesWay(t *testing.T) {
	b := newBench(t)
	a, z := b.deploy("a", nil), b.deploy("z", nil)
	of := func(id string) func(context.Context) (string, error) {
		return func(context.Context) (string, error) { return id, nil }
	}
	b.env.LaneFence = 7 // by a version that kept no server
	rel := b.release(0, a)
	b.env.ServerID, b.env.LaneFence = of("first"), 3
	b.release(0, z)
	b.env.ServerID, b.env.LaneFence = of("second"), 1
	if got := b.release(0, a); got.URL != rel.URL {
		t.Errorf("the port moved from %s to %s", rel.URL, got.URL)
	}
	if got := get(t, rel.URL); got != "a " {
		t.Errorf("the port answers %q", got)
	}
	b.env.ServerID = of("third") // which has no route here, and must not remove the second's
	if err := b.platform("", nil).DestroyWorkspace(t.Context(), b.env); err != nil {
		t.Fatal(err)
	}
	if st := b.proxyStatus(); st.Server != "second" || st.DeploymentID != a.ID {
		t.Errorf("the route is %+v", st)
	}
	b.env.ServerID, b.env.LaneFence = of("second"), 0
	_, err := b.tryRelease(0, z)
	if err == nil {
		t.Error("an overtaken operation of the same server moved the route")
	}
	b.env.LaneFence = 2
	if err := b.platform("", nil).DestroyWorkspace(t.Context(), b.env); err != nil {
		t.Fatal(err)
	}
}

func TestAPortInUseIsSaidAndTheOldReleaseKeepsServing(t *testing.T) {
	b := newBench(t)
	a, z := b.deploy("a", nil), b.deploy("z", nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	taken := l.Addr().(*net.TCPAddr).Port
	_, err = b.tryRelease(taken, a)
	sentence(t, err, "is in use by another program")
	rel := b.release(0, a)
	b.env.LaneFence++
	_, err = b.tryRelease(taken, z)
	sentence(t, err, "is in use by another program")
	if got := get(t, rel.URL); got != "a " {
		t.Errorf("the port answers %q", got)
	}
	other := *b
	env := *b.env
	env.Workspace = "staging"
	other.env = &env
	defer func() { _ = (&platform{}).DestroyWorkspace(t.Context(), &env) }()
	_, err = other.tryRelease(b.proxyStatus().Port, a)
	sentence(t, err, `already belongs to app "web"`)
}

func TestThePortCanBeChanged(t *testing.T) {
	b := newBench(t)
	d := b.deploy("v", nil)
	first := b.release(0, d)
	pid := b.proxyStatus().PID
	b.env.LaneFence++
	second := b.release(freePort(t), d)
	if first.URL == second.URL {
		t.Fatal("the port did not change")
	}
	if got := get(t, second.URL); got != "v " {
		t.Errorf("the new port answers %q", got)
	}
	eventually(t, "the old port is closed", func() bool { code, _ := try(first.URL); return code == 0 })
	if b.proxyStatus().PID != pid {
		t.Error("the proxy was started again for it")
	}
	b.env.LaneFence++
	if third := b.release(0, d); third.URL != second.URL {
		t.Error("a port that was chosen is not kept")
	}
}

func TestAnUnhealthyDeploymentIsNotReleased(t *testing.T) {
	b := newBench(t)
	p := b.platform("dead", nil)
	p.config.HealthCheck.Timeout = "2s"
	dead, err := b.try(p)
	if err != nil {
		t.Fatal(err)
	}
	alive := b.deploy("alive", nil)
	rel := b.release(0, alive)
	b.destroy(dead)
	b.env.LaneFence++
	_, err = b.tryRelease(0, dead)
	sentence(t, err, "not healthy, so it was not released")
	if got := get(t, rel.URL); got != "alive " {
		t.Errorf("the port answers %q", got)
	}
}

func TestWhatIsReleasedCanBeDestroyed(t *testing.T) {
	b := newBench(t)
	d := b.deploy("v", nil)
	rel := b.release(0, d)
	b.destroy(d)
	if code, body := try(rel.URL); code != http.StatusServiceUnavailable || !strings.Contains(body, "nothing is released") {
		t.Errorf("the port answers %d %q", code, body)
	}
	next := b.deploy("next", nil)
	again := b.release(0, next)
	if again.URL != rel.URL || get(t, again.URL) != "next " {
		t.Error("the next release does not serve at the same port")
	}
	if err := newReleaser(Options{Now: time.Now}).DestroyRelease(t.Context(), b.env, rel); err != nil {
		t.Fatal(err)
	}
	if get(t, again.URL) != "next " {
		t.Error("destroying the former release ended the current one")
	}
	for range 2 {
		if err := newReleaser(Options{Now: time.Now}).DestroyRelease(t.Context(), b.env, again); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the port is closed", func() bool { code, _ := try(again.URL); return code == 0 })
	if st := b.releaseStatus(again); st.Health != plugin.Missing {
		t.Errorf("status %+v", st)
	}
}

func TestDestroyingTheWorkspaceLeavesNothing(t *testing.T) {
	b := newBench(t)
	b.release(0, b.deploy("a", nil))
	b.deploy("z", nil)
	for range 2 {
		if err := b.platform("", nil).DestroyWorkspace(t.Context(), b.env); err != nil {
			t.Fatal(err)
		}
	}
	b.nothingRuns(t)
}

func TestOnlyDeploymentsOfThisPluginAreReleased(t *testing.T) {
	b := newBench(t)
	_, err := b.tryRelease(0, &plugin.Deployment{ID: "D", Plugin: "exec", State: []byte(`{}`)})
	sentence(t, err, `a deployment of the plugin "exec"`)
}

func atoi(t *testing.T, s string) (n int) {
	t.Helper()
	for _, c := range s {
		n = n*10 + int(c-'0')
	}
	return n
}

// Node.js from 17 on listens on ::1 when it is told "localhost".
func TestAnAppThatListensOnIPv6AloneIsHealthyAndReleased(t *testing.T) {
	if l, err := net.Listen("tcp", "[::1]:0"); err != nil {
		t.Skip("this machine has no ::1")
	} else {
		_ = l.Close()
	}
	b := newBench(t)
	d := b.deploy("v6", map[string]string{"ONLY_IPV6": "1"})
	if !strings.HasPrefix(d.URL, "http://[::1]:") {
		t.Errorf("the deployment's URL is %s", d.URL)
	}
	if got := get(t, d.URL); !strings.HasPrefix(got, "v6") {
		t.Errorf("the deployment answers %q", got)
	}
	rel := b.release(0, d)
	if got := get(t, rel.URL); !strings.HasPrefix(got, "v6") || !strings.HasPrefix(rel.URL, "http://127.0.0.1:") {
		t.Errorf("%s answers %q", rel.URL, got)
	}
	if got := b.status(d); got.Health != plugin.Ready {
		t.Errorf("status %+v", got)
	}
	if got := b.releaseStatus(rel); got.Health != plugin.Ready {
		t.Errorf("status of the release %+v", got)
	}
	// The next one listens on 127.0.0.1 again.
	next := b.deploy("v4", nil)
	if got := get(t, b.release(0, next).URL); !strings.HasPrefix(got, "v4") {
		t.Errorf("after the next release it answers %q", got)
	}
}

func TestAPortThatSomebodyHasOnIPv6IsNotChosen(t *testing.T) {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no ::1")
	}
	defer l.Close()
	if port := l.Addr().(*net.TCPAddr).Port; machine.PortFree(port) {
		t.Errorf("port %d is taken for free", port)
	}
}
