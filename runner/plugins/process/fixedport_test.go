//go:build unix

package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// fixed is a platform whose app listens on a port of its own.
func (b *bench) fixed(version string, port int, env map[string]string) *platform {
	p := b.platform(version, env)
	p.config.Port = port
	return p
}

// unusedPort is a port that nobody listens on.
func unusedPort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	addr, _ := l.Addr().(*net.TCPAddr)
	return addr.Port
}

// sealer keeps what it is given under a name.
type sealer struct{}

func (sealer) Seal(_ context.Context, name string, plain []byte) ([]byte, error) {
	return append([]byte(name+"\x00"), flip(plain)...), nil
}

func (sealer) Unseal(_ context.Context, name string, sealed []byte) ([]byte, error) {
	text, ok := bytes.CutPrefix(sealed, []byte(name+"\x00"))
	if !ok {
		return nil, errors.New("sealed under another name")
	}
	return flip(text), nil
}

func flip(text []byte) []byte {
	out := make([]byte, len(text))
	for i, c := range text {
		out[i] = c ^ 0x55
	}
	return out
}

func TestAnAppWithAFixedPortIsReplacedSerially(t *testing.T) {
	b := newBench(t)
	b.env.Sealer = sealer{}
	port := unusedPort(t)
	url := fmt.Sprintf("http://127.0.0.1:%d", port)
	first, err := b.try(b.fixed("v1", port, nil))
	if err != nil || first.URL != url || get(t, url) != "v1 " {
		t.Fatalf("%+v %v", first, err)
	}
	b.env.LaneFence++
	second, err := b.try(b.fixed("v2", port, nil))
	if err != nil || get(t, url) != "v2 " {
		t.Fatalf("%+v %v", second, err)
	}
	if st := b.status(first); st.Health != plugin.Down || !strings.Contains(st.Message, "another deployment has port") {
		t.Errorf("the former one: %+v", st)
	}
	// A restart of the machine brings back the one that works alone.
	if err := Restore(t.Context(), Options{Now: time.Now}, b.env.StateDir, sealer{}, b.env.Logger); err != nil {
		t.Error(err)
	}
	if got := get(t, url); got != "v2 " {
		t.Errorf("after the restart it answers %q", got)
	}
	// Released again, the former one takes its port back.
	b.env.LaneFence++
	if _, err := newReleaser(Options{Now: time.Now}).Platform.Target(t.Context(), b.env, first); err != nil {
		t.Fatal(err)
	}
	if got := get(t, url); got != "v1 " {
		t.Errorf("after the rollback it answers %q", got)
	}
	if st := b.status(second); st.Health != plugin.Down {
		t.Errorf("the one that was rolled back: %+v", st)
	}
	b.destroy(second)
	b.destroy(first)
	b.nothingRuns(t)
}

func TestTheFormerDeploymentComesBackIfTheNewOneFails(t *testing.T) {
	for name, test := range map[string]struct {
		sealer plugin.Sealer
		env    map[string]string
		want   string
	}{
		"it ends":                   {sealer{}, map[string]string{"DIES": "1"}, "exit code 3"},
		"it is sick":                {sealer{}, map[string]string{"SICK": "1"}, "not healthy"},
		"without a kept key":        {nil, map[string]string{"DIES": "1"}, "exit code 3"},
		"it listens somewhere else": {sealer{}, map[string]string{"ELSEWHERE": "1"}, "not healthy"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.sealer == nil {
				if _, err := os.Stat("/proc/self/environ"); err != nil {
					t.Skip("the environment of a process can be read on Linux alone")
				}
			}
			b := newBench(t)
			b.env.Sealer = test.sealer
			port := unusedPort(t)
			if _, err := b.try(b.fixed("v1", port, map[string]string{"GREETING": "hi"})); err != nil {
				t.Fatal(err)
			}
			b.env.LaneFence++
			bad := b.fixed("v2", port, test.env)
			bad.config.HealthCheck.Timeout = "2s"
			_, err := b.try(bad)
			if err == nil {
				t.Fatal("it was deployed")
			}
			sentence(t, err, test.want)
			if text := err.Error(); !strings.Contains(text, "the former deployment is running again, after a gap of ") {
				t.Error(text)
			}
			if got := get(t, fmt.Sprintf("http://127.0.0.1:%d", port)); got != "v1 hi" {
				t.Errorf("it answers %q", got)
			}
			b.env.LaneFence++
			if _, err := b.try(b.fixed("v3", port, nil)); err != nil {
				t.Errorf("the next deploy: %v", err)
			}
		})
	}
}

func TestAPortOfSomebodyElseIsRefusedBeforeAnythingStops(t *testing.T) {
	b := newBench(t)
	b.env.Sealer = sealer{}
	port := unusedPort(t)
	if _, err := b.try(b.fixed("v1", port, nil)); err != nil {
		t.Fatal(err)
	}
	other := *b.env
	other.App = "other"
	mine := b.env
	b.env = &other
	_, err := b.try(b.fixed("x", port, nil))
	b.env = mine
	if err == nil {
		t.Fatal("another app was deployed on the port")
	}
	sentence(t, err, fmt.Sprintf("port %d is taken by the app web of the project p, workspace default", port))
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	addr, _ := l.Addr().(*net.TCPAddr)
	_, err = b.try(b.fixed("x", addr.Port, nil))
	if err == nil {
		t.Fatal("a program's port was taken")
	}
	sentence(t, err, "is taken by another program")
	if got := get(t, fmt.Sprintf("http://127.0.0.1:%d", port)); got != "v1 " {
		t.Errorf("it answers %q", got)
	}
	_, err = b.try(b.fixed("x", 70000, nil))
	if err == nil {
		t.Fatal("a port of 70000 was taken")
	}
	sentence(t, err, "port = 70000 is not a valid port")
}

// A runner that is killed between the end of the former deployment and the health of the new one leaves both; the next
// deploy that fails brings the former one back all the same.
func TestAFormerDeploymentIsKnownAfterAKill(t *testing.T) {
	b := newBench(t)
	b.env.Sealer = sealer{}
	port := unusedPort(t)
	first, err := b.try(b.fixed("v1", port, nil))
	if err != nil {
		t.Fatal(err)
	}
	h, err := homeOf(b.env)
	if err != nil {
		t.Fatal(err)
	}
	d, err := decodeDeployment(first)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.stop(t.Context(), b.env, d, "01KILLED", time.Now); err != nil {
		t.Fatal(err)
	}
	b.env.LaneFence++
	if _, err := b.try(b.fixed("v2", port, map[string]string{"DIES": "1"})); err == nil {
		t.Fatal("it was deployed")
	}
	if got := get(t, fmt.Sprintf("http://127.0.0.1:%d", port)); got != "v1 " {
		t.Errorf("it answers %q", got)
	}
}
