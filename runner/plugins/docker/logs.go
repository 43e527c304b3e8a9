package docker

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// maxLine bounds a line of an app's log; the rest of a longer one is a line of its own.
const maxLine = 64 << 10

// OwnLogs reports whether the engine alone has the app's logs.
func (p *platform) OwnLogs(d *plugin.Deployment) bool {
	kept, err := decodeDeployment(d)
	return err == nil && !kept.Entrypoint
}

// DeploymentLogs reads what the engine kept of what an app printed.
func (p *platform) DeploymentLogs(ctx context.Context, env *plugin.Call, d *plugin.Deployment, lines int, follow bool, show func(plugin.LogLine)) error {
	kept, err := decodeDeployment(d)
	if err != nil {
		return err
	}
	e, err := connect(ctx, env.Environ, remembered(kept))
	if err != nil {
		return err
	}
	defer e.Close()
	last := "all"
	if lines >= 0 {
		last = strconv.Itoa(lines)
	}
	logs, err := e.ContainerLogs(ctx, kept.ID, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Follow: follow, Tail: last})
	if err != nil {
		return e.explain("reading the logs of "+kept.Container, err)
	}
	defer logs.Close()
	if err := split(logs, show); err != nil && ctx.Err() == nil {
		return e.explain("reading the logs of "+kept.Container, err)
	}
	return nil
}

// split reads the engine's stream of both outputs, and gives their lines one at a time.
func split(stream io.Reader, show func(plugin.LogLine)) error {
	var one sync.Mutex
	var readers sync.WaitGroup
	var pipes [2]*io.PipeWriter
	for i := range pipes {
		r, w := io.Pipe()
		pipes[i] = w
		readers.Go(func() {
			in := bufio.NewReaderSize(r, maxLine)
			for {
				text, _, err := in.ReadLine()
				if err != nil {
					return
				}
				line := parseLine(string(text))
				line.Stderr = i == 1
				one.Lock()
				show(line)
				one.Unlock()
			}
		})
	}
	_, err := stdcopy.StdCopy(pipes[0], pipes[1], stream)
	for _, w := range pipes {
		_ = w.Close()
	}
	readers.Wait()
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return nil // the container was removed while it was read
	}
	return err
}

// parseLine takes the engine's time off a line.
func parseLine(text string) plugin.LogLine {
	at, rest, ok := strings.Cut(text, " ")
	when, err := time.Parse(time.RFC3339Nano, at)
	if !ok || err != nil {
		return plugin.LogLine{Text: text}
	}
	return plugin.LogLine{Time: when, Text: rest}
}
