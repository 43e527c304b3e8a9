package runtimeapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/waypoint-serverless/waypoint/localstack/runtimeapi"
)

var _ lambda.Handler = (*runtimeapi.Function)(nil)

var binary string // the test function, built once by TestMain

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "runtimeapi")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "bootstrap")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", binary, "./testdata/bootstrap")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	if err != nil {
		fmt.Fprintf(os.Stderr, "building the test function: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir) // the system clears its temporary directory anyway
	os.Exit(code)
}

// patience bounds every wait for what must happen: the machine may be busy.
const patience = 2 * time.Minute

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

// waiting waits until a sandbox that has answered has come back for the next event: only then is it used again.
func waiting(t *testing.T, f *runtimeapi.Function) {
	t.Helper()
	eventually(t, "a sandbox waits", func() bool { return f.Stats().Waiting > 0 })
}

func function(t *testing.T, mutate func(*runtimeapi.Options)) *runtimeapi.Function {
	t.Helper()
	var n atomic.Int64
	opt := runtimeapi.Options{
		Command: []string{binary}, Name: "api", Region: "us-east-1", Account: "000000000000", Timeout: patience, InitTimeout: patience,
		Clock: time.Now, NewID: func() string { return fmt.Sprintf("id-%d", n.Add(1)) },
	}
	if mutate != nil {
		mutate(&opt)
	}
	f, err := runtimeapi.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := f.Close(ctx); err != nil {
			t.Error(err)
		}
		if n := f.Stats().Sandboxes; n != 0 {
			t.Errorf("%d sandboxes survive Close", n)
		}
	})
	return f
}

func invoke(t *testing.T, f *runtimeapi.Function, event string) ([]byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	return f.Invoke(ctx, []byte(event))
}

type echo struct {
	Text  string
	PID   int
	Calls int
}

func mustEcho(t *testing.T, f *runtimeapi.Function, text string) echo {
	t.Helper()
	event, err := json.Marshal(map[string]string{"do": "echo", "text": text})
	if err != nil {
		t.Fatal(err)
	}
	out, err := invoke(t, f, string(event))
	if err != nil {
		t.Fatal(err)
	}
	var e echo
	if err := json.Unmarshal(out, &e); err != nil || e.Text != text {
		t.Fatalf("got %s, want %q", out, text)
	}
	return e
}

// hold is an event that the function answers once the file is there; while it works on it, there is another one beside it.
func hold(file string) string { return fmt.Sprintf(`{"do":"hold","text":%q}`, file) }

// begun is how many events that are held by the file have been begun.
func begun(file string) int {
	found, _ := filepath.Glob(file + ".*")
	return len(found)
}

func letGo(t *testing.T, file string) {
	t.Helper()
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, err error, kind string) *runtimeapi.Error {
	t.Helper()
	var e *runtimeapi.Error
	if !errors.As(err, &e) || e.Type != kind {
		t.Fatalf("got %v, want %s", err, kind)
	}
	var doc struct{ ErrorMessage, ErrorType string }
	if err := json.Unmarshal(e.Payload, &doc); err != nil || doc.ErrorType != kind || doc.ErrorMessage != e.Message {
		t.Fatalf("payload %s does not say %s: %s", e.Payload, kind, e.Message)
	}
	return e
}

func TestASandboxIsStartedOnDemandAndReused(t *testing.T) {
	f := function(t, nil)
	if s := f.Stats(); s.Sandboxes != 0 {
		t.Fatal("a process before the first event")
	}
	first := mustEcho(t, f, "ä\u2028 1")
	for i := 2; i <= 5; i++ {
		waiting(t, f)
		if e := mustEcho(t, f, "again"); e.PID != first.PID || e.Calls != i {
			t.Fatalf("call %d was call %d of process %d, not %d", i, e.Calls, e.PID, first.PID)
		}
	}
	s := f.Stats()
	if s.ColdStarts != 1 || s.Invocations != 5 || s.Sandboxes != 1 || s.LastInit <= 0 {
		t.Fatalf("%+v", s)
	}
	t.Logf("process start to first /next: %v", s.LastInit)
}

func TestTheFunctionSeesItsContext(t *testing.T) {
	out, err := invoke(t, function(t, nil), `{"do":"context"}`)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		ID, ARN string
		Left    float64
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	if got.ID != "id-1" || got.ARN != "arn:aws:lambda:us-east-1:000000000000:function:api" || got.Left <= 0 || got.Left > patience.Seconds() {
		t.Fatalf("%+v", got)
	}
}

