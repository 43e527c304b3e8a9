// Command sizes checks what design promises of the binaries: their sizes, the size of the functions' zip, the
// time from process start to the first request for work and to each function's first answer, and the memory of a small
// command. It fails when a
// size or the memory is over its limit; times are printed, not judged, because machines are noisy.
package main

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

const mb = 1 << 20

func main() {
	bin := flag.String("bin", "bin", "folder of the binaries")
	flag.Parse()
	if err := run(context.Background(), *bin); err != nil {
		fmt.Fprintln(os.Stderr, "sizes:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, bin string) error {
	bad := false
	row := func(what string, got, limit float64, unit string) {
		verdict := "ok"
		if got > limit {
			verdict, bad = "TOO LARGE", true
		}
		fmt.Printf("%-36s %8.1f %s  (limit %.0f)  %s\n", what, got, unit, limit, verdict)
	}
	// First, while this process is small: a child's peak counts what it shares with its parent before it becomes itself.
	rss, err := memory(ctx, filepath.Join(bin, "waypoint"), "version")
	if err != nil {
		return err
	}
	row("waypoint version, peak memory", float64(rss)/mb, 40, "MB")
	for _, b := range []struct {
		name  string
		limit float64
	}{{"waypoint", 60}, {"waypoint-plugins", 120}, {"waypoint-entrypoint", 12}, {"bootstrap", 20}} {
		info, err := os.Stat(filepath.Join(bin, b.name))
		if err != nil {
			return err
		}
		row(b.name, float64(info.Size())/mb, b.limit, "MB")
	}
	zipped, err := zipSize(filepath.Join(bin, "bootstrap"))
	if err != nil {
		return err
	}
	row("bootstrap, zipped", float64(zipped)/mb, 7, "MB")
	start, err := coldStart(ctx, filepath.Join(bin, "bootstrap"))
	if err != nil {
		return err
	}
	fmt.Printf("%-36s %8.1f ms (target 60; median of 11)\n", "bootstrap, process start to /next", float64(start.Microseconds())/1000)
	if err := coldStarts(ctx, filepath.Join(bin, "bootstrap")); err != nil {
		return err
	}
	if bad {
		return fmt.Errorf("over the limit")
	}
	return nil
}

func zipSize(path string) (int, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	w.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(out, flate.BestCompression)
	})
	f, err := w.Create("bootstrap")
	if err != nil {
		return 0, err
	}
	if _, err := f.Write(data); err != nil {
		return 0, err
	}
	if err := w.Close(); err != nil {
		return 0, err
	}
	return out.Len(), nil
}

// coldStart is the median time until the bootstrap asks for its first event.
func coldStart(ctx context.Context, bootstrap string) (time.Duration, error) {
	asked := make(chan time.Time, 1)
	api := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case asked <- time.Now():
		default:
		}
		<-r.Context().Done()
	}))
	defer api.Close()
	var all []time.Duration
	for range 11 {
		d, err := oneStart(ctx, bootstrap, api.Listener.Addr().String(), asked)
		if err != nil {
			return 0, err
		}
		all = append(all, d)
	}
	slices.Sort(all)
	return all[len(all)/2], nil
}

func oneStart(ctx context.Context, bootstrap, api string, asked <-chan time.Time) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, bootstrap)
	cmd.Env = []string{
		"AWS_LAMBDA_RUNTIME_API=" + api, "AWS_LAMBDA_FUNCTION_NAME=api", "_HANDLER=bootstrap", "AWS_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "WAYPOINT_FUNCTION=api", "WAYPOINT_PREFIX=waypoint",
		"WAYPOINT_SERVER_ID=sizes", "WAYPOINT_PLATFORM=aws", "WAYPOINT_KEY_PARAMETER=/waypoint/key",
	}
	cmd.Stderr = os.Stderr
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	select {
	case at := <-asked:
		return at.Sub(begin), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("the bootstrap did not ask for an event within 20 s")
	}
}
