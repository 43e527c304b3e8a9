package proxy

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/waypoint-serverless/waypoint/runner/machine"
)

// Prepare keeps a route for a proxy that does not run, so that it can be started: its port, and the target that it
// had before. While a proxy runs it does nothing: Set is the way.
func Prepare(dir string, next Route) error {
	lock, err := machine.TryLock(lockFile(dir))
	if errors.Is(err, machine.ErrLocked) {
		return nil
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	kept, ok, err := ReadRoute(dir)
	if err != nil {
		return err
	}
	if refusal := decide(kept, next); refusal != nil {
		return refusal
	}
	if ok && next.Target != 0 {
		// The switch to the new target is the proxy's; until then it serves what it served.
		next.Target, next.Host, next.DeploymentID, next.Fence = kept.Target, kept.Host, kept.DeploymentID, kept.Fence
		next.Server = kept.Server
	}
	if !ok {
		next.Target, next.Host, next.DeploymentID = 0, "", ""
	}
	return WriteRoute(dir, next)
}

// Restore keeps the route that was kept before Prepare, after a start that failed.
func Restore(dir string, kept Route) error {
	lock, err := machine.TryLock(lockFile(dir))
	if errors.Is(err, machine.ErrLocked) {
		return nil
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	return WriteRoute(dir, kept)
}

// Remove ends the proxy and removes its directory, if fence is not smaller than the route's. Gone already is fine, and the
// route of another server than the one that asks is left alone; an empty server asks for all.
func Remove(ctx context.Context, dir string, fence int64, server string) error {
	kept, ok, err := ReadRoute(dir)
	if err != nil {
		return err
	}
	if ok {
		if kept.Server != "" && server != "" && kept.Server != server {
			return nil
		}
		if refusal := decide(kept, Route{Fence: fence, Server: server}); refusal != nil {
			return refusal
		}
	}
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	lock, err := end(ctx, dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	if note, err := os.ReadFile(socketNote(dir)); err == nil {
		_ = os.RemoveAll(string(note))
	}
	return os.RemoveAll(dir)
}

// End ends the proxy of a directory and keeps its route.
func End(ctx context.Context, dir string) error {
	lock, err := end(ctx, dir)
	if err == nil {
		lock.Close()
	}
	return err
}

// end ends the proxy and returns with its lock.
func end(ctx context.Context, dir string) (*machine.Lock, error) {
	if err := At(dir).Stop(ctx); err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, stopPatience+5*time.Second)
	defer cancel()
	return machine.AwaitLock(limited, lockFile(dir))
}

// portSentence is how a proxy says that its port is taken; a proxy that could not start says only a sentence.
const portSentence = "is in use by another program"

// IsPortInUse reports whether a start failed because the port is taken.
func IsPortInUse(err error) bool { return err != nil && strings.Contains(err.Error(), portSentence) }