func TestTheEnvironmentIsLambdasAndTheFunctionsOwn(t *testing.T) {
	t.Setenv("SECRET_OF_THE_PARENT", "x")
	out, err := invoke(t, function(t, func(o *runtimeapi.Options) { o.Env = []string{"WAYPOINT_FUNCTION=api"} }), `{"do":"env"}`)
	if err != nil {
		t.Fatal(err)
	}
	var env []string
	if err := json.Unmarshal(out, &env); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"WAYPOINT_FUNCTION=api", "AWS_LAMBDA_FUNCTION_NAME=api", "_HANDLER=bootstrap", "AWS_REGION=us-east-1",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128", "AWS_LAMBDA_FUNCTION_VERSION=$LATEST", "AWS_LAMBDA_INITIALIZATION_TYPE=on-demand", "TZ=:UTC"} {
		if !slices.Contains(env, want) {
			t.Errorf("no %s", want)
		}
	}
	for _, e := range env {
		if strings.HasPrefix(e, "SECRET_OF_THE_PARENT") {
			t.Error("the parent's environment leaks")
		}
	}
}

func TestConcurrentInvocationsGetASandboxEachUpToTheLimit(t *testing.T) {
	f := function(t, func(o *runtimeapi.Options) { o.MaxSandboxes = 3 })
	var mu sync.Mutex
	pids := map[int]int{}
	var wg sync.WaitGroup
	held := filepath.Join(t.TempDir(), "go")
	for range 9 {
		wg.Go(func() {
			out, err := invoke(t, f, hold(held))
			var e echo
			if err == nil {
				err = json.Unmarshal(out, &e)
			}
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			pids[e.PID]++
			mu.Unlock()
		})
	}
	eventually(t, "as many work as may", func() bool { return begun(held) == 3 })
	letGo(t, held)
	wg.Wait()
	if s := f.Stats(); len(pids) != 3 || s.ColdStarts != 3 {
		t.Fatalf("processes %v, %+v", pids, s)
	}
}

func TestFailuresHaveLambdasShape(t *testing.T) {
	tests := []struct{ name, event, kind, message string }{
		{"an error of the function", `{"do":"error","text":"no luck"}`, "errorString", "no luck"},
		{"a panic", `{"do":"panic","text":"at the disco"}`, "string", "at the disco"},
		{"an exit", `{"do":"exit"}`, "Runtime.ExitError", "exit status 3"},
		{"an event that is not the handler's", `{"do":7}`, "UnmarshalTypeError", "number"},
		{"a streamed response", `{"do":"stream"}`, "Runtime.StreamingNotImplemented", "streaming"},
		{"a response over 6 MB", `{"do":"size","size":6291455}`, "Function.ResponseSizeTooLarge", "6291456"},
	}
	f := function(t, nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := invoke(t, f, tt.event)
			if e := wantError(t, err, tt.kind); !strings.Contains(e.Message, tt.message) {
				t.Errorf("message %q", e.Message)
			}
			mustEcho(t, f, "and works again")
		})
	}
	t.Run("an event over 6 MB", func(t *testing.T) {
		_, err := invoke(t, f, strings.Repeat(" ", runtimeapi.MaxPayload+1))
		wantError(t, err, "RequestEntityTooLargeException")
	})
	t.Run("a response of 6 MB is none", func(t *testing.T) {
		if out, err := invoke(t, f, `{"do":"size","size":6291454}`); err != nil || len(out) != runtimeapi.MaxPayload {
			t.Fatal(len(out), err)
		}
	})
}

func TestATimeoutKillsTheSandbox(t *testing.T) {
	f := function(t, func(o *runtimeapi.Options) { o.Timeout = time.Second })
	// On a busy machine an answer may take that long too; then it is asked for again.
	answers := func() (e echo) {
		eventually(t, "it answers in time", func() bool {
			out, err := invoke(t, f, `{"do":"echo"}`)
			return err == nil && json.Unmarshal(out, &e) == nil
		})
		return e
	}
	before := answers()
	_, err := invoke(t, f, `{"do":"sleep"}`)
	if e := wantError(t, err, "Sandbox.Timedout"); !strings.Contains(e.Message, "Task timed out after 1.00 seconds") {
		t.Error(e.Message)
	}
	if after := answers(); after.PID == before.PID {
		t.Error("the same process answers after its timeout")
	}
}

func TestTheFunctionRunsOnWhenItsCallerHasGone(t *testing.T) {
	f := function(t, func(o *runtimeapi.Options) { o.MaxSandboxes = 1 })
	before := mustEcho(t, f, "x")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	held := filepath.Join(t.TempDir(), "go")
	payload, invoked := []byte(hold(held)), make(chan error, 1)
	go func() {
		_, err := f.Invoke(ctx, payload)
		invoked <- err
	}()
	eventually(t, "the function works", func() bool { return begun(held) == 1 })
	cancel()
	if err := <-invoked; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	clear(payload) // it is the caller's again
	letGo(t, held)
	if after := mustEcho(t, f, "x"); after.PID != before.PID || after.Calls != 3 {
		t.Fatalf("%+v, then %+v", before, after)
	}
}

