package pluginpipe_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugin/plugintest"
	"github.com/waypoint-serverless/waypoint/runner/pluginpipe"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// This test binary is also the process that serves the sample, and several that do not.
func TestMain(m *testing.M) {
	switch os.Getenv("PLUGINPIPE_TEST") {
	case "serve":
		os.Exit(pluginpipe.Main(catalog.NewCatalog(plugintest.Sample())))
	case "handshake": // as go-plugin prints it when it finds its cookie
		fmt.Println("1|1|unix|/tmp/plugin1234|grpc|")
		time.Sleep(time.Minute)
	case "refusal": // as go-plugin prints it when it does not
		fmt.Fprintln(os.Stderr, "This binary is a plugin. These are not meant to be executed directly.")
		os.Exit(1)
	case "other":
		fmt.Println("Hello, world")
		time.Sleep(time.Minute)
	}
	os.Exit(m.Run())
}

// process makes a process that is this test binary.
func process(t testing.TB, as string) *pluginpipe.Process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := pluginpipe.NewProcess(pluginpipe.Options{Command: []string{self}, Environ: append(os.Environ(), "PLUGINPIPE_TEST="+as)})
	t.Cleanup(p.Close)
	return p
}

// remote is the sample over a pipe.
func remote(p *pluginpipe.Process) catalog.Definition {
	d := plugintest.Sample()
	d.OutOfProcess = schema.Kinds()
	return pluginpipe.Remote(d, p)
}

func TestTheSampleKeepsTheContractOverAPipe(t *testing.T) {
	plugintest.Run(t, plugintest.SamplePlugin(remote(process(t, "serve"))))
}

func platform(t testing.TB, p *pluginpipe.Process, c plugintest.SampleConfig) plugin.Platform {
	t.Helper()
	got, err := catalog.NewCatalog(remote(p)).Platform("sample")
	if err != nil {
		t.Fatal(err)
	}
	*got.Config().(*plugintest.SampleConfig) = c
	return got
}

func request(id string) *plugin.DeployRequest {
	return &plugin.DeployRequest{Artifact: &plugin.Artifact{State: json.RawMessage(`{}`)}, DeploymentID: id}
}

func TestErrorsKeepTheirMessageHintAndCause(t *testing.T) {
	p := platform(t, process(t, "serve"), plugintest.SampleConfig{Do: "fail"})
	call, _ := plugintest.NewCall(t)
	_, err := p.Deploy(t.Context(), call, request("A"))
	var own *plugin.Error
	if !errors.As(err, &own) || own.Message != "it failed" || own.Hint != "Try again." || own.Cause.Error() != "no reason" {
		t.Errorf("%#v", err)
	}
	if err == nil || err.Error() != "working: it failed: no reason" {
		t.Error(err)
	}
	if rerun, ok := plugin.As[plugin.RerunnableDeployer](p); !ok || rerun.DeployRerunnable() {
		t.Error("what the configuration decides is not asked of the process")
	}
	for do, want := range map[string]string{"panic": "the plugin panicked: the sample panics", "large": "the state of the plugin \"sample\" has 65538 bytes"} {
		p.Config().(*plugintest.SampleConfig).Do = do
		if _, err := p.Deploy(t.Context(), call, request("A")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", do, err)
		}
	}
}

func TestSecretsComeBeforeWhatHoldsThem(t *testing.T) {
	p := platform(t, process(t, "serve"), plugintest.SampleConfig{Secret: "swordfish"})
	call, screen := plugintest.NewCall(t)
	for range 20 {
		if _, err := p.Deploy(t.Context(), call, request("A")); err != nil {
			t.Fatal(err)
		}
	}
	if !call.Secrets.In("a swordfish") {
		t.Error("the runner did not get to know the secret")
	}
	for _, want := range []string{"Working on web", "The secret is (sensitive)", "printed: (sensitive)", "one line", "[A B] [[1 2]]", "[[name value]]", "Worked", "careless"} {
		if !strings.Contains(screen.String(), want) {
			t.Errorf("%q is not shown:\n%s", want, screen)
		}
	}
}

