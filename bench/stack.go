package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"connectrpc.com/connect"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/client"
)

// stack is a local server in a directory of its own, with as many runners as wanted.
type stack struct {
	bin, dir string
	server   *exec.Cmd
	runners  []*exec.Cmd
	client   *client.Client
	token    string
	flags    []string // of "server run"
}

func (s *stack) env(extra ...string) []string {
	home := filepath.Join(s.dir, "home")
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + os.TempDir(),
		"XDG_STATE_HOME=" + filepath.Join(s.dir, "s"), "XDG_CONFIG_HOME=" + filepath.Join(s.dir, "c"),
		"GOCACHE=" + os.Getenv("GOCACHE"), "WAYPOINT_LOCAL_DIR=" + s.data(), "WAYPOINT_PLAIN=1",
		"WAYPOINT_SERVER_ADDR=" + s.address(), "WAYPOINT_SERVER_TOKEN=" + s.token,
	}, extra...)
}

func (s *stack) data() string    { return filepath.Join(s.dir, "d") }
func (s *stack) address() string { return "unix://" + filepath.Join(s.data(), "run", "api.sock") }

// newStack starts a server on a fresh directory and waits until it answers.
func (b *bench) newStack(ctx context.Context, name string, flags ...string) (*stack, error) {
	s := &stack{bin: b.bin, dir: filepath.Join(b.dir, name), flags: flags}
	if err := os.MkdirAll(filepath.Join(s.dir, "home"), 0o700); err != nil {
		return nil, err
	}
	_, err := s.start(ctx)
	return s, err
}

// start starts the server and returns the time until its first answer.
func (s *stack) start(ctx context.Context) (time.Duration, error) {
	log, err := os.OpenFile(filepath.Join(s.dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() { _ = log.Close() }()
	s.server = exec.CommandContext(ctx, filepath.Join(s.bin, "waypoint"), append([]string{"server", "run", "--listen", "none"}, s.flags...)...)
	s.server.Env, s.server.Stdout, s.server.Stderr = s.env(), log, log
	begin := time.Now()
	if err := s.server.Start(); err != nil {
		return 0, err
	}
	if err := s.answer(ctx, ""); err != nil {
		return 0, err
	}
	took := time.Since(begin)
	token, err := readWhenThere(ctx, filepath.Join(s.data(), "admin-token"))
	if err != nil {
		return 0, err
	}
	s.token = token
	s.client, err = client.New(client.Options{Address: s.address(), Token: s.token, Component: "bench", MaxRetry: 10 * time.Second})
	return took, err
}

func (s *stack) answer(ctx context.Context, token string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	c, err := client.New(client.Options{Address: s.address(), Token: token, Component: "bench"})
	if err != nil {
		return err
	}
	defer c.CloseIdle()
	for {
		_, err := c.Server.GetServerInfo(ctx, connect.NewRequest(&waypointv1.GetServerInfoRequest{}))
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer: %w", err)
		case <-time.After(time.Millisecond):
		}
	}
}

func readWhenThere(ctx context.Context, path string) (string, error) {
	for range 500 {
		if data, err := os.ReadFile(path); err == nil {
			return strings.TrimSpace(string(data)), nil
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return "", fmt.Errorf("%s does not appear", path)
}

// addRunners starts standing runners and waits until the server lists them.
func (s *stack) addRunners(ctx context.Context, n int) error {
	for range n {
		made, err := s.client.Token.CreateToken(ctx, connect.NewRequest(&waypointv1.CreateTokenRequest{
			Kind: waypointv1.TokenKind_TOKEN_KIND_RUNNER, Name: "bench", AllProjects: true,
		}))
		if err != nil {
			return err
		}
		log, err := os.OpenFile(filepath.Join(s.dir, "runner.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "waypoint"), "runner", "agent")
		cmd.Env = s.env("WAYPOINT_SERVER_TOKEN=" + made.Msg.GetSecret())
		cmd.Stdout, cmd.Stderr = log, log
		err = cmd.Start()
		_ = log.Close()
		if err != nil {
			return err
		}
		s.runners = append(s.runners, cmd)
	}
	for range 1000 {
		list, err := s.client.Runner.ListRunners(ctx, connect.NewRequest(&waypointv1.ListRunnersRequest{}))
		if err != nil {
			return err
		}
		online := 0
		for _, r := range list.Msg.GetRunners() {
			if r.GetOnline() {
				online++
			}
		}
		if online >= len(s.runners) {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.New("the runners do not register")
}

func (s *stack) stop() {
	for _, cmd := range append(slices.Clone(s.runners), s.server) {
		if cmd == nil || cmd.Process == nil {
			continue
		}
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}
	s.runners = nil
}

// waypoint runs the CLI and returns what it printed, how long it took and its peak memory in bytes.
func (s *stack) waypoint(ctx context.Context, dir string, args ...string) (out string, took time.Duration, rss int64, err error) {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "waypoint"), args...)
	cmd.Dir, cmd.Env = dir, s.env()
	var both bytes.Buffer
	cmd.Stdout, cmd.Stderr = &both, &both
	begin := time.Now()
	err = cmd.Run()
	took = time.Since(begin)
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		rss = usage.Maxrss << 10
	}
	if err != nil {
		err = fmt.Errorf("waypoint %s: %w\n%s", strings.Join(args, " "), err, both.String())
	}
	return both.String(), took, rss, err
}

// residentMB is a process's resident memory now.
func residentMB(pid int) float64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.SplitSeq(string(data), "\n") {
		var kb float64
		if _, err := fmt.Sscanf(line, "VmRSS: %f kB", &kb); err == nil {
			return kb / 1024
		}
	}
	return 0
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// quantile of durations, in ms.
func quantile(all []time.Duration, q float64) float64 {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return ms(sorted[min(int(q*float64(len(sorted))), len(sorted)-1)])
}
