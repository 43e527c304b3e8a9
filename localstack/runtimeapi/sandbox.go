package runtimeapi

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// sandbox is one process of the binary and its half of the conversation.
type sandbox struct {
	f       *Function
	secret  string
	cmd     *exec.Cmd
	started time.Time

	queue  chan *invocation // at most one: the next event
	ready  chan struct{}    // a token each time that the process comes to /next
	exited chan struct{}    // closed when the process is gone

	mu        sync.Mutex
	current   *invocation
	polling   bool
	booted    bool
	initError *Error
	exit      string // how the process ended; valid when exited is closed
}

// start runs a process and waits for its first /next, at most the init timeout.
func (f *Function) start() (*sandbox, error) {
	secret, err := newSecret()
	if err != nil {
		return nil, err
	}
	sb := &sandbox{f: f, secret: secret, queue: make(chan *invocation, 1), ready: make(chan struct{}, 1), exited: make(chan struct{})}
	sb.cmd = exec.Command(f.opt.Command[0], f.opt.Command[1:]...) //nolint:noctx // it lives as long as the Function, whose Close ends it
	sb.cmd.Dir = f.opt.Dir
	sb.cmd.Env = f.environment(secret)
	sb.cmd.Stdout, sb.cmd.Stderr = f.opt.Output, f.opt.Output
	sb.cmd.WaitDelay = time.Second // for grandchildren that hold the pipes
	ownGroup(sb.cmd)

	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil, errClosed
	}
	sb.started = f.opt.Clock()
	if err := sb.cmd.Start(); err != nil {
		f.mu.Unlock()
		return nil, failure("Runtime.InvalidEntrypoint", fmt.Sprintf("starting %s: %v", f.opt.Name, err))
	}
	f.sandboxes[secret] = sb
	f.work.Add(1)
	f.mu.Unlock()
	go func() {
		defer f.work.Done()
		sb.wait()
	}()
	return sb, sb.boot()
}

func (sb *sandbox) boot() error {
	timer := time.NewTimer(sb.f.opt.InitTimeout)
	defer timer.Stop()
	select {
	case <-sb.ready:
		return nil
	case <-sb.exited:
		sb.mu.Lock()
		defer sb.mu.Unlock()
		if sb.initError != nil {
			return sb.initError
		}
		return failure("Runtime.ExitError", "Error: Runtime exited before it was ready: "+sb.exit)
	case <-timer.C:
		sb.kill()
		return failure("Sandbox.Timedout", fmt.Sprintf("Error: Init timed out after %.2f seconds", sb.f.opt.InitTimeout.Seconds()))
	case <-sb.f.base.Done():
		sb.kill()
		return errClosed
	}
}

// wait reaps the process.
func (sb *sandbox) wait() {
	err := sb.cmd.Wait()
	killGroup(sb.cmd) // what it left behind
	text := "exit status 0"
	if err != nil {
		text = err.Error()
	}
	sb.mu.Lock()
	sb.exit = text
	sb.mu.Unlock()
	sb.f.mu.Lock()
	delete(sb.f.sandboxes, sb.secret)
	sb.f.mu.Unlock()
	close(sb.exited)
	sb.f.opt.Logger.Info("sandbox ended", "function", sb.f.opt.Name, "pid", sb.cmd.Process.Pid, "exit", text)
}

// waits reports whether the process is at /next and has not been given an event.
func (sb *sandbox) waits() bool {
	sb.mu.Lock()
	defer sb.mu.Unlock()
	return sb.polling && sb.current == nil
}

func (sb *sandbox) alive() bool {
	select {
	case <-sb.exited:
		return false
	default:
		return true
	}
}

func (sb *sandbox) kill() {
	if sb.alive() { // a reaped process's id may be somebody else's by now
		killGroup(sb.cmd)
	}
}

// assign gives the sandbox, which waits at /next, an event.
func (sb *sandbox) assign(inv *invocation) {
	sb.mu.Lock()
	sb.current = inv
	sb.mu.Unlock()
	sb.queue <- inv
}

