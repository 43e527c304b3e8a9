// Package pluginpipe carries the plugin contract (package plugin) to another process and back: the second transport, for
// plugins whose libraries are too large for the waypoint binary. Process starts waypoint-plugins on demand and Remote makes
// components that stand for those that it serves; Main is the other end. Both speak Connect over HTTP/2 on the standard
// input and output of the process, so nothing listens, and whoever cannot write to that pipe cannot call.
//
// A call is one stream in both directions (api/proto/waypoint/plugin/v1). What the component shows, logs and asks the
// runner for comes back on it in order; values that it found to be sensitive come before any output that could hold them.
// When the runner's context ends, the component's context does, and the runner waits for the component to return.
//
// The process ends with its runner: its standard input ends then. While a call runs, the guard (package guard) knows the
// process and the mark of what the call starts, so a killed runner or a killed process leaves nothing behind.
//
// The package imports the contract, the catalog, the guard and the redactor. It imports no plugin, job or server.
package pluginpipe

import (
	"io"
	"net"
	"sync"
	"time"
)

// conn makes a connection of the two directions of a pair of pipes.
type conn struct {
	in  io.ReadCloser
	out io.WriteCloser

	once   sync.Once
	closed chan struct{}
}

func newConn(in io.ReadCloser, out io.WriteCloser) *conn {
	return &conn{in: in, out: out, closed: make(chan struct{})}
}

func (c *conn) Read(p []byte) (int, error)  { return c.in.Read(p) }
func (c *conn) Write(p []byte) (int, error) { return c.out.Write(p) }

// Close closes both directions. A Read that waits in a pipe returns then, where the system can do that.
func (c *conn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		_ = c.out.Close()
		_ = c.in.Close()
	})
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return pipeAddr{} }
func (c *conn) RemoteAddr() net.Addr { return pipeAddr{} }

// The deadlines are not needed: the process at the other end is ours, and its end ends the pipes.

func (c *conn) SetDeadline(time.Time) error      { return nil }
func (c *conn) SetReadDeadline(time.Time) error  { return nil }
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "waypoint-plugins" }

// single is a net.Listener that accepts one connection which is there already. It listens to nothing.
type single struct {
	conn *conn
	once sync.Once
}

func (s *single) Accept() (net.Conn, error) {
	var c net.Conn
	s.once.Do(func() { c = s.conn })
	if c != nil {
		return c, nil
	}
	<-s.conn.closed
	return nil, net.ErrClosed
}

func (s *single) Close() error   { return s.conn.Close() }
func (s *single) Addr() net.Addr { return pipeAddr{} }
