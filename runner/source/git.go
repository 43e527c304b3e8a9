package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/git"
)

// maxSubmodules bounds how many submodules a source may have, nested ones included.
const maxSubmodules = 1000

func fetchGit(ctx context.Context, g *waypointv1.GitSource, r Request) (*Fetched, error) {
	if g.Url == "" {
		return nil, &Error{Message: "the git source has no url", Hint: "Set it in runner { data_source \"git\" { url = … } } of waypoint.hcl, then: waypoint init."}
	}
	from, err := parseAddress(g.Url)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(g.Ref, "-") || strings.ContainsFunc(g.Ref, unicode.IsControl) {
		return nil, &Error{Message: fmt.Sprintf("%q is not a git reference", g.Ref)}
	}
	program, err := git.Program(ctx)
	if err != nil {
		return nil, inWords(err)
	}
	limits := r.Limits.orDefault()
	control, err := newControl(filepath.Dir(r.Dir), g, from, r.KnownHosts)
	if err != nil {
		return nil, err
	}
	defer control.remove()
	ctx, stop := limits.bounded(ctx, r.Dir)
	defer stop()
	f := &fetch{program: program, control: control}
	ref, err := f.source(ctx, from, g, r.Dir)
	if err == nil {
		err = limits.check(ctx, r.Dir) // also what the watch did not see
	}
	if err != nil {
		return nil, f.explain(from, err)
	}
	dir, err := inside(r.Dir, g.Path)
	if err != nil {
		return nil, err
	}
	note := ref.GetCommit()[:12] + " of " + shown(g.Url)
	return &Fetched{Dir: dir, Root: r.Dir, Ref: ref, Note: note}, nil
}

// source fetches the repository, its files and its submodules.
func (f *fetch) source(ctx context.Context, from address, g *waypointv1.GitSource, dir string) (*waypointv1.SourceRef, error) {
	// The clone writes the files of the remote's HEAD itself: a process less for most sources.
	how := "--no-checkout"
	if g.Ref == "" || g.Ref == "HEAD" {
		how = "--checkout"
	}
	written := how == "--checkout"
	err := f.clone(ctx, from, dir, how)
	if stopped := new(failed); errors.As(err, &stopped) && strings.Contains(stopped.stderr, "Clone succeeded, but checkout failed") {
		written, err = false, nil
	}
	if err != nil {
		return nil, err
	}
	found, err := f.resolve(ctx, from, dir, g.Ref)
	if err != nil {
		return nil, err
	}
	if !written {
		if err := f.checkout(ctx, from, dir, found.GetCommit()); err != nil {
			return nil, err
		}
	}
	return found, f.submodules(ctx, from, dir, dir, levels(g))
}

// allowed are the transports that git may use for an address. A redirect can lead from http to https, but not back.
func (a address) allowed() string {
	switch a.kind {
	case "http":
		return "http:https"
	default:
		return a.kind
	}
}

// clone copies a repository with its whole history and all tags, as builds call `git describe` and `git log`.
func (f *fetch) clone(ctx context.Context, from address, dir string, more ...string) error {
	args := []string{"clone", "--quiet", "--template=", "--origin=origin"}
	args = append(append(args, more...), "--", from.text, dir)
	// A repository of this machine is copied by its path: its objects are linked, and a shallow one stays shallow.
	_, err := f.run(ctx, "", from.allowed(), args...)
	if cause := new(failed); from.kind == "file" && errors.As(err, &cause) && git.Ownership(cause.stderr) != nil {
		if trusted, trustErr := f.trustAsTheUserDoes(ctx); trustErr != nil || !trusted {
			return err
		}
		_, err = f.run(ctx, "", from.allowed(), args...)
	}
	return err
}

// trustAsTheUserDoes takes over which directories of other users the runner's user trusts (safe.directory). It is the one
// setting of the machine that applies, as it is about the machine's own directories.
func (f *fetch) trustAsTheUserDoes(ctx context.Context) (bool, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return false, nil //nolint:nilerr // nobody has said anything then
	}
	out, err := git.Repo{Dir: home}.Output(ctx, nil, "config", "--get-all", "-z", "safe.directory")
	if err != nil || len(out) == 0 {
		return false, nil //nolint:nilerr // git fails where nothing is set
	}
	text := "[safe]\n"
	for _, dir := range strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		text += "\tdirectory = " + configValue(dir) + "\n"
	}
	file, err := os.OpenFile(filepath.Join(f.control.dir, ".gitconfig"), os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return false, err
	}
	_, err = file.WriteString(text)
	return err == nil, errors.Join(err, file.Close())
}

