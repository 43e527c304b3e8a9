package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/waypoint-serverless/waypoint/functions"
	"github.com/waypoint-serverless/waypoint/localstack/aws/store"
	"github.com/waypoint-serverless/waypoint/localstack/bounded"
	"github.com/waypoint-serverless/waypoint/localstack/filelock"
)

const (
	sweepInterval = time.Minute // as the schedule on AWS
	stopGrace     = 5 * time.Second
)

// errRunning says that a server runs on the same data already.
var errRunning = errors.New("a local server is already running on this data")

// ServeOptions configure Serve.
type ServeOptions struct {
	// Dir is the data directory; empty: DefaultDir.
	Dir string
	// Listen is the loopback address for browsers, containers and curl; empty: what `install` chose, else
	// DefaultListen; "none": no TCP port.
	Listen string
	// Bootstrap and Throttles: see Options.
	Bootstrap string
	Throttles Throttles
	Logger    *slog.Logger
	// Ready, if set, is called with the TCP address ("" if none) once the server answers.
	Ready func(tcp string)
}

// Serve runs the local server in the foreground until ctx ends. It listens on two Unix sockets in a 0700
// directory and, unless told otherwise, on one loopback port.
func Serve(ctx context.Context, o ServeOptions) error {
	if o.Dir == "" {
		var err error
		if o.Dir, err = DefaultDir(); err != nil {
			return err
		}
	}
	d := dir(o.Dir)
	if err := d.make(); err != nil {
		return err
	}
	if o.Listen == "" {
		o.Listen = loadSettings(d).Listen
	}
	g, err := takeServer(ctx, d, o.Logger)
	if err != nil {
		return err
	}
	defer g.release()
	listeners, err := listen(ctx, d, o.Listen)
	if err != nil {
		return err
	}
	defer listeners.close()
	perDay, err := functions.ParseAppLogsPerDay(os.Getenv(functions.EnvAppLogsPerDay))
	if err != nil {
		return err
	}
	s, err := New(ctx, Options{Dir: o.Dir, Bootstrap: o.Bootstrap, Throttles: o.Throttles, AppLogsPerDay: perDay, Logger: o.Logger})
	if errors.Is(err, store.ErrInUse) {
		return fmt.Errorf("%w (%s)", errRunning, o.Dir)
	}
	if err != nil {
		return explainData(err, d)
	}
	tuneCollector()
	err = serve(ctx, s, d, o, listeners, g)
	closeCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	return errors.Join(err, s.Close(closeCtx))
}

// lockWait is how long a daemon tries to get its locks: whoever looks whether they are held holds them for a moment.
const lockWait = 2 * time.Second

// takeServer makes this process the server of a directory, or fails with ErrRunning. The directory's own lock counts as
// well as the lock file's, which somebody may have removed under a server that runs.
func takeServer(ctx context.Context, d dir, log *slog.Logger) (*guard, error) {
	if running, err := filelock.Held(d.serverLock()); err != nil || running {
		return nil, errors.Join(err, fmt.Errorf("%w (%s)", errRunning, string(d)))
	}
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	whole, err := filelock.Await(ctx, func() (*filelock.Lock, error) { return filelock.AcquireExisting(string(d)) })
	var lock *filelock.Lock
	if err == nil {
		lock, err = filelock.Await(ctx, func() (*filelock.Lock, error) { return filelock.Acquire(d.serverLock()) })
	}
	var pid *pidFile
	if err == nil {
		pid, err = takePIDFile(d.serverPIDFile())
	}
	if errors.Is(err, filelock.ErrHeld) {
		err = fmt.Errorf("%w (%s)", errRunning, string(d))
	}
	if err != nil {
		return nil, errors.Join(err, lock.Release(), whole.Release())
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &guard{whole: whole, lock: lock, pid: pid, log: log}, nil
}

// tuneCollector collects garbage less often, unless the operator has set GOGC: the server's live memory is a few
// megabytes, and each request makes tens of kilobytes of garbage on its way through the SDK.
func tuneCollector() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(180)
	}
}

func serve(ctx context.Context, s *Server, d dir, o ServeOptions, l *listenerSet, g *guard) error {
	if err := ensureAdminToken(ctx, s, d); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	listeners, err := newContainerListeners(ctx, d, s.Gateway, s.log)
	if err != nil {
		return err
	}
	local := http.NewServeMux()
	local.Handle(listenersPath, listeners)
	local.HandleFunc(statePath, s.serveState)
	local.HandleFunc(sealPath, s.serveSeal)
	local.Handle("/", s.Gateway)
	l.api.serve = serveHTTP(ctx, group, l.api.ln, local)
	l.sqs.serve = serveHTTP(ctx, group, l.sqs.ln, s.Queues)
	g.sockets = []*socket{l.api, l.sqs}
	tcp := ""
	if l.tcp != nil {
		serveHTTP(ctx, group, l.tcp, s.Gateway)
		tcp = l.tcp.Addr().String()
	}
	group.Go(func() error { s.sweepLoop(ctx); return nil })
	group.Go(func() error { g.loop(ctx); return nil })
	group.Go(func() error { <-ctx.Done(); listeners.running.Wait(); return nil })
	if o.Ready != nil {
		o.Ready(tcp)
	}
	return group.Wait()
}

