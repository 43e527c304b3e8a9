package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/waypoint-serverless/waypoint/runner/machine"
)

// Main is the body of the hidden command: args is the proxy's directory. Called by machine.Launch it returns when
// the proxy runs in the background.
func Main(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("the proxy takes one argument, its directory; the process plugin starts it")
	}
	dir := args[0]
	return machine.Daemon(dir, errorLog(dir), func(up func()) error {
		ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
		defer stop()
		return Run(ctx, dir, up)
	})
}

// Run serves the route that is kept in dir until ctx ends or somebody stops it. up is called when it serves.
func Run(ctx context.Context, dir string, up func()) error {
	lock, err := machine.TryLock(lockFile(dir))
	if err != nil {
		return fmt.Errorf("the proxy of this app: %w", err)
	}
	defer lock.Close()
	route, ok, err := ReadRoute(dir)
	if err != nil {
		return err
	}
	if !ok {
		return errors.New("the proxy has no route yet")
	}
	s := newServer(dir, time.Now)
	if err := s.begin(route); err != nil {
		return err
	}
	defer s.end()
	return s.serveControl(ctx, up)
}

func (s *Server) serveControl(ctx context.Context, up func()) error {
	socket, err := socketPath(s.dir)
	if err != nil {
		return err
	}
	// Whoever left it is dead: we hold the lock.
	_ = os.Remove(socket)
	l, err := new(net.ListenConfig).Listen(ctx, "unix", socket)
	if err != nil {
		return fmt.Errorf("opening the control socket: %w", err)
	}
	if err := os.Chmod(socket, 0o600); err != nil {
		_ = l.Close()
		return err
	}
	server := &http.Server{Handler: s.control(), ReadHeaderTimeout: callTimeout, ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	up()
	select {
	case <-ctx.Done():
	case <-s.stop:
	case err := <-served:
		return err
	}
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = server.Shutdown(stopCtx)
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// launches is how often a proxy that ends right after it was up is started.
const launches = 3

// dying bounds how long a proxy that was killed may still hold its lock.
const dying = 5 * time.Second

// Ensure makes sure that the proxy of dir runs, with the route that is kept there, and reports its state. started: it
// had to be started. command is how to run Main, without the directory.
func Ensure(ctx context.Context, dir string, command, env []string) (st Status, started bool, err error) {
	end := time.Now().Add(dying)
	for launched := 0; ; {
		st, err = At(dir).Status(ctx)
		if !errors.Is(err, ErrNotRunning) || launched == launches {
			return st, started, err
		}
		err = machine.Launch(ctx, append(append([]string(nil), command...), dir), env)
		if err == nil {
			started = true
			launched++
		}
		// Locked: somebody else has just started it, or the former one is not quite dead.
		if err != nil && (!machine.IsLocked(err) || time.Now().After(end)) {
			return Status{}, false, err
		}
	}
}
