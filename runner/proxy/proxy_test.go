package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func portOf(t *testing.T, s *httptest.Server) int {
	t.Helper()
	return s.Listener.Addr().(*net.TCPAddr).Port
}

// running starts a proxy for a handler, in this process but over its real sockets.
func running(t *testing.T, dir string, h http.Handler) (c Control, url string, route Route) {
	t.Helper()
	web := httptest.NewServer(h)
	t.Cleanup(web.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	route = Route{App: "web", Port: l.Addr().(*net.TCPAddr).Port, Target: portOf(t, web), DeploymentID: "one", Fence: 5}
	_ = l.Close()
	if err := WriteRoute(dir, route); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	up, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- Run(ctx, dir, func() { close(up) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the proxy ended with %v", err)
		}
	})
	select {
	case <-up:
	case err := <-done:
		done <- nil
		t.Fatal(err)
	}
	return At(dir), fmt.Sprintf("http://127.0.0.1:%d", route.Port), route
}

func says(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
}

func TestFencesDecide(t *testing.T) {
	for next, refused := range map[int64]bool{4: true, 5: false, 6: false} {
		if got := decide(Route{Fence: 5}, Route{Fence: next}); (got != nil) != refused {
			t.Errorf("fence %d after 5: %v", next, got)
		}
	}
}

func TestTheRouteIsSetKeptAndRefused(t *testing.T) {
	dir := t.TempDir()
	c, url, route := running(t, dir, says("one"))
	second := httptest.NewServer(says("two"))
	defer second.Close()
	next := route
	next.Target, next.DeploymentID, next.Fence = portOf(t, second), "two", 6
	if _, err := c.Set(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	if got := body(t, url); got != "two" {
		t.Errorf("it answers %q", got)
	}
	var refusal *Refusal
	if _, err := c.Set(t.Context(), route); !errors.As(err, &refusal) || refusal.Reason != StaleFence {
		t.Errorf("a smaller fence: %v", err)
	}
	if kept, ok, err := ReadRoute(dir); !ok || err != nil || kept.DeploymentID != "two" || kept.Fence != 6 {
		t.Errorf("kept %+v %v %v", kept, ok, err)
	}
	if err := Prepare(dir, Route{Fence: 9}); err != nil {
		t.Error(err)
	}
	if kept, _, _ := ReadRoute(dir); kept.Fence != 6 {
		t.Error("a running proxy's route was written behind its back")
	}
	next.Target, next.DeploymentID = 0, ""
	if _, err := c.Set(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	if res, err := http.Get(url); err != nil || res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("with nothing released: %v %v", res, err)
	}
}

func TestARouteThatCannotBeKeptIsNotSwitchedTo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	c, url, route := running(t, dir, says("one"))
	// A directory where the file has to go.
	if err := os.Remove(routeFile(dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(routeFile(dir), "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	route.Target, route.Fence = 1, 9
	if _, err := c.Set(t.Context(), route); err == nil {
		t.Error("accepted")
	}
	if got := body(t, url); got != "one" {
		t.Errorf("it answers %q", got)
	}
}

func TestASecondProxyOfADirectoryGoes(t *testing.T) {
	dir := t.TempDir()
	running(t, dir, says("one"))
	if err := Run(t.Context(), dir, func() { t.Error("it is up") }); err == nil {
		t.Error("no error")
	}
}

func TestAControlWithoutAProxySaysSo(t *testing.T) {
	c := At(t.TempDir())
	if _, err := c.Status(t.Context()); !errors.Is(err, ErrNotRunning) {
		t.Errorf("got %v", err)
	}
	if err := c.Stop(t.Context()); err != nil {
		t.Errorf("stopping nothing: %v", err)
	}
}

func TestADirectoryWithALongNameGetsItsSocketElsewhere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	c, _, route := running(t, dir, says("one"))
	if st, err := c.Status(t.Context()); err != nil || st.Port != route.Port {
		t.Errorf("%+v %v", st, err)
	}
	socket, err := socketPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Dir(socket)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("its directory: %v %v", info, err)
	}
	_ = os.RemoveAll(filepath.Dir(socket))
}

func TestWhatTheAppSeesOfARequest(t *testing.T) {
	c, url, _ := running(t, t.TempDir(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s %s %s", r.Host, r.Header.Get("X-Forwarded-For"), r.Header.Get("X-Forwarded-Proto"))
	}))
	st, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := body(t, url), fmt.Sprintf("127.0.0.1:%d 127.0.0.1 http", st.Port); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAStreamArrivesAsItIsSent(t *testing.T) {
	next := make(chan struct{})
	_, url, _ := running(t, t.TempDir(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for n := range 3 {
			_, _ = fmt.Fprintf(w, "event %d\n", n)
			w.(http.Flusher).Flush()
			select {
			case <-next:
			case <-r.Context().Done():
				return
			}
		}
	}))
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	lines := bufio.NewReader(res.Body)
	for n := range 3 {
		// The app sends the next event only after this one has arrived.
		if line, err := lines.ReadString('\n'); err != nil || line != fmt.Sprintf("event %d\n", n) {
			t.Fatalf("%q %v", line, err)
		}
		next <- struct{}{}
	}
}

func TestAnUpgradedConnectionStaysWithItsTarget(t *testing.T) {
	c, url, route := running(t, t.TempDir(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_ = rw.Flush()
		for {
			line, err := rw.ReadString('\n')
			if err != nil {
				return
			}
			_, _ = rw.WriteString("echo " + line)
			_ = rw.Flush()
		}
	}))
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	r := bufio.NewReader(conn)
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v %v", res, err)
	}
	second := httptest.NewServer(says("two"))
	defer second.Close()
	route.Target, route.DeploymentID, route.Fence = portOf(t, second), "two", 6
	st, err := c.Set(t.Context(), route)
	if err != nil || len(st.Draining) != 1 || st.Draining[0].DeploymentID != "one" {
		t.Fatalf("draining: %+v %v", st, err)
	}
	_, _ = io.WriteString(conn, "hi\n")
	if line, err := r.ReadString('\n'); err != nil || line != "echo hi\n" {
		t.Errorf("after the switch: %q %v", line, err)
	}
	_ = conn.Close()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if st, err := c.Status(t.Context()); err == nil && len(st.Draining) == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the former target drains for ever")
		}
	}
}

func body(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Docker's proxy accepts for a container whose app does not listen, and closes.
func TestAReadIsAskedAgainWhileTheTargetOnlyHangsUp(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var hungUp atomic.Int64
	var serving sync.WaitGroup
	defer serving.Wait()
	defer l.Close()
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if hungUp.Add(1) <= 3 {
				_ = conn.Close()
				continue
			}
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nback")
			_ = conn.Close()
		}
	})
	target := newTarget(Route{Target: l.Addr().(*net.TCPAddr).Port})
	answer := httptest.NewRecorder()
	target.handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/", nil))
	if answer.Code != http.StatusOK || answer.Body.String() != "back" {
		t.Errorf("a read is answered %d %s", answer.Code, answer.Body)
	}
	hungUp.Store(0)
	answer = httptest.NewRecorder()
	target.handler.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/", strings.NewReader("pay")))
	if answer.Code != http.StatusBadGateway || hungUp.Load() != 1 {
		t.Errorf("a write was sent %d times and is answered %d", hungUp.Load(), answer.Code)
	}
}
