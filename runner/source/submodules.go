package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/git"
)

// allLevels is how deep submodules are fetched where the source only says that they are.
const allLevels = 10

// levels is how many levels of submodules a source wants.
func levels(g *waypointv1.GitSource) int {
	switch {
	case g.SubmoduleLevels > 0:
		return int(g.SubmoduleLevels)
	case g.RecurseSubmodules:
		return allLevels
	}
	return 0
}

// submodule is one that a commit names. All of it is the repository's content.
type submodule struct{ name, path, url, commit string }

// submodules fetches the submodules of a checkout, and theirs, down to depth levels. root is the source's own checkout.
// Each is fetched as the source is, with what its own url allows: git itself sends no credentials to another place.
func (f *fetch) submodules(ctx context.Context, from address, root, dir string, depth int) error {
	if depth <= 0 {
		return nil
	}
	subs, err := f.listSubmodules(ctx, dir)
	if err != nil {
		return err
	}
	for _, s := range subs {
		f.fetched++
		if err := tooMany(f.fetched); err != nil {
			return err
		}
		at, err := submoduleAddress(from, s)
		if err != nil {
			return err
		}
		path := filepath.Join(dir, filepath.FromSlash(s.path))
		if err := f.fetchSubmodule(ctx, at, s, root, dir, path); err != nil {
			return f.submoduleFailed(at, s, f.explain(at, err))
		}
		if err := f.submodules(ctx, at, root, path, depth-1); err != nil {
			return err
		}
	}
	return nil
}

// submoduleFailed names the submodule in an error. Credentials are a frequent reason: those of the source are for its own
// origin.
func (f *fetch) submoduleFailed(at address, s submodule, err error) error {
	out := &Error{Message: fmt.Sprintf("fetching the submodule %q", s.path), Cause: err}
	var own *Error
	if errors.As(err, &own) {
		out.Hint = own.Hint
	}
	if origin := f.control.origin; origin != at.origin() && strings.Contains(err.Error(), "refused the") {
		out.Hint = fmt.Sprintf("The source's credentials are for %s alone: move the submodule there, or make it public.", origin)
	}
	return out
}

// submoduleAddress reads a submodule's url. One of this machine is for sources of this machine alone.
func submoduleAddress(from address, s submodule) (address, error) {
	text := s.url
	if from.kind == "file" && filepath.IsAbs(text) {
		text = "file://" + filepath.ToSlash(text)
	}
	at, err := parseAddress(text)
	if err == nil && at.kind == "file" && from.kind != "file" {
		err = &Error{Message: fmt.Sprintf("%q is on this machine, and the repository that names it is not", s.url)}
	}
	if err != nil {
		return at, &Error{Message: fmt.Sprintf("the submodule %q cannot be fetched", s.path), Cause: err, Hint: "Correct its url in .gitmodules."}
	}
	return at, nil
}

