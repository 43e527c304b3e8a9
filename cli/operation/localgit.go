package operation

import (
	"context"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/git"
)

// readsSource reports whether an operation makes something of the source, so that it matters what the source is.
func readsSource(op Operation) bool {
	return slices.Contains([]string{"up", "build", "deploy"}, op.Name)
}

// localDifference says how the directory differs from the git source that a remote runner fetches; empty: not, as far as
// this machine knows, or it is not a checkout of that source. It asks no other machine, so it compares with what the last
// fetch or push saw.
func localDifference(ctx context.Context, dir string, source *waypointv1.GitSource) string {
	repo := git.Repo{Dir: dir}
	remotes, err := repo.Remotes(ctx)
	if err != nil {
		return ""
	}
	remote := ""
	for name, address := range remotes {
		if sameRepository(address, source.GetUrl()) {
			remote = name
		}
	}
	if remote == "" {
		return ""
	}
	changed, err := repo.Changed(ctx, true)
	if err != nil {
		return ""
	}
	ahead := hasUnpushed(ctx, repo, remote)
	switch {
	case changed && ahead:
		return "changes that are not committed and commits that are not pushed"
	case changed:
		return "changes that are not committed"
	case ahead:
		return "commits that are not pushed"
	}
	return otherCommit(ctx, repo, remote, source.GetRef())
}

// hasUnpushed reports whether HEAD has commits that no branch of the remote has.
func hasUnpushed(ctx context.Context, repo git.Repo, remote string) bool {
	out, err := repo.Output(ctx, nil, "rev-list", "--max-count=1", "HEAD", "--not", "--remotes="+remote, "--")
	return err == nil && strings.TrimSpace(string(out)) != ""
}

// otherCommit says that HEAD is not what the source's ref was when it was last seen.
func otherCommit(ctx context.Context, repo git.Repo, remote, ref string) string {
	name := strings.TrimPrefix(ref, "refs/heads/")
	if name == "" {
		name = "HEAD"
	}
	head, err := repo.Output(ctx, nil, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
	if err != nil {
		return ""
	}
	for _, candidate := range []string{"refs/remotes/" + remote + "/" + name, ref} {
		if candidate == "" {
			continue
		}
		if at, err := repo.Output(ctx, nil, "rev-parse", "--verify", "--quiet", "--end-of-options", candidate+"^{commit}"); err == nil {
			if string(at) != string(head) {
				return "another commit checked out than " + name + " of the source"
			}
			return ""
		}
	}
	return ""
}

// sameRepository reports whether two addresses name one repository: by https, ssh or scp-like, with and without user and
// .git.
func sameRepository(a, b string) bool { return a != "" && repositoryName(a) == repositoryName(b) }

func repositoryName(address string) string {
	host, path := "", strings.TrimPrefix(address, "file://")
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		host, path = strings.ToLower(u.Hostname()), u.Path
	} else if before, after, ok := strings.Cut(address, ":"); ok && !strings.Contains(before, "/") && len(before) > 1 && err != nil {
		host, path = strings.ToLower(before[strings.LastIndex(before, "@")+1:]), "/"+strings.TrimPrefix(after, "/")
	} else if ok && !strings.Contains(before, "/") && len(before) > 1 && strings.Contains(before, "@") {
		host, path = strings.ToLower(before[strings.LastIndex(before, "@")+1:]), "/"+strings.TrimPrefix(after, "/")
	}
	return host + strings.TrimSuffix(strings.TrimSuffix(filepath.ToSlash(path), "/"), ".git")
}
