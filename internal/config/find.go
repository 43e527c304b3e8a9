package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// fileNames are the names a project's file may have, in the order in which they are looked for.
func fileNames() []string { return []string{"waypoint.hcl", "waypoint.hcl.json"} }

// ErrNoFile is returned if neither the directory nor any of its parents has a waypoint.hcl.
var ErrNoFile = errors.New("no waypoint.hcl in this directory or its parents")

// Find returns the path of the nearest waypoint.hcl (or waypoint.hcl.json), looking in dir and then upward.
// The error is ErrNoFile, or says which directory could not be read.
func Find(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("finding waypoint.hcl: %w", err)
	}
	for {
		path, err := FindIn(dir)
		if err == nil || !errors.Is(err, ErrNoFile) {
			return path, err
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", ErrNoFile
		}
		dir = parent
	}
}

// FindIn is Find without the walk upward: what a runner does in a checkout.
func FindIn(dir string) (string, error) {
	for _, name := range fileNames() {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		switch {
		case err == nil && !info.IsDir():
			return path, nil
		case err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission):
			return "", fmt.Errorf("finding waypoint.hcl: %w", err)
		}
	}
	return "", ErrNoFile
}
