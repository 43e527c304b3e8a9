package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/waypoint-serverless/waypoint/runner/machine"
)

const (
	// dialPatience is how long a request waits for a target that does not accept connections: a crashed app is
	// started again within that time, and its caller need not know.
	dialPatience = 3 * time.Second
	dialPause    = 25 * time.Millisecond
	// idleConns ends idle connections to the app before the app does (Node.js: 5 s), so that no request meets a
	// connection that is just being closed.
	idleConns     = 2 * time.Second
	headerTimeout = 30 * time.Second
	idleClients   = 2 * time.Minute
	// stopPatience is how long requests may take to end when the proxy is told to stop.
	stopPatience = 10 * time.Second
)

// target is one deployment behind the proxy.
type target struct {
	host         string
	port         int
	deploymentID string
	inFlight     atomic.Int64
	handler      http.Handler
	transport    *http.Transport
}

func newTarget(r Route) *target {
	t := &target{host: r.Host, port: r.Target, deploymentID: r.DeploymentID}
	t.transport = &http.Transport{
		DialContext:         dialPatiently,
		MaxIdleConnsPerHost: 256,
		IdleConnTimeout:     idleConns,
		DisableCompression:  true,
	}
	upstream := &url.URL{Scheme: "http", Host: addr(r)}
	t.handler = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(upstream)
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		},
		Transport:     patient{t.transport},
		FlushInterval: -1, // server-sent events and the like arrive when they are sent
		ErrorHandler:  badGateway,
		ErrorLog:      log.New(io.Discard, "", 0),
	}
	return t
}

func addr(r Route) string {
	if r.Host == "" {
		return machine.LoopbackAddr(r.Target)
	}
	return net.JoinHostPort(r.Host, strconv.Itoa(r.Target))
}

// dialPatiently tries again while the connection is refused: nothing has been sent yet, so it is always safe.
func dialPatiently(ctx context.Context, network, addr string) (net.Conn, error) {
	end := time.Now().Add(dialPatience)
	dialer := net.Dialer{Timeout: dialPatience}
	for {
		conn, err := dialer.DialContext(ctx, network, addr)
		if err == nil || !errors.Is(err, syscall.ECONNREFUSED) || time.Now().After(end) {
			return conn, err
		}
		timer := time.NewTimer(dialPause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-timer.C:
		}
	}
}

// patient asks again while the target takes connections and closes them unanswered. Docker's proxy does so for a container
// whose app is just being started again, as for new configuration. A request that changes something is never asked twice.
type patient struct{ http.RoundTripper }

func (p patient) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := p.RoundTripper.RoundTrip(r)
	if r.Method != http.MethodGet && r.Method != http.MethodHead || r.Body != nil && r.Body != http.NoBody || r.Header.Get("Upgrade") != "" {
		return res, err
	}
	for end := time.Now().Add(dialPatience); unanswered(err) && time.Now().Before(end); {
		timer := time.NewTimer(dialPause)
		select {
		case <-r.Context().Done():
			timer.Stop()
			return res, err
		case <-timer.C:
		}
		res, err = p.RoundTripper.RoundTrip(r)
	}
	return res, err
}

// unanswered reports whether the target took a connection and ended it before it answered: seen by whichever of reading and
// writing came first.
func unanswered(err error) bool {
	if err == nil {
		return false
	}
	for _, end := range []error{io.EOF, syscall.ECONNRESET, syscall.EPIPE, net.ErrClosed} {
		if errors.Is(err, end) {
			return true
		}
	}
	return strings.Contains(err.Error(), "server closed idle connection") // net/http's, which it does not export
}

// AnswerHeader is set on what the proxy answers itself, in place of a deployment.
const AnswerHeader = "Waypoint-Stable-Port"

func badGateway(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // the client has gone
	}
	w.Header().Set(AnswerHeader, "no answer")
	http.Error(w, "Waypoint: the released deployment does not answer. `waypoint status` says more.\n", http.StatusBadGateway)
}

// Server is the proxy in a process.
type Server struct {
	dir string
	now func() time.Time

	// current is what requests go to; nil: nothing is released. Swapping it is the switch.
	current atomic.Pointer[target]

	mu       sync.Mutex
	route    Route
	draining []*target
	front    *front
	stop     chan struct{}
	stopOnce sync.Once
	closing  sync.WaitGroup
}

// front is a listening socket with its HTTP server.
type front struct {
	http *http.Server
	done chan struct{}
}

