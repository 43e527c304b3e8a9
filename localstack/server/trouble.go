package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/waypoint-serverless/waypoint/internal/version"
	"github.com/waypoint-serverless/waypoint/localstack/aws/store"
)

// Trouble is a problem of the local server, with what to do about it.
type Trouble struct{ Message, Hint string }

func (t *Trouble) Error() string { return t.Message }

// stoppedError is about a server that was stopped by a signal, such as a Ctrl-Z or a debugger's.
func stoppedError(pid int) error {
	return &Trouble{
		Message: fmt.Sprintf("the local server (process %d) was stopped by a signal and does not answer", pid),
		Hint:    fmt.Sprintf("Continue it with `kill -CONT %d`. Its data is safe.", pid),
	}
}

// silent says why a server that runs does not answer.
func (d dir) silent(ctx context.Context) error {
	pid := d.serverPID(ctx)
	if pid > 0 && isStopped(pid) {
		return stoppedError(pid)
	}
	who := "the local server runs"
	if pid > 0 {
		who = fmt.Sprintf("the local server runs as process %d", pid)
	}
	if _, err := os.Lstat(d.apiSocket()); err != nil {
		return &Trouble{
			Message: who + ", but its socket " + d.apiSocket() + " is gone",
			Hint:    "Run `waypoint uninstall --platform=local`, which keeps the data, and `waypoint install --platform=local` again.",
		}
	}
	return &Trouble{
		Message: who + ", but does not answer",
		Hint:    "The machine may be overloaded: try again. Its log is " + d.serverLog() + ". `waypoint upgrade --platform=local` restarts it.",
	}
}

// explainData says what to do about a data file that cannot be used.
func explainData(err error, d dir) error {
	switch {
	case errors.Is(err, store.ErrDamaged):
		return &Trouble{
			Message: fmt.Sprintf("the data file %s is damaged (%s)", d.data(), innermost(err)),
			Hint: "Restore your last backup (and remove " + d.data() + "-wal and -shm), or save what is readable with\n" +
				"`sqlite3 " + d.data() + " .recover`. To start again without the data: `waypoint uninstall --platform=local --purge`.",
		}
	case errors.Is(err, store.ErrFull):
		return &Trouble{
			Message: "the disk of " + string(d) + " is full, so the local server cannot start",
			Hint:    "Free some disk space and try again. No acknowledged data is lost.",
		}
	}
	return err
}

// innermost is SQLite's own word, which stands behind the last colon.
func innermost(err error) string {
	text := err.Error()
	return strings.TrimSpace(text[strings.LastIndex(text, ": ")+1:])
}

// statePath answers, on the Unix socket alone, how the server is.
const statePath = "/_local/server"

// state is what a server says of itself.
type state struct {
	PID     int    `json:"pid"`
	Version string `json:"version"`
	// Full: the last write found the disk full.
	Full bool `json:"full,omitempty"`
}

func (s *Server) serveState(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(state{PID: os.Getpid(), Version: version.Version(), Full: s.store != nil && s.store.Full()})
}

// lookTimeout bounds Diagnose: it is asked when something else did not answer.
const lookTimeout = 2 * time.Second

// Diagnose finds what is wrong with the local server, for a command that cannot reach it or waits for it; nil if
// nothing is found.
func Diagnose(ctx context.Context, dataDir string) *Trouble {
	d := dir(dataDir)
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	var t *Trouble
	if running, err := d.server().runs(ctx); err != nil || !running {
		return nil
	}
	st, err := askState(ctx, d)
	switch {
	case err != nil:
		if errors.As(d.silent(context.WithoutCancel(ctx)), &t) {
			return t
		}
	case st.Full:
		return &Trouble{
			Message: "the disk of the local server's data is full (" + dataDir + ")",
			Hint:    "Free some disk space: the server then continues by itself. No acknowledged data is lost.",
		}
	}
	return nil
}

func askState(ctx context.Context, d dir) (st state, err error) {
	c := socketClient(d.apiSocket())
	defer c.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://waypoint"+statePath, nil)
	if err != nil {
		return st, err
	}
	res, err := c.Do(req)
	if err != nil {
		return st, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return st, nil // a version that does not say: it answers
	}
	return st, json.NewDecoder(res.Body).Decode(&st)
}
