package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/client"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/image"
	"github.com/waypoint-serverless/waypoint/runner/plugins/stableport"
)

// A deployment is one container. Its name is made of the deployment's id, so that a second attempt finds what the first
// left, and its labels say whose it is. It is published on a port that is chosen once, so that the address stays when
// the container is started again.
type platform struct {
	config   PlatformConfig
	options  Options
	patience patience
}

// Options of the plugin. The zero value has no stable ports; the waypoint binary's are in package builtin.
type Options struct {
	// Proxy gives the command that runs proxy.Main in the background.
	Proxy func() ([]string, error)
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

func (o Options) now() time.Time {
	if o.Now == nil {
		return time.Now()
	}
	return o.Now()
}

func (p *platform) Config() any { return &p.config }

// DeployRerunnable says yes: the container's name is the deployment's id.
func (p *platform) DeployRerunnable() bool { return true }

// DeployInputs are the engine and the proxies that the container is told of. With force_pull it runs what the image's tag
// names at that time, which nobody knows before.
func (p *platform) DeployInputs(ctx context.Context, env *plugin.Call) (*plugin.DeployInputs, error) {
	if p.config.ForcePull {
		return &plugin.DeployInputs{}, nil
	}
	e, err := connect(ctx, env.Environ, p.config.ClientConfig)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	proxies, err := image.Proxies(env, e.host)
	if err != nil {
		return nil, err
	}
	values := []string{e.host}
	for _, name := range slices.Sorted(maps.Keys(proxies)) {
		values = append(values, name+"="+proxies[name])
	}
	return &plugin.DeployInputs{Known: true, Values: values}, nil
}

// DefaultReleaser gives apps without a release stanza a stable port too.
func (p *platform) DefaultReleaser() plugin.Releaser {
	if modeOf(p.config.Networks) == noNetwork {
		return nil // nothing leads to such an app
	}
	return newReleaser(p.options)
}

// deployment is the state of a deployment's record.
type deployment struct {
	// Container is the container's name, ID the engine's id of it.
	Container string `json:"container"`
	ID        string `json:"id"`
	// Host and Port are where it is published; Host is empty for this machine. Port 0: nowhere.
	Host string `json:"host,omitempty"`
	Port int    `json:"port"`
	// ServicePort is the app's own.
	ServicePort int `json:"service_port"`
	// Entrypoint says that the image has the entrypoint, which sends the app's logs to the server.
	Entrypoint bool `json:"entrypoint"`
	// Engine is where it was deployed, so that a later operation can say so.
	Engine string `json:"engine"`
}

// Deploy starts a container and returns when it is healthy. If it fails, nothing of it is left.
func (p *platform) Deploy(ctx context.Context, env *plugin.Call, req *plugin.DeployRequest) (result *plugin.DeployResult, err error) {
	defer func() { err = stoppedBy(ctx, err) }()
	img, err := image.FromArtifact(req.Artifact, `the platform "docker"`)
	if err != nil {
		return nil, err
	}
	wanted, err := p.config.read()
	if err != nil {
		return nil, err
	}
	e, err := connect(ctx, env.Environ, p.config.ClientConfig)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	c := &creation{engine: e, env: env, req: req, wanted: wanted, image: img, patience: p.patience.orDefault()}
	if err := c.surroundings(ctx); err != nil {
		return nil, err
	}
	if err := c.fetch(ctx, p.config.ForcePull); err != nil {
		return nil, err
	}
	// What an earlier attempt at this deployment left.
	if _, err := e.removeDeployment(ctx, env, req.DeploymentID); err != nil {
		return nil, err
	}
	d, err := c.run(ctx)
	if err != nil {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin+tidyTimeout)
		defer cancel()
		had, removing := e.removeDeployment(cleanup, env, req.DeploymentID)
		had.listeners = append(had.listeners, c.listeners...)
		return nil, errors.Join(err, removing, e.tidy(cleanup, env, had))
	}
	if len(slices.Compact(c.listeners)) > 1 { // it was tried in a network before that somebody has removed
		if err := e.tidy(ctx, env, freed{listeners: c.listeners}); err != nil {
			env.UI.Line(plugin.Warning, "%s", err)
		}
	}
	url := ""
	if d.Port > 0 {
		url = "http://" + d.addr()
	}
	return &plugin.DeployResult{
		Result: plugin.Result{
			State:    d,
			Template: map[string]any{"container": d.Container, "id": d.ID, "name": d.Container, "port": d.Port, "url": url},
		},
		URL: url,
		Resources: []plugin.Resource{{
			ID: d.ID, Name: d.Container, Type: "container", Platform: "docker", Health: c.health, HealthMessage: c.healthText,
			State: map[string]any{"port": d.Port, "image": img.Name(), "engine": e.host}, Created: p.options.now(),
		}},
	}, nil
}

func (d deployment) addr() string {
	return stableport.Target{Host: d.Host, Port: d.Port}.Addr()
}

// wanted is a PlatformConfig that has been read.
type wanted struct {
	PlatformConfig
	servicePort int
	// chosen reports whether the port was written in the file: an app that does not listen on it is then a mistake.
	chosen      bool
	memory, cpu int64
}

// defaultServicePort is Waypoint's.
const defaultServicePort = 3000

