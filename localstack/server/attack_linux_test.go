package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// What the child of this test binary serves, and where.
const (
	envServe  = "WAYPOINT_TEST_SERVE"
	envListen = "WAYPOINT_TEST_LISTEN"
)

// TestMain also is the body of a child process, so that a test sees the memory of a server alone.
func TestMain(m *testing.M) {
	var err error
	switch dir := os.Getenv(envServe); {
	case os.Getenv(envListen) == "engines":
		err = ServeEngines(context.Background(), EnginesOptions{
			DynamoDB: "127.0.0.1:0", SQS: "127.0.0.1:0", Data: filepath.Join(dir, "engines.db"),
			Ready: func(r EnginesRunning) { fmt.Println(r.DynamoDB, r.SQS) },
		})
	case os.Getenv(envListen) == "log":
		printMuch(dir)
		return
	case dir != "":
		err = Serve(context.Background(), ServeOptions{
			Dir: dir, Listen: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler), Ready: func(tcp string) { fmt.Println(tcp) },
		})
	default:
		os.Exit(m.Run())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// child starts a server as a process and returns its pid and what it says once it answers.
func child(t *testing.T, dir, listen string) (pid int, said []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envServe+"="+dir, envListen+"="+listen)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid, strings.Fields(line)
}

// residentMB is the memory of a process.
func residentMB(t *testing.T, pid int) float64 {
	t.Helper()
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseFloat(strings.Fields(string(b))[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * float64(os.Getpagesize()) / 1e6
}

const (
	attackers = 400
	// The child is this test binary: the race detector multiplies what its goroutines cost.
	mostGrowthMB = 50 * raceFactor
	mostOpen     = 30 * time.Second
)

// attack opens connections that all send the same beginning of a request, and waits until the server has closed them.
// It returns the most that the server grew by meanwhile.
func attack(t *testing.T, pid int, connect func() (net.Conn, error), send string) (grewMB float64) {
	t.Helper()
	before := residentMB(t, pid)
	var open sync.WaitGroup
	for range attackers {
		c, err := connect()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, send); err != nil {
			t.Fatal(err)
		}
		// The server's clock, not ours, decides: the bound is thrice its own.
		_ = c.SetReadDeadline(time.Now().Add(3 * mostOpen))
		open.Go(func() {
			defer func() { _ = c.Close() }()
			if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("a connection is still open")
			}
		})
	}
	all := make(chan struct{})
	go func() { open.Wait(); close(all) }()
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for {
		grewMB = max(grewMB, residentMB(t, pid)-before)
		select {
		case <-all:
			return grewMB
		case <-look.C:
		}
	}
}

// target is a listener under attack and the process that it is of.
type target struct {
	pid     int
	connect func() (net.Conn, error)
}

// targets starts a server for each of its listeners, so that they can be attacked side by side.
func targets() map[string]func(t *testing.T) target {
	dial := func(network, address string) func() (net.Conn, error) {
		return func() (net.Conn, error) { return net.Dial(network, address) }
	}
	engine := func(n int) func(t *testing.T) target {
		return func(t *testing.T) target {
			pid, addresses := child(t, t.TempDir(), "engines")
			u, err := url.Parse(addresses[n])
			if err != nil {
				t.Fatal(err)
			}
			return target{pid, dial("tcp", u.Host)}
		}
	}
	return map[string]func(t *testing.T) target{
		"API socket": func(t *testing.T) target {
			dir := t.TempDir()
			pid, _ := child(t, dir, "")
			return target{pid, dial("unix", within(dir).apiSocket())}
		},
		"queue socket": func(t *testing.T) target {
			dir := t.TempDir()
			pid, _ := child(t, dir, "")
			return target{pid, dial("unix", within(dir).sqsSocket())}
		},
		"loopback": func(t *testing.T) target {
			pid, address := child(t, t.TempDir(), "")
			return target{pid, dial("tcp", address[0])}
		},
		"containers": func(t *testing.T) target {
			dir := t.TempDir()
			pid, _ := child(t, dir, "")
			port, _, err := LocalClientOf(Address(dir)).OpenListener(t.Context(), "127.0.0.1")
			if err != nil {
				t.Fatal(err)
			}
			return target{pid, func() (net.Conn, error) {
				return tls.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), &tls.Config{InsecureSkipVerify: true})
			}}
		},
		"DynamoDB engine": engine(0),
		"SQS engine":      engine(1),
	}
}

func TestClientsThatAnnounceMuchAndSendLittleCostLittle(t *testing.T) {
	request := "POST /waypoint.v1.EntrypointService/GetAppConfig HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" +
		"Authorization: AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=00\r\n"
	for name, start := range targets() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			under := start(t)
			grew := attack(t, under.pid, under.connect, request+"Content-Length: 10000000\r\n\r\nx")
			t.Logf("%d connections: %.1f MB", attackers, grew)
			if grew > mostGrowthMB {
				t.Errorf("the server grew by %.1f MB", grew)
			}
		})
	}
	t.Run("headers that do not end", func(t *testing.T) {
		t.Parallel()
		under := targets()["loopback"](t)
		grew := attack(t, under.pid, under.connect, request+"A: "+strings.Repeat("a", 9000))
		t.Logf("%d connections: %.1f MB", attackers, grew)
		if grew > mostGrowthMB {
			t.Errorf("the server grew by %.1f MB", grew)
		}
	})
}

// within names the files of a data directory.
func within(path string) dir { return dir(path) }
