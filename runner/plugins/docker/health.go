package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/stableport"
)

const (
	// checkPause is the time between two looks.
	checkPause = 50 * time.Millisecond
	// quiet is how long a connection must stay open to be the app's: Docker's own proxy accepts, and then closes, those
	// that the app refuses.
	quiet = 100 * time.Millisecond
	// lastLines is how much of a failed app's output is shown.
	lastLines = 20
)

// patience is how long an app is waited for.
type patience struct {
	// port that the file names; guess, the default port, on which an app that is no server never listens; health, the
	// container's own check, which has an interval of 30 s if nobody says otherwise.
	port, guess, health time.Duration
	// alone is how long an app that cannot be reached must run before it counts as started.
	alone time.Duration
}

func (p patience) orDefault() patience {
	if p == (patience{}) {
		return patience{port: time.Minute, guess: 10 * time.Second, health: 5 * time.Minute, alone: 2 * time.Second}
	}
	return p
}

// answers reports whether something listens at an address.
func answers(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("nothing listens at %s", addr)
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(quiet)); err != nil {
		return err
	}
	if _, err := conn.Read(make([]byte, 1)); errors.Is(err, io.EOF) || err != nil && !isTimeout(err) {
		return fmt.Errorf("nothing listens behind %s", addr)
	}
	return nil
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// listens dials the app itself where its address is reached from here, which needs no pause; else where it is
// published.
func listens(ctx context.Context, about container.InspectResponse, network string, servicePort int, direct bool, published stableport.Target) error {
	if direct && about.NetworkSettings != nil {
		if n := about.NetworkSettings.Networks[network]; n != nil && n.IPAddress.IsValid() {
			addr := netip.AddrPortFrom(n.IPAddress, uint16(servicePort)).String()
			dialer := net.Dialer{Timeout: time.Second}
			conn, err := dialer.DialContext(ctx, "tcp", addr)
			if err != nil {
				return fmt.Errorf("nothing listens on port %d in the container", servicePort)
			}
			return conn.Close()
		}
	}
	if published.Port == 0 {
		return errors.New("it is published on no port")
	}
	return answers(ctx, published.Addr())
}

// await tries until the container is healthy, it ends, or the time is over. The error is a sentence.
// A wait that lasts shows what the app prints.
func (c *creation) await(ctx context.Context, d deployment, printed *appOutput) error {
	begun := time.Now()
	for {
		result, err := c.engine.ContainerInspect(ctx, d.ID, client.ContainerInspectOptions{})
		if err != nil {
			return c.engine.explain("looking at the container "+d.Container, err)
		}
		about := result.Container
		printed.show(ctx, time.Since(begun))
		done, err := c.look(ctx, about, d, time.Since(begun))
		if done || err != nil {
			return err
		}
		if err := wait(ctx, checkPause); err != nil {
			return context.Cause(ctx)
		}
	}
}

// look decides from one look at the container.
func (c *creation) look(ctx context.Context, about container.InspectResponse, d deployment, since time.Duration) (done bool, err error) {
	state := about.State
	if state == nil {
		return false, nil
	}
	if !state.Running {
		return true, c.ended(about)
	}
	if h := state.Health; h != nil && h.Status != container.NoHealthcheck {
		switch {
		case h.Status == container.Healthy:
			c.found(plugin.Ready, fmt.Sprintf("The container %s is healthy", d.Container))
			return true, nil
		case h.Status == container.Unhealthy, since > c.patience.health:
			return true, &plugin.Error{
				Message: fmt.Sprintf("the container's own health check fails: %s", lastCheck(h)),
				Hint:    "It is HEALTHCHECK in the Dockerfile. What the app printed stands above.",
			}
		}
		return false, nil
	}
	if c.where.mode == noNetwork {
		if since < c.patience.alone {
			return false, nil
		}
		c.found(plugin.Ready, fmt.Sprintf("The container %s runs, without a network", d.Container))
		return true, nil
	}
	problem := listens(ctx, about, c.where.networks[0], c.wanted.servicePort, c.where.direct, stableport.Target{Host: d.Host, Port: d.Port})
	switch {
	case problem == nil:
		c.found(plugin.Ready, fmt.Sprintf("The app in %s listens on port %d", d.Container, c.wanted.servicePort))
		return true, nil
	case c.wanted.chosen && since > c.patience.port:
		return true, &plugin.Error{
			Message: fmt.Sprintf("the app does not listen on service_port %d after %s%s", c.wanted.servicePort, c.patience.port,
				c.listensElsewhere(ctx, about, c.wanted.servicePort)),
			Hint: "It must listen on all addresses (0.0.0.0) at the port in the environment variable PORT. What it printed stands above.",
		}
	case !c.wanted.chosen && since > c.patience.guess:
		c.found(plugin.Alive, fmt.Sprintf("The container %s runs; nothing listens on port %d", d.Container, c.wanted.servicePort))
		c.env.UI.Line(plugin.Warning, "The app does not listen on port %d%s%s. If it serves on another, set service_port.", c.wanted.servicePort, c.exposes(),
			c.listensElsewhere(ctx, about, c.wanted.servicePort))
		return true, nil
	}
	return false, nil
}

func (c *creation) found(health plugin.Health, text string) { c.health, c.healthText = health, text }

