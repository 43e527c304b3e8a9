package bounded

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"
)

// pool is the connections of one listener.
type pool struct {
	limit int
	now   func() time.Time

	mu  sync.Mutex
	all map[*conn]struct{}
}

func newPool(limit int, now func() time.Time) *pool {
	return &pool{limit: limit, now: now, all: make(map[*conn]struct{})}
}

// conn is a connection that is counted.
type conn struct {
	net.Conn
	pool *pool
	// Guarded by the pool's mutex. answering: the request is here whole, and the client waits for us; since is when it
	// began to keep us waiting otherwise.
	answering bool
	since     time.Time
}

// under finds the counted connection below TLS.
func under(c net.Conn) *conn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	counted, _ := c.(*conn)
	return counted
}

// enter is told each state of the connection.
func (c *conn) enter(state http.ConnState) {
	if c == nil || state != http.StateActive && state != http.StateIdle {
		return
	}
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	c.answering, c.since = false, c.pool.now()
}

// answer notes that it is our turn.
func (c *conn) answer() {
	if c == nil {
		return
	}
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	c.answering = true
}

// Close gives the connection's place back. It may be called more than once.
func (c *conn) Close() error {
	c.pool.mu.Lock()
	delete(c.pool.all, c)
	c.pool.mu.Unlock()
	return c.Conn.Close()
}

// admit counts a connection in; the result, if any, must go for it: the one that has kept us waiting longest, or c itself.
func (p *pool) admit(c *conn) (leaves *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.all) >= p.limit {
		leaves = c
		for other := range p.all {
			if !other.answering && (leaves == c || other.since.Before(leaves.since)) {
				leaves = other
			}
		}
		if leaves == c {
			return c
		}
		delete(p.all, leaves)
	}
	p.all[c] = struct{}{}
	return leaves
}

func (p *pool) listen(ln net.Listener) net.Listener { return &listener{Listener: ln, pool: p} }

type listener struct {
	net.Listener
	pool *pool
}

// Accept returns the next connection that has a place.
func (l *listener) Accept() (net.Conn, error) {
	for {
		accepted, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &conn{Conn: accepted, pool: l.pool, since: l.pool.now()}
		leaves := l.pool.admit(c)
		if leaves != nil {
			_ = leaves.Conn.Close()
		}
		if leaves != c {
			return c, nil
		}
	}
}
