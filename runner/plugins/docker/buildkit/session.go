// Package buildkit speaks the two protocols that a client of BuildKit inside a Docker engine needs: the session, in
// which the engine asks the client for files and credentials (gRPC that the engine calls over a connection that the
// client opened), and the status of a build.
//
// BuildKit's own client would add some 10 MB to the binary; these are the three calls and seven messages of it that a
// build with the engine uses. The package makes no build itself and imports no plugin.
package buildkit

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/waypoint-serverless/waypoint/runner/plugins/docker/buildcontext"
)

// Methods that the engine may call, and gRPC's codes that we answer with.
const (
	methodFiles       = "/moby.filesync.v1.FileSync/DiffCopy"
	methodCredentials = "/moby.filesync.v1.Auth/Credentials"
	methodHealth      = "/grpc.health.v1.Health/Check"

	codeOK            = 0
	codeUnknown       = 2
	codeNotFound      = 5
	codeUnimplemented = 12
)

// messageMost bounds one message that we read; those of a session are small.
const messageMost = 4 << 20

// Session is what the engine can ask for while it builds.
type Session struct {
	// ID goes with the build's request.
	ID string
	// Dirs are the directories by the name that the engine calls them: "context", "dockerfile".
	Dirs map[string]buildcontext.Dir
	// Credentials gives those of a registry's host; two empty strings if there are none. nil: none at all.
	Credentials func(ctx context.Context, host string) (user, secret string, err error)

	shared string
}

// New makes a session. shared is equal for builds of the same directories, so that the engine asks only for files that
// have changed since.
func New(shared string, dirs map[string]buildcontext.Dir) *Session {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	return &Session{ID: hex.EncodeToString(id), Dirs: dirs, shared: shared}
}

// Header is what the request that opens the session says.
func (s *Session) Header() map[string][]string {
	return map[string][]string{
		"X-Docker-Expose-Session-Uuid":        {s.ID},
		"X-Docker-Expose-Session-Name":        {"waypoint"},
		"X-Docker-Expose-Session-Sharedkey":   {s.shared},
		"X-Docker-Expose-Session-Grpc-Method": {methodFiles, methodCredentials, methodHealth},
	}
}

// Serve answers the engine over a connection that was opened for this session, until ctx ends or the engine goes. It
// closes the connection.
func (s *Session) Serve(ctx context.Context, conn net.Conn) {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	one := &oneConn{conn: conn, gone: make(chan struct{})}
	server := &http.Server{
		Protocols: protocols, Handler: http.HandlerFunc(s.answer),
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed || state == http.StateHijacked {
				_ = one.Close()
			}
		},
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close(); _ = conn.Close() })
	defer stop()
	_ = server.Serve(one) // ends when the connection does; the build's own answer tells why
	_ = server.Close()
	_ = conn.Close()
}

// oneConn is a listener for a connection that is there already.
type oneConn struct {
	conn net.Conn
	took bool
	once sync.Once
	gone chan struct{}
}

func (o *oneConn) Accept() (net.Conn, error) {
	if !o.took {
		o.took = true
		// Hidden as what it is: over a TLS connection the server would negotiate the protocol, which is settled here.
		return struct{ net.Conn }{o.conn}, nil
	}
	<-o.gone
	return nil, net.ErrClosed
}

func (o *oneConn) Close() error   { o.once.Do(func() { close(o.gone) }); return nil }
func (o *oneConn) Addr() net.Addr { return o.conn.LocalAddr() }

// status is how a call ends that failed.
type status struct {
	code    int
	message string
}

func (s *status) Error() string { return s.message }

// answer answers one call: gRPC's framing over HTTP/2.
func (s *Session) answer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/grpc")
	w.WriteHeader(http.StatusOK)
	call := &call{in: r.Body, out: w, flush: http.NewResponseController(w)}
	_ = call.flush.Flush()
	code, message := codeOK, ""
	if err := s.dispatch(r, call); err != nil {
		code, message = codeUnknown, err.Error()
		var known *status
		if errors.As(err, &known) {
			code = known.code
		}
	}
	w.Header().Set(http.TrailerPrefix+"Grpc-Status", strconv.Itoa(code))
	if message != "" {
		w.Header().Set(http.TrailerPrefix+"Grpc-Message", strings.ReplaceAll(url.QueryEscape(message), "+", "%20"))
	}
}

func (s *Session) dispatch(r *http.Request, c *call) error {
	switch r.URL.Path {
	case methodHealth:
		if _, err := c.receive(); err != nil {
			return err
		}
		return c.send([]byte{1 << 3, 1}) // status: SERVING
	case methodCredentials:
		return s.credentials(r.Context(), c)
	case methodFiles:
		return s.files(r.Context(), decodeMetadata(r.Header), c)
	}
	return &status{codeUnimplemented, "this client does not have " + r.URL.Path}
}

// call is one gRPC call.
type call struct {
	in    io.ReadCloser
	mu    sync.Mutex // around out
	out   io.Writer
	flush *http.ResponseController
}

// receive reads one message; io.EOF at the end.
func (c *call) receive() ([]byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[1:])
	if head[0] != 0 || size > messageMost {
		return nil, fmt.Errorf("a message of %d bytes, compressed: %v", size, head[0] != 0)
	}
	message := make([]byte, size)
	_, err := io.ReadFull(c.in, message)
	return message, err
}

// send writes one message.
func (c *call) send(message []byte) error {
	var head [5]byte
	binary.BigEndian.PutUint32(head[1:], uint32(len(message))) //nolint:gosec // ours are small
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.out.Write(head[:]); err != nil {
		return err
	}
	if _, err := c.out.Write(message); err != nil {
		return err
	}
	return c.flush.Flush()
}

// decodeMetadata undoes what BuildKit does to values that a header cannot hold.
func decodeMetadata(h http.Header) http.Header {
	out := http.Header{}
	for name, values := range h {
		encoded, _ := strconv.ParseBool(h.Get(name + "-Encoded"))
		for _, v := range values {
			if plain, err := url.QueryUnescape(v); encoded && err == nil {
				v = plain
			}
			out.Add(name, v)
		}
	}
	return out
}
