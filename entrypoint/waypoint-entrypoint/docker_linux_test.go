//go:build docker

package main

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// inContainer is the entrypoint as PID 1 of a container that has nothing but it and an app in it.
type inContainer struct {
	*client.Client
	t  *testing.T
	id string
}

func built(t *testing.T, dir, name, pkg string) {
	t.Helper()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, name), pkg)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// startContainer makes an image of the two programs and runs it. It shares the host's network, where the test's server is.
func startContainer(t *testing.T, addr string, app ...string) *inContainer {
	t.Helper()
	engine, err := client.New(client.FromEnv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	dir := t.TempDir()
	built(t, dir, "waypoint-entrypoint", ".")
	built(t, dir, "app", "./testdata/containerapp")
	var image bytes.Buffer
	files := tar.NewWriter(&image)
	add := func(name string, mode int64, content []byte) {
		if err := files.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := files.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"waypoint-entrypoint", "app"} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		add(name, 0o755, content)
	}
	add("crlf.sh", 0o755, []byte("#!/bin/sh\r\necho hi\r\n"))
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background() // cleaning up is after the test's own has ended
	ref := fmt.Sprintf("waypoint-entrypoint-test:%d", rand.Uint64())
	imported, err := engine.ImageImport(ctx, client.ImageImportSource{Source: &image, SourceName: "-"}, ref, client.ImageImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, imported)
	_ = imported.Close()
	t.Cleanup(func() {
		if _, err := engine.ImageRemove(ctx, ref, client.ImageRemoveOptions{Force: true}); err != nil {
			t.Error(err)
		}
	})
	made, err := engine.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config: &container.Config{
			Image: ref, Entrypoint: []string{"/waypoint-entrypoint"}, Cmd: app,
			Env: []string{
				"WAYPOINT_SERVER_ADDR=" + addr, "WAYPOINT_ENTRYPOINT_TOKEN=" + token, "WAYPOINT_DEPLOYMENT_ID=" + deployment,
				"WAYPOINT_LOG_LEVEL=debug", "DAEMON_ADDR=" + freeAddr(t),
			},
		},
		HostConfig: &container.HostConfig{NetworkMode: "host"},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := &inContainer{engine, t, made.ID}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the container printed\n%s", c.output())
		}
		if _, err := engine.ContainerRemove(ctx, c.id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true}); err != nil {
			t.Error(err)
		}
	})
	if _, err := engine.ContainerStart(ctx, c.id, client.ContainerStartOptions{}); err != nil {
		t.Fatal(err)
	}
	return c
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (c *inContainer) output() string {
	logs, err := c.ContainerLogs(context.Background(), c.id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true})
	if err != nil {
		return err.Error()
	}
	defer logs.Close()
	var both bytes.Buffer
	_, _ = stdcopy.StdCopy(&both, &both, logs)
	return both.String()
}

func (c *inContainer) says(text string) {
	c.t.Helper()
	eventually(c.t, "the container says "+text, func() bool { return strings.Contains(c.output(), text) })
}

func (c *inContainer) kill(signal string) {
	c.t.Helper()
	if _, err := c.ContainerKill(c.t.Context(), c.id, client.ContainerKillOptions{Signal: signal}); err != nil {
		c.t.Fatal(err)
	}
}

func (c *inContainer) state() *container.State {
	c.t.Helper()
	about, err := c.ContainerInspect(context.Background(), c.id, client.ContainerInspectOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
	return about.Container.State
}

func (c *inContainer) ends(code int) {
	c.t.Helper()
	eventually(c.t, "the container ends", func() bool { return !c.state().Running })
	if got := c.state().ExitCode; got != code {
		c.t.Errorf("exit code %d, want %d", got, code)
	}
}

// commands are those of the processes in the container.
func (c *inContainer) commands() (all []string) {
	c.t.Helper()
	top, err := c.ContainerTop(c.t.Context(), c.id, client.ContainerTopOptions{Arguments: []string{"-eo", "pid,args"}})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, p := range top.Processes {
		all = append(all, p[len(p)-1])
	}
	slices.Sort(all)
	return all
}

func TestDocker_EntrypointPassesAllSignalsOn(t *testing.T) {
	_, addr := newServer(t)
	c := startContainer(t, addr, "/app")
	c.says("run \n")
	for name, number := range map[string]syscall.Signal{
		"TSTP": syscall.SIGTSTP, "TTIN": syscall.SIGTTIN, "TTOU": syscall.SIGTTOU, "ALRM": syscall.SIGALRM, "CONT": syscall.SIGCONT,
		"PWR": syscall.SIGPWR, "HUP": syscall.SIGHUP, "USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2, "QUIT": syscall.SIGQUIT,
		"INT": syscall.SIGINT, "WINCH": syscall.SIGWINCH, "VTALRM": syscall.SIGVTALRM, "ABRT": syscall.SIGABRT, "IO": syscall.SIGIO,
		"35": 35, "37": 37, "50": 50, "64": 64,
	} {
		c.kill(name)
		c.says(fmt.Sprintf("got %d.\n", number))
	}
	c.kill("TERM")
	c.ends(3)
}

// QUIT is a thread dump for the app. A later change reaches it, although the old daemon has the port, which it gets back;
// what somebody runs in the container from outside is left alone.
func TestDocker_EntrypointRestartsAnAppThatLeftADaemonAndLivedOn(t *testing.T) {
	s, addr := newServer(t)
	s.set(&waypointv1.AppConfig{Etag: "1", Env: map[string]string{"V": "one"}})
	c := startContainer(t, addr, "/app")
	c.says("run one\n")
	outside, err := c.ExecCreate(t.Context(), c.id, client.ExecCreateOptions{Cmd: []string{"/app", "sleep"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.ExecStart(t.Context(), outside.ID, client.ExecStartOptions{Detach: true}); err != nil {
		t.Fatal(err)
	}
	c.kill("QUIT")
	c.says("got 3.\n")
	s.set(&waypointv1.AppConfig{Etag: "2", Env: map[string]string{"V": "two"}})
	c.says("run two\n")
	if out := c.output(); strings.Contains(out, "already in use") {
		t.Error("the old daemon kept its port")
	}
	if got, want := c.commands(), []string{"/app", "/app sleep", "/proc/self/exe daemon", "/waypoint-entrypoint /app"}; !slices.Equal(got, want) {
		t.Errorf("the container runs %q, want %q", got, want)
	}
	if st := c.state(); !st.Running || st.Restarting {
		t.Errorf("state %+v", st)
	}
	c.kill("TERM")
	c.ends(3)
}

func TestDocker_EntrypointNamesWindowsLineEnds(t *testing.T) {
	_, addr := newServer(t)
	c := startContainer(t, addr, "/crlf.sh")
	c.ends(127)
	c.says(`cannot start /crlf.sh: its interpreter "/bin/sh\r" does not exist: the script has Windows line ends`)
}
