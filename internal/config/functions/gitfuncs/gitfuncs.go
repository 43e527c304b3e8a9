// Package gitfuncs has the functions that ask the git repository around a directory: gitrefpretty, gitrefhash,
// gitreftag and gitremoteurl. They ask the git program, so that linked worktrees, sparse and shallow clones, filters and
// ignore files mean what they mean to git. Nothing is asked before the first call, and each answer is found once.
package gitfuncs

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/waypoint-serverless/waypoint/internal/git"
)

// Table makes the functions for a repository. ctx ends their questions.
func Table(ctx context.Context, repo git.Repo, now func() time.Time) map[string]function.Function {
	r := &repository{now: now}
	r.head = sync.OnceValues(func() (git.Head, error) { return repo.Head(ctx) })
	r.changed = sync.OnceValues(func() (bool, error) { return repo.Changed(ctx, false) })
	r.remotes = sync.OnceValues(func() (map[string]string, error) { return repo.Remotes(ctx) })
	once := func(f func() (string, error)) function.Function {
		f = sync.OnceValues(f)
		return function.New(&function.Spec{
			Type: function.StaticReturnType(cty.String),
			Impl: func([]cty.Value, cty.Type) (cty.Value, error) { return value(f()) },
		})
	}
	return map[string]function.Function{
		"gitrefpretty": once(r.pretty),
		"gitrefhash":   once(r.hash),
		"gitreftag":    once(r.tag),
		"gitremoteurl": function.New(&function.Spec{
			Params: []function.Parameter{{Name: "name", Type: cty.String}},
			Type:   function.StaticReturnType(cty.String),
			Impl:   func(args []cty.Value, _ cty.Type) (cty.Value, error) { return value(r.remoteURL(args[0].AsString())) },
		}),
	}
}

func value(s string, err error) (cty.Value, error) {
	if err != nil {
		return cty.UnknownVal(cty.String), git.InOneLine(err)
	}
	return cty.StringVal(s), nil
}

type repository struct {
	now     func() time.Time
	head    func() (git.Head, error)
	changed func() (bool, error)
	remotes func() (map[string]string, error)
}

func (r *repository) hash() (string, error) {
	head, err := r.head()
	return head.Hash, err
}

// tag is the tag of HEAD, the last by name if there are several; empty without one.
func (r *repository) tag() (string, error) {
	head, err := r.head()
	if err != nil || len(head.Tags) == 0 {
		return "", err
	}
	return head.Tags[len(head.Tags)-1], nil
}

// pretty is the tag of HEAD, else its short hash; with a suffix if tracked files have changes, so that two builds of
// changed trees do not share a name. Files that git does not track do not count, as in the original.
func (r *repository) pretty() (string, error) {
	asked := make(chan struct{})
	go func() { // git is asked both questions at once: each costs a process
		defer close(asked)
		_, _ = r.changed()
	}()
	defer func() { <-asked }()
	name, err := r.tag()
	if err != nil {
		return "", err
	}
	if name == "" {
		hash, err := r.hash()
		if err != nil {
			return "", err
		}
		name = hash[:min(len(hash), 7)]
	}
	changed, err := r.changed()
	if err != nil || !changed {
		return name, err
	}
	return fmt.Sprintf("%s_CHANGES_%d", name, r.now().Unix()), nil
}

// remoteURL is a remote's URL without the password that CI systems put there: it ends in labels and image names.
func (r *repository) remoteURL(name string) (string, error) {
	remotes, err := r.remotes()
	if err != nil {
		return "", err
	}
	if address, ok := remotes[name]; ok {
		if u, err := url.Parse(address); err == nil && u.User != nil && u.Host != "" {
			if _, secret := u.User.Password(); secret {
				u.User = nil
				return u.String(), nil
			}
		}
		return address, nil
	}
	names := make([]string, 0, len(remotes))
	for n := range remotes {
		names = append(names, n)
	}
	if len(names) == 0 {
		return "", fmt.Errorf("there is no git remote %q: the repository has no remotes", name)
	}
	slices.Sort(names)
	return "", fmt.Errorf("there is no git remote %q; the repository has %s", name, strings.Join(names, ", "))
}
