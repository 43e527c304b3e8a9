package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/git"
	"github.com/waypoint-serverless/waypoint/runner/plugins/docker"
)

// toolsBound limits the questions to git and Docker together: an engine that takes connections and never answers costs
// no more than that.
const toolsBound = 10 * time.Second

// examineTools checks the programs of this machine that jobs require. One that does not work is a failure only if a
// project uses it.
func examineTools(ctx context.Context, sh Host, used uses, add addCheck) {
	ctx, cancel := context.WithTimeout(ctx, toolsBound)
	defer cancel()
	examineGit(ctx, used.git, add)
	examineDocker(ctx, sh, used.docker, add)
}

// unusable adds the result of a check that failed: a note where nobody uses the tool.
func unusable(name, user, fix, detail string, add addCheck) {
	if user == "" {
		add(name, "note", fix, "%s; no project that is known here uses it", detail)
		return
	}
	add(name, "failed", fix, "%s; %s uses it", detail, user)
}

func examineGit(ctx context.Context, user string, add addCheck) {
	path, err := git.Program(ctx)
	if err != nil {
		fix := "Install git 2.30 or newer."
		if known, ok := errors.AsType[*git.Error](err); ok && known.Hint != "" {
			fix = known.Hint
		}
		unusable("git", user, fix, err.Error(), add)
		return
	}
	text := "it works"
	if out, err := exec.CommandContext(ctx, path, "--version").Output(); err == nil {
		text = strings.TrimSpace(string(out))
	}
	add("git", "ok", "", "%s, %s", text, path)
}

func examineDocker(ctx context.Context, sh Host, user string, add addCheck) {
	facts, err := docker.Examine(ctx, sh.Env().Environ())
	if err != nil {
		r := shell.Explain(err, nil)
		detail := r.Message
		if facts.From != "" {
			detail += " (the address is from " + facts.From + ")"
		}
		unusable("docker", user, r.Hint, detail, add)
		return
	}
	from := ""
	if facts.From != "" {
		from = ", from " + facts.From
	}
	add("docker", "ok", "", "Docker %s (API %s) at %s%s", facts.Version, facts.API, facts.Host, from)
	if _, err := os.Stat(facts.RootDir); facts.RootDir != "" && err == nil {
		examineSpace("docker-disk", facts.RootDir, "`docker system df` shows what uses it, `docker system prune` frees what nothing uses.", user == "", add)
	}
}

// Less free space than littleSpace deserves a warning; with less than noSpace writes will soon be refused.
const (
	littleSpace = 1 << 30
	noSpace     = 64 << 20
)

// examineSpace checks the free space of the disk below a directory. unused: nothing here depends on it.
func examineSpace(name, dir, fix string, unused bool, add addCheck) {
	free, err := freeBytes(dir)
	status := "ok"
	switch {
	case err != nil:
		add(name, "warning", "Check the disk.", "cannot determine the free space of %s: %v", dir, err)
		return
	case free < noSpace:
		status = "failed"
	case free < littleSpace:
		status = "warning"
	default:
		fix = ""
	}
	if unused && status != "ok" {
		status = "note"
	}
	add(name, status, fix, "%s are free in %s", fmt.Sprintf("%.1f GB", float64(free)/1e9), dir)
}
