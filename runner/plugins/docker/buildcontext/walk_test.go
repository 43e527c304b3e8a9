package buildcontext

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// tree makes files; a name that ends with a slash is a directory, "a -> b" a symbolic link.
func tree(t *testing.T, names ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range names {
		path := filepath.Join(root, name)
		if link, target, ok := strings.Cut(name, " -> "); ok {
			if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
				t.Skip("this file system has no symbolic links:", err)
			}
			continue
		}
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func walked(t *testing.T, d Dir, f Filter) []string {
	t.Helper()
	var names []string
	if err := d.Walk(f, func(e Entry) error {
		names = append(names, e.Name)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return names
}

// The rules are Docker's: https://docs.docker.com/build/concepts/context/#dockerignore-files.
func TestWalkLeavesOutWhatIsIgnored(t *testing.T) {
	root := tree(t, "a", "a.log", "b/c", "b/c.log", "b/d/e.log", "b/keep/f.log", "empty/", "node_modules/x/y", "node_modules/z", "*star", "b-/x")
	all := []string{"*star", "a", "a.log", "b", "b/c", "b/c.log", "b/d", "b/d/e.log", "b/keep", "b/keep/f.log", "b-", "b-/x", "empty", "node_modules", "node_modules/x", "node_modules/x/y", "node_modules/z"}
	without := func(drop ...string) []string {
		return slices.DeleteFunc(slices.Clone(all), func(n string) bool { return slices.Contains(drop, n) })
	}
	cases := map[string]struct {
		filter Filter
		want   []string
	}{
		"nothing":                      {Filter{}, all},
		"a file of the root":           {Filter{Exclude: []string{"*.log"}}, without("a.log")},
		"files of any depth":           {Filter{Exclude: []string{"**/*.log"}}, without("a.log", "b/c.log", "b/d/e.log", "b/keep/f.log")},
		"a directory":                  {Filter{Exclude: []string{"node_modules"}}, without("node_modules", "node_modules/x", "node_modules/x/y", "node_modules/z")},
		"a directory, but one file":    {Filter{Exclude: []string{"node_modules", "!node_modules/x/y"}}, without("node_modules/z")},
		"everything but":               {Filter{Exclude: []string{"*", "!b/d"}}, []string{"b", "b/d", "b/d/e.log"}},
		"everything but, by wildcard":  {Filter{Exclude: []string{"**", "!**/*.log"}}, []string{"a.log", "b", "b/c.log", "b/d", "b/d/e.log", "b/keep", "b/keep/f.log"}},
		"the last rule counts":         {Filter{Exclude: []string{"!a.log", "a.log"}}, without("a.log")},
		"only what is included":        {Filter{Include: []string{"b/d"}}, []string{"b", "b/d", "b/d/e.log"}},
		"included and ignored":         {Filter{Include: []string{"b"}, Exclude: []string{"**/*.log"}}, []string{"b", "b/c", "b/d", "b/keep"}},
		"nothing that is there":        {Filter{Include: []string{"gone"}}, nil},
		"a name that is a pattern too": {Filter{Exclude: []string{`\*star`}}, without("*star")},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := walked(t, Dir{Root: root}, c.filter); !slices.Equal(sorted(got), sorted(c.want)) {
				t.Errorf("got %q\nwant %q", got, c.want)
			}
		})
	}
}

func sorted(names []string) []string { names = slices.Clone(names); slices.Sort(names); return names }

func TestWalkTellsParentsFirstAndNamesInOrder(t *testing.T) {
	got := walked(t, Dir{Root: tree(t, "b/z", "b/a/x", "a", "b-c", "b.d/e")}, Filter{})
	if want := []string{"a", "b", "b/a", "b/a/x", "b/z", "b-c", "b.d", "b.d/e"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFollowAddsWhereLinksLead(t *testing.T) {
	root := tree(t, "real/file", "other/x", "dir -> real", "chain -> dir", "up -> ../outside", "loop -> loop", "abs -> /other")
	for path, want := range map[string][]string{
		"real/file":  {"real/file"},
		"dir/file":   {"dir", "dir/file", "real", "real/file"},
		"chain/file": {"chain", "chain/file", "dir", "dir/file", "real", "real/file"},
		"up":         {"outside", "up"},
		"loop":       {"loop"},
		"abs/x":      {"abs", "abs/x", "other", "other/x"},
		"d*/file":    {"d*/file", "dir", "real", "real/file"},
		"/":          {"."},
		"../x":       {"x"},
	} {
		if got := sorted(Follow(root, []string{path})); !slices.Equal(got, want) {
			t.Errorf("%s leads to %q, want %q", path, got, want)
		}
	}
}

func TestTheSameDirectoryIsTheSameArchive(t *testing.T) {
	root := tree(t, "a", "b/c", "link -> a", ".dockerignore")
	at := time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)
	if err := os.Chtimes(filepath.Join(root, "b/c"), at, at); err != nil {
		t.Fatal(err)
	}
	pack := func() []byte {
		var out bytes.Buffer
		if err := Tar(&out, Dir{Root: root}, Filter{}, File{Name: ".dockerignore", Content: []byte("mine"), Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	first := pack()
	if !bytes.Equal(first, pack()) {
		t.Error("two archives of one directory differ")
	}
	found := map[string]*tar.Header{}
	content := map[string]string{}
	for r := tar.NewReader(bytes.NewReader(first)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(r)
		found[h.Name], content[h.Name] = h, string(text)
	}
	if content[".dockerignore"] != "mine" || content["b/c"] != "b/c" || found["link"].Linkname != "a" || found["b/"] == nil || len(found) != 5 {
		t.Errorf("got %v", content)
	}
	if h := found["b/c"]; h.Uid != 0 || h.Gid != 0 || h.Uname != "" || !h.ModTime.Equal(at.Truncate(time.Second)) {
		t.Errorf("got %+v", h)
	}
}

func TestIgnoredPrefersTheDockerfilesOwnFile(t *testing.T) {
	root := tree(t, "x")
	file := filepath.Join(root, "Dockerfile")
	check := func(want ...string) {
		t.Helper()
		if got, err := Ignored(root, file); err != nil || !slices.Equal(got, want) {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	check()
	put := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put(filepath.Join(root, ".dockerignore"), "# a comment\n\n/a/\n! b \n")
	check("a", "!b")
	put(file+".dockerignore", "c\n")
	check("c")
}

func TestWhatIsNoFileIsLeftOut(t *testing.T) {
	root := tree(t, "a")
	if err := fifo(filepath.Join(root, "pipe")); err != nil {
		t.Skip("no pipes here:", err)
	}
	if info, err := os.Lstat(filepath.Join(root, "pipe")); err != nil || info.Mode()&fs.ModeNamedPipe == 0 {
		t.Fatal(info, err)
	}
	if got := walked(t, Dir{Root: root}, Filter{}); !slices.Equal(got, []string{"a"}) {
		t.Errorf("got %q", got)
	}
}
