// Package gitfuncs has the functions that ask the git repository around a directory: gitrefpretty, gitrefhash,
// gitreftag and gitremoteurl. They read it with go-git and need no git program; linked worktrees, shallow clones and
// a detached HEAD are fine. Nothing is opened before the first call, and each answer is found once.
package gitfuncs

import (
	"errors"
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/gitignore"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/go-git/go-billy/v5/osfs"
)

// Table makes the functions for the repository that holds dir.
func Table(dir string, now func() time.Time) map[string]function.Function {
	r := &repository{dir: dir, now: now}
	r.open = sync.OnceValues(r.openRepo)
	once := func(f func() (string, error)) function.Function {
		f = sync.OnceValues(f)
		return function.New(&function.Spec{
			Type: function.StaticReturnType(cty.String),
			Impl: func([]cty.Value, cty.Type) (cty.Value, error) {
				s, err := f()
				if err != nil {
					return cty.UnknownVal(cty.String), err
				}
				return cty.StringVal(s), nil
			},
		})
	}
	return map[string]function.Function{
		"gitrefpretty": once(r.pretty),
		"gitrefhash":   once(r.hash),
		"gitreftag":    once(r.tag),
		"gitremoteurl": function.New(&function.Spec{
			Params: []function.Parameter{{Name: "name", Type: cty.String}},
			Type:   function.StaticReturnType(cty.String),
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
				s, err := r.remoteURL(args[0].AsString())
				if err != nil {
					return cty.UnknownVal(cty.String), err
				}
				return cty.StringVal(s), nil
			},
		}),
	}
}

type repository struct {
	dir  string
	now  func() time.Time
	open func() (*git.Repository, error)
}

func (r *repository) openRepo() (*git.Repository, error) {
	repo, err := git.PlainOpenWithOptions(r.dir, &git.PlainOpenOptions{DetectDotGit: true, EnableDotGitCommonDir: true})
	if errors.Is(err, git.ErrRepositoryNotExists) {
		return nil, fmt.Errorf("%s is not in a git repository", r.dir)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the git repository of %s: %w", r.dir, err)
	}
	return repo, nil
}

func (r *repository) head() (*git.Repository, plumbing.Hash, error) {
	repo, err := r.open()
	if err != nil {
		return nil, plumbing.ZeroHash, err
	}
	ref, err := repo.Head()
	if errors.Is(err, plumbing.ErrReferenceNotFound) {
		return nil, plumbing.ZeroHash, errors.New("the git repository has no commit yet")
	}
	if err != nil {
		return nil, plumbing.ZeroHash, fmt.Errorf("reading HEAD: %w", err)
	}
	return repo, ref.Hash(), nil
}

func (r *repository) hash() (string, error) {
	_, hash, err := r.head()
	if err != nil {
		return "", err
	}
	return hash.String(), nil
}

// tag is the tag of HEAD, the last by name if there are several; empty without one.
func (r *repository) tag() (string, error) {
	repo, head, err := r.head()
	if err != nil {
		return "", err
	}
	refs, err := repo.Tags()
	if err != nil {
		return "", fmt.Errorf("listing tags: %w", err)
	}
	var found []string
	err = refs.ForEach(func(ref *plumbing.Reference) error {
		hash := ref.Hash()
		if annotated, err := repo.TagObject(hash); err == nil {
			commit, err := annotated.Commit()
			if err != nil {
				return nil //nolint:nilerr // a tag of something else than a commit
			}
			hash = commit.Hash
		}
		if hash == head {
			found = append(found, ref.Name().Short())
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("listing tags: %w", err)
	}
	if len(found) == 0 {
		return "", nil
	}
	sort.Strings(found)
	return found[len(found)-1], nil
}

// pretty is the tag of HEAD, else its short hash; with a suffix if the tree has changes, so that two builds of
// changed trees do not share a name.
func (r *repository) pretty() (string, error) {
	name, err := r.tag()
	if err != nil {
		return "", err
	}
	repo, head, err := r.head()
	if err != nil {
		return "", err
	}
	if name == "" {
		name = head.String()[:7]
	}
	tree, err := repo.Worktree()
	if errors.Is(err, git.ErrIsBareRepository) {
		return name, nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the work tree: %w", err)
	}
	if patterns, err := gitignore.LoadGlobalPatterns(osfs.New("/")); err == nil {
		tree.Excludes = append(tree.Excludes, patterns...)
	}
	status, err := tree.StatusWithOptions(git.StatusOptions{Strategy: git.Empty})
	if err != nil {
		return "", fmt.Errorf("reading the state of the work tree: %w", err)
	}
	if status.IsClean() {
		return name, nil
	}
	return fmt.Sprintf("%s_CHANGES_%d", name, r.now().Unix()), nil
}

func (r *repository) remoteURL(name string) (string, error) {
	repo, err := r.open()
	if err != nil {
		return "", err
	}
	remotes, err := repo.Remotes()
	if err != nil {
		return "", fmt.Errorf("listing remotes: %w", err)
	}
	var names []string
	for _, remote := range remotes {
		c := remote.Config()
		if c.Name == name && len(c.URLs) > 0 {
			return c.URLs[0], nil
		}
		names = append(names, c.Name)
	}
	if len(names) == 0 {
		return "", fmt.Errorf("there is no git remote %q; the repository has none", name)
	}
	sort.Strings(names)
	return "", fmt.Errorf("there is no git remote %q; the repository has %s", name, strings.Join(names, ", "))
}
