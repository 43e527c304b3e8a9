package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/waypoint-serverless/waypoint/internal/terminal/screen"
)

// pty is a terminal of the kernel's, with a screen that shows what is written to it.
type pty struct {
	master *os.File

	mu     sync.Mutex
	screen *screen.Screen
	raw    []byte
	closed chan struct{} // nobody has it open any more, and all was read
}

// startOn starts a command on a new terminal of that size, as its session's own.
func startOn(t *testing.T, cmd *exec.Cmd, columns, rows int) *pty {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = master.Close() })
	p := &pty{master: master, screen: screen.New(columns, rows, true), closed: make(chan struct{})}
	fd := int(master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(columns), Row: uint16(rows)})
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = slave.Close() }()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.read()
	return p
}

func (p *pty) read() {
	defer close(p.closed)
	_, _ = io.Copy(p, p.master) // the error is that the other end was closed
}

func (p *pty) Write(data []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.raw = append(p.raw, data...)
	return p.screen.Write(data)
}

// resize gives the terminal another size; its programs get SIGWINCH.
func (p *pty) resize(columns, rows int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.screen.Resize(columns, rows)
	return unix.IoctlSetWinsize(int(p.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(columns), Row: uint16(rows)})
}

// visible is what stands on the screen now, all what stands above it, too.
func (p *pty) visible() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.screen.Visible()
}

func (p *pty) all() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.screen.String()
}

// unknown are the sequences that the screen did not understand.
func (p *pty) unknown() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.screen.Unknown
}

// written is what was written to the terminal.
func (p *pty) written() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.raw
}

// exitCode is how a command ended.
func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}
