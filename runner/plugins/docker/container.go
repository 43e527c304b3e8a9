package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/waypoint-serverless/waypoint/internal/retry"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/image"
	"github.com/waypoint-serverless/waypoint/runner/plugins/image/inject"
	"github.com/waypoint-serverless/waypoint/runner/plugins/stableport"
)

// creation is the making of one deployment.
type creation struct {
	engine *engine
	env    *plugin.Call
	req    *plugin.DeployRequest
	wanted wanted
	image  image.Image
	// patience with the app.
	patience patience

	where surroundings
	about client.ImageInspectResult
	// entrypoint reports whether the image has it.
	entrypoint bool
	// listener is the address at which the server was opened for the container; empty: it needs none. listeners are all
	// that were opened.
	listener  string
	listeners []string
	// health is how the container was found when it was deployed.
	health     plugin.Health
	healthText string
}

// containerName is made of the deployment's id; people see the app in it.
func containerName(env *plugin.Call, deploymentID string) string {
	return pathPart(env.App) + "-" + strings.ToLower(deploymentID)
}

// fetch makes sure that the engine has the image.
func (c *creation) fetch(ctx context.Context, force bool) error {
	name := c.image.Name()
	about, err := c.engine.ImageInspect(ctx, name)
	switch {
	case c.image.Location == image.InEngine:
		if err == nil && (c.image.ID == "" || about.ID == c.image.ID) {
			break
		}
		if byID, idErr := c.engine.ImageInspect(ctx, c.image.ID); c.image.ID != "" && idErr == nil {
			about, err = byID, nil // its name was moved by a later build
			break
		}
		if err == nil || cerrdefs.IsNotFound(err) {
			return &plugin.Error{
				Message: fmt.Sprintf("the Docker engine at %s does not have the image %s", c.engine.host, name),
				Hint:    "It was built in another engine, or removed. Build again; to deploy elsewhere than you build, push it with a registry stanza.",
			}
		}
	case force, cerrdefs.IsNotFound(err), err == nil && c.image.Digest != "" && !hasDigest(about.RepoDigests, c.image.Digest):
		if about, err = c.pull(ctx, name); err != nil {
			return err
		}
		if !force && c.image.Digest != "" && !hasDigest(about.RepoDigests, c.image.Digest) {
			// The tag was moved since the artifact was made, which is what is to be deployed.
			if about, err = c.pull(ctx, c.image.Image+"@"+c.image.Digest); err != nil {
				return err
			}
		}
	}
	if err != nil {
		return c.engine.explain("looking at the image "+name, err)
	}
	c.about = about
	config := inject.Command{}
	if about.Config != nil {
		config = inject.Command{Entrypoint: about.Config.Entrypoint, Cmd: about.Config.Cmd}
	}
	if config.Empty() && len(c.wanted.Command) == 0 {
		return &plugin.Error{
			Message: fmt.Sprintf("the image %s has neither ENTRYPOINT nor CMD, so there is nothing to run", name),
			Hint:    `Give the Dockerfile one, or set command in the deploy stanza, for example command = ["/app"].`,
		}
	}
	c.entrypoint = config.Done()
	if !c.entrypoint {
		c.env.UI.Line(plugin.Info, "The image has no Waypoint entrypoint: the app runs without configuration and logs from the server.")
	}
	return nil
}

func hasDigest(digests []string, digest string) bool {
	return slices.ContainsFunc(digests, func(d string) bool { return strings.HasSuffix(d, "@"+digest) })
}

func (c *creation) pull(ctx context.Context, name string) (client.ImageInspectResult, error) {
	host := image.Host(c.image.Image)
	keys, err := image.NewKeychain(c.env, host, image.Settings{Auth: c.wanted.Auth})
	if err != nil {
		return client.ImageInspectResult{}, err
	}
	credentials, err := keys.For(ctx, host)
	if err != nil {
		return client.ImageInspectResult{}, err
	}
	if err := c.engine.pull(ctx, c.env.UI, name, credentials); err != nil {
		return client.ImageInspectResult{}, err
	}
	return c.engine.ImageInspect(ctx, name)
}