// listSubmodules reads which submodules a checkout names. git itself makes relative urls whole, and leaves out names and
// paths that are not safe.
func (f *fetch) listSubmodules(ctx context.Context, dir string) ([]submodule, error) {
	info, err := os.Lstat(filepath.Join(dir, ".gitmodules"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading .gitmodules: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, &Error{Message: "the repository's .gitmodules is not a file"}
	}
	if _, err := f.run(ctx, dir, "", "submodule", "--quiet", "init"); err != nil {
		return nil, &Error{Message: "reading the repository's .gitmodules", Cause: f.inWords(err)}
	}
	repo := git.Repo{Dir: dir, Fetched: true}
	configured, err := settingsOf(ctx, repo, "--local")
	if err != nil {
		return nil, err
	}
	named, err := settingsOf(ctx, repo, "--file", filepath.Join(dir, ".gitmodules"))
	if err != nil {
		return nil, err
	}
	var paths []string
	for key, path := range named {
		if strings.HasSuffix(key, ".path") {
			paths = append(paths, path)
		}
	}
	if len(paths) == 0 || len(paths) > maxSubmodules {
		return nil, tooMany(len(paths))
	}
	commits, err := gitlinks(ctx, repo, paths)
	if err != nil {
		return nil, err
	}
	var subs []submodule
	for key, path := range named {
		name, ok := strings.CutSuffix(key, ".path")
		url := configured[name+".url"]
		if !ok || url == "" || commits[path] == "" || configured[name+".update"] == "none" {
			continue
		}
		subs = append(subs, submodule{name: name, path: path, url: url, commit: commits[path]})
	}
	slices.SortFunc(subs, func(a, b submodule) int { return strings.Compare(a.path, b.path) })
	return subs, nil
}

// settingsOf reads submodule.* of a file of settings, without the prefix.
func settingsOf(ctx context.Context, repo git.Repo, where ...string) (map[string]string, error) {
	out, err := repo.Output(ctx, nil, append(append([]string{"config"}, where...), "--list", "-z")...)
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	for _, entry := range strings.Split(string(out), "\x00") {
		key, value, _ := strings.Cut(entry, "\n")
		if name, ok := strings.CutPrefix(key, "submodule."); ok {
			values[name] = value
		}
	}
	return values, nil
}

// tooMany is the refusal of n submodules, if they are too many.
func tooMany(n int) error {
	if n <= maxSubmodules {
		return nil
	}
	return &Error{Message: fmt.Sprintf("the source has more than %d submodules", maxSubmodules)}
}

// gitlinks are the commits that a checkout names for its submodules, by path.
func gitlinks(ctx context.Context, repo git.Repo, paths []string) (map[string]string, error) {
	out, err := repo.Output(ctx, nil, append([]string{"--literal-pathspecs", "ls-files", "--stage", "-z", "--"}, paths...)...)
	if err != nil {
		return nil, err
	}
	links := map[string]string{}
	for _, entry := range strings.Split(string(out), "\x00") {
		// "160000 <hash> 0\t<path>"
		if what, path, ok := strings.Cut(entry, "\t"); ok && strings.HasPrefix(what, "160000 ") {
			links[path] = strings.Fields(what)[1]
		}
	}
	return links, nil
}

// fetchSubmodule clones one into its place and checks out the commit that the repository names.
func (f *fetch) fetchSubmodule(ctx context.Context, at address, s submodule, root, parent, path string) error {
	if err := checkPlace(parent, s.path); err != nil {
		return err
	}
	// git's own directory of a submodule stands in the source's, under a name that is not the repository's choice.
	store := filepath.Join(root, ".git", "modules", strconv.Itoa(f.fetched))
	if err := os.MkdirAll(filepath.Dir(store), 0o755); err != nil {
		return fmt.Errorf("making a place for the submodule: %w", err)
	}
	if err := f.clone(ctx, at, path, "--no-checkout", "--separate-git-dir="+store); err != nil {
		return err
	}
	found, err := readCommit(ctx, path, []string{s.commit})
	if found == nil && err == nil {
		found, err = f.fetchCommit(ctx, at, path, s.commit)
	}
	if err != nil {
		return err
	}
	if found == nil {
		return &Error{Message: fmt.Sprintf("%s has no commit %s", at.shown(), s.commit), Hint: "Push the submodule's commit."}
	}
	return f.checkout(ctx, at, path, s.commit)
}

// checkPlace refuses a path that is not the empty directory that the checkout made for the submodule: a symbolic link on the
// way, on a file system that ignores case too, would write elsewhere.
func checkPlace(parent, path string) error {
	bad := &Error{Message: fmt.Sprintf("%q is not a place for a submodule", path)}
	if !filepath.IsLocal(filepath.FromSlash(path)) {
		return bad
	}
	at := parent
	for _, part := range strings.Split(path, "/") {
		at = filepath.Join(at, part)
		info, err := os.Lstat(at)
		if err != nil || !info.IsDir() || strings.EqualFold(part, ".git") {
			return bad
		}
	}
	if !emptyDir(at) {
		return bad
	}
	return nil
}
