package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/storage/filesystem"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// cloneFiles clones a repository on this machine as git does: its objects are linked (or copied), its references
// written anew. It needs no git program.
func cloneFiles(path, dir string) (*git.Repository, error) {
	if unescaped, err := url.PathUnescape(path); err == nil {
		path = unescaped
	}
	if !filepath.IsAbs(filepath.FromSlash(path)) {
		return nil, &Error{Message: fmt.Sprintf("file://%s is not an absolute path", path), Hint: "Use file:///path."}
	}
	from, err := git.PlainOpenWithOptions(path, &git.PlainOpenOptions{EnableDotGitCommonDir: true})
	if errors.Is(err, git.ErrRepositoryNotExists) {
		return nil, &Error{Message: "there is no git repository at " + path}
	}
	if err != nil {
		return nil, err
	}
	objects, err := objectsDir(from)
	if err != nil {
		return nil, err
	}
	to, err := git.PlainInit(dir, false)
	if err != nil {
		return nil, err
	}
	if err := linkTree(objects, filepath.Join(dir, ".git", "objects")); err != nil {
		return nil, err
	}
	if err := copyReferences(from, to); err != nil {
		return nil, err
	}
	_, err = to.CreateRemote(&config.RemoteConfig{Name: "origin", URLs: []string{"file://" + path}})
	return to, err
}

func objectsDir(repo *git.Repository) (string, error) {
	storage, ok := repo.Storer.(*filesystem.Storage)
	if !ok {
		return "", errors.New("the repository is not kept in files")
	}
	root := storage.Filesystem().Root()
	if common, err := os.ReadFile(filepath.Join(root, "commondir")); err == nil {
		dir := strings.TrimSpace(string(common))
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(root, dir)
		}
		root = dir
	}
	objects := filepath.Join(root, "objects")
	if _, err := os.Stat(filepath.Join(objects, "info", "alternates")); err == nil {
		return "", &Error{
			Message: "the repository borrows its objects from another one",
			Hint:    "Make it whole: git repack -a -d && rm .git/objects/info/alternates",
		}
	}
	return objects, nil
}

// copyReferences makes the source's branches remote branches, keeps its tags, and its HEAD as a commit.
func copyReferences(from, to *git.Repository) error {
	refs, err := from.References()
	if err != nil {
		return err
	}
	defer refs.Close()
	err = refs.ForEach(func(ref *plumbing.Reference) error {
		if ref.Type() != plumbing.HashReference {
			return nil
		}
		name := ref.Name()
		switch {
		case name.IsBranch():
			name = plumbing.NewRemoteReferenceName("origin", name.Short())
		case name.IsRemote():
			return nil // the source's own view of yet another repository
		}
		return to.Storer.SetReference(plumbing.NewHashReference(name, ref.Hash()))
	})
	if err != nil {
		return err
	}
	head, err := from.Head()
	if errors.Is(err, plumbing.ErrReferenceNotFound) {
		return &Error{Message: "the repository is empty", Hint: "Commit first."}
	}
	if err != nil {
		return err
	}
	return to.Storer.SetReference(plumbing.NewHashReference(plumbing.HEAD, head.Hash()))
}

// linkTree links or copies all files; objects never change, so a link is as good as a copy.
func linkTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case d.IsDir():
			return os.MkdirAll(target, 0o755)
		case !d.Type().IsRegular() || strings.HasPrefix(d.Name(), "tmp_"):
			return nil
		}
		if os.Link(path, target) == nil {
			return nil
		}
		return copyObject(path, target)
	})
}

func copyObject(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o444)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	return err
}

// dirtyBound is how long the question whether a local checkout has changes may take; without an answer it has none.
const dirtyBound = 3 * time.Second

// localRef says which commit a local directory stands at; nil outside git.
func localRef(ctx context.Context, dir string) *waypointv1.SourceRef {
	repo, err := git.PlainOpenWithOptions(dir, &git.PlainOpenOptions{DetectDotGit: true, EnableDotGitCommonDir: true})
	if err != nil {
		return nil
	}
	head, err := repo.Head()
	if err != nil {
		return nil
	}
	commit, err := repo.CommitObject(head.Hash())
	if err != nil {
		return nil
	}
	return &waypointv1.SourceRef{
		Commit: head.Hash().String(), CommitMessage: subject(commit.Message),
		CommitTimeUnix: commit.Committer.When.Unix(), Dirty: dirty(ctx, repo, dir),
	}
}

// dirty asks git itself where there is one: it is fast and knows all of the user's ignore rules.
func dirty(ctx context.Context, repo *git.Repository, dir string) bool {
	if program, err := exec.LookPath("git"); err == nil {
		ctx, cancel := context.WithTimeout(ctx, dirtyBound)
		defer cancel()
		cmd := exec.CommandContext(ctx, program, "--no-optional-locks", "-C", dir, "status", "--porcelain")
		cmd.WaitDelay = time.Second
		out, err := cmd.Output()
		return err == nil && len(out) > 0
	}
	tree, err := repo.Worktree()
	if err != nil {
		return false
	}
	status, err := tree.Status()
	return err == nil && !status.IsClean()
}
