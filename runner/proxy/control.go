package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// maxControl bounds a control message.
const maxControl = 64 << 10

// callTimeout bounds one control call.
const callTimeout = 15 * time.Second

// control is the handler of the Unix socket.
func (s *Server) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, s.Status())
	})
	mux.HandleFunc("POST /route", func(w http.ResponseWriter, r *http.Request) {
		var next Route
		if err := json.NewDecoder(io.LimitReader(r.Body, maxControl)).Decode(&next); err != nil {
			answer(w, http.StatusBadRequest, &Refusal{Reason: failed, Message: err.Error()})
			return
		}
		st, err := s.Set(next)
		var refusal *Refusal
		switch {
		case errors.As(err, &refusal):
			answer(w, http.StatusConflict, refusal)
		case err != nil:
			answer(w, http.StatusInternalServerError, &Refusal{Reason: failed, Message: err.Error()})
		default:
			answer(w, http.StatusOK, st)
		}
	})
	mux.HandleFunc("POST /stop", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, s.Status())
		s.stopOnce.Do(func() { close(s.stop) })
	})
	return mux
}

func answer(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v)
}

// ErrNotRunning says that no proxy runs for a directory.
var ErrNotRunning = errors.New("the proxy is not running")

// Control talks to the proxy of one directory.
type Control struct{ dir string }

// At is the control of the proxy whose directory that is. It opens nothing yet.
func At(dir string) Control { return Control{dir: dir} }

// Status asks the proxy; ErrNotRunning if there is none.
func (c Control) Status(ctx context.Context) (Status, error) {
	return c.call(ctx, http.MethodGet, "/status", nil)
}

// Set changes the route. A *Refusal says why not.
func (c Control) Set(ctx context.Context, r Route) (Status, error) {
	return c.call(ctx, http.MethodPost, "/route", r)
}

// Stop lets the proxy end what it answers and go. Its route stays on disk.
func (c Control) Stop(ctx context.Context) error {
	_, err := c.call(ctx, http.MethodPost, "/stop", nil)
	if errors.Is(err, ErrNotRunning) {
		return nil
	}
	return err
}

func (c Control) call(ctx context.Context, method, path string, body any) (Status, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	socket, err := socketPath(c.dir)
	if err != nil {
		return Status{}, err
	}
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, dialErr := new(net.Dialer).DialContext(ctx, "unix", socket)
			if dialErr != nil {
				return nil, fmt.Errorf("%w: %w", ErrNotRunning, dialErr)
			}
			return conn, nil
		},
	}
	b, err := json.Marshal(body)
	if err != nil {
		return Status{}, err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://proxy"+path, bytes.NewReader(b))
	if err != nil {
		return Status{}, err
	}
	res, err := (&http.Client{Transport: transport}).Do(req)
	switch {
	case err == nil:
	case ctx.Err() == nil && !errors.Is(err, ErrNotRunning):
		// It died under the call. Every call may be made again.
		return Status{}, fmt.Errorf("%w: %w", ErrNotRunning, err)
	default:
		return Status{}, err
	}
	defer func() { _ = res.Body.Close() }()
	decoder := json.NewDecoder(io.LimitReader(res.Body, maxControl))
	if res.StatusCode != http.StatusOK {
		refusal := &Refusal{Reason: failed}
		if err := decoder.Decode(refusal); err != nil {
			return Status{}, fmt.Errorf("the proxy answered %s: %w", res.Status, err)
		}
		return Status{}, refusal
	}
	var st Status
	err = decoder.Decode(&st)
	return st, err
}