func newServer(dir string, now func() time.Time) *Server {
	return &Server{dir: dir, now: now, stop: make(chan struct{})}
}

// ServeHTTP passes a request to the current target.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t := s.acquire()
	if t == nil {
		w.Header().Set(AnswerHeader, "nothing released")
		http.Error(w, "Waypoint: nothing is released here. `waypoint up` changes that.\n", http.StatusServiceUnavailable)
		return
	}
	defer t.inFlight.Add(-1)
	t.handler.ServeHTTP(w, r)
}

// acquire counts a request in at the current target. It looks twice, so that a target which has just been
// replaced is either counted before its drain is looked at or not used.
func (s *Server) acquire() *target {
	for {
		t := s.current.Load()
		if t == nil {
			return nil
		}
		t.inFlight.Add(1)
		if s.current.Load() == t {
			return t
		}
		t.inFlight.Add(-1)
	}
}

// begin takes the kept route and starts to listen.
func (s *Server) begin(route Route) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, refusal := s.listen(route.Port)
	if refusal != nil {
		return refusal
	}
	s.front, s.route = f, route
	if route.Target != 0 {
		s.current.Store(newTarget(route))
	}
	return nil
}

// listen opens a port. The caller holds mu.
func (s *Server) listen(port int) (*front, *Refusal) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", machine.LoopbackAddr(port))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, &Refusal{Reason: PortInUse, Message: fmt.Sprintf("port %d of 127.0.0.1 %s", port, portSentence)}
	case err != nil:
		return nil, &Refusal{Reason: PortInUse, Message: fmt.Sprintf("cannot listen on port %d of 127.0.0.1: %v", port, err)}
	}
	f := &front{done: make(chan struct{}), http: &http.Server{
		Handler: s, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleClients, ErrorLog: log.New(io.Discard, "", 0),
	}}
	go func() { // awaited by closeFront
		defer close(f.done)
		_ = f.http.Serve(l)
	}()
	return f, nil
}

func closeFront(f *front) {
	ctx, cancel := context.WithTimeout(context.Background(), stopPatience)
	defer cancel()
	if f.http.Shutdown(ctx) != nil {
		_ = f.http.Close()
	}
	<-f.done
}

// Set changes the route: kept on disk first, then switched in one step. Requests that are under way end where they
// began.
func (s *Server) Set(next Route) (Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if refusal := decide(s.route, next); refusal != nil {
		return Status{}, refusal
	}
	next.Updated = s.now()
	opened := s.front
	if next.Port != s.route.Port {
		f, refusal := s.listen(next.Port)
		if refusal != nil {
			return Status{}, refusal
		}
		opened = f
	}
	if err := WriteRoute(s.dir, next); err != nil {
		if opened != s.front {
			closeFront(opened)
		}
		return Status{}, &Refusal{Reason: failed, Message: fmt.Sprintf("the route cannot be kept: %v", err)}
	}
	s.switchTo(next)
	if former := s.front; opened != former {
		s.front = opened
		s.closing.Go(func() { closeFront(former) })
	}
	return s.status(), nil
}

// switchTo moves requests to the target of a route. The caller holds mu.
func (s *Server) switchTo(next Route) {
	former := s.current.Load()
	s.route = next
	if former != nil && former.host == next.Host && former.port == next.Target && former.deploymentID == next.DeploymentID {
		return
	}
	if next.Target == 0 {
		s.current.Store(nil)
	} else {
		s.current.Store(newTarget(next))
	}
	if former != nil {
		s.draining = append(s.draining, former)
	}
}

// Status says what the proxy does.
func (s *Server) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status()
}

func (s *Server) status() Status {
	st := Status{Route: s.route, PID: machine.Self().PID}
	if t := s.current.Load(); t != nil {
		st.InFlight = t.inFlight.Load()
	}
	var still []*target
	for _, t := range s.draining {
		n := t.inFlight.Load()
		if n == 0 {
			t.transport.CloseIdleConnections()
			continue
		}
		still = append(still, t)
		st.Draining = append(st.Draining, Draining{Target: t.port, DeploymentID: t.deploymentID, InFlight: n})
	}
	s.draining = still
	return st
}

// end stops listening and lets requests end.
func (s *Server) end() {
	s.mu.Lock()
	f := s.front
	s.mu.Unlock()
	closeFront(f)
	s.closing.Wait()
}
