package entrypoint

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"github.com/waypoint-serverless/waypoint/internal/startfail"
)

// Exit codes that are not the app's own, as shells use them.
const (
	exitUsage         = 2
	exitNotExecutable = 126
	exitNotFound      = 127
	exitSignalBase    = 128
)

// child is one run of the app, in a process group of its own.
type child struct {
	cmd *exec.Cmd
	// done gets the exit code once, after the app's output has been read.
	done chan int
	// ended is closed before that.
	ended chan struct{}
}

func (c *child) hasEnded() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// group is the number of the app's process group.
func (c *child) group() int { return c.cmd.Process.Pid }

// starter starts children on one thread that lives as long as it does: on Linux, the signal that a child gets
// when its parent dies follows the thread that started it.
type starter struct {
	jobs chan func()
	wg   sync.WaitGroup
	// mu is held while a child is started and known, so that the reaper never takes a child of ours for an orphan.
	mu   sync.Mutex
	pids map[int]bool
}

func newStarter() *starter {
	s := &starter{jobs: make(chan func()), pids: map[int]bool{}}
	s.wg.Go(s.run)
	return s
}

func (s *starter) close() {
	close(s.jobs)
	s.wg.Wait()
}

type childSpec struct {
	args           []string
	env            []string
	stdin          *os.File
	stdout, stderr io.Writer
}

// start starts the app. The program is looked for in the PATH of the app's own environment.
func (s *starter) start(spec childSpec) (*child, error) {
	path, err := lookPath(spec.args[0], spec.env)
	if err != nil {
		return nil, startfail.Explain(startfail.Start{Program: spec.args[0], Env: spec.env}, err)
	}
	c := &child{done: make(chan int, 1), ended: make(chan struct{})}
	c.cmd = exec.Command(path, spec.args[1:]...) //nolint:noctx // it ends by signal, with a grace, and not with a context
	c.cmd.Args[0] = spec.args[0]
	c.cmd.Env = spec.env
	c.cmd.Stdout, c.cmd.Stderr = spec.stdout, spec.stderr
	c.cmd.WaitDelay = outputWait
	if spec.stdin != nil {
		c.cmd.Stdin = spec.stdin
	}
	setAttributes(c.cmd, spec.stdin)
	result := make(chan error, 1)
	s.jobs <- func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		startErr := c.cmd.Start()
		if startErr == nil {
			s.pids[c.cmd.Process.Pid] = true
		}
		result <- startErr
	}
	if err := <-result; err != nil {
		return nil, startfail.Explain(startfail.Start{Program: path, Env: spec.env}, err)
	}
	s.wg.Go(func() {
		_ = c.cmd.Wait() // what it says stands in ProcessState
		close(c.ended)
		s.mu.Lock()
		delete(s.pids, c.cmd.Process.Pid)
		s.mu.Unlock()
		c.done <- exitCode(c.cmd.ProcessState)
	})
	return c, nil
}

// startFailure is the exit code for a start that failed.
func startFailure(err error) int {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return exitNotFound
	}
	return exitNotExecutable
}

// lookPath finds a program in the PATH of env, which need not be the entrypoint's own.
func lookPath(program string, env []string) (string, error) {
	if program == "" {
		return "", exec.ErrNotFound
	}
	if hasSeparator(program) {
		return program, nil
	}
	for _, dir := range pathList(env) {
		if found, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return found, nil
		}
	}
	return "", &exec.Error{Name: program, Err: exec.ErrNotFound}
}
