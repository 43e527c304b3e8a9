package process

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/waypoint-serverless/waypoint/internal/filecopy"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/source/ignore"
)

// keptArtifacts is how many artifacts of an app in a workspace stay on disk; older ones can be built again.
const keptArtifacts = 10

// copying is how the directory is named in which an artifact is made.
const copying = ".copy-"

// abandoned is the age at which such a directory is of a build that was killed.
const abandoned = 24 * time.Hour

// homeName is the name of the plugin's place below Env.StateDir.
const homeName = "process"

// home is the plugin's place below Env.StateDir.
type home struct{ dir string }

func homeOf(env *plugin.Call) (home, error) {
	if env.StateDir == "" {
		return home{}, &plugin.Error{
			Message: "this runner has no state directory, so nothing can be run on its machine",
			Hint:    "Start the runner with one.",
		}
	}
	h := home{dir: filepath.Join(env.StateDir, homeName)}
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return home{}, fmt.Errorf("making the state directory: %w", err)
	}
	return h, nil
}

func (h home) artifactsDir(env *plugin.Call) string {
	return filepath.Join(h.dir, "artifacts", env.Project, env.App, env.Workspace)
}

func (h home) deploymentsDir() string         { return filepath.Join(h.dir, "deployments") }
func (h home) deploymentDir(id string) string { return filepath.Join(h.deploymentsDir(), id) }

// artifact is the state of an artifact.
type artifact struct {
	Path   string `json:"path"`
	Digest string `json:"digest"`
	Files  int    `json:"files"`
}

// keepArtifact copies a directory into the home and names it by its content. A whole app's directory is copied
// less what its .waypointignore names.
func (h home) keepArtifact(env *plugin.Call, from string, wholeApp bool) (artifact, error) {
	dir := h.artifactsDir(env)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return artifact{}, err
	}
	tmp, err := os.MkdirTemp(dir, copying+"*")
	if err != nil {
		return artifact{}, err
	}
	defer func() { _ = filecopy.Remove(tmp) }()
	whole := filepath.Join(tmp, "artifact")
	files, err := copyTree(env, from, whole, wholeApp)
	if err != nil {
		return artifact{}, fmt.Errorf("copying %s: %w", from, err)
	}
	digest, err := digestOf(whole)
	if err != nil {
		return artifact{}, err
	}
	a := artifact{Path: filepath.Join(dir, digest), Digest: digest, Files: files}
	// A directory that its owner cannot write to cannot be moved to another one.
	if info, err := os.Stat(whole); err == nil && info.Mode().Perm()&0o700 != 0o700 {
		_ = os.Chmod(whole, info.Mode()|0o700)
	}
	if err := os.Rename(whole, a.Path); err != nil {
		if _, statErr := os.Stat(a.Path); statErr != nil {
			return artifact{}, err
		}
	}
	// The same content may have been there already. It is young again.
	now := time.Now()
	_ = os.Chtimes(a.Path, now, now)
	pruneArtifacts(dir, a.Path)
	return a, nil
}

// copyTree copies a tree that becomes or is an artifact, and says what of it cannot be copied.
func copyTree(env *plugin.Call, from, to string, obeyIgnore bool) (files int, err error) {
	rules, err := ignore.Parse(strings.NewReader(""))
	if obeyIgnore {
		rules, err = ignore.Load(from)
	}
	if err != nil {
		return 0, err
	}
	result, err := rules.Copy(from, to)
	for _, name := range result.LeftOut {
		env.UI.Line(plugin.Warning, "Left out of the copy: %s", name)
	}
	return result.Files, err
}

// digestOf hashes names, modes and contents of a tree.
func digestOf(dir string) (string, error) {
	sum := sha256.New()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if rel == "." {
			return nil
		}
		_, _ = fmt.Fprintf(sum, "%q %s ", filepath.ToSlash(rel), info.Mode())
		switch {
		case d.Type()&fs.ModeSymlink != 0:
			to, err := os.Readlink(path)
			_, _ = fmt.Fprintf(sum, "%q\n", to)
			return err
		case d.Type().IsRegular():
			_, _ = fmt.Fprintf(sum, "%d\n", info.Size())
			return hashFile(sum, path)
		}
		return nil
	})
	return hex.EncodeToString(sum.Sum(nil))[:16], err
}

func hashFile(sum io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	_, err = io.Copy(sum, f)
	return err
}

// pruneArtifacts removes the oldest; a deployment has a copy of its own, so nothing that runs is touched.
func pruneArtifacts(dir, keep string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	type aged struct {
		path string
		at   time.Time
	}
	var all []aged
	for _, e := range entries {
		info, err := e.Info()
		path := filepath.Join(dir, e.Name())
		if err == nil && strings.HasPrefix(e.Name(), copying) && time.Since(info.ModTime()) > abandoned {
			_ = filecopy.Remove(path)
		}
		if err != nil || strings.HasPrefix(e.Name(), ".") || path == keep {
			continue
		}
		all = append(all, aged{path, info.ModTime()})
	}
	slices.SortFunc(all, func(a, b aged) int { return cmp.Compare(b.at.UnixNano(), a.at.UnixNano()) })
	for i, a := range all {
		if i >= keptArtifacts-1 {
			_ = filecopy.Remove(a.path)
		}
	}
}