func (c PlatformConfig) read() (wanted, error) {
	w := wanted{PlatformConfig: c, servicePort: defaultServicePort, chosen: c.ServicePort != 0}
	if w.chosen {
		w.servicePort = int(c.ServicePort)
	}
	for _, port := range append([]uint{uint(w.servicePort)}, c.ExtraPorts...) {
		if port == 0 || port > 65535 {
			return w, &plugin.Error{Message: fmt.Sprintf("%d is not a valid port", port), Hint: "service_port and extra_ports are numbers from 1 to 65535."}
		}
	}
	if err := c.checkNetworks(); err != nil {
		return w, err
	}
	for name, value := range c.Resources {
		var err error
		switch name {
		case "memory":
			w.memory, err = bytesOf(value)
		case "cpu":
			w.cpu, err = strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		default:
			return w, &plugin.Error{Message: fmt.Sprintf("resources has %q", name), Hint: `It takes "memory", for example "512m", and "cpu", a number of CPU shares.`}
		}
		if err != nil || w.memory < 0 || w.cpu < 0 {
			return w, &plugin.Error{Message: fmt.Sprintf("resources: %s = %q", name, value), Hint: `Write memory as "512m" or "2g", cpu as a number of CPU shares such as "1024".`}
		}
	}
	for _, bind := range c.Binds {
		if strings.Count(bind, ":") == 0 {
			return w, &plugin.Error{Message: fmt.Sprintf("binds has %q", bind), Hint: `Write "host-path:container-path", with ":ro" for read-only.`}
		}
	}
	if c.ScratchPath != "" && !strings.HasPrefix(c.ScratchPath, "/") {
		return w, &plugin.Error{Message: fmt.Sprintf("scratch_path = %q is not an absolute path", c.ScratchPath), Hint: `For example "/tmp/scratch".`}
	}
	if _, set := c.StaticEnvironment["PORT"]; set && c.ServicePort == 0 {
		port, err := strconv.Atoi(c.StaticEnvironment["PORT"])
		if err != nil || port < 1 || port > 65535 {
			return w, &plugin.Error{Message: fmt.Sprintf("static_environment: PORT = %q is not a valid port", c.StaticEnvironment["PORT"]), Hint: "Set service_port instead."}
		}
		w.servicePort, w.chosen = port, true
	}
	return w, nil
}

// bytesOf reads an amount of memory as Docker's command does: a number and b, k, m or g.
func bytesOf(text string) (int64, error) {
	text = strings.ToLower(strings.TrimSpace(text))
	text = strings.TrimSuffix(strings.TrimSuffix(text, "b"), "i")
	unit := int64(1)
	for suffix, size := range map[string]int64{"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40} {
		if rest, ok := strings.CutSuffix(text, suffix); ok {
			text, unit = rest, size
			break
		}
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	return int64(n * float64(unit)), err
}

// decodeDeployment reads the state of a deployment's record.
func decodeDeployment(d *plugin.Deployment) (deployment, error) {
	var out deployment
	if len(d.State) > 0 {
		if err := json.Unmarshal(d.State, &out); err != nil {
			return out, fmt.Errorf("reading the deployment: %w", err)
		}
	}
	if d.Plugin != "" && d.Plugin != "docker" || out.Container == "" {
		return out, &plugin.Error{
			Message: fmt.Sprintf("a deployment of the plugin %q cannot be released with \"docker\"", d.Plugin),
			Hint:    "Use the release plugin that belongs to the deploy stanza's, or none.",
		}
	}
	return out, nil
}

// newReleaser moves the app's stable port to a container.
func newReleaser(o Options) *stableport.Releaser {
	return &stableport.Releaser{Platform: stableport.Platform{
		Name:    "docker",
		Target:  releaseTarget,
		Healthy: func(ctx context.Context, t stableport.Target) error { return answers(ctx, t.Addr()) },
		Helper:  o.Proxy,
		Now:     o.now,
	}}
}

// releaseTarget finds where a container is published. One that has stopped is not released.
func releaseTarget(ctx context.Context, env *plugin.Call, target *plugin.Deployment) (stableport.Target, error) {
	d, err := decodeDeployment(target)
	if err != nil {
		return stableport.Target{}, err
	}
	if d.Port == 0 {
		return stableport.Target{}, &plugin.Error{
			Message: "the deployment has no port that can be reached, so it cannot be released",
			Hint:    `Deploy again; an app with networks = ["none"] cannot be released at all.`,
		}
	}
	e, err := connect(ctx, env.Environ, remembered(d))
	if err != nil {
		return stableport.Target{}, err
	}
	defer e.Close()
	about, err := e.ContainerInspect(ctx, d.ID, client.ContainerInspectOptions{})
	if err != nil {
		return stableport.Target{}, e.explain("looking at the container "+d.Container, err)
	}
	if s := about.Container.State; s == nil || !s.Running {
		return stableport.Target{}, &plugin.Error{
			Message: fmt.Sprintf("the container %s does not run, so it was not released", d.Container),
			Hint:    "`waypoint status` shows its state; deploy again. What was released before keeps serving.",
		}
	}
	return stableport.Target{Host: d.Host, Port: d.Port}, nil
}

// remembered is the engine of a deployment, for operations that have no deploy stanza at hand.
func remembered(d deployment) *ClientConfig {
	if d.Host == "" {
		return nil
	}
	return &ClientConfig{Host: d.Engine}
}
