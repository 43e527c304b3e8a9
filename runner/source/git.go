package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// submoduleDepth bounds submodules within submodules.
const submoduleDepth = 10

func fetchGit(ctx context.Context, g *waypointv1.GitSource, r Request) (*Fetched, error) {
	if g.Url == "" {
		return nil, &Error{Message: "the git source has no url", Hint: "Set it with: waypoint project apply, or in runner { data_source \"git\" { url = … } }."}
	}
	auth, err := authFor(g, r.KnownHosts)
	if err != nil {
		return nil, err
	}
	if closer, ok := auth.(interface{ remove() }); ok {
		defer closer.remove()
	}
	repo, err := clone(ctx, g, r.Dir, auth)
	if err != nil {
		return nil, explain(g, err)
	}
	commit, err := checkout(ctx, repo, g, auth)
	if err != nil {
		return nil, err
	}
	dir, err := inside(r.Dir, g.Path)
	if err != nil {
		return nil, err
	}
	note := commit.GetCommit()[:12] + " of " + shown(g.Url)
	return &Fetched{Dir: dir, Root: r.Dir, Ref: commit, Note: note}, nil
}

// clone copies the repository with its whole history and all tags: functions such as gitrefpretty need them.
func clone(ctx context.Context, g *waypointv1.GitSource, dir string, auth transport.AuthMethod) (*git.Repository, error) {
	if path, ok := strings.CutPrefix(g.Url, "file://"); ok {
		return cloneFiles(path, dir)
	}
	repo, err := git.PlainCloneContext(ctx, dir, false, &git.CloneOptions{
		URL: g.Url, Auth: auth, Tags: git.AllTags, NoCheckout: true,
	})
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(g.Ref, "refs/") {
		return repo, nil
	}
	// A reference outside branches and tags, such as refs/pull/7/head.
	err = repo.FetchContext(ctx, &git.FetchOptions{
		Auth: auth, RefSpecs: []config.RefSpec{config.RefSpec("+" + g.Ref + ":" + g.Ref)},
	})
	if err != nil && !errors.Is(err, git.NoErrAlreadyUpToDate) {
		return nil, err
	}
	return repo, nil
}

// checkout resolves the reference and writes its files.
func checkout(ctx context.Context, repo *git.Repository, g *waypointv1.GitSource, auth transport.AuthMethod) (*waypointv1.SourceRef, error) {
	hash, err := resolve(repo, g.Ref)
	if err != nil {
		return nil, &Error{
			Message: fmt.Sprintf("the repository %s has no branch, tag or commit %q", shown(g.Url), g.Ref),
			Hint:    "Push it, or choose another ref.",
		}
	}
	tree, err := repo.Worktree()
	if err != nil {
		return nil, fmt.Errorf("opening the checkout: %w", err)
	}
	if err := tree.Checkout(&git.CheckoutOptions{Hash: hash, Force: true}); err != nil {
		return nil, &Error{Message: "writing the files of " + hash.String(), Cause: err}
	}
	if g.RecurseSubmodules {
		subs, err := tree.Submodules()
		if err == nil {
			err = subs.UpdateContext(ctx, &git.SubmoduleUpdateOptions{Init: true, RecurseSubmodules: submoduleDepth, Auth: auth})
		}
		if err != nil {
			return nil, &Error{Message: "fetching the submodules", Cause: err}
		}
	}
	commit, err := repo.CommitObject(hash)
	if err != nil {
		return nil, fmt.Errorf("reading commit %s: %w", hash, err)
	}
	return &waypointv1.SourceRef{
		Commit: hash.String(), CommitMessage: subject(commit.Message), CommitTimeUnix: commit.Committer.When.Unix(),
	}, nil
}

// resolve finds a commit: the remote's HEAD, a branch, a tag, a full reference or a (short) commit id, in that order.
func resolve(repo *git.Repository, ref string) (plumbing.Hash, error) {
	if ref == "" || ref == "HEAD" {
		head, err := repo.Head()
		if err != nil {
			return plumbing.ZeroHash, err
		}
		return head.Hash(), nil
	}
	err := plumbing.ErrReferenceNotFound
	for _, name := range []string{"refs/remotes/origin/" + ref, "refs/tags/" + ref, ref} {
		var hash *plumbing.Hash
		if hash, err = repo.ResolveRevision(plumbing.Revision(name)); err == nil {
			return *hash, nil
		}
	}
	return plumbing.ZeroHash, err
}

// inside joins the source's path to the checkout, and refuses a path that a link leads out of it.
func inside(root, path string) (string, error) {
	dir := filepath.Join(root, filepath.FromSlash(path))
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() {
		return "", &Error{Message: fmt.Sprintf("the repository has no directory %q", path)}
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", fmt.Errorf("following %s: %w", path, err)
	}
	realRoot, err := filepath.EvalSymlinks(root)
	if err != nil {
		return "", fmt.Errorf("following %s: %w", root, err)
	}
	if rel, err := filepath.Rel(realRoot, real); err != nil || !filepath.IsLocal(rel) {
		return "", &Error{Message: fmt.Sprintf("the directory %q leads out of the repository", path)}
	}
	return dir, nil
}

func subject(message string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(message), "\n")
	const most = 200
	if len(first) > most {
		first = first[:most]
	}
	return strings.ToValidUTF8(first, "")
}

// authFor chooses how to authenticate, and refuses to send a password in clear text.
func authFor(g *waypointv1.GitSource, knownHosts []string) (transport.AuthMethod, error) {
	endpoint, err := transport.NewEndpoint(g.Url)
	if err != nil {
		return nil, &Error{Message: fmt.Sprintf("the git url %q cannot be used", shown(g.Url))}
	}
	switch endpoint.Protocol {
	case "ssh":
		return sshAuth(g, endpoint, knownHosts)
	case "http", "https":
		if g.Password == "" && g.Username == "" {
			return nil, nil
		}
		if inClear(g.Url) {
			return nil, &Error{Message: "a password would cross the network in clear text", Hint: "Use an https or ssh url."}
		}
		name := g.Username
		if name == "" {
			name = "git" // hosts that take a token ask for any name
		}
		return &githttp.BasicAuth{Username: name, Password: g.Password}, nil
	case "file":
		if !strings.HasPrefix(g.Url, "file://") {
			return nil, &Error{Message: fmt.Sprintf("%q is not a git url", g.Url), Hint: "Use https://…, ssh://…, user@host:path or file:///path."}
		}
		return nil, nil
	}
	return nil, &Error{Message: fmt.Sprintf("git over %s is not supported", endpoint.Protocol), Hint: "Use https, ssh or file."}
}

// explain turns go-git's errors into sentences.
func explain(g *waypointv1.GitSource, err error) error {
	var ready *Error
	if errors.As(err, &ready) {
		return ready
	}
	out := &Error{Message: "cloning " + shown(g.Url), Cause: err}
	switch {
	case errors.Is(err, transport.ErrAuthenticationRequired), errors.Is(err, transport.ErrAuthorizationFailed):
		out = &Error{Message: shown(g.Url) + " refused the credentials", Hint: "Set them with: waypoint project apply -git-auth-type …"}
	case errors.Is(err, transport.ErrRepositoryNotFound):
		out = &Error{Message: "there is no repository at " + shown(g.Url), Hint: "A private one needs credentials."}
	case errors.Is(err, transport.ErrEmptyRemoteRepository):
		out = &Error{Message: "the repository " + shown(g.Url) + " is empty", Hint: "Commit and push first."}
	}
	return out
}