func TestServicesAreCalledBack(t *testing.T) {
	p := platform(t, process(t, "serve"), plugintest.SampleConfig{})
	call, screen := plugintest.NewCall(t)
	auth, ok := plugin.As[plugin.Authenticator](p)
	if !ok {
		t.Fatal("the sample has an Authenticator")
	}
	if err := auth.ValidateAuth(t.Context(), call); !errors.Is(err, plugin.ErrNoCredential) {
		t.Errorf("without a credential: %v", err)
	}
	call.Credential = func(_ context.Context, req plugin.CredentialRequest) (plugin.Credential, error) {
		if req.Kind != plugin.CredentialGit || req.Address != "https://git.example.com/" {
			return plugin.Credential{}, plugin.ErrNoCredential
		}
		return plugin.Credential{Username: "ada", Password: "tench-fish"}, nil
	}
	if err := auth.ValidateAuth(t.Context(), call); err != nil || !strings.Contains(screen.String(), "ada has the password (sensitive)") {
		t.Errorf("%v\n%s", err, screen)
	}
}

func TestLogsAndExecAreStreams(t *testing.T) {
	p := platform(t, process(t, "serve"), plugintest.SampleConfig{})
	call, _ := plugintest.NewCall(t)
	logs, ok := plugin.As[plugin.LogStreamer](p)
	if !ok || !logs.OwnLogs(&plugin.Deployment{ID: "D"}) || logs.OwnLogs(&plugin.Deployment{}) {
		t.Fatal("OwnLogs is not asked of the process")
	}
	var lines []plugin.LogLine
	if err := logs.DeploymentLogs(t.Context(), call, &plugin.Deployment{ID: "D"}, 3, false, func(l plugin.LogLine) { lines = append(lines, l) }); err != nil {
		t.Fatal(err)
	}
	if len(lines) != 3 || lines[2].Text != "line 2 of D" || !lines[1].Stderr || !lines[2].Time.Equal(time.Unix(2, 5)) {
		t.Errorf("%+v", lines)
	}
	shell, ok := plugin.As[plugin.Execer](p)
	if !ok {
		t.Fatal("the sample has an Execer")
	}
	var out, errOut bytes.Buffer
	code, err := shell.Exec(t.Context(), call, &plugin.Deployment{ID: "D"}, &plugin.ExecSession{
		Command: []string{"echo", "x"}, Stdin: strings.NewReader("one\ntwo\n"), Stdout: &out, Stderr: &errOut, TTY: &plugin.WindowSize{Rows: 24, Columns: 80},
	})
	if err != nil || code != 2 || out.String() != "one\ntwo\n" || errOut.String() != "echo x\n24x80\n" {
		t.Errorf("%d, %v: %q %q", code, err, out.String(), errOut.String())
	}
}

func TestTheDefaultReleaserAndTheValues(t *testing.T) {
	p := process(t, "serve")
	brings, ok := plugin.As[plugin.DefaultReleaser](platform(t, p, plugintest.SampleConfig{Values: map[string]string{"a": "1"}}))
	if !ok {
		t.Fatal("the sample has a DefaultReleaser")
	}
	r := brings.DefaultReleaser()
	call, _ := plugintest.NewCall(t)
	made, err := r.Release(t.Context(), call, &plugin.Deployment{ID: "D"})
	if err != nil || made.Template["a"] != "1" || made.URL != "http://sample.test" {
		t.Errorf("%+v, %v", made, err)
	}
	if st, ok := plugin.As[plugin.ReleaseStatusReporter](r); !ok {
		t.Error("its status cannot be asked")
	} else if got, err := st.ReleaseStatus(t.Context(), call, &plugin.Release{}); err != nil || got.Health != plugin.Ready {
		t.Error(got, err)
	}
	c, err := catalog.NewCatalog(remote(p)).Component(schema.ConfigSourcer, "sample")
	if err != nil {
		t.Fatal(err)
	}
	c.Config().(*plugintest.SampleConfig).Values = map[string]string{"key": "value"}
	values, err := c.(plugin.ConfigSourcer).ReadValues(t.Context(), call, []plugin.ValueRequest{
		{Name: "A", Config: json.RawMessage(`{"key":"key"}`)}, {Name: "B", Config: json.RawMessage(`{"key":"other"}`)},
	})
	if err != nil || len(values) != 2 || values[0].Value != "value" || values[0].Err != nil || values[1].Err == nil {
		t.Errorf("%+v, %v", values, err)
	}
}

