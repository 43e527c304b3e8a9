package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/stableport"
)

// stopWithin is what an app has to end after SIGTERM before it is killed.
const stopWithin = 10 * time.Second

// homeOf names an installation by the directory in which it knows of its deployments.
func homeOf(stateDir string) string {
	sum := sha256.Sum256([]byte(stateDir))
	return hex.EncodeToString(sum[:6])
}

// freed are what containers had that have been removed: others may have it as well.
type freed struct {
	// listeners to the server; networks by the engine's ids.
	listeners, networks []string
}

func (f *freed) add(c container.Summary) {
	if listener := c.Labels[labelListener]; listener != "" {
		f.listeners = append(f.listeners, listener)
	}
	if c.NetworkSettings == nil {
		return
	}
	for _, n := range c.NetworkSettings.Networks {
		f.networks = append(f.networks, n.NetworkID)
	}
}

// removeDeployment stops and removes what there is of a deployment, and says what it had. Gone already is fine. A
// container that a newer attempt made is left alone.
func (e *engine) removeDeployment(ctx context.Context, env *plugin.Call, deploymentID string) (freed, error) {
	return e.removeContainers(ctx, env.LaneFence, ownFilter(env, labelDeployment+"="+deploymentID))
}

func (e *engine) removeContainers(ctx context.Context, fence int64, filters client.Filters) (had freed, err error) {
	list, err := e.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filters})
	if err != nil {
		return had, e.explain("looking for containers", err)
	}
	for _, c := range list.Items {
		if theirs, err := strconv.ParseInt(c.Labels[labelFence], 10, 64); err == nil && theirs > fence {
			return had, &plugin.Error{
				Message: "a newer operation has made a container for this deployment; this one has been overtaken",
				Hint:    "Nothing is to be done: the newer one goes on.",
			}
		}
		had.add(c)
		if err := e.removeContainer(ctx, c); err != nil {
			return had, err
		}
	}
	return had, nil
}

// removeContainer returns when the container is gone, whoever has removed it.
func (e *engine) removeContainer(ctx context.Context, c container.Summary) error {
	seconds := int(stopWithin.Seconds())
	_, err := e.ContainerStop(ctx, c.ID, client.ContainerStopOptions{Timeout: &seconds})
	if err != nil && !cerrdefs.IsNotFound(err) && !cerrdefs.IsNotModified(err) && !cerrdefs.IsConflict(err) {
		return e.explain("stopping a container", err)
	}
	_, err = e.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if cerrdefs.IsConflict(err) { // somebody else is removing it: a runner that was killed, for one
		err = e.awaitGone(ctx, c.ID)
	}
	if err != nil && !cerrdefs.IsNotFound(err) {
		return e.explain("removing a container", err)
	}
	return nil
}

// awaitGone waits until a container that is being removed is gone: its name and its network are in use before.
func (e *engine) awaitGone(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*stopWithin)
	defer cancel()
	wait := networkWaits.Start()
	for {
		_, err := e.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
		if err != nil {
			return err // that it is not found is what we wait for
		}
		if !wait.Wait(ctx, nil) {
			return fmt.Errorf("it is being removed, and that has not ended within %s", 2*stopWithin)
		}
	}
}

// DestroyDeployment ends the container and removes it. If the app's route points to it, the route is cleared first, and
// requests that are under way may end.
func (p *platform) DestroyDeployment(ctx context.Context, env *plugin.Call, d *plugin.Deployment) error {
	place, err := stableport.In(env)
	if err != nil {
		return err
	}
	if err := place.Clear(ctx, env, d.ID); err != nil {
		return err
	}
	place.Drain(ctx, env, d.ID)
	e, err := connect(ctx, env.Environ, p.config.ClientConfig)
	if err != nil {
		return err
	}
	defer e.Close()
	had, err := e.removeDeployment(ctx, env, d.ID)
	return errors.Join(err, e.tidy(ctx, env, had))
}

// DestroyWorkspace ends everything of the app in the workspace and forgets its port.
func (p *platform) DestroyWorkspace(ctx context.Context, env *plugin.Call) error {
	place, err := stableport.In(env)
	if err != nil {
		return err
	}
	if err := place.Forget(ctx, env); err != nil {
		return err
	}
	e, err := connect(ctx, env.Environ, p.config.ClientConfig)
	if err != nil {
		return err
	}
	defer e.Close()
	had, err := e.removeContainers(ctx, env.LaneFence, ownFilter(env).Add("label", labelDeployment))
	if err != nil {
		return err
	}
	return e.tidy(ctx, env, had)
}

// DestroyWorkspace removes the images that were built for the app in the workspace. Without an engine there are none.
func (b *builder) DestroyWorkspace(ctx context.Context, env *plugin.Call) error {
	return DestroyImages(ctx, env)
}

// DestroyImages removes the images that this plugin, or docker-pull, made for the app in its workspace.
func DestroyImages(ctx context.Context, env *plugin.Call) error {
	e, err := connect(ctx, env.Environ, nil)
	var gone *unreachable
	if errors.As(err, &gone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer e.Close()
	return e.removeImages(ctx, env, 0)
}

// Purge removes all containers and networks of an installation, known by its state directory, and names what had to
// stay: networks that containers of others use. What cannot be removed keeps it from nothing else. Without a Docker
// engine there is nothing to remove. It is for the end of an installation.
func Purge(ctx context.Context, stateDir string) (left []string, err error) {
	e, err := connect(ctx, nil, nil)
	var gone *unreachable
	var known *plugin.Error
	if errors.As(err, &gone) || errors.As(err, &known) {
		return nil, nil // what cannot be reached holds nothing that this user started
	}
	if err != nil {
		return nil, err
	}
	defer e.Close()
	home := homeOf(stateDir)
	list, err := e.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: client.Filters{}.Add("label", labelHome+"="+home)})
	if err != nil {
		return nil, e.explain("looking for containers", err)
	}
	var had freed
	var failed []error
	for _, c := range list.Items {
		had.add(c)
		failed = append(failed, e.removeContainer(ctx, c))
	}
	networks, err := e.ours(ctx, home, had)
	failed = append(failed, err)
	for _, n := range networks {
		err := e.removeNetwork(ctx, n)
		switch {
		case !errors.Is(err, errInUse):
			failed = append(failed, err)
		case n.Labels[labelHome] == home:
			left = append(left, fmt.Sprintf("the Docker network %s, which other containers use (`docker network rm %s` removes it later)", n.Name, n.ID[:min(12, len(n.ID))]))
		}
	}
	return left, errors.Join(failed...)
}
