package source

import (
	"context"
	"fmt"
	"net/url"
	"os/exec"
	"strings"

	"github.com/waypoint-serverless/waypoint/internal/git"
)

// lfsShown is how many names of files a message about Git LFS shows.
const lfsShown = 5

// checkoutLFS writes the files of a commit some of which are kept in Git LFS. It fails, and names them, where they cannot be
// fetched: a build must not go on with the pointers in their place.
func (f *fetch) checkoutLFS(ctx context.Context, from address, dir, hash string) error {
	if _, err := f.run(ctx, dir, "", "read-tree", hash); err != nil {
		return err
	}
	repo := git.Repo{Dir: dir, Fetched: true}
	names, err := lfsFiles(ctx, repo)
	if err != nil {
		return err
	}
	local := [][2]string{}
	switch _, missing := exec.LookPath("git-lfs"); {
	case len(names) == 0: // the attribute is set, but no file was moved to LFS yet
		local = append(local, [2]string{"filter.lfs.smudge", "cat"}, [2]string{"filter.lfs.clean", "cat"})
	case missing != nil:
		return &Error{
			Message: fmt.Sprintf("git-lfs is not installed on this machine, and the repository keeps %s in Git LFS", listed(names)),
			Hint:    "Install git-lfs on the runner.",
		}
	default:
		if err := checkEndpoint(ctx, repo, from, hash); err != nil {
			return err
		}
		local = append(local,
			[2]string{"filter.lfs.clean", "git-lfs clean -- %f"}, [2]string{"filter.lfs.smudge", "git-lfs smudge -- %f"},
			[2]string{"filter.lfs.process", "git-lfs filter-process"}, [2]string{"filter.lfs.required", "true"},
			// The repository may ask for pointers in the place of what cannot be fetched.
			[2]string{"lfs.skipdownloaderrors", "false"},
		)
	}
	// These stay in the checkout: git finds it unchanged later, too.
	for _, setting := range local {
		if _, err := f.run(ctx, dir, "", "config", "--local", setting[0], setting[1]); err != nil {
			return err
		}
	}
	if _, err := f.run(ctx, dir, from.allowed(), "checkout", "--quiet", "--force", "--detach", hash); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return &Error{Message: fmt.Sprintf("fetching %s from Git LFS", listed(names)), Cause: f.inWords(err), Hint: lfsHint(err)}
	}
	return nil
}

func lfsHint(err error) string {
	if strings.Contains(err.Error(), "uthent") || strings.Contains(err.Error(), "redentials") {
		return "Credentials go only to the scheme, host and port of the source's url; check lfs.url in .lfsconfig and the source's username and password."
	}
	return ""
}

func listed(names []string) string {
	if more := len(names) - lfsShown; more > 0 {
		return fmt.Sprintf("%s and %d more files", strings.Join(names[:lfsShown], ", "), more)
	}
	return strings.Join(names, ", ")
}

// pointerMost is more than a pointer of Git LFS can have.
const pointerMost = 1024

// lfsFiles lists the files that are pointers of Git LFS.
func lfsFiles(ctx context.Context, repo git.Repo) ([]string, error) {
	out, err := repo.Output(ctx, nil, "ls-files", "-z", "--stage", "--", ":(attr:filter=lfs)")
	if err != nil {
		return nil, err
	}
	var names, hashes []string
	for _, entry := range strings.Split(string(out), "\x00") {
		if what, path, ok := strings.Cut(entry, "\t"); ok {
			names, hashes = append(names, path), append(hashes, strings.Fields(what)[1])
		}
	}
	sizes, err := repo.Output(ctx, []byte(strings.Join(hashes, "\n")+"\n"), "cat-file", "--batch-check=%(objectsize)")
	if err != nil {
		return nil, err
	}
	var small, smallNames []string
	for i, size := range strings.Split(strings.TrimSpace(string(sizes)), "\n") {
		if i < len(hashes) && len(size) <= len("1024") && size != "0" {
			small, smallNames = append(small, hashes[i]), append(smallNames, names[i])
		}
	}
	var found []string
	const batch = 1000 // pointers of at most 9,999 bytes each are read at once
	for len(small) > 0 {
		n := min(batch, len(small))
		texts, err := repo.Output(ctx, []byte(strings.Join(small[:n], "\n")+"\n"), "cat-file", "--batch")
		if err != nil {
			return nil, err
		}
		found = append(found, pointers(string(texts), smallNames[:n])...)
		small, smallNames = small[n:], smallNames[n:]
	}
	return found, nil
}

// pointers are the names whose texts, as cat-file prints them, are pointers.
func pointers(texts string, names []string) (found []string) {
	for _, name := range names {
		head, rest, _ := strings.Cut(texts, "\n")
		var hash, kind string
		var size int
		if _, err := fmt.Sscan(head, &hash, &kind, &size); err != nil || size+1 > len(rest) {
			return found
		}
		if size <= pointerMost && strings.HasPrefix(rest, "version https://git-lfs.github.com/spec/") ||
			strings.HasPrefix(rest, "version https://hawser.github.com/spec/") {
			found = append(found, name)
		}
		texts = rest[size+1:]
	}
	return found
}

// checkEndpoint refuses an LFS server that the repository names in .lfsconfig, if it is a directory of this machine or an
// option: the repository is foreign input. Any other host may be named; it is sent no credentials.
func checkEndpoint(ctx context.Context, repo git.Repo, from address, hash string) error {
	out, err := repo.Output(ctx, nil, "config", "--blob", hash+":.lfsconfig", "--list", "-z")
	if err != nil {
		return nil //nolint:nilerr // there is none
	}
	for _, entry := range strings.Split(string(out), "\x00") {
		key, value, _ := strings.Cut(entry, "\n")
		if key != "lfs.url" && key != "lfs.pushurl" && !strings.HasSuffix(key, ".lfsurl") {
			continue
		}
		at, err := parseAddress(value)
		if err == nil && (at.kind != "file" || from.kind == "file") {
			continue
		}
		u, _ := url.Parse(value)
		return &Error{Message: fmt.Sprintf("the repository's .lfsconfig names a Git LFS server that is not allowed (%s)", scheme(u)), Hint: "Use an https url for " + key + "."}
	}
	return nil
}

func scheme(u *url.URL) string {
	if u == nil || u.Scheme == "" {
		return "not a url"
	}
	return u.Scheme
}
