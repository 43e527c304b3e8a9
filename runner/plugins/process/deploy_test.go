//go:build unix

package process

import (
	"bytes"
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/waypoint-serverless/waypoint/runner/machine"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/process/supervise"
)

func TestADeploymentRunsUnderTheEntrypointAndIsRemovedWhole(t *testing.T) {
	b := newBench(t)
	d := b.deploy("v1", map[string]string{"GREETING": "hi"})
	if got := get(t, d.URL); got != "v1 hi" {
		t.Errorf("the app answers %q", got)
	}
	environ := get(t, d.URL+"/env")
	if strings.Contains(environ, secretToken) || strings.Contains(environ, "WAYPOINT_SERVER_TOKEN") {
		t.Error("a token reached the app")
	}
	noFileHas(t, b.env.StateDir, secretToken)
	st := b.status(d)
	if st.Health != plugin.Ready || len(st.Resources) != 1 {
		t.Errorf("status %+v", st)
	}
	if pid, _ := strconv.Atoi(get(t, d.URL+"/pid")); func() bool { p, _ := machine.Find(pid); return p.PID == os.Getpid() }() {
		t.Error("the app runs in the runner")
	}
	b.destroy(d)
	b.destroy(d) // gone already is fine
	if code, _ := try(d.URL); code != 0 {
		t.Error("it still answers")
	}
	if st := b.status(d); st.Health != plugin.Missing {
		t.Errorf("status %+v", st)
	}
	h, _ := homeOf(b.env)
	if left, _ := os.ReadDir(h.deploymentsDir()); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	b.nothingRuns(t)
}

