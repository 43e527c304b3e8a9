package lifecycle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/config"
	"github.com/waypoint-serverless/waypoint/internal/version"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// errNotKnown means that it cannot be known of what a stage makes its record. It is then never taken for unchanged.
var errNotKnown = errors.New("not known")

// fingerprints are the hashes of what the job's stages are made of, by step; nil: not known. They are plain hashes of
// settings that can be secret: they go to the server, which seals them, and nowhere else.
type fingerprints map[string][]byte

// ingredients is what a stage makes its record of. Its JSON is hashed.
type ingredients struct {
	Stage, Plugin, Version string
	Settings               any
	Labels                 map[string]string
	Hooks                  []hookIngredients
	// More is what only some stages have.
	More []string
}

type hookIngredients struct {
	When, OnFailure string
	Command         []string
	// Files are the digests of the files of the project that the command names.
	Files []string
}

// fingerprint hashes what a stage is made of, with more that belongs to it; nil: not known.
func (j *stages) fingerprint(stage *config.Stage, c plugin.Component, more ...string) []byte {
	hash, err := j.hashStage(ingredients{
		Stage: string(stage.Kind), Plugin: stage.Plugin, Labels: stage.Labels, More: more,
	}, c, stage.Hooks)
	if err != nil {
		return nil // whatever is not known is deployed
	}
	return hash
}

// hashStage completes the ingredients by what the component is configured with, and by the hooks.
func (j *stages) hashStage(in ingredients, c plugin.Component, hooks []config.Hook) ([]byte, error) {
	in.Version = version.Version()
	if c != nil {
		raw, err := json.Marshal(c.Config())
		if err != nil {
			return nil, fmt.Errorf("hashing the settings of %s: %w", in.Plugin, err)
		}
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.UseNumber()
		if err := decoder.Decode(&in.Settings); err != nil {
			return nil, fmt.Errorf("hashing the settings of %s: %w", in.Plugin, err)
		}
		if in.Settings, err = j.lasting(in.Settings); err != nil {
			return nil, err
		}
	}
	for _, h := range hooks {
		made := hookIngredients{When: h.When, OnFailure: h.OnFailure}
		for _, arg := range h.Command {
			text, err := j.lastingText(arg)
			if err != nil {
				return nil, err
			}
			digest, err := j.fileInProject(arg)
			if err != nil {
				return nil, err
			}
			made.Command, made.Files = append(made.Command, text), append(made.Files, digest)
		}
		in.Hooks = append(in.Hooks, made)
	}
	whole, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("hashing a stage: %w", err)
	}
	sum := sha256.Sum256(whole)
	return sum[:], nil
}