// exposes says what the image exposes, to help with the port.
func (c *creation) exposes() string {
	if c.about.Config == nil || len(c.about.Config.ExposedPorts) == 0 {
		return ""
	}
	var ports []string
	for port := range c.about.Config.ExposedPorts {
		ports = append(ports, port)
	}
	return "; the image exposes " + strings.Join(ports, ", ")
}

// ended explains a container that ended before it was healthy.
func (c *creation) ended(about container.InspectResponse) error {
	state := about.State
	switch {
	case state.OOMKilled:
		return &plugin.Error{Message: "the app was killed because it used more memory than it may", Hint: "Give resources more memory."}
	case c.about.Architecture != c.where.architecture && c.about.Architecture != "":
		return c.otherArchitecture()
	}
	return &plugin.Error{
		Message: fmt.Sprintf("the container ended with exit code %d before the app was healthy", state.ExitCode),
		Hint:    "The app must keep running. What it printed stands above.",
	}
}

func lastCheck(h *container.Health) string {
	if len(h.Log) == 0 {
		return "it did not succeed in time"
	}
	last := h.Log[len(h.Log)-1]
	return fmt.Sprintf("exit code %d, %s", last.ExitCode, shown(last.Output))
}

// tail is the end of what a container printed.
func (e *engine) tail(ctx context.Context, id string) []string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	logs, err := e.ContainerLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Tail: strconv.Itoa(lastLines)})
	if err != nil {
		return nil
	}
	defer logs.Close()
	var text bytes.Buffer
	_, err = stdcopy.StdCopy(&text, &text, io.LimitReader(logs, 1<<20))
	if err != nil && text.Len() == 0 {
		return nil
	}
	lines := strings.Split(strings.TrimRight(text.String(), "\n"), "\n")
	if len(lines) == 1 && lines[0] == "" {
		return nil
	}
	return lines[max(0, len(lines)-lastLines):]
}

func (e *engine) showTail(ctx context.Context, ui plugin.UI, id string) {
	lines := e.tail(ctx, id)
	if len(lines) == 0 {
		ui.Line(plugin.Info, "The app printed nothing.")
		return
	}
	ui.Line(plugin.Info, "The last lines that the app printed:")
	for _, line := range lines {
		ui.Line(plugin.Dim, "  %s", strings.TrimRight(line, "\r"))
	}
}

// wait pauses; an error: ctx ended first.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// DeploymentStatus reports the container's health: ready (runs and is healthy), alive (runs), down (does not run),
// missing.
func (p *platform) DeploymentStatus(ctx context.Context, env *plugin.Call, d *plugin.Deployment) (*plugin.Status, error) {
	e, err := connect(ctx, env.Environ, p.config.ClientConfig)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	list, err := e.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ownFilter(env, labelDeployment+"="+d.ID)})
	if err != nil {
		return nil, e.explain("looking for the container", err)
	}
	if len(list.Items) == 0 {
		return &plugin.Status{Health: plugin.Missing, Message: "The container is not in the Docker engine at " + e.host + "."}, nil
	}
	result, err := e.ContainerInspect(ctx, list.Items[0].ID, client.ContainerInspectOptions{})
	if err != nil {
		return nil, e.explain("looking at the container", err)
	}
	about := result.Container
	var kept deployment
	if decoded, err := decodeDeployment(d); err == nil {
		kept = decoded
	}
	health, message := judge(ctx, about, kept)
	state := about.State
	created, _ := time.Parse(time.RFC3339Nano, about.Created)
	started, _ := time.Parse(time.RFC3339Nano, state.StartedAt)
	health, message = plugin.Crashes{Restarts: about.RestartCount, Started: started}.Judge(health, message, time.Now())
	return &plugin.Status{Health: health, Message: message, Resources: []plugin.Resource{{
		ID: about.ID, Name: strings.TrimPrefix(about.Name, "/"), Type: "container", Platform: "docker",
		Health: health, HealthMessage: message, Created: created,
		State: map[string]any{
			"state": string(state.Status), "exit_code": state.ExitCode, "restarts": about.RestartCount, "oom_killed": state.OOMKilled,
			"image": about.Config.Image, "port": kept.Port, "engine": e.host, "last_lines": e.tail(ctx, about.ID),
		},
	}}}, nil
}

func judge(ctx context.Context, about container.InspectResponse, kept deployment) (plugin.Health, string) {
	state := about.State
	end := "."
	if about.RestartCount > 0 {
		end = fmt.Sprintf(" (restarts: %d).", about.RestartCount)
	}
	switch {
	case state.OOMKilled && !state.Running:
		return plugin.Down, "The container was killed because it used more memory than it may" + end
	case !state.Running:
		return plugin.Down, fmt.Sprintf("The container is %s, exit code %d%s", state.Status, state.ExitCode, end)
	case state.Paused:
		return plugin.Down, "The container is paused" + end
	case state.Health != nil && state.Health.Status == container.Healthy:
		return plugin.Ready, "The container is healthy by its own health check" + end
	case state.Health != nil && state.Health.Status == container.Unhealthy:
		return plugin.Alive, fmt.Sprintf("The container runs, and its own health check fails: %s%s", lastCheck(state.Health), end)
	}
	if kept.Port > 0 {
		if err := answers(ctx, kept.addr()); err != nil {
			return plugin.Alive, fmt.Sprintf("The container runs, but %v%s", err, end)
		}
	}
	if kept.Port == 0 {
		return plugin.Ready, "The container runs" + end
	}
	return plugin.Ready, fmt.Sprintf("The container listens on port %d%s", kept.ServicePort, end)
}