func TestAKilledProcessIsOneSentenceAndIsStartedAgain(t *testing.T) {
	p := process(t, "serve")
	waits := platform(t, p, plugintest.SampleConfig{Do: "wait"})
	call, screen := plugintest.NewCall(t)
	first := p.PID()
	go func() {
		for !strings.Contains(screen.String(), "Working on") {
			time.Sleep(5 * time.Millisecond)
		}
		killed, err := os.FindProcess(first)
		if err == nil {
			_ = killed.Kill()
		}
	}()
	_, err := waits.Deploy(t.Context(), call, request("A"))
	if !errors.Is(err, plugin.ErrProcessLost) || !strings.Contains(err.Error(), `the process that runs the plugin "sample" ended in the middle of its work (`) {
		t.Errorf("%v", err)
	}
	waits.Config().(*plugintest.SampleConfig).Do = ""
	if _, err := waits.Deploy(t.Context(), call, request("A")); err != nil || p.PID() == first {
		t.Errorf("the next call: %v, process %d after %d", err, p.PID(), first)
	}
}

func TestTheProcessEndsWithItsInput(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), "PLUGINPIPE_TEST=serve")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = in.Close()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("it does not end")
	}
}

func TestWhatDoesNotServePluginsIsRefusedInOneSentence(t *testing.T) {
	for as, want := range map[string]string{
		"handshake": "is a plugin made for HashiCorp Waypoint, which this program cannot use",
		"refusal":   "is a plugin made for HashiCorp Waypoint, which this program cannot use",
		"other":     `does not serve plugins: it printed "Hello, world"`,
	} {
		t.Run(as, func(t *testing.T) {
			_, err := catalog.NewCatalog(remote(process(t, as))).Platform("sample")
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v", err)
			}
		})
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	older := pluginpipe.NewProcess(pluginpipe.Options{Command: []string{self}, Version: "9.9.9", Environ: append(os.Environ(), "PLUGINPIPE_TEST=serve")})
	defer older.Close()
	_, err = catalog.NewCatalog(remote(older)).Platform("sample")
	var own *plugin.Error
	if !errors.As(err, &own) || !strings.Contains(own.Message, "and this is waypoint 9.9.9") || !strings.Contains(own.Hint, "same release") {
		t.Errorf("another version: %v", err)
	}
	t.Setenv(pluginpipe.EnvBinary, filepath.Join(t.TempDir(), "nothing"))
	if _, err := catalog.NewCatalog(remote(pluginpipe.NewProcess(pluginpipe.Options{}))).Platform("sample"); err == nil {
		t.Error("a program that is not there is found")
	}
}

// BenchmarkCall is what a call over the pipe costs: the status of a deployment.
func BenchmarkCall(b *testing.B) {
	p := platform(b, process(b, "serve"), plugintest.SampleConfig{})
	call, _ := plugintest.NewCall(b)
	asker, ok := plugin.As[plugin.DeploymentStatusReporter](p)
	if !ok {
		b.Fatal("the sample has a status")
	}
	var times []time.Duration
	for b.Loop() {
		began := time.Now()
		if _, err := asker.DeploymentStatus(b.Context(), call, &plugin.Deployment{ID: "D"}); err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(began))
	}
	report(b, times)
}

func report(b *testing.B, times []time.Duration) {
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-us")
}
