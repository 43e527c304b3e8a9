package filecopy

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// write makes files; a name that ends in a slash is a directory, a content "-> x" a link.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		parent := filepath.Dir(path)
		if strings.HasSuffix(name, "/") {
			parent = path
		}
		if err := os.MkdirAll(parent, 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch target, link := strings.CutPrefix(content, "-> "); {
		case parent == path:
		case link:
			err = os.Symlink(target, path)
		default:
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// listed is what a tree holds: "name=content", "name -> target", "name/".
func listed(t *testing.T, dir string) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		name := filepath.ToSlash(rel)
		switch {
		case d.IsDir():
			name += "/"
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			name += " -> " + target
		default:
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name += "=" + string(content)
		}
		all = append(all, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func copied(t *testing.T, from, to string) Result {
	t.Helper()
	result, err := Tree(from, to, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func modeOf(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode()
}

func TestATreeArrivesWithModesAndTimesWhateverTheUmaskIs(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "new", "to")
	write(t, from, map[string]string{"run.sh": "#!", "open/a": "a", "shut/b": "b", "empty/": "", "open/ro": "r"})
	old := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	modes := map[string]fs.FileMode{"run.sh": 0o775, "open/ro": 0o400, "open": 0o777, "shut": 0o555, "empty": 0o711}
	for name, mode := range modes {
		if err := errors.Join(os.Chmod(filepath.Join(from, name), mode), os.Chtimes(filepath.Join(from, name), old, old)); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = Remove(to); _ = os.Chmod(filepath.Join(from, "shut"), 0o755) })
	// Twice: into what does not exist, and into what does.
	for _, step := range []string{"new", "existing"} {
		if got := copied(t, from, to); got.Files != 4 {
			t.Errorf("%s: %d files", step, got.Files)
		}
		for name, mode := range modes {
			info, err := os.Stat(filepath.Join(to, name))
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode().Perm() != mode || !info.ModTime().Equal(old) {
				t.Errorf("%s: %s has %v of %v", step, name, info.Mode(), info.ModTime())
			}
		}
	}
	// What was mended at the source is mended in the copy.
	if err := os.Chmod(filepath.Join(from, "open/a"), 0o755); err != nil {
		t.Fatal(err)
	}
	copied(t, from, to)
	if got := modeOf(t, filepath.Join(to, "open/a")); got.Perm() != 0o755 {
		t.Errorf("after chmod of the source the copy has %v", got)
	}
}

func TestWhatIsThereIsReplacedAndTheRestStays(t *testing.T) {
	for name, c := range map[string]struct{ from, to, want map[string]string }{
		"files stay":             {map[string]string{"a": "2"}, map[string]string{"a": "1", "b": "1", "d/c": "1"}, map[string]string{"a": "2", "b": "1", "d/c": "1"}},
		"a file by a link":       {map[string]string{"a": "-> b", "b": "2"}, map[string]string{"a": "1"}, map[string]string{"a": "-> b", "b": "2"}},
		"a link by a file":       {map[string]string{"a": "2"}, map[string]string{"a": "-> b", "b": "1"}, map[string]string{"a": "2", "b": "1"}},
		"a link by a link":       {map[string]string{"a": "-> c", "c": "2"}, map[string]string{"a": "-> b", "b": "1"}, map[string]string{"a": "-> c", "b": "1", "c": "2"}},
		"a link by a directory":  {map[string]string{"a/x": "2"}, map[string]string{"a": "-> b", "b/y": "1"}, map[string]string{"a/x": "2", "b/y": "1"}},
		"a dead link":            {map[string]string{"a": "2"}, map[string]string{"a": "-> nothing"}, map[string]string{"a": "2"}},
		"a file by a directory":  {map[string]string{"a/x": "2"}, map[string]string{"a": "1"}, map[string]string{"a/x": "2"}},
		"an empty directory":     {map[string]string{"a": "2"}, map[string]string{"a/": ""}, map[string]string{"a": "2"}},
		"directories are merged": {map[string]string{"a/b/x": "2"}, map[string]string{"a/b/y": "1"}, map[string]string{"a/b/x": "2", "a/b/y": "1"}},
		"links that are dead":    {map[string]string{"a": "-> nothing"}, nil, map[string]string{"a": "-> nothing"}},
	} {
		t.Run(name, func(t *testing.T) {
			from, to, want := t.TempDir(), t.TempDir(), t.TempDir()
			write(t, from, c.from)
			write(t, to, c.to)
			write(t, want, c.want)
			copied(t, from, to)
			if got, want := listed(t, to), listed(t, want); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestALinkIsNeverWrittenThrough(t *testing.T) {
	outside := t.TempDir()
	write(t, outside, map[string]string{"secret": "kept"})
	from, to := t.TempDir(), t.TempDir()
	write(t, to, map[string]string{"file": "-> " + filepath.Join(outside, "secret"), "dir": "-> " + outside})
	write(t, from, map[string]string{"file": "new", "dir/secret": "new"})
	copied(t, from, to)
	if got := listed(t, outside); got != "secret=kept" {
		t.Errorf("outside of the target there is now %s", got)
	}
	if got := listed(t, to); got != "dir/ dir/secret=new file=new" {
		t.Errorf("got %s", got)
	}
}

func TestLinksThatLeadOut(t *testing.T) {
	root := t.TempDir()
	from := filepath.Join(root, "app")
	write(t, root, map[string]string{"shared/lib": "1", "app/a": "a"})
	write(t, from, map[string]string{
		"venv/bin/python": "-> " + filepath.Join(root, "shared"), "abs": "-> " + filepath.Join(from, "a"), "deep/up": "-> ../a",
		"deep/abs": "-> " + filepath.Join(from, "a"),
	})
	to := filepath.Join(t.TempDir(), "to")
	copied(t, from, to)
	for link, want := range map[string]string{
		"venv/bin/python": filepath.Join(root, "shared"), // kept
		"abs":             "a", "deep/abs": "../a",       // of the copy, not of its source
		"deep/up": "../a",
	} {
		if got, err := os.Readlink(filepath.Join(to, link)); err != nil || filepath.ToSlash(got) != filepath.ToSlash(want) {
			t.Errorf("%s leads to %s, %v", link, got, err)
		}
	}
	write(t, from, map[string]string{"deep/out": "-> ../../shared"})
	_, err := Tree(from, to, Options{})
	var outside *OutsideLink
	if !errors.As(err, &outside) || outside.Link != filepath.Join("deep", "out") || !strings.Contains(err.Error(), "../../shared") {
		t.Errorf("got %v", err)
	}
}

func TestACopyIntoItselfEndsAndOneOntoItselfIsRefused(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a": "a", "d/b": "b"})
	for range 2 {
		copied(t, dir, filepath.Join(dir, "d", "out"))
		if got := listed(t, dir); got != "a=a d/ d/b=b d/out/ d/out/a=a d/out/d/ d/out/d/b=b" {
			t.Fatal(got)
		}
	}
	if _, err := Tree(dir, dir, Options{}); err == nil || listed(t, dir) == "" {
		t.Error("a directory was copied onto itself")
	}
}

func TestWhatIsInTheWayIsFoundBeforeAnythingIsMoved(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	write(t, from, map[string]string{"a": "2", "z": "2"})
	write(t, to, map[string]string{"a": "1", "z/content": "1"})
	_, err := Tree(from, to, Options{})
	if err == nil || !strings.Contains(err.Error(), "remove the directory") {
		t.Errorf("got %v", err)
	}
	if got := listed(t, to); got != "a=1 z/ z/content=1" {
		t.Errorf("it is now %s", got)
	}
}

func TestRenderedContentKeepsTheModeAndSkippedEntriesStayOut(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "to")
	write(t, from, map[string]string{"run": "x", "skip/a": "a", "skip/taken": "t"})
	if err := os.Chmod(filepath.Join(from, "run"), 0o555); err != nil {
		t.Fatal(err)
	}
	_, err := Tree(from, to, Options{
		Owned:  true,
		Render: func(path, rel string) ([]byte, error) { return []byte("made of " + filepath.ToSlash(rel)), nil },
		Skip: func(rel string, d fs.DirEntry) (bool, error) {
			return rel == "skip" || rel == filepath.Join("skip", "a"), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := listed(t, to); got != "run=made of run skip/ skip/taken=made of skip/taken" {
		t.Errorf("got %s", got)
	}
	if got := modeOf(t, filepath.Join(to, "run")).Perm(); runtime.GOOS != "windows" && got != 0o755 {
		t.Errorf("mode %v: the source's, and the owner's right to write", got)
	}
}

func TestAReaderSeesTheOldOrTheNewContentWhole(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	contents := [2][]byte{bytes.Repeat([]byte("0"), 1<<20), bytes.Repeat([]byte("1"), 1<<20)}
	path, target := filepath.Join(from, "f"), filepath.Join(to, "f")
	put := func(i int) {
		if err := os.WriteFile(path, contents[i%2], 0o644); err != nil {
			t.Fatal(err)
		}
		copied(t, from, to)
	}
	put(0)
	stop := make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			got, err := os.ReadFile(target)
			if err != nil || !bytes.Equal(got, contents[0]) && !bytes.Equal(got, contents[1]) {
				t.Errorf("a reader saw %d bytes, %v", len(got), err)
				return
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	for i := range 30 {
		put(i)
	}
	close(stop)
	reading.Wait()
}

func TestAFileIsCopiedWithItsMode(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	write(t, dir, map[string]string{"from": "new", "to": "old"})
	if err := os.Chmod(from, 0o751); err != nil {
		t.Fatal(err)
	}
	if err := File(from, to); err != nil {
		t.Fatal(err)
	}
	if got := modeOf(t, to).Perm(); runtime.GOOS != "windows" && got != 0o751 {
		t.Errorf("mode %v", got)
	}
	if got := listed(t, dir); got != "from=new to=new" {
		t.Errorf("got %s", got)
	}
	if err := File(dir, to); err == nil || listed(t, dir) != "from=new to=new" {
		t.Errorf("a directory was taken for a file: %v", err)
	}
}

func TestWhatAKilledCopyLeftIsRemovedAndNeverCopied(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	write(t, from, map[string]string{"a": "a", temporary + "1/b": "b", temporary + "2": "c"})
	write(t, to, map[string]string{temporary + "old/b": "b", temporary + "young/b": "b"})
	past := time.Now().Add(-2 * staleAfter)
	if err := os.Chtimes(filepath.Join(to, temporary+"old"), past, past); err != nil {
		t.Fatal(err)
	}
	copied(t, from, to)
	if got, want := listed(t, to), temporary+"young/ "+temporary+"young/b=b a=a"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