// What the runner has in its environment, or is configured with, is not for apps, nor for the proxy before them.
func TestAnAppHasLittleOfTheRunnersEnvironment(t *testing.T) {
	b := newBench(t)
	b.env.Environ = append(b.env.Environ, "RUNNERSECRET=configured", "AWS_SECRET_ACCESS_KEY=x", "WP_VAR_password=x", "LANG=C.UTF-8", "TZ=UTC")
	b.env.AppEnviron = plugin.AppEnviron(b.env.Environ)
	d := b.deploy("v1", map[string]string{"GREETING": "hi", "TZ": "Europe/Berlin"})
	var names []string
	for _, kv := range strings.Split(strings.TrimSpace(get(t, d.URL+"/env")), "\n") {
		name, value, _ := strings.Cut(kv, "=")
		if name == "TZ" && value != "Europe/Berlin" {
			t.Errorf("TZ is %s", value)
		}
		if !strings.HasPrefix(name, "WAYPOINT_") && name != "VERSION" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if got := strings.Join(names, " "); got != "GREETING HOME LANG PATH PORT PWD TZ" {
		t.Errorf("the app's environment has %s", got)
	}
}

func TestAnAppThatIsKilledIsStartedAgain(t *testing.T) {
	b := newBench(t)
	d := b.deploy("v1", nil)
	for n := 1; n <= 3; n++ {
		pid := get(t, d.URL+"/pid")
		number, _ := strconv.Atoi(pid)
		if err := syscall.Kill(number, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "another process answers", func() bool {
			code, now := try(d.URL + "/pid")
			return code == 200 && now != pid
		})
		eventually(t, "the status counts it", func() bool {
			state, _ := b.status(d).Resources[0].State.(map[string]any)
			return state["restarts"] == n && state["exit_code"] == 137
		})
	}
}

func TestASecondAttemptReplacesWhatTheFirstLeft(t *testing.T) {
	b := newBench(t)
	first, err := b.tryID(b.platform("first", nil), "01SAME")
	if err != nil {
		t.Fatal(err)
	}
	pid, _ := strconv.Atoi(get(t, first.URL+"/pid"))
	b.env.LaneFence++
	second, err := b.tryID(b.platform("second", nil), "01SAME")
	if err != nil {
		t.Fatal(err)
	}
	if got := get(t, second.URL); got != "second " {
		t.Errorf("the app answers %q", got)
	}
	if p, alive := machine.Find(pid); alive {
		t.Errorf("the first attempt's process %v still runs", p)
	}
}

func TestWhatACutDeployLeftIsRemovedByTheNext(t *testing.T) {
	b := newBench(t)
	d := b.deploy("cut", nil)
	// As if the runner had died before the end of the deploy.
	h, _ := homeOf(b.env)
	file := deploymentFile(h.deploymentDir(d.ID))
	var kept deployment
	if _, err := machine.ReadJSON(file, &kept); err != nil {
		t.Fatal(err)
	}
	kept.Complete = false
	if err := machine.WriteJSON(file, kept); err != nil {
		t.Fatal(err)
	}
	b.env.LaneFence++
	whole := b.deploy("whole", nil)
	if st := b.status(d); st.Health != plugin.Missing {
		t.Errorf("the cut deployment: %+v", st)
	}
	b.env.LaneFence++
	b.deploy("next", nil)
	if st := b.status(whole); st.Health != plugin.Ready {
		t.Errorf("the whole deployment: %+v", st)
	}
}

func TestAStartOfAnOvertakenAttemptGoes(t *testing.T) {
	b := newBench(t)
	d := b.deploy("v1", nil)
	h, _ := homeOf(b.env)
	dir := h.deploymentDir(d.ID)
	st, _, err := supervise.ReadStatus(dir)
	if err != nil {
		t.Fatal(err)
	}
	helper, _ := Options{}.helper(modeSupervise, dir, st.Nonce)
	if err := machine.Launch(t.Context(), helper, nil); err == nil || !strings.Contains(err.Error(), "another supervisor") {
		t.Errorf("a second supervisor: %v", err)
	}
	if err := st.Supervisor.Terminate(); err != nil {
		t.Fatal(err)
	}
	if err := st.Supervisor.AwaitEnd(t.Context()); err != nil {
		t.Fatal(err)
	}
	helper, _ = Options{}.helper(modeSupervise, dir, "another-nonce")
	if err := machine.Launch(t.Context(), helper, nil); err == nil || !strings.Contains(err.Error(), "overtaken") {
		t.Errorf("a late supervisor: %v", err)
	}
}

func TestAKilledSupervisorTakesItsProcessWithItAndIsReportedDown(t *testing.T) {
	b := newBench(t)
	d := b.deploy("v1", nil)
	h, _ := homeOf(b.env)
	st, _, err := supervise.ReadStatus(h.deploymentDir(d.ID))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(st.Supervisor.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/proc/self/stat"); err == nil {
		eventually(t, "the app is gone", func() bool { code, _ := try(d.URL); return code == 0 })
		// The entrypoint ends a moment after its app.
		eventually(t, "the status is down", func() bool { return b.status(d).Health == plugin.Down })
	}
	b.destroy(d)
	if code, _ := try(d.URL); code != 0 {
		t.Error("it still answers")
	}
}

func TestAStubbornAppIsKilledAfterItsGrace(t *testing.T) {
	b := newBench(t)
	d := b.deploy("v1", map[string]string{"STUBBORN": "1"})
	b.destroy(d)
	if code, _ := try(d.URL); code != 0 {
		t.Error("it still answers")
	}
	b.nothingRuns(t)
}

// listensThere is what is said of an app that listens on a port of its own; only Linux tells.
var listensThere = map[bool]string{true: "; it listens on 127.0.0.1:", false: "nothing listens on port"}[runtime.GOOS == "linux"]

func TestElsewhere(t *testing.T) {
	at := netip.MustParseAddrPort
	for want, list := range map[string][]netip.AddrPort{
		"": nil, ", not on PORT 26518": {at("[::1]:3000"), at("127.0.0.1:9000")},
		", and must on 127.0.0.1, ::1 or all addresses": {at("10.0.0.1:26518")},
	} {
		if got := elsewhere(list, 26518); got != want {
			t.Errorf("%v: got %q, want %q", list, got, want)
		}
	}
}

func TestALongWaitShowsWhatTheAppPrints(t *testing.T) {
	log := filepath.Join(t.TempDir(), "output.log")
	var shown bytes.Buffer
	o := &appOutput{path: log, to: &shown}
	print := func(text string) {
		f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = f.WriteString(text)
		_ = f.Close()
	}
	expect := func(want string) {
		t.Helper()
		if shown.String() != want {
			t.Errorf("shown: %q, want %q", shown.String(), want)
		}
	}
	o.show(showAfter) // there is no log yet
	print("one\n")
	o.show(time.Second)
	expect("")
	o.show(showAfter)
	print("two\n")
	o.show(showAfter)
	expect("one\ntwo\n")
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	print("3\n")
	if !o.finish() {
		t.Error("not all was shown")
	}
	expect("one\ntwo\n3\n")
	print(strings.Repeat("x", mostShown))
	if o.finish(); shown.Len() > mostShown+100 || !strings.Contains(shown.String(), "more is in the app's log") {
		t.Errorf("%d bytes are shown", shown.Len())
	}
	if (&appOutput{path: log, to: &shown}).finish() {
		t.Error("a short wait showed nothing, and claims all")
	}
}

func TestDeploysThatFailSayWhyAndLeaveNothing(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*bench, *platform)
		message string
		shown   string
	}{
		"no command":                {func(_ *bench, p *platform) { p.config.Command = nil }, "does not say what to run", ""},
		"command not found":         {func(_ *bench, p *platform) { p.config.Command = []string{"./no-such-file"} }, `"./no-such-file" was not found`, ""},
		"command without its slash": {func(_ *bench, p *platform) { p.config.Command = []string{"page.html"} }, `"page.html" was not found`, ""},
		"never healthy": {func(_ *bench, p *platform) {
			p.config.Env = map[string]string{"SICK": "1"}
		}, "is answered with status 503", "app v1 starts"},
		"never listening": {func(_ *bench, p *platform) {
			p.config.Command = []string{"sh", "-c", "echo deaf; exec sleep 600"}
		}, "nothing listens on port", "deaf"},
		"listening elsewhere":   {func(_ *bench, p *platform) { p.config.Env = map[string]string{"ELSEWHERE": "1"} }, listensThere, "app v1 starts"},
		"ends at once":          {func(_ *bench, p *platform) { p.config.Env = map[string]string{"DIES": "1"} }, "ended with exit code 3", "app cannot work like this"},
		"PORT is set":           {func(_ *bench, p *platform) { p.config.Env = map[string]string{"PORT": "80"} }, "PORT cannot be set", ""},
		"not a duration":        {func(_ *bench, p *platform) { p.config.HealthCheck.Timeout = "soon" }, `health_check.timeout is "soon"`, ""},
		"entrypoint unreadable": {func(b *bench, _ *platform) { b.env.Entrypoint = "/no/such/entrypoint" }, "waypoint-entrypoint cannot be read", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var b *bench
			var err error
			// On a busy machine an app may not get so far within the time that is enough elsewhere.
			for _, timeout := range []string{"2s", "20s", patience.String()} {
				b = newBench(t)
				p := b.platform("v1", nil)
				p.config.HealthCheck.Timeout = timeout
				c.change(b, p)
				if _, err = b.try(p); err != nil && strings.Contains(err.Error(), c.message) && strings.Contains(b.screen.String(), c.shown) {
					break
				}
			}
			sentence(t, err, c.message)
			if !strings.Contains(b.screen.String(), c.shown) {
				t.Errorf("the screen does not show %q", c.shown)
			}
			h, _ := homeOf(b.env)
			if left, _ := os.ReadDir(h.deploymentsDir()); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
			b.nothingRuns(t)
		})
	}
}

