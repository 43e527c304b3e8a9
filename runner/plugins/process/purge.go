package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/waypoint-serverless/waypoint/internal/filecopy"
	"github.com/waypoint-serverless/waypoint/runner/plugins/stableport"
)

// Purge ends everything that the plugin runs on this machine, apps and stable ports, and removes its directory below
// stateDir. It is for the end of an installation: the records that knew of these deployments are gone, and a lane's
// fence begins again.
func Purge(ctx context.Context, stateDir string) error {
	h := home{dir: filepath.Join(stateDir, homeName)}
	failed := []error{stableport.Purge(ctx, stateDir)}
	if _, err := os.Stat(h.dir); errors.Is(err, os.ErrNotExist) {
		return failed[0]
	}
	all, err := h.deployments()
	failed = append(failed, err)
	for _, d := range all {
		failed = append(failed, h.remove(ctx, d.ID))
	}
	if err := errors.Join(failed...); err != nil {
		return fmt.Errorf("ending the apps of the process plugin: %w", err)
	}
	return filecopy.Remove(h.dir)
}
