package process

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/waypoint-serverless/waypoint/runner/proxy"
)

// Purge ends everything that the plugin runs on this machine, apps and stable ports, and removes its directory below
// stateDir. It is for the end of an installation: the records that knew of these deployments are gone, and a lane's
// fence begins anew.
func Purge(ctx context.Context, stateDir string) error {
	h := home{dir: filepath.Join(stateDir, "process")}
	if _, err := os.Stat(h.dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	routes, err := os.ReadDir(h.routesDir())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("looking for stable ports: %w", err)
	}
	var failed []error
	for _, r := range routes {
		if r.IsDir() {
			failed = append(failed, proxy.Remove(ctx, filepath.Join(h.routesDir(), r.Name()), math.MaxInt64))
		}
	}
	all, err := h.deployments()
	failed = append(failed, err)
	for _, d := range all {
		failed = append(failed, h.remove(ctx, d.ID))
	}
	if err := errors.Join(failed...); err != nil {
		return fmt.Errorf("ending the apps of the process plugin: %w", err)
	}
	return os.RemoveAll(h.dir)
}
