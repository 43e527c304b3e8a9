package entrypoint

import (
	"errors"
	"fmt"
	"os"
)

// fileMode of configuration files, as in Waypoint: apps that give up their rights must still read them.
const fileMode = 0o644

// applyFiles writes the files of a configuration that differ from those of the one before and removes those
// that are no longer in it. Paths are relative to the working directory. changed says whether anything did.
// One file that cannot be written does not keep the others from being written.
func applyFiles(before, now map[string]string) (changed bool, err error) {
	var all []error
	for path, content := range now {
		if old, had := before[path]; had && old == content {
			continue
		}
		changed = true
		if writeErr := writeFile(path, []byte(content), fileMode); writeErr != nil {
			all = append(all, fmt.Errorf("writing configuration file %s: %w", path, writeErr))
		}
	}
	for path := range before {
		if _, still := now[path]; still {
			continue
		}
		changed = true
		if rmErr := os.Remove(path); rmErr != nil && !errors.Is(rmErr, os.ErrNotExist) {
			all = append(all, fmt.Errorf("removing configuration file %s: %w", path, rmErr))
		}
	}
	return changed, errors.Join(all...)
}
