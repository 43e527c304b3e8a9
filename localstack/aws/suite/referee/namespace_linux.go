package referee

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// inside marks the process that this program starts of itself in the new namespace.
const inside = "WAYPOINT_REFEREE_INSIDE"

// startTimeout bounds how long a referee may take to answer; Java is slow on a busy machine.
const startTimeout = 90 * time.Second

// Running is a referee that answers.
type Running struct {
	// URL leads to it, on 127.0.0.1.
	URL string

	cmd   *exec.Cmd
	relay net.Listener
	dir   string
	log   string
	once  sync.Once
}

// Main must be called first in the main function (or TestMain) of a program that starts referees: in the namespace the
// program is the relay and does not return from it.
func Main() {
	if os.Getenv(inside) == "" {
		return
	}
	if err := relayInside(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "referee:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// start runs a command in a network namespace of its own and waits until it answers HTTP.
func start(ctx context.Context, home string, env []string, command ...string) (*Running, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "wpref-")
	if err != nil {
		return nil, err
	}
	r := &Running{dir: dir, log: filepath.Join(dir, "log")}
	log, err := os.Create(r.log)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	defer log.Close()
	socket := filepath.Join(dir, "s")
	r.cmd = exec.CommandContext(ctx, self, append([]string{socket}, command...)...)
	r.cmd.Dir = home
	r.cmd.Env = append(os.Environ(), append(env, inside+"=1")...)
	r.cmd.Stdout, r.cmd.Stderr = log, log
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		r.cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		r.cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		r.cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	r.cmd.Cancel = func() error { return syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL) }
	if err := r.cmd.Start(); err != nil {
		return nil, errors.Join(missing("this system gives no network namespace, without which it would listen on all interfaces: %v", err), os.RemoveAll(dir))
	}
	if err := r.serve(ctx, socket); err != nil {
		return nil, errors.Join(err, r.Stop())
	}
	return r, nil
}

// serve opens the loopback port and waits until the referee answers through it.
func (r *Running) serve(ctx context.Context, socket string) error {
	var err error
	if r.relay, err = new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	r.URL = "http://" + r.relay.Addr().String()
	go relayTo(r.relay, "unix", socket)
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL+"/", nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			return resp.Body.Close()
		}
		select {
		case <-ctx.Done():
			out, _ := os.ReadFile(r.log) // what there is
			return fmt.Errorf("the referee does not answer: %w: %s", ctx.Err(), lastLines(out))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Stop ends the referee and what belongs to it. It can be called twice.
func (r *Running) Stop() (err error) {
	r.once.Do(func() {
		if r.relay != nil {
			err = r.relay.Close()
		}
		_ = syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL) // its data is in memory: there is nothing to finish
		_ = r.cmd.Wait()                                      // killed, as it says
		err = errors.Join(err, os.RemoveAll(r.dir))
	})
	return err
}

// relayInside is the program in the namespace: it starts the referee and relays the socket's connections to it.
func relayInside(socket string, command []string) error {
	if err := loopbackUp(); err != nil {
		return fmt.Errorf("bringing the loopback interface up: %w", err)
	}
	ln, err := new(net.ListenConfig).Listen(context.Background(), "unix", socket)
	if err != nil {
		return err
	}
	go relayTo(ln, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	cmd := exec.CommandContext(context.Background(), command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd.Run() // the group is killed from outside
}

// loopbackUp is `ip link set lo up`.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr)
}

// relayTo connects each of a listener's connections to an address, until the listener is closed.
func relayTo(ln net.Listener, network, address string) {
	for {
		in, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer in.Close()
			out, err := new(net.Dialer).DialContext(context.Background(), network, address)
			if err != nil {
				return // the other side sees the connection end, and tries again
			}
			defer out.Close()
			done := make(chan struct{}, 2)
			for _, p := range [][2]net.Conn{{in, out}, {out, in}} {
				go func() {
					_, _ = io.Copy(p[0], p[1])
					done <- struct{}{}
				}()
			}
			<-done // either side ended: HTTP here has no half-closed connections
		}()
	}
}