// fullHash is a commit's whole name, in either of git's formats.
var fullHash = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`) })

// resolve finds a commit: the remote's HEAD, a branch, a tag, a full reference or a (short) commit id, in that order.
func (f *fetch) resolve(ctx context.Context, from address, dir, ref string) (*waypointv1.SourceRef, error) {
	names := []string{"refs/remotes/origin/" + ref, "refs/tags/" + ref, ref}
	branch, isBranch := strings.CutPrefix(ref, "refs/heads/")
	switch {
	case ref == "" || ref == "HEAD":
		names = []string{"HEAD"}
	case isBranch:
		names = []string{"refs/remotes/origin/" + branch}
	case strings.HasPrefix(ref, "refs/tags/"):
		names = []string{ref}
	case strings.HasPrefix(ref, "refs/"): // such as refs/pull/7/head
		names = []string{ref}
		if _, err := f.run(ctx, dir, from.allowed(), "fetch", "--quiet", "--no-tags", "origin", "+"+ref+":"+ref); err != nil {
			var refused *failed
			if !errors.As(err, &refused) || !strings.Contains(refused.stderr, "couldn't find remote ref") {
				return nil, err
			}
		}
	}
	found, err := readCommit(ctx, dir, names)
	if found == nil && err == nil && fullHash().MatchString(ref) {
		found, err = f.fetchCommit(ctx, from, dir, ref)
	}
	if found == nil && err == nil {
		err = notFound(ctx, from, dir, ref)
	}
	return found, err
}

// fetchCommit asks for a commit that no branch or tag leads to; hosts such as GitHub give it.
func (f *fetch) fetchCommit(ctx context.Context, from address, dir, hash string) (*waypointv1.SourceRef, error) {
	_, err := f.run(ctx, dir, from.allowed(), "fetch", "--quiet", "--no-tags", "origin", hash)
	if refused := new(failed); errors.As(err, &refused) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return readCommit(ctx, dir, []string{hash})
}

func notFound(ctx context.Context, from address, dir, ref string) error {
	if ref != "" && ref != "HEAD" {
		return &Error{
			Message: fmt.Sprintf("the repository %s has no branch, tag or commit %q", from.shown(), ref),
			Hint:    "Push it, or choose another ref.",
		}
	}
	branches, err := git.Repo{Dir: dir, Fetched: true}.Output(ctx, nil, "for-each-ref", "--count=1", "refs/remotes")
	if err == nil && len(branches) > 0 {
		return &Error{Message: fmt.Sprintf("the default branch of %s does not exist", from.shown()), Hint: "Name a branch: ref = \"…\"."}
	}
	return &Error{Message: fmt.Sprintf("the repository %s is empty", from.shown()), Hint: "Commit and push first."}
}

// readCommit returns the first of the names that is a commit, or nil.
func readCommit(ctx context.Context, dir string, names []string) (*waypointv1.SourceRef, error) {
	input := ""
	for _, name := range names {
		input += name + "^{commit}\n"
	}
	out, err := git.Repo{Dir: dir, Fetched: true}.Output(ctx, []byte(input), "cat-file", "--batch")
	if err != nil {
		return nil, err
	}
	rest := string(out)
	for range names {
		var head string
		head, rest, _ = strings.Cut(rest, "\n")
		fields := strings.Fields(head)
		if len(fields) != 3 || fields[1] != "commit" {
			continue // "… missing" or "… ambiguous"
		}
		size, err := strconv.Atoi(fields[2])
		if err != nil || size > len(rest) {
			return nil, fmt.Errorf("reading a commit: git cat-file answered %.100q", head)
		}
		return commitRef(fields[0], rest[:size]), nil
	}
	return nil, nil
}

// commitRef reads a commit as git keeps it: header lines, an empty line, the message.
func commitRef(hash, text string) *waypointv1.SourceRef {
	header, message, _ := strings.Cut(text, "\n\n")
	ref := &waypointv1.SourceRef{Commit: hash, CommitMessage: subject(message)}
	for _, line := range strings.Split(header, "\n") {
		if who, ok := strings.CutPrefix(line, "committer "); ok {
			if fields := strings.Fields(who); len(fields) >= 2 {
				ref.CommitTimeUnix, _ = strconv.ParseInt(fields[len(fields)-2], 10, 64)
			}
		}
	}
	return ref
}

// checkout writes the files of a commit.
func (f *fetch) checkout(ctx context.Context, from address, dir, hash string) error {
	args := []string{"checkout", "--quiet", "--force", "--detach", hash}
	_, err := f.run(ctx, dir, "", args...)
	if stopped := new(failed); errors.As(err, &stopped) && strings.Contains(stopped.stderr, "filter lfs failed") {
		return f.checkoutLFS(ctx, from, dir, hash)
	}
	if err != nil {
		return &Error{Message: "writing the files of " + hash, Cause: f.inWords(err)}
	}
	return nil
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
