package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/waypoint-serverless/waypoint/internal/sockets"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/process/supervise"
	"github.com/waypoint-serverless/waypoint/runner/plugins/stableport"
)

// tryTimeout bounds one try.
const tryTimeout = 3 * time.Second

// loopbackHosts are where an app may listen, as stableport.Target names them: 127.0.0.1, and ::1, which is what
// "localhost" means to some (Node.js from 17 on).
func loopbackHosts() []string { return []string{"", "::1"} }

// once tries once whether the app on that port is healthy, and returns the host that it listens on.
func (c checkup) once(ctx context.Context, port int) (host string, err error) {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	for _, host := range loopbackHosts() {
		if at := (stableport.Target{Host: host, Port: port}); listens(ctx, at) {
			return host, c.ask(ctx, at)
		}
	}
	return "", fmt.Errorf("%w on port %d of 127.0.0.1 or ::1", errNothingListens, port)
}

var errNothingListens = errors.New("nothing listens")

// listensElsewhere says where the app's processes listen, if that is known and nothing listens where it should.
func listensElsewhere(dir string, port int, problem error) string {
	if !errors.Is(problem, errNothingListens) {
		return ""
	}
	st, ok, err := supervise.ReadStatus(dir)
	if err != nil || !ok {
		return ""
	}
	list, known := sockets.OfTree(st.Process.PID)
	if !known {
		return ""
	}
	return "; it listens on " + sockets.Phrase(list) + elsewhere(list, port)
}

// elsewhere ends the sentence about the addresses on which an app listens.
func elsewhere(list []netip.AddrPort, port int) string {
	switch {
	case len(list) == 0:
		return ""
	case slices.ContainsFunc(list, func(at netip.AddrPort) bool { return int(at.Port()) == port }):
		return ", and must on 127.0.0.1, ::1 or all addresses"
	}
	return fmt.Sprintf(", not on PORT %d", port)
}

// at tries once whether the app is healthy at the address that is known.
func (c checkup) at(ctx context.Context, t stableport.Target) error {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	if !listens(ctx, t) {
		return fmt.Errorf("nothing listens on %s", t.Addr())
	}
	return c.ask(ctx, t)
}

func listens(ctx context.Context, t stableport.Target) bool {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", t.Addr())
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

func (c checkup) ask(ctx context.Context, t stableport.Target) error {
	if c.Path == "" {
		return nil
	}
	url := "http://" + t.Addr() + c.Path
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("GET %s is not answered", url)
	}
	_ = res.Body.Close()
	if res.StatusCode < 200 || res.StatusCode >= 400 {
		return fmt.Errorf("GET %s is answered with status %d", url, res.StatusCode)
	}
	return nil
}

// errEnded says that the process ended before it was healthy.
var errEnded = errors.New("ended")

// await tries until the app is healthy, its process ends, or the time is over. It returns the host that the app listens
// on; the error is a sentence. A wait that lasts shows what the app prints.
func (c checkup) await(ctx context.Context, dir string, port int, printed *appOutput) (host string, err error) {
	limited, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	var last error
	for begun := time.Now(); ; {
		if err := processEnded(dir); err != nil {
			return "", err
		}
		printed.show(time.Since(begun))
		host, err := c.once(limited, port)
		if err == nil && ctx.Err() == nil {
			// Not if it answered with its last breath.
			return host, processEnded(dir)
		}
		if last == nil || limited.Err() == nil {
			last = err // a try that the end of the time cut short says less than the one before
		}
		if wait(limited, c.Interval) == nil {
			continue
		}
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		return "", &plugin.Error{
			Message: fmt.Sprintf("the app was not healthy after %s: %v%s", c.Timeout, last, listensElsewhere(dir, port, last)),
			Hint:    "It must listen on the port in the environment variable PORT; a slow start needs a longer health_check.timeout. What it printed stands above.",
		}
	}
}

// wait pauses; an error: ctx ended first.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// processEnded reports whether the process has ended since its supervisor began.
func processEnded(dir string) error {
	st, ok, err := supervise.ReadStatus(dir)
	switch {
	case err != nil:
		return err
	case !ok || !st.Supervisor.Alive():
		return &plugin.Error{Message: "the app's supervisor has ended", Hint: "Deploy again.", Cause: errEnded}
	case st.Exits > 0:
		return &plugin.Error{
			Message: fmt.Sprintf("the app ended with exit code %d before it was healthy", st.LastExit),
			Hint:    "It must keep running and listen on the port in the environment variable PORT. What it printed stands above.",
		}
	}
	return nil
}