// startTries bounds how often a start is tried that somebody was in the way of, and startWaits are the pauses between:
// an engine finishes within seconds what a runner asked of it that was killed.
const startTries = 10

var startWaits = retry.Policy{First: 50 * time.Millisecond, Most: 2 * time.Second}

// run makes the container, starts it and waits for its health. Ports are chosen, and the listener to the server opened,
// under the machine's lock.
func (c *creation) run(ctx context.Context) (deployment, error) {
	d := deployment{Container: containerName(c.env, c.req.DeploymentID), Host: c.where.publishedAt, ServicePort: c.wanted.servicePort, Engine: c.engine.host}
	step := c.env.UI.Step("Starting the container %s", d.Container)
	if err := c.start(ctx, &d); err != nil {
		step.Fail("")
		return d, err
	}
	step.Update("Waiting for the app in %s to be healthy", d.Container)
	printed := &appOutput{engine: c.engine, id: d.ID, to: step.Output()}
	if err := c.await(ctx, d, printed); err != nil {
		whole := printed.finish(context.WithoutCancel(ctx))
		step.Fail("The app did not become healthy")
		if !whole {
			c.engine.showTail(context.WithoutCancel(ctx), c.env.UI, d.ID)
		}
		return d, err
	}
	// Only now: one that cannot start is not to be started again and again.
	if _, err := c.engine.ContainerUpdate(ctx, d.ID, client.ContainerUpdateOptions{
		RestartPolicy: &container.RestartPolicy{Name: container.RestartPolicyUnlessStopped},
	}); err != nil {
		step.Fail("")
		return d, c.engine.explain("setting when the container is started again", err)
	}
	step.Done("%s", c.healthText)
	return d, nil
}

func (c *creation) start(ctx context.Context, d *deployment) error {
	place, err := stableport.In(c.env)
	if err != nil {
		return err
	}
	lock, err := place.Lock(ctx)
	if err != nil {
		return fmt.Errorf("choosing a port: %w", err)
	}
	defer lock.Close()
	if c.where.mode == hostNetwork {
		if err := c.hostPort(ctx); err != nil {
			return err
		}
		d.ServicePort = c.wanted.servicePort
	}
	taken := map[int]bool{}
	wait := startWaits.Start()
	for try := 1; ; try++ {
		ports, err := c.startOnce(ctx, d, taken)
		if err == nil {
			return nil
		}
		if try == startTries || !c.passes(err, ports, taken) {
			return c.explainStart(err, *d)
		}
		if !wait.Wait(ctx, nil) {
			return context.Cause(ctx)
		}
		if _, err := c.engine.removeDeployment(ctx, c.env, c.req.DeploymentID); err != nil {
			return err
		}
	}
}

// startOnce makes the container in its surroundings and starts it. It gives the ports that it was to have.
func (c *creation) startOnce(ctx context.Context, d *deployment, taken map[int]bool) (network.PortMap, error) {
	if err := c.network(ctx); err != nil {
		return nil, err
	}
	environ, err := c.environ(ctx)
	if err != nil {
		return nil, err
	}
	d.Entrypoint = c.entrypoint && (c.env.LocalServer == nil || c.listener != "")
	ports, err := c.ports(taken)
	if err != nil {
		return nil, err
	}
	if err := c.create(ctx, d, environ, ports); err != nil {
		return ports, err
	}
	d.Port, err = c.published(ctx, d.ID)
	return ports, err
}

// passes reports whether another try may go better: with other ports, on another address, in the network that somebody
// made in the place of ours, or when a container of an earlier attempt has been removed that the engine was still
// making.
func (c *creation) passes(err error, ports network.PortMap, taken map[int]bool) bool {
	switch {
	case c.otherAddress(err), networkGone(err), nameTaken(err), noSubnet(err):
		return true
	case !portTaken(err) || c.where.remote:
		return false
	}
	for _, bindings := range ports {
		port, _ := strconv.Atoi(bindings[0].HostPort)
		taken[port] = true
	}
	return true
}

func portTaken(err error) bool {
	text := err.Error()
	return strings.Contains(text, "port is already allocated") || strings.Contains(text, "address already in use")
}

