package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// A process of ours is only ever ended by a number that the system vouches for: that of whoever listens on the API's
// socket or holds the lock on the file that the number stands in. What a file says may be another program's number by
// now, or of another container that shares the directory.

// pidFile is a file with the number of its process, which locks it.
type pidFile struct {
	f    *os.File
	path string
}

// takePIDFile writes this process's number and holds the file until the process ends or releases it. The caller holds
// the daemon's lock.
func takePIDFile(path string) (*pidFile, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("writing the pid file: %w", err)
	}
	p := &pidFile{f, path}
	if err := errors.Join(lockOwned(f), p.write()); err != nil {
		return nil, errors.Join(fmt.Errorf("writing the pid file %s: %w", path, err), f.Close())
	}
	return p, nil
}

func (p *pidFile) write() error {
	text := []byte(strconv.Itoa(os.Getpid()) + "\n")
	if err := p.f.Truncate(int64(len(text))); err != nil {
		return err
	}
	_, err := p.f.WriteAt(text, 0)
	return err
}

func (p *pidFile) inPlace() bool {
	mine, err := p.f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(p.path)
	return err == nil && os.SameFile(mine, named)
}

func (p *pidFile) release() {
	if p.inPlace() {
		_ = os.Remove(p.path)
	}
	_ = p.f.Close()
}

// readPIDFile reads the number, which is good for sentences, not for signals; 0: there is none.
func readPIDFile(path string) (pid int) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	pid, err = strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || pid <= 0 {
		return 0
	}
	return pid
}

// dialTimeout bounds the wait for a process that does not take connections.
const dialTimeout = time.Second

// listener returns the process that listens on the API's socket: 0 if it cannot be told, and listens = false if there
// is none.
func (d dir) listener(ctx context.Context) (pid int, listens bool) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c, err := new(net.Dialer).DialContext(ctx, "unix", d.apiSocket())
	if err != nil {
		// A frozen server takes connections until its queue is full.
		return 0, isQueueFull(err) || errors.Is(err, context.DeadlineExceeded)
	}
	defer func() { _ = c.Close() }()
	return peerPID(c), true
}

// serverPID returns the server's process, by the system's word; 0 if it cannot be told.
func (d dir) serverPID(ctx context.Context) int {
	if pid, _ := d.listener(ctx); pid > 0 {
		return pid
	}
	return firstPID(owner(d.serverPIDFile()), lockHolder(d.serverLock()))
}

// runnerPID returns the runner's process, by the system's word; 0 if it cannot be told.
func (d dir) runnerPID(context.Context) int {
	return firstPID(owner(d.runnerPIDFile()), lockHolder(d.runnerLock()))
}

func firstPID(pids ...int) int {
	for _, pid := range pids {
		if pid > 0 {
			return pid
		}
	}
	return 0
}
