// Package command runs the commands that plugins and hooks start: each in a process group of its own, so
// that ending a job ends everything that the command started, and with every line that it printed delivered. Where the
// context has a guard (package guard), nothing of a command outlives a runner that is killed.
//
// It starts processes and copies what they print. It does not depend on jobs, plugins or the server.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"github.com/waypoint-serverless/waypoint/internal/startfail"
	"github.com/waypoint-serverless/waypoint/runner/guard"
)

// Spec is one command.
type Spec struct {
	// Args is the program and its arguments; no shell reads them.
	Args []string
	// Dir is the working directory; empty means the caller's.
	Dir string
	// Env is the whole environment, "NAME=value"; nil means the caller's.
	Env []string
	// Stdin is what it reads; nil: nothing. It must end by itself.
	Stdin io.Reader
	// Stdout and Stderr take what it prints. nil discards.
	Stdout, Stderr io.Writer
	// Grace is how long the command has between the polite signal and the kill when ctx ends; 0 means 5 s.
	Grace time.Duration
	// KeepBackground leaves processes alone that the command left behind when it ended well by itself.
	// Without it the whole group is killed at the end.
	KeepBackground bool
}

const (
	defaultGrace = 5 * time.Second
	// drainIdle is how long an ended command's output may stay silent while something else still holds it open.
	drainIdle = 2 * time.Second
)

// ExitError says that the command ran and ended with something other than 0.
type ExitError struct {
	Program string
	// Code is the exit code; -1 if a signal ended it.
	Code int
	// Signal is its description, if a signal ended it.
	Signal string
}

func (e *ExitError) Error() string {
	if e.Code < 0 {
		return fmt.Sprintf("%s was ended by a signal (%s)", e.Program, e.Signal)
	}
	return fmt.Sprintf("%s ended with exit code %d", e.Program, e.Code)
}

// Run runs the command to its end and returns after all its output has been written. When ctx ends first, the
// group is asked to end, is killed after the grace, and the cause of ctx is returned. An unsuccessful end is an
// *ExitError, a failed start a *startfail.Error.
func Run(ctx context.Context, s Spec) error {
	if len(s.Args) == 0 || s.Args[0] == "" {
		return errors.New("the command is empty")
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	// The end of ctx is answered in awaitEnd: exec's own way kills the command and leaves its children.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), s.Args[0], s.Args[1:]...)
	guarded := guard.From(ctx).Command()
	defer guarded.Ended()
	cmd.Dir, cmd.Env, cmd.Stdin = s.Dir, guarded.Environ(s.Env), s.Stdin

	var streams []*stream
	defer func() {
		for _, st := range streams {
			st.closeAll()
		}
	}()
	out, err := attach(&streams, s.Stdout)
	if err != nil {
		return err
	}
	cmd.Stdout = asWriter(out)
	if s.Stderr != nil && s.Stderr == s.Stdout {
		cmd.Stderr = cmd.Stdout
	} else {
		errOut, attachErr := attach(&streams, s.Stderr)
		if attachErr != nil {
			return attachErr
		}
		cmd.Stderr = asWriter(errOut)
	}
	return run(ctx, cmd, s, streams, guarded)
}

func run(ctx context.Context, cmd *exec.Cmd, s Spec, streams []*stream, guarded *guard.Command) error {
	g, ended, err := startGroup(cmd, s.KeepBackground)
	if err != nil {
		return startfail.Explain(startfail.Start{Program: s.Args[0], Dir: s.Dir, Env: s.Env}, err)
	}
	defer g.close()
	guarded.Started(cmd.Process.Pid)
	var copying sync.WaitGroup
	for _, st := range streams {
		_ = st.childEnd.Close() // the child has its own copy; ours would keep the pipe from ending
		copying.Go(st.copy)
	}

	waitErr := awaitEnd(ctx, g, ended, s.Grace)
	canceled := context.Cause(ctx)
	if !s.KeepBackground || waitErr != nil || canceled != nil {
		g.kill()
	}
	if canceled != nil {
		guarded.Kill() // also what has left the group
	}
	for _, st := range streams {
		st.drain()
	}
	copying.Wait()

	if canceled != nil && waitErr != nil {
		return canceled
	}
	return describe(s.Args[0], waitErr)
}

// awaitEnd waits for the command itself, ending it when ctx does.
func awaitEnd(ctx context.Context, g *group, ended <-chan error, grace time.Duration) error {
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	if grace <= 0 {
		grace = defaultGrace
	}
	g.terminate()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case err := <-ended:
		if err == nil {
			// It took the signal and ended well: the caller still hears that it was stopped.
			err = context.Cause(ctx)
		}
		return err
	case <-timer.C:
		g.kill()
		return <-ended
	}
}

func describe(program string, err error) error {
	if err == nil {
		return nil
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return fmt.Errorf("running %s: %w", program, err)
	}
	e := &ExitError{Program: program, Code: exit.ExitCode()}
	if e.Code < 0 {
		e.Signal = exit.ProcessState.String()
	}
	return e
}

// stream copies one of the command's outputs.
type stream struct {
	parentEnd, childEnd *os.File
	to                  io.Writer
	draining            atomic.Bool
}

func attach(streams *[]*stream, to io.Writer) (*stream, error) {
	if to == nil {
		return nil, nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("opening a pipe: %w", err)
	}
	st := &stream{parentEnd: r, childEnd: w, to: to}
	*streams = append(*streams, st)
	return st, nil
}

// asWriter avoids a nil *os.File inside a non-nil io.Writer.
func asWriter(st *stream) io.Writer {
	if st == nil {
		return nil
	}
	return st.childEnd
}

// copy reads until everybody who holds the pipe has closed it or, once draining, until it is silent for drainIdle.
// A writer that blocks (a server that is away) delays it and loses nothing.
func (st *stream) copy() {
	buf := make([]byte, 32<<10)
	for {
		if st.draining.Load() {
			// Not every system can; there the group's kill closes the pipe.
			_ = st.parentEnd.SetReadDeadline(time.Now().Add(drainIdle))
		}
		n, err := st.parentEnd.Read(buf)
		if n > 0 {
			_, _ = st.to.Write(buf[:n])
		}
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded) && st.moreTime():
		default:
			return
		}
	}
}

// moreTime reports whether a passed deadline was set before the copy knew of draining: data may still be waiting.
func (st *stream) moreTime() bool { return !st.draining.Swap(true) }

// drain tells the copy that the command has ended.
func (st *stream) drain() {
	if !st.draining.Swap(true) {
		_ = st.parentEnd.SetReadDeadline(time.Now().Add(drainIdle))
	}
}

func (st *stream) closeAll() {
	_ = st.parentEnd.Close()
	_ = st.childEnd.Close()
}
