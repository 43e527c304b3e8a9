package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/waypoint-serverless/waypoint/localstack/server"
)

// coldRuns is how many times each function is started.
const coldRuns = 20

// first is the first thing that a fresh process of a function is asked: something that it cannot answer without its
// table.
type first struct {
	function string
	ask      func(context.Context, *server.Server, string) error
}

func firsts() []first {
	return []first{
		{"api", func(_ context.Context, s *server.Server, token string) error {
			return post(s.Gateway, "/waypoint.v1.ProjectService/ListProjects", token, "{}")
		}},
		{"tail", func(_ context.Context, s *server.Server, token string) error {
			return post(s.Gateway, "/waypoint.v1.TailService/TailJob", token, `{"jobId":"01ARZ3NDEKTSV4RRFFQ69G5FAV"}`)
		}},
		{"sweep", func(ctx context.Context, s *server.Server, _ string) error {
			_, err := s.Handlers.Sweep.Invoke(ctx, []byte(`{"source":"aws.events","detail-type":"Scheduled Event"}`))
			return err
		}},
	}
}

// post asks the API. A typed answer counts, whatever it says: it took the token and the table to give it.
func post(api http.Handler, path, token, body string) error {
	req := httptest.NewRequestWithContext(context.Background(), http.MethodPost, path, bytes.NewReader([]byte(body)))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	api.ServeHTTP(w, req)
	if w.Code != http.StatusOK && w.Code != http.StatusNotFound {
		answer, _ := io.ReadAll(w.Result().Body) // in memory
		return fmt.Errorf("%s answered %d: %s", path, w.Code, answer)
	}
	return nil
}

// coldStarts prints, for each function, how long it takes from the start of its process to its first answer, under the
// Runtime API emulator and on the embedded engines: the median and the worst of coldRuns.
func coldStarts(ctx context.Context, bootstrap string) error {
	dir, err := os.MkdirTemp("", "waypoint-cold-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	data := server.Options{Dir: filepath.Join(dir, "data")}
	if err := os.Mkdir(data.Dir, 0o700); err != nil {
		return err
	}
	token, err := prepare(ctx, data)
	if err != nil {
		return err
	}
	data.Bootstrap, data.FunctionOutput = bootstrap, io.Discard
	took := map[string][]time.Duration{}
	for range coldRuns {
		if err := coldRun(ctx, data, token, took); err != nil {
			return err
		}
	}
	for _, f := range firsts() {
		all := took[f.function]
		slices.Sort(all)
		fmt.Printf("%-36s %8.1f ms (target 60; median of %d, worst %.1f)\n", f.function+", process start to first answer",
			milliseconds(all[len(all)/2]), len(all), milliseconds(all[len(all)-1]))
	}
	return nil
}

// prepare makes the data and a token in it.
func prepare(ctx context.Context, o server.Options) (string, error) {
	s, err := server.New(ctx, o)
	if err != nil {
		return "", err
	}
	token, err := s.AdminToken(ctx, "sizes")
	return token, errors.Join(err, s.Close(ctx))
}

func coldRun(ctx context.Context, o server.Options, token string, took map[string][]time.Duration) (err error) {
	s, err := server.New(ctx, o) // starts no process: the first request of each function does
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close(ctx)) }()
	for _, f := range firsts() {
		begin := time.Now()
		if err := f.ask(ctx, s, token); err != nil {
			return err
		}
		took[f.function] = append(took[f.function], time.Since(begin))
	}
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