func networkGone(err error) bool {
	text := strings.ToLower(err.Error())
	return strings.Contains(text, "network") && strings.Contains(text, "not found")
}

// noSubnet reports whether the engine's networks use up the addresses that it has for networks. Networks of one name
// that are about to be removed do so for a moment.
func noSubnet(err error) bool {
	return strings.Contains(err.Error(), "available, non-overlapping IPv4 address pool") ||
		strings.Contains(err.Error(), "all predefined address pools have been fully subnetted")
}

// nameTaken reports whether a container has the name of ours.
func nameTaken(err error) bool {
	return cerrdefs.IsConflict(err) && strings.Contains(err.Error(), "is already in use by")
}

// ports are the app's ports and where each is published. Far from the engine nobody knows which port is free there: it
// chooses.
func (c *creation) ports(taken map[int]bool) (network.PortMap, error) {
	out := network.PortMap{}
	if c.where.mode != bridged {
		return out, nil
	}
	for i, own := range append([]uint{uint(c.wanted.servicePort)}, c.wanted.ExtraPorts...) {
		port, ok := network.PortFrom(uint16(own), network.TCP) // read has checked its size
		if !ok {
			return nil, fmt.Errorf("%d is not a valid port", own)
		}
		if _, twice := out[port]; twice {
			continue
		}
		binding := network.PortBinding{HostIP: c.where.bindTo}
		if !c.where.remote {
			binding.HostIP = netip.AddrFrom4([4]byte{127, 0, 0, 1})
			chosen, err := stableport.ChooseDeployment(fmt.Sprintf("%s %d", c.req.DeploymentID, i), taken)
			if err != nil {
				return nil, err
			}
			taken[chosen] = true
			binding.HostPort = strconv.Itoa(chosen)
		}
		out[port] = []network.PortBinding{binding}
	}
	return out, nil
}

// published asks the engine where the service port is.
func (c *creation) published(ctx context.Context, id string) (int, error) {
	switch c.where.mode {
	case hostNetwork:
		return c.wanted.servicePort, nil
	case noNetwork:
		return 0, nil
	}
	about, err := c.engine.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return 0, c.engine.explain("looking at the container", err)
	}
	port, _ := network.PortFrom(uint16(c.wanted.servicePort), network.TCP)
	for _, binding := range about.Container.NetworkSettings.Ports[port] {
		if n, err := strconv.Atoi(binding.HostPort); err == nil {
			return n, nil
		}
	}
	return 0, nil // it ended at once; whoever waits for its health says so
}

// create makes and starts the container.
func (c *creation) create(ctx context.Context, d *deployment, environ []string, ports network.PortMap) error {
	w := c.wanted
	labels := maps.Clone(w.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, ownLabels(c.env))
	labels[labelDeployment], labels[labelFence] = c.req.DeploymentID, strconv.FormatInt(c.env.LaneFence, 10)
	labels[labelHome] = homeOf(c.env.StateDir)
	if c.listener != "" {
		labels[labelListener] = c.listener
	}
	exposed := network.PortSet{}
	for port := range ports {
		exposed[port] = struct{}{}
	}
	mode, networking := c.firstNetwork()
	host := &container.HostConfig{
		Binds: w.Binds, PortBindings: ports, NetworkMode: mode,
		Resources: container.Resources{Memory: w.memory, CPUShares: w.cpu},
	}
	host.LogConfig = c.where.logs
	if w.ScratchPath != "" {
		host.Tmpfs = map[string]string{w.ScratchPath: ""}
	}
	made, err := c.engine.ContainerCreate(ctx, client.ContainerCreateOptions{
		Name:             d.Container,
		Config:           &container.Config{Image: c.about.ID, Cmd: w.Command, Env: environ, Labels: labels, ExposedPorts: exposed},
		HostConfig:       host,
		NetworkingConfig: networking,
	})
	if err != nil {
		return err
	}
	d.ID = made.ID
	for _, warning := range made.Warnings {
		c.env.UI.Line(plugin.Warning, "%s", warning)
	}
	for i := 1; i < len(c.where.ids); i++ {
		id := c.where.ids[i]
		if _, err := c.engine.NetworkConnect(ctx, id, client.NetworkConnectOptions{Container: made.ID, EndpointConfig: endpoint(id)}); err != nil {
			return fmt.Errorf("connecting the network %s: %w", c.where.networks[i], err)
		}
	}
	_, err = c.engine.ContainerStart(ctx, made.ID, client.ContainerStartOptions{})
	return err
}

