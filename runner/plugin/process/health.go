package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/waypoint-serverless/waypoint/runner/machine"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugin/process/supervise"
)

// tryTimeout bounds one try.
const tryTimeout = 3 * time.Second

// once tries once whether the app on that port is healthy.
func (c checkup) once(ctx context.Context, port int) error {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	addr := machine.LoopbackAddr(port)
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("nothing listens on port %d", port)
	}
	_ = conn.Close()
	if c.Path == "" {
		return nil
	}
	url := "http://" + addr + c.Path
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

// await tries until the app is healthy, its process ends, or the time is over. The error is a sentence.
func (c checkup) await(ctx context.Context, dir string, port int) error {
	limited, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	var last error
	for {
		if err := processEnded(dir); err != nil {
			return err
		}
		err := c.once(limited, port)
		if err == nil && ctx.Err() == nil {
			// Not if it answered with its last breath.
			return processEnded(dir)
		}
		if last == nil || limited.Err() == nil {
			last = err // a try that the end of the time cut short says less than the one before
		}
		if wait(limited, c.Interval) == nil {
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return &plugin.Error{
			Message: fmt.Sprintf("the app was not healthy after %s: %v", c.Timeout, last),
			Hint:    "It must listen on the port in the environment variable PORT; a slow start needs a longer health_check.timeout. The last lines of its output stand above.",
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

// processEnded says whether the process has ended since its supervisor began.
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
			Hint:    "It must keep running and listen on the port in the environment variable PORT. The last lines of its output stand above.",
		}
	}
	return nil
}
