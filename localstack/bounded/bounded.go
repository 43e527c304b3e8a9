// Package bounded makes HTTP servers that strangers cannot exhaust: how many connections a listener has, how long each of
// them may keep us waiting, and how large a header may be, all have a limit before anything is known about the client.
//
// It is for every listener of this machine's server. It imports nothing of ours. HTTP/2 is off: one of its connections may
// carry hundreds of requests, which the limit on connections would not see.
package bounded

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"time"
)

// Limits of a server. The zero value stands for the defaults beside each.
type Limits struct {
	// Connections at once. A further one takes the place of the connection that has kept us waiting longest; where all
	// of them wait for our answers, it is refused. 512: ten times what a busy machine's runners and CLIs use; 512
	// connections that send nothing cost about 10 MB.
	Connections int
	// Header is how long a request's header may take, from the first byte of the connection on. 10 s.
	Header time.Duration
	// Silence is how long a client may send nothing in the middle of a body. 15 s.
	Silence time.Duration
	// Body is how long a whole body may take: 10 minutes for at most 10 MB.
	Body time.Duration
	// Unread is how long a client may leave an answer unread. 30 s.
	Unread time.Duration
	// Idle is how long a connection may stay open between two requests. 2 minutes.
	Idle time.Duration
}

// maxHeaderBytes bounds a header in memory. Go adds 4 KB to it. API Gateway's own limit, 10 KB, is checked behind it.
const maxHeaderBytes = 24 << 10

func (l Limits) orDefaults() Limits {
	if l.Connections == 0 {
		l.Connections = 512
	}
	for value, fallback := range map[*time.Duration]time.Duration{
		&l.Header: 10 * time.Second, &l.Silence: 15 * time.Second, &l.Body: 10 * time.Minute,
		&l.Unread: 30 * time.Second, &l.Idle: 2 * time.Minute,
	} {
		if *value == 0 {
			*value = fallback
		}
	}
	return l
}

// Server is an HTTP server with limits.
type Server struct {
	*http.Server
	limits Limits
	pool   *pool
}

// NewServer makes a server for one listener. How long an answer takes, such as a held read, is the handler's to bound.
func NewServer(h http.Handler, l Limits) *Server {
	l = l.orDefaults()
	s := &Server{limits: l, pool: newPool(l.Connections, time.Now)}
	s.Server = &http.Server{
		Handler: s.bound(h), ReadHeaderTimeout: l.Header, IdleTimeout: l.Idle, MaxHeaderBytes: maxHeaderBytes,
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}, // no HTTP/2
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, under(c))
		},
		ConnState: func(c net.Conn, state http.ConnState) { under(c).enter(state) },
	}
	return s
}

// Serve answers on ln, within the limits, until the server is closed.
func (s *Server) Serve(ln net.Listener) error { return s.Server.Serve(s.pool.listen(ln)) }

// ServeTLS is Serve with TLS, by the server's TLSConfig.
func (s *Server) ServeTLS(ln net.Listener) error { return s.Server.ServeTLS(s.pool.listen(ln), "", "") }

type connKey struct{}

// bound sets the deadlines of a request's body and of its answer.
func (s *Server) bound(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		c, _ := r.Context().Value(connKey{}).(*conn)
		if r.Body == nil || r.Body == http.NoBody {
			c.answer()
		} else {
			b := &body{ReadCloser: r.Body, control: control, conn: c, silence: s.limits.Silence, until: time.Now().Add(s.limits.Body)}
			// Also for a handler that does not read: the server then reads a little of the rest itself.
			b.wait()
			r.Body = b
		}
		out := &writer{ResponseWriter: w, control: control, unread: s.limits.Unread}
		next.ServeHTTP(out, r)
		out.wait() // what is still to be flushed
	})
}

// body is a request's body whose client must go on sending.
type body struct {
	io.ReadCloser
	control *http.ResponseController
	conn    *conn
	silence time.Duration
	until   time.Time
	ended   bool
}

func (b *body) wait() {
	at := time.Now().Add(b.silence)
	if at.After(b.until) {
		at = b.until
	}
	_ = b.control.SetReadDeadline(at)
}

func (b *body) Read(p []byte) (int, error) {
	if b.ended {
		return b.ReadCloser.Read(p)
	}
	b.wait()
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF { //nolint:errorlint // a reader's end is this very value
		// The client now waits for us, perhaps for a held read: nothing more of it is expected.
		b.ended = true
		b.conn.answer()
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// writer is an answer that its client must take.
type writer struct {
	http.ResponseWriter
	control *http.ResponseController
	unread  time.Duration
}

func (w *writer) wait() { _ = w.control.SetWriteDeadline(time.Now().Add(w.unread)) }

func (w *writer) WriteHeader(status int) {
	w.wait()
	w.ResponseWriter.WriteHeader(status)
}

func (w *writer) Write(p []byte) (int, error) {
	w.wait()
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
