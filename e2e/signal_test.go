package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// serveSignals is an app that answers its process, how often it got SIGHUP, and the content of its configuration file.
func serveSignals() error {
	var hangups atomic.Int32
	came := make(chan os.Signal, 8)
	signal.Notify(came, syscall.SIGHUP)
	go func() {
		for range came {
			hangups.Add(1)
		}
	}()
	return http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		content, err := os.ReadFile("app.conf")
		if err != nil {
			content = []byte(err.Error())
		}
		_, _ = fmt.Fprintf(w, "process %d, %d signals, %s", os.Getpid(), hangups.Load(), content)
	}))
}

const signalHCL = `project = "signals"
config {
  file_change_signal = "SIGUSR1"
}
app "web" {
  config {
    file               = { "app.conf" = "one" }
    file_change_signal = "SIGHUP"
  }
  build {
    use "process" {}
  }
  deploy {
    use "process" {
      command = ["%s", "e2e-signals"]
    }
  }
}
`

// A changed configuration file is told to the app by the signal that waypoint.hcl names, and the app is not restarted.
func TestAChangedFileSignalsTheApp(t *testing.T) {
	t.Parallel()
	w := installWorld(t)
	w.installAtOnce(1)
	dir := filepath.Join(w.dir, "p")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "waypoint.hcl"), fmt.Appendf(nil, signalHCL, os.Args[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	at := urlPattern.FindString(w.must(dir, "up"))
	before := body(at)
	process, _, ok := strings.Cut(before, ", ")
	if !ok || before != process+", 0 signals, one" {
		t.Fatalf("the app answers %q", before)
	}
	w.must(dir, "config", "set", "-app", "web", "-file", "app.conf=two")
	w.waitFor("the signal", 2*patience, func() error {
		if got := body(at); got != process+", 1 signals, two" {
			return fmt.Errorf("the app answers %q, at first it was %q", got, before)
		}
		return nil
	})
}