// owned returns the invocation that a request names, if the sandbox is working on it.
func (sb *sandbox) owned(id string) *invocation {
	sb.mu.Lock()
	defer sb.mu.Unlock()
	if sb.current == nil || sb.current.id != id {
		return nil
	}
	return sb.current
}

// end notes that the current invocation has been answered.
func (sb *sandbox) end(o outcome) {
	sb.mu.Lock()
	inv := sb.current
	sb.current = nil
	sb.mu.Unlock()
	if inv != nil {
		inv.finish(o)
	}
}

func (sb *sandbox) exitError(inv *invocation) error {
	sb.mu.Lock()
	defer sb.mu.Unlock()
	return failure("Runtime.ExitError", fmt.Sprintf("RequestId: %s Error: Runtime exited with error: %s", inv.id, sb.exit))
}

// arrive is called when the process comes to /next. It returns false if it is there already.
func (sb *sandbox) arrive() bool {
	sb.mu.Lock()
	if sb.polling {
		sb.mu.Unlock()
		return false
	}
	sb.polling = true
	first := !sb.booted
	sb.booted = true
	unanswered := sb.current
	sb.current = nil
	sb.mu.Unlock()
	if unanswered != nil {
		unanswered.finish(outcome{err: failure("Runtime.NoResponse", fmt.Sprintf("RequestId: %s Error: Runtime asked for the next event without a response", unanswered.id))})
	}
	if first {
		took := sb.f.opt.Clock().Sub(sb.started)
		sb.f.mu.Lock()
		sb.f.stats.ColdStarts++
		sb.f.stats.LastInit = took
		sb.f.mu.Unlock()
		sb.f.opt.Logger.Info("cold start", "function", sb.f.opt.Name, "pid", sb.cmd.Process.Pid, "init", took)
	}
	select {
	case sb.ready <- struct{}{}:
	case <-sb.exited:
	}
	return true
}

// next waits for an event until the process or its request is gone.
func (sb *sandbox) next(ctx context.Context) *invocation {
	defer func() {
		sb.mu.Lock()
		sb.polling = false
		sb.mu.Unlock()
	}()
	select {
	case inv := <-sb.queue:
		return inv
	case <-sb.exited:
	case <-ctx.Done():
		// A runtime that gives up its poll is of no use: its idle place is stale.
		sb.kill()
	case <-sb.f.base.Done():
	}
	return nil
}

// environment is what Lambda sets for a custom runtime, and the function's own.
func (f *Function) environment(secret string) []string {
	root := f.opt.Dir
	if root == "" {
		root = filepath.Dir(f.opt.Command[0])
	}
	env := []string{
		"PATH=" + os.Getenv("PATH"),
		"TZ=:UTC",
		"LANG=en_US.UTF-8",
		"LAMBDA_TASK_ROOT=" + root,
		"LAMBDA_RUNTIME_DIR=" + root,
		"_HANDLER=" + f.opt.Handler,
		"AWS_REGION=" + f.opt.Region,
		"AWS_DEFAULT_REGION=" + f.opt.Region,
		"AWS_LAMBDA_FUNCTION_NAME=" + f.opt.Name,
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=" + strconv.Itoa(f.opt.MemoryMB),
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/" + f.opt.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME=" + f.opt.Clock().UTC().Format("2006/01/02") + "/[$LATEST]" + f.opt.NewID(),
	}
	env = append(env, f.opt.Env...)
	return append(env, "AWS_LAMBDA_RUNTIME_API="+f.addr+"/"+secret)
}

// failure words an error as Lambda does.
func failure(kind, message string) *Error {
	payload, err := json.Marshal(struct {
		Message string `json:"errorMessage"`
		Type    string `json:"errorType"`
	}{message, kind})
	if err != nil {
		payload = []byte(`{"errorType":"` + kind + `"}`)
	}
	return &Error{Type: kind, Message: message, Payload: payload}
}