// serveHTTP answers on ln until ctx ends, and a second longer for those who are being answered. further makes the same
// server answer on another listener, too; it may be called as long as the group has a goroutine.
func serveHTTP(ctx context.Context, group *errgroup.Group, ln net.Listener, h http.Handler) (further func(net.Listener)) {
	srv := bounded.NewServer(h, bounded.Limits{})
	further = func(ln net.Listener) {
		group.Go(func() error {
			if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
	}
	further(ln)
	group.Go(func() error {
		<-ctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if srv.Shutdown(stop) != nil { // held reads go on for up to 20 s; clients call again
			return srv.Close()
		}
		return nil
	})
	return further
}

// sweepLoop sweeps at once (a server that was away owes something) and then each minute, or sooner, when it is decided
// sooner what becomes of a job whose runner is silent.
func (s *Server) sweepLoop(ctx context.Context) {
	for {
		fate, err := s.sweep(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "sweep failed", "error", err)
		}
		wait := sweepInterval
		if !fate.IsZero() {
			wait = min(max(fate.Sub(s.clock()), time.Second), sweepInterval)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// ensureAdminToken makes the admin token at the first start, and again when the data knows nothing of the one that is
// there: the data file was lost or emptied, and the token would open nothing. That gives nobody anything: whoever may
// write to the directory has the keys. A token that was revoked is known, and stays revoked.
func ensureAdminToken(ctx context.Context, s *Server, d dir) error {
	if token, err := readToken(d.adminToken()); err == nil {
		known, err := s.knowsToken(ctx, token)
		if err != nil || known {
			return err
		}
		s.log.WarnContext(ctx, "the admin token is not in the data: the data is new, so new tokens are made")
	}
	token, err := s.AdminToken(ctx, "install")
	if err != nil {
		return err
	}
	return writeFile(d.adminToken(), []byte(token+"\n"))
}

// socket is a Unix socket on which a server answers.
type socket struct {
	path string
	ln   *net.UnixListener
	file os.FileInfo
	// serve answers on a further listener.
	serve func(net.Listener)
}

// inPlace reports whether the socket's file is still there, and ours.
func (s *socket) inPlace() bool {
	named, err := os.Lstat(s.path)
	return err == nil && os.SameFile(named, s.file)
}

// open listens. Who called before and serves goes on serving, on the new file.
func (s *socket) open(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return err
	}
	ln, err := listenUnix(ctx, s.path)
	if err != nil {
		return err
	}
	if s.ln != nil {
		s.ln.SetUnlinkOnClose(false) // the file of that name is the new one's
	}
	s.ln = ln
	if s.file, err = os.Lstat(s.path); err != nil {
		return errors.Join(err, ln.Close())
	}
	if s.serve != nil {
		s.serve(ln)
	}
	return nil
}

type listenerSet struct {
	api, sqs *socket
	tcp      net.Listener
}

func (l *listenerSet) close() {
	for _, s := range []*socket{l.api, l.sqs} {
		if s.ln != nil {
			_ = s.ln.Close()
		}
	}
	if l.tcp != nil {
		_ = l.tcp.Close()
	}
}

// listen opens the sockets. The directory's lock is held, so a socket file that lies there is a dead server's.
func listen(ctx context.Context, d dir, tcp string) (_ *listenerSet, err error) {
	l := &listenerSet{api: &socket{path: d.apiSocket()}, sqs: &socket{path: d.sqsSocket()}}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if err = l.api.open(ctx); err != nil {
		return nil, err
	}
	if err = l.sqs.open(ctx); err != nil {
		return nil, err
	}
	if tcp == "none" {
		return l, nil
	}
	host, _, err := net.SplitHostPort(tcp)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("the local server listens on loopback only, not on %q: use 127.0.0.1:PORT or none", tcp)
	}
	l.tcp, err = new(net.ListenConfig).Listen(ctx, "tcp", tcp)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("the address %s is in use by another program: stop it, or choose another address, "+
			"`waypoint install --platform=local --listen 127.0.0.1:PORT`", tcp)
	}
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", tcp, withoutPrefix(err))
	}
	return l, nil
}

func listenUnix(ctx context.Context, path string) (*net.UnixListener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("removing a dead socket: %w", err)
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("opening the socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("closing the socket to others: %w", err), ln.Close())
	}
	unix, ok := ln.(*net.UnixListener)
	if !ok {
		return nil, errors.Join(fmt.Errorf("%s is not a Unix socket", path), ln.Close())
	}
	return unix, nil
}