func TestArtifactsThatCannotBeDeployedHereSaySo(t *testing.T) {
	b := newBench(t)
	for name, c := range map[string]struct {
		artifact *plugin.Artifact
		message  string
	}{
		"an image":         {&plugin.Artifact{Plugin: "docker-ref", State: []byte(`{"image":"x"}`)}, `of the plugin "docker-ref" is not a directory`},
		"one that is gone": {&plugin.Artifact{Plugin: "process", State: []byte(`{"path":"/no/such/dir"}`)}, "no longer on this machine"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.platform("v1", nil).Deploy(t.Context(), b.env, &plugin.DeployRequest{Artifact: c.artifact, DeploymentID: "01X"})
			sentence(t, err, c.message)
		})
	}
}

func TestACanceledDeployLeavesNothing(t *testing.T) {
	b := newBench(t)
	p := b.platform("v1", map[string]string{"SICK": "1"})
	ctx, cancel := context.WithCancel(t.Context())
	a := b.artifact()
	done := make(chan error, 1)
	go func() {
		_, err := p.Deploy(ctx, b.env, &plugin.DeployRequest{Artifact: a, DeploymentID: "01CANCEL"})
		done <- err
	}()
	h, _ := homeOf(b.env)
	eventually(t, "it starts", func() bool {
		st, ok, _ := supervise.ReadStatus(h.deploymentDir("01CANCEL"))
		return ok && st.State == supervise.Running
	})
	cancel()
	if err := <-done; err == nil {
		t.Error("a canceled deploy succeeded")
	}
	if left, _ := os.ReadDir(h.deploymentsDir()); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestWithoutAnEntrypointTheAppRunsAndTheTokenGoesNowhere(t *testing.T) {
	b := newBench(t)
	b.env.Entrypoint = ""
	d := b.deploy("bare", nil)
	if strings.Contains(get(t, d.URL+"/env"), secretToken) {
		t.Error("the token reached the app")
	}
	if !strings.Contains(b.screen.String(), "no waypoint-entrypoint") {
		t.Error("nobody is told")
	}
}

func TestARelativeCommandRunsFromTheArtifact(t *testing.T) {
	b := newBench(t)
	script := filepath.Join(b.env.Dir, "bin", "run")
	write(t, script, "#!/bin/sh\nexec "+b.self+" app \"$(cat page.html)\"\n")
	if err := os.Chmod(script, 0o755); err != nil {
		t.Fatal(err)
	}
	p := b.platform("", nil)
	p.config.Command = []string{"bin/run"}
	d, err := b.try(p)
	if err != nil {
		t.Fatal(err)
	}
	if got := get(t, d.URL); got != "hello " {
		t.Errorf("the app answers %q", got)
	}
}
