package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/waypoint-serverless/waypoint/internal/startfail"
	"github.com/waypoint-serverless/waypoint/runner/command"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

type builder struct {
	options Options
	config  BuildConfig
}

func (b *builder) Config() any { return &b.config }

// Build runs the command and keeps the directory. The artifact is named by its content: the same build twice is
// one artifact.
func (b *builder) Build(ctx context.Context, env *plugin.Call) (*plugin.Result, error) {
	home, err := homeOf(env)
	if err != nil {
		return nil, err
	}
	from, err := inside(env.Dir, b.config.Path, "path")
	if err != nil {
		return nil, err
	}
	if err := b.run(ctx, env); err != nil {
		return nil, err
	}
	if info, err := os.Stat(from); err != nil || !info.IsDir() {
		return nil, &plugin.Error{
			Message: fmt.Sprintf("after the build there is no directory %s to keep", from),
			Hint:    "Set `path` in the build stanza to the directory that the build makes.",
		}
	}
	step := env.UI.Step("Keeping %s", from)
	a, err := home.keepArtifact(env, from, from == filepath.Clean(env.Dir))
	if err != nil {
		step.Fail("")
		return nil, err
	}
	files := "files"
	if a.Files == 1 {
		files = "file"
	}
	step.Done("Kept %d %s as artifact %s", a.Files, files, a.Digest)
	return &plugin.Result{
		State:    a,
		Template: map[string]any{"path": a.Path, "digest": a.Digest},
		Digest:   a.Digest,
		Portable: false,
	}, nil
}

func (b *builder) run(ctx context.Context, env *plugin.Call) error {
	args := b.config.Command
	if len(args) == 0 {
		return nil
	}
	if args[0] == "" {
		return &plugin.Error{Message: "the build command is empty", Hint: "For example: command = [\"make\", \"build\"]."}
	}
	dir, err := inside(env.Dir, b.config.Dir, "dir")
	if err != nil {
		return err
	}
	if err := startfail.CheckDir(dir); err != nil {
		return &plugin.Error{
			Message: fmt.Sprintf("dir = %q: %v", b.config.Dir, err),
			Hint:    "`dir` in the build stanza is the command's working directory, relative to " + env.Dir + ".",
		}
	}
	environ := with(buildEnv(env), b.config.Env)
	program, err := findProgram(args[0], dir, environ)
	if err != nil {
		return cannotStart("build command", args[0], dir, environ, err,
			fmt.Sprintf("Install it, or give its path relative to %s (with a slash, for example \"./%s\").", dir, filepath.Base(args[0])))
	}
	step := env.UI.Step("Running %s", env.ShowCommand(args))
	err = command.Run(ctx, command.Spec{
		Args: append([]string{program}, args[1:]...), Dir: dir, Env: environ,
		Stdout: env.UI.Stdout(), Stderr: env.UI.Stderr(),
	})
	if err == nil {
		step.Done("")
		return nil
	}
	step.Fail("")
	var failed *startfail.Error
	if errors.As(err, &failed) {
		return cannotStart("build command", args[0], dir, environ, failed, "")
	}
	var exit *command.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	how := fmt.Sprintf("exit code %d", exit.Code)
	if exit.Code < 0 {
		how = "a signal (" + exit.Signal + ")"
	}
	return &plugin.Error{
		Message: fmt.Sprintf("the build command %q ended with %s", env.ShowCommand(args), how),
		Hint:    "What it printed stands above; nothing was deployed.",
	}
}

// cannotStart says why a command of the configuration cannot be started. missing is the hint if it is nowhere.
func cannotStart(what, name, dir string, environ []string, err error, missing string) error {
	_, statErr := os.Lstat(filepath.Join(dir, name))
	if filepath.IsAbs(name) {
		_, statErr = os.Lstat(name)
	}
	if nowhere := errors.Is(err, fs.ErrNotExist) || errors.Is(err, exec.ErrNotFound); nowhere && (statErr != nil || !hasSlash(name)) {
		return &plugin.Error{Message: fmt.Sprintf("the %s %q was not found", what, name), Hint: missing, Cause: err}
	}
	var failed *startfail.Error
	if err = startfail.Explain(startfail.Start{Program: name, Dir: dir, Env: environ}, err); errors.As(err, &failed) {
		return &plugin.Error{
			Message: fmt.Sprintf("the %s %q cannot be started: %s", what, name, failed.Reason),
			Hint:    "It is started in " + dir + ".",
		}
	}
	return err
}

func hasSlash(name string) bool {
	return strings.ContainsRune(name, '/') || strings.ContainsRune(name, filepath.Separator)
}

// inside resolves a path of the configuration below the app's directory, and refuses one that leads out of it.
func inside(base, path, attribute string) (string, error) {
	if filepath.IsAbs(path) {
		return filepath.Clean(path), nil
	}
	full := filepath.Join(base, path)
	rel, err := filepath.Rel(base, full)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return "", &plugin.Error{
			Message: fmt.Sprintf("%s = %q leads out of the app's directory", attribute, path),
			Hint:    "Give a path below " + base + ".",
		}
	}
	return full, nil
}

// findProgram gives the absolute path of a program: relative to dir if it has a slash, else from the PATH of environ.
func findProgram(name, dir string, environ []string) (string, error) {
	if hasSlash(name) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return exec.LookPath(name)
	}
	for _, kv := range environ {
		key, list, _ := strings.Cut(kv, "=")
		if !strings.EqualFold(key, "PATH") {
			continue
		}
		for _, p := range filepath.SplitList(list) {
			if !filepath.IsAbs(p) {
				continue
			}
			if found, err := exec.LookPath(filepath.Join(p, name)); err == nil {
				return found, nil
			}
		}
	}
	return "", fs.ErrNotExist
}
