package shell

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"time"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/internal/client"
)

// BrokenPipeCode is the exit code of a command whose output nobody reads any more: what a shell shows for SIGPIPE.
const BrokenPipeCode = 128 + 13

// lastWords bounds how long the second interrupt waits for its sentence to be written: a terminal can be stopped.
const lastWords = 100 * time.Millisecond

// Signals are the signals that Env.Interrupts receives.
func Signals() []os.Signal { return interruptSignals() }

// interruption is why the context of a command ended: a signal arrived.
type interruption struct{ signal os.Signal }

func (i *interruption) Error() string { return "interrupted" }

// code is the exit code by which shells know what ended the command: 130, 143 or 129.
func (i *interruption) code() int {
	if n, ok := i.signal.(syscall.Signal); ok {
		return 128 + int(n)
	}
	return 130
}

// errBrokenPipe is why the context of a command ended: nobody reads its output any more.
var errBrokenPipe = errors.New("the reader of the output has gone away")

// watchInterrupts listens until done is closed. The first signal cancels the command, the second ends the process at
// once: at every moment, since a command in the middle of a computation may not see its context end.
func (sh *Shell) watchInterrupts(done <-chan struct{}, cancel context.CancelCauseFunc) {
	for n := 1; ; n++ {
		var why interruption
		select {
		case <-done:
			return
		case why.signal = <-sh.env.Interrupts:
		}
		if n == 1 {
			sh.interrupted.Store(&why)
			cancel(&why)
			continue
		}
		if sh.prompting.Load() {
			sh.env.restoreTerminal()
		}
		said := make(chan struct{})
		go func() { // ends with the process
			if r := sh.live.Load(); r != nil {
				_ = r.Close() // the process ends here
			}
			sh.Progressf("\nStopped immediately.\n")
			close(said)
		}()
		select {
		case <-said:
		case <-time.After(lastWords):
		}
		sh.env.Quit(why.code())
		return
	}
}

// exitCodeOf shows why a command failed, where that is not known yet, and returns its exit code.
func (sh *Shell) exitCodeOf(err error) int {
	var code problem.ExitCode
	why := sh.interrupted.Load()
	switch {
	case err == nil:
		return 0
	case why != nil:
		if canceled(err) {
			sh.Progressf("Interrupted.\n")
		} else {
			sh.ShowError(err)
		}
		return why.code()
	case sh.pipeBroke.Load(), errors.Is(err, syscall.EPIPE):
		return BrokenPipeCode
	case errors.As(err, &code):
		return int(code)
	}
	sh.ShowError(err)
	return codeOf(err)
}

// Exit codes, apart from those that name a signal. They are part of what users' scripts rely on: docs/users.md lists them.
const (
	codeFailed = 1
	codeUsage  = 2
	// 3 is what `waypoint fmt -check` returns when a file would change.
	codeNoServer = 4
)

// codeOf is the exit code of an error: the largest that one of several has.
func codeOf(err error) int {
	if many := joined(err); many != nil {
		code := codeFailed
		for _, one := range many {
			code = max(code, codeOf(one))
		}
		return code
	}
	var own *problem.Problem
	if errors.As(err, &own) {
		return codeOfReason(own.Reason)
	}
	if f, ok := fault.From(err); ok {
		return codeOfReason(f.Reason)
	}
	if client.Unreachable(err) {
		return codeNoServer
	}
	return codeFailed
}

func codeOfReason(reason fault.Reason) int {
	switch reason {
	case "USAGE", "APP_NEEDED", "NOT_CONFIRMED", "NOT_AVAILABLE":
		return codeUsage
	case "NO_SERVER", "NO_CONTEXT", "SERVER_ADDRESS", fault.TokenMissing, fault.TokenInvalid, fault.TokenExpired, fault.TokenRevoked:
		return codeNoServer
	}
	return codeFailed
}

// canceled reports whether an error says no more than that the context ended.
func canceled(err error) bool {
	var why *interruption
	return errors.As(err, &why) || errors.Is(err, context.Canceled) || connect.CodeOf(err) == connect.CodeCanceled
}

// OutputWriter is a command's stdout. Once its reader is gone, as in `waypoint logs | head`, the command is cancelled.
type OutputWriter struct {
	io.Writer
	Broken func()
}

func (w OutputWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		w.Broken()
	}
	return n, err
}

// inputReader is a command's stdin: a read gives up as soon as the command is interrupted, wherever it waits for input.
type inputReader struct {
	ctx  context.Context
	from io.Reader
}

func (r inputReader) Read(p []byte) (int, error) {
	type result struct {
		data []byte
		err  error
	}
	got := make(chan result, 1)
	go func() { // as in readAnswer, it may stay until the process ends; the buffer is its own
		data := make([]byte, len(p))
		n, err := r.from.Read(data)
		got <- result{data[:n], err}
	}()
	select {
	case res := <-got:
		return copy(p, res.data), res.err
	case <-r.ctx.Done():
		return 0, context.Cause(r.ctx)
	}
}