// lasting replaces, in a decoded JSON value, what differs from job to job though it means the same: see lastingText.
func (j *stages) lasting(v any) (any, error) {
	var err error
	switch x := v.(type) {
	case string:
		text, err := j.lastingText(x)
		if err != nil || !filepath.IsAbs(x) {
			return text, err
		}
		digest, err := j.fileInProject(x)
		return text + digest, err
	case []any:
		for i := range x {
			if x[i], err = j.lasting(x[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range x {
			if x[k], err = j.lasting(x[k]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// renderedDirs begin the directories into which templates are rendered (package config).
const renderedDirs = "rendered-"

// lastingText replaces the path of what a template was rendered to by the digest of its content, and that of a fetched
// source by a word. A text that names anything else in the job's directory is not known.
func (j *stages) lastingText(s string) (string, error) {
	if !strings.Contains(s, j.temp) {
		return s, nil
	}
	prefix := filepath.Join(j.temp, "tmp", renderedDirs)
	var out strings.Builder
	for {
		at := strings.Index(s, prefix)
		if at < 0 {
			break
		}
		end := at + len(prefix)
		for end < len(s) && '0' <= s[end] && s[end] <= '9' {
			end++
		}
		digest, err := digestTree(s[at:end])
		if err != nil {
			return "", err
		}
		out.WriteString(s[:at] + renderedDirs + digest)
		s = s[end:]
	}
	out.WriteString(s)
	text := strings.ReplaceAll(out.String(), filepath.Join(j.temp, "source"), "source")
	if strings.Contains(text, j.temp) {
		return "", errNotKnown
	}
	return text, nil
}

// fileInProject returns the digest of a regular file of the project that a text names; empty if it names none.
func (j *stages) fileInProject(name string) (string, error) {
	if name == "" || len(name) > 4096 || strings.ContainsAny(name, "\x00\n") {
		return "", nil
	}
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(j.input.ProjectDir, path)
	}
	rel, err := filepath.Rel(j.input.ProjectDir, path)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return "", nil //nolint:nilerr // it is not in the project
	}
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return "", nil //nolint:nilerr // it names no file
	}
	return digestFile(path)
}

func digestFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// digestTree hashes the names, modes and contents of all that is below a directory.
func digestTree(root string) (string, error) {
	sum := sha256.New()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		content := ""
		switch {
		case info.Mode().IsRegular():
			content, err = digestFile(path)
		case info.Mode()&fs.ModeSymlink != 0:
			content, err = os.Readlink(path)
		}
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(sum, "%q %v %q\n", filepath.ToSlash(rel), info.Mode(), content)
		return nil
	})
	return hex.EncodeToString(sum.Sum(nil)), err
}

// EntrypointDigest is the digest of the waypoint-entrypoint that runners of a process have. The file is read again only
// when it has changed. It is safe for concurrent use.
type EntrypointDigest struct {
	mu     sync.Mutex
	of     string
	digest string
}

func (e *EntrypointDigest) get(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if of := fmt.Sprintf("%s %d %d", path, info.Size(), info.ModTime().UnixNano()); e.of != of {
		digest, err := digestFile(path)
		if err != nil {
			return "", err
		}
		e.of, e.digest = of, digest
	}
	return e.digest, nil
}

// artifactFingerprint is that of an artifact without a registry: the build's output as it is.
func artifactFingerprint(r *waypointv1.PluginResult) []byte {
	if r.GetDigest() == "" {
		return nil
	}
	sum := sha256.Sum256([]byte("artifact without a registry " + r.GetDigest()))
	return sum[:]
}

// withDigest adds a digest to a fingerprint; without either it is not known.
func withDigest(hash []byte, digest string) []byte {
	if hash == nil || digest == "" {
		return nil
	}
	sum := sha256.Sum256(slices.Concat(hash, []byte(digest)))
	return sum[:]
}

// deployFingerprint is that of a deployment of the artifact which is made now: its settings are evaluated as for a
// deployment without an id and a token, which differ each time. nil: not known, or its platform does not say on what its
// deployments depend.
func (j *stages) deployFingerprint(ctx context.Context, artifact *waypointv1.Artifact) []byte {
	stage, platform, err := j.quietPlatform(j.deployInput(artifact, "", ""))
	if err != nil {
		return nil
	}
	asker, ok := plugin.As[plugin.UnchangedDeployer](platform)
	if _, inPlace := plugin.As[plugin.Generation](platform); !ok || inPlace {
		return nil
	}
	var inputs *plugin.DeployInputs
	err = j.guarded(ctx, func(work context.Context) (err error) {
		inputs, err = asker.DeployInputs(work, j.env(stage.Labels, ""))
		return err
	})
	if err != nil || inputs == nil || !inputs.Known {
		return nil
	}
	entrypoint, err := j.h.EntrypointDigest.get(j.h.Entrypoint)
	if err != nil {
		return nil
	}
	return j.fingerprint(stage, platform, append([]string{entrypoint, j.h.EntrypointServerAddr}, inputs.Values...)...)
}

// quietPlatform is platform without a word about the file: the deploy itself shows what is to be said of it.
func (j *stages) quietPlatform(in config.StageInput) (*config.Stage, plugin.Platform, error) {
	temp, err := j.tempDir()
	if err != nil {
		return nil, nil, err
	}
	in.TempDir = temp
	stage, diags := j.app.Stage(config.Deploy, in)
	if stage == nil || diags.HasErrors() {
		return nil, nil, errNotKnown
	}
	platform, err := j.h.Catalog.Platform(stage.Plugin)
	if err != nil {
		return nil, nil, err
	}
	if stage.Decode(platform.Config()).HasErrors() {
		return nil, nil, errNotKnown
	}
	return stage, platform, nil
}

// releaseFingerprint is that of a release by the releaser.
func (j *stages) releaseFingerprint(c chosen) []byte {
	in := ingredients{Stage: string(config.Release), Plugin: c.plugin, Labels: c.labels}
	var releaser plugin.Component
	if c.releaser != nil {
		releaser = c.releaser
	} else {
		in.More = []string{"no releaser"}
	}
	hash, err := j.hashStage(in, releaser, c.hooks)
	if err != nil {
		return nil
	}
	return hash
}
