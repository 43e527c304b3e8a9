package supervise

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/waypoint-serverless/waypoint/internal/startfail"
	"github.com/waypoint-serverless/waypoint/runner/machine"
)

// Main is the body of the hidden command: args are the deployment's directory and the attempt's nonce. Called by
// machine.Launch it returns when the process has been started once.
func Main(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("the supervisor takes two arguments, a directory and a nonce; the process plugin starts it")
	}
	dir, nonce := args[0], args[1]
	return machine.Daemon(dir, errorLog(dir), func(up func()) error {
		ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
		defer stop()
		return run(ctx, dir, nonce, up)
	})
}

// run supervises until ctx ends, or until the process ends if it is not to be started again.
func run(ctx context.Context, dir, nonce string, up func()) error {
	lock, err := machine.TryLock(LockFile(dir))
	if err != nil {
		return fmt.Errorf("another supervisor of this deployment: %w", err)
	}
	defer lock.Close()
	var spec Spec
	ok, err := machine.ReadJSON(specFile(dir), &spec)
	if err != nil {
		return err
	}
	if !ok || spec.Nonce != nonce {
		return errors.New("this start was overtaken by a later attempt")
	}
	out, err := openLog(LogFile(dir), maxLog)
	if err != nil {
		return err
	}
	defer out.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	var copying sync.WaitGroup
	copying.Go(func() { _, _ = io.Copy(out, r) })
	s := &supervisor{
		dir: dir, spec: spec, output: w, now: time.Now,
		status: Status{Supervisor: machine.Self(), Nonce: nonce, State: Starting},
	}
	defer func() {
		_ = w.Close()
		// Something that left the group may hold the pipe for ever.
		_ = r.SetReadDeadline(time.Now().Add(time.Second))
		copying.Wait()
		_ = r.Close()
	}()
	return s.loop(ctx, up)
}

type supervisor struct {
	dir    string
	spec   Spec
	output *os.File
	now    func() time.Time
	status Status
}

func (s *supervisor) loop(ctx context.Context, up func()) error {
	if err := s.say(Starting); err != nil {
		return err
	}
	var delay time.Duration
	for first := true; ; first = false {
		begun := s.now()
		exit, err := s.once(ctx, func() {
			if first {
				up()
			}
		})
		if first && err != nil {
			return err // the plugin waits for this sentence
		}
		s.status.LastError = ""
		if err != nil {
			s.status.LastError = err.Error()
		} else {
			s.status.Exits++
			s.status.LastExit, s.status.LastEnd = exit, s.now()
		}
		switch {
		case ctx.Err() != nil:
			return s.say(Stopped)
		case s.spec.NoRestart:
			return s.say(Ended)
		}
		delay = nextDelay(delay, s.now().Sub(begun))
		// A status that cannot be written (a full disk) is no reason to let the app go.
		_ = s.say(Waiting)
		timer := time.NewTimer(delay)
		select {
		case <-ctx.Done():
			timer.Stop()
			return s.say(Stopped)
		case <-timer.C:
		}
		s.status.Restarts++
	}
}

func (s *supervisor) say(state State) error {
	s.status.State = state
	return machine.WriteJSON(statusFile(s.dir), s.status)
}

// once starts the process and stays until it has ended. An error means that it could not be started.
func (s *supervisor) once(ctx context.Context, started func()) (exit int, err error) {
	cmd := exec.Command(s.spec.Command[0], s.spec.Command[1:]...) //nolint:noctx // it ends by signal, with a grace, and not with a context
	cmd.Dir = s.spec.Dir
	cmd.Stdout, cmd.Stderr = s.output, s.output
	cmd.SysProcAttr = machine.WithParent()
	// The signal that comes with the parent's death follows the thread that started the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return 0, startfail.Explain(startfail.Start{Program: s.spec.Command[0], Dir: s.spec.Dir}, err)
	}
	s.status.Process, _ = machine.Find(cmd.Process.Pid)
	s.status.Started = s.now()
	if err := s.say(Running); err != nil && s.status.Restarts == 0 && s.status.Exits == 0 {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return 0, err
	}
	started()
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // what it says stands in ProcessState
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		_ = s.status.Process.TerminateGroup()
		timer := time.NewTimer(s.spec.StopGrace)
		defer timer.Stop()
		select {
		case <-ended:
		case <-timer.C:
			_ = s.status.Process.KillTree()
			<-ended
		}
	}
	machine.KillGroup(cmd.Process.Pid) // what it left behind would keep its port
	return exitCode(cmd.ProcessState), nil
}