func TestAProcessThatDiesIdleIsReplaced(t *testing.T) {
	f := function(t, nil)
	first := mustEcho(t, f, "x")
	p, err := os.FindProcess(first.PID)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the dead process is not counted", func() bool { return f.Stats().Sandboxes == 0 })
	if e := mustEcho(t, f, "x"); e.PID == first.PID {
		t.Fatal("answered by a dead process")
	}
}

func TestInitFailures(t *testing.T) {
	t.Run("exits", func(t *testing.T) {
		_, err := invoke(t, function(t, func(o *runtimeapi.Options) { o.Env = []string{"BOOT=exit"} }), `{"do":"echo"}`)
		if e := wantError(t, err, "Runtime.ExitError"); !strings.Contains(e.Message, "exit status 4") {
			t.Error(e.Message)
		}
	})
	t.Run("hangs", func(t *testing.T) {
		_, err := invoke(t, function(t, func(o *runtimeapi.Options) {
			o.Env, o.InitTimeout = []string{"BOOT=hang"}, 200*time.Millisecond
		}), `{"do":"echo"}`)
		wantError(t, err, "Sandbox.Timedout")
	})
	t.Run("is no program", func(t *testing.T) {
		_, err := invoke(t, function(t, func(o *runtimeapi.Options) { o.Command = []string{filepath.Join(t.TempDir(), "none")} }), `{"do":"echo"}`)
		wantError(t, err, "Runtime.InvalidEntrypoint")
	})
}

func TestOutputIsHandedOn(t *testing.T) {
	var out bytes.Buffer // written under the function's lock, read after Close
	f := function(t, func(o *runtimeapi.Options) { o.Output = &out })
	_, err := invoke(t, f, `{"do":"exit"}`)
	wantError(t, err, "Runtime.ExitError")
	if err := f.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "leaving") {
		t.Fatalf("got %q", out.String())
	}
}

func TestCloseKillsWhatRuns(t *testing.T) {
	f := function(t, nil)
	mustEcho(t, f, "x")
	done := make(chan error, 1)
	go func() {
		_, err := f.Invoke(context.Background(), []byte(`{"do":"sleep"}`))
		done <- err
	}()
	eventually(t, "the invocation begins", func() bool { return f.Stats().Invocations == 2 })
	if err := f.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil {
		t.Fatal("no error")
	}
	if _, err := f.Invoke(context.Background(), []byte(`{}`)); err == nil {
		t.Fatal("invoked after Close")
	}
}

// Another user of the machine can reach the port, and gets nothing.
func TestNothingAnswersWithoutTheSecret(t *testing.T) {
	f := function(t, nil)
	out, err := invoke(t, f, `{"do":"env"}`)
	if err != nil {
		t.Fatal(err)
	}
	var env []string
	if err := json.Unmarshal(out, &env); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(env, func(e string) bool { return strings.HasPrefix(e, "AWS_LAMBDA_RUNTIME_API=") })
	addr, secret, _ := strings.Cut(strings.TrimPrefix(env[i], "AWS_LAMBDA_RUNTIME_API="), "/")
	if !strings.HasPrefix(addr, "127.0.0.1:") || len(secret) != 32 {
		t.Fatalf("address %s with a secret of %d characters", addr, len(secret))
	}
	get := func(method, path string) int {
		req, err := http.NewRequest(method, "http://"+addr+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode
	}
	for _, path := range []string{"/2018-06-01/runtime/invocation/next", "/" + strings.Repeat("0", 32) + "/2018-06-01/runtime/invocation/next", "/", "//"} {
		if code := get(http.MethodGet, path); code != http.StatusForbidden {
			t.Errorf("%s: %d", path, code)
		}
	}
	base := "/" + secret + "/2018-06-01/runtime/"
	for path, want := range map[string]int{base + "invocation/other/response": 400, base + "invocation/other/error": 400, base + "restore/next": 404, "/" + secret + "/2020-01-01/extension/register": 404} {
		if code := get(http.MethodPost, path); code != want {
			t.Errorf("%s: %d, want %d", path, code, want)
		}
	}
	waiting(t, f) // else this poll would be the first, and the function's own the second
	if code := get(http.MethodGet, base+"invocation/next"); code != http.StatusForbidden {
		t.Errorf("a second poll: %d", code)
	}
	mustEcho(t, f, "still works")
}

func TestNewRefusesIncompleteOptions(t *testing.T) {
	if _, err := runtimeapi.New(runtimeapi.Options{Name: "x"}); err == nil {
		t.Fatal("accepted")
	}
}

func BenchmarkWarmInvoke(b *testing.B) {
	var n atomic.Int64
	f, err := runtimeapi.New(runtimeapi.Options{Command: []string{binary}, Name: "api", Clock: time.Now, NewID: func() string { return fmt.Sprint(n.Add(1)) }})
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close(context.Background())
	for b.Loop() {
		if _, err := f.Invoke(context.Background(), []byte(`{"do":"echo"}`)); err != nil {
			b.Fatal(err)
		}
	}
}
