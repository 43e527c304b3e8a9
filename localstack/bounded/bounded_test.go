package bounded

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// serve answers with h on a loopback port until the test ends.
func serve(t *testing.T, h http.Handler, l Limits) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(h, l)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

func dial(t *testing.T, addr, send string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := io.WriteString(c, send); err != nil {
		t.Fatal(err)
	}
	return c
}

// closed fails the test unless the server ends the connection by itself.
func closed(t *testing.T, what string, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(2 * time.Minute))
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%s: the connection is still open after two minutes", what)
	}
}

var reader = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	_, _ = fmt.Fprintf(w, "%d bytes", len(b))
})

func TestSilentClientsAreClosed(t *testing.T) {
	short := Limits{Header: 200 * time.Millisecond, Silence: 200 * time.Millisecond, Idle: 200 * time.Millisecond}
	for name, c := range map[string]struct {
		send    string
		handler http.Handler
	}{
		"nothing":                 {"", reader},
		"half a header":           {"POST / HTTP/1.1\r\nHost: x\r\n", reader},
		"one byte of ten million": {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\nx", reader},
		"half a chunk":            {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\nx", reader},
		"a body that nobody reads": {
			"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\nx",
			http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }),
		},
		"an idle connection": {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", reader},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			closed(t, name, dial(t, serve(t, c.handler, short), c.send))
		})
	}
}

func TestAnAnswerThatIsNotReadIsGivenUp(t *testing.T) {
	ended := make(chan error, 1)
	endless := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				ended <- err
				return
			}
		}
	})
	dial(t, serve(t, endless, Limits{Unread: 200 * time.Millisecond}), "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	select {
	case <-ended:
	case <-time.After(2 * time.Minute):
		t.Error("the handler still writes")
	}
}

func TestALargeHeaderIsRefused(t *testing.T) {
	c := dial(t, serve(t, reader, Limits{}), "GET / HTTP/1.1\r\nHost: x\r\n")
	go func() { // until the server closes
		for {
			if _, err := io.WriteString(c, "A: "+strings.Repeat("a", 1000)+"\r\n"); err != nil {
				return
			}
		}
	}()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("answered %v, %v", res, err)
	}
}

// A held answer may take longer than any silence: the client has nothing more to send.
func TestAHeldAnswerIsNotASilentClient(t *testing.T) {
	t.Parallel()
	held := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
			w.WriteHeader(http.StatusTeapot)
		case <-time.After(3 * time.Second):
			_, _ = io.WriteString(w, "held")
		}
	})
	addr := serve(t, held, Limits{Silence: time.Second, Unread: time.Second})
	for range 2 { // the second on the same connection
		res, err := http.Post("http://"+addr, "text/plain", strings.NewReader("question"))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || string(b) != "held" {
			t.Errorf("%d %q %v", res.StatusCode, b, err)
		}
	}
}

// recorder notes the read deadlines that are set.
type recorder struct {
	*httptest.ResponseRecorder
	set []time.Time
}

func (r *recorder) SetReadDeadline(at time.Time) error {
	r.set = append(r.set, at)
	return nil
}

func TestASlowBodyHasTimeWhileItMoves(t *testing.T) {
	rec := &recorder{ResponseRecorder: httptest.NewRecorder()}
	until := time.Now().Add(time.Hour)
	b := &body{
		ReadCloser: io.NopCloser(strings.NewReader("abc")), control: http.NewResponseController(rec), silence: time.Minute, until: until,
	}
	for range 3 {
		if _, err := b.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	for i := 1; i < len(rec.set); i++ {
		if !rec.set[i].After(rec.set[i-1]) {
			t.Errorf("the deadlines do not move: %v", rec.set)
		}
	}
	if _, err := b.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if last := rec.set[len(rec.set)-1]; !last.IsZero() {
		t.Errorf("after its end the deadline is %v", last)
	}
	b.ended, b.until = false, time.Now().Add(time.Second)
	_, _ = b.Read(make([]byte, 1))
	if at := rec.set[len(rec.set)-2]; at.After(b.until) {
		t.Error("a body may take longer than its whole time")
	}
}

func TestTheConnectionThatWaitedLongestGivesWay(t *testing.T) {
	now := time.Unix(1000, 0)
	p := newPool(3, func() time.Time { now = now.Add(time.Second); return now })
	at := func(answering bool) *conn { return &conn{pool: p, answering: answering, since: p.now()} }
	answered, oldest, newer := at(true), at(false), at(false)
	for _, c := range []*conn{answered, oldest, newer} {
		if p.admit(c) != nil {
			t.Fatal("there was a place")
		}
	}
	next := at(false)
	if got := p.admit(next); got != oldest {
		t.Error("the connection that waited longest should have left")
	}
	newer.answer()
	next.answer()
	last := at(false)
	if got := p.admit(last); got != last || len(p.all) != 3 {
		t.Error("connections that wait for us are not closed for a new one")
	}
	next.enter(http.StateIdle)
	if got := p.admit(last); got != next {
		t.Error("an idle connection gives way")
	}
}

func TestManyConnectionsDoNotShutOthersOut(t *testing.T) {
	addr := serve(t, reader, Limits{Connections: 8})
	for range 40 {
		dial(t, addr, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nx")
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		res, err := client.Post("http://"+addr, "text/plain", strings.NewReader("question"))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("answered %d", res.StatusCode)
		}
	}
}