// environ is the app's environment: proxies that Docker's command would tell it of, what the file says, its port, and
// what the entrypoint needs.
func (c *creation) environ(ctx context.Context) ([]string, error) {
	vars, err := image.Proxies(c.env, c.engine.host)
	if err != nil {
		return nil, err
	}
	maps.Copy(vars, c.wanted.StaticEnvironment)
	vars["PORT"] = strconv.Itoa(c.wanted.servicePort)
	server, err := c.serverEnv(ctx)
	if err != nil {
		return nil, err
	}
	maps.Copy(vars, server)
	out := make([]string, 0, len(vars))
	for name, value := range vars {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			return nil, &plugin.Error{Message: fmt.Sprintf("static_environment has the name %q", name), Hint: "A variable's name has no '='."}
		}
		out = append(out, name+"="+value)
	}
	slices.Sort(out)
	return out, nil
}

// explainStart turns the engine's refusal to start a container into a sentence.
func (c *creation) explainStart(err error, d deployment) error {
	var known *plugin.Error
	if errors.As(err, &known) {
		return err
	}
	text := shown(err.Error())
	refuse := func(hint, format string, args ...any) error {
		return &plugin.Error{Message: fmt.Sprintf(format, args...), Hint: hint}
	}
	program := ""
	for _, words := range [][]string{c.wanted.Command, c.imageCommand()} {
		if program == "" && len(words) > 0 {
			program = words[0]
		}
	}
	switch {
	case portTaken(err):
		return refuse("Stop what uses it, or choose other extra_ports.", "a port that the container %s is published on is in use: %s", d.Container, text)
	case strings.Contains(text, "exec format error"):
		return c.otherArchitecture()
	case strings.Contains(text, "no such file or directory") && strings.Contains(text, "exec"), strings.Contains(text, "executable file not found"):
		return refuse("Check command in the deploy stanza, and ENTRYPOINT and CMD in the Dockerfile.", "the image %s has no program %q to run", c.image.Name(), program)
	case strings.Contains(text, "permission denied") && strings.Contains(text, "exec"):
		return refuse("Make it executable (chmod +x) in the Dockerfile.", "the program %q in the image %s is not executable", program, c.image.Name())
	case strings.Contains(text, "invalid mount") || strings.Contains(text, "bind source path does not exist") || strings.Contains(text, "invalid volume"):
		return refuse(`Each of binds reads "host-path:container-path", and the host path must be there.`, "binds are not right: %s", text)
	case nameTaken(err):
		return refuse("`docker rm "+d.Container+"` removes it, if nobody needs it.", "a container that is not Waypoint's has the name %s", d.Container)
	case noSubnet(err):
		return refuse("`docker network prune` removes those that nothing uses; default-address-pools in the engine's configuration gives it more.",
			"the Docker engine at %s has no addresses left for another network", c.engine.host)
	case networkGone(err):
		return refuse("Name networks that `docker network ls` lists; those that are not there are made.", "a network is missing: %s", text)
	case strings.Contains(text, "Minimum memory limit"), strings.Contains(text, "memory limit"):
		return refuse("Give resources more memory.", "the container cannot be given so little memory: %s", text)
	}
	return c.engine.explain("starting the container "+d.Container, err)
}

// imageCommand is what the image itself runs; empty where it says nothing.
func (c *creation) imageCommand() []string {
	if c.about.Config == nil {
		return nil
	}
	return slices.Concat(c.about.Config.Entrypoint, c.about.Config.Cmd)
}

func (c *creation) otherArchitecture() error {
	return &plugin.Error{
		Message: fmt.Sprintf("the image %s is for %s, and the Docker engine at %s runs on %s", c.image.Name(), c.about.Architecture, c.engine.host, c.where.architecture),
		Hint:    "Build it for the engine's architecture (platform = \"linux/" + c.where.architecture + "\"), or install emulation on its machine (binfmt).",
	}
}
