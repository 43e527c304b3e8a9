package source

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

const (
	testUser     = "ada"
	testPassword = "s3cret-word"
)

// published makes a bare repository NAME.git below root out of a work tree.
func published(t *testing.T, root, tree string) {
	t.Helper()
	name := filepath.Join(root, filepath.Base(tree)+".git")
	runGit(t, root, "clone", "-q", "--bare", "--no-local", tree, name)
	runGit(t, name, "config", "uploadpack.allowAnySHA1InWant", "true")
}

// lfsStore is the batch API of Git LFS, and the objects behind it.
type lfsStore struct {
	mu      sync.Mutex
	objects map[string][]byte
	// href is where objects are downloaded; empty: from the server itself.
	href string
}

// pointer keeps an object and returns the text that stands in its place in a repository.
func (l *lfsStore) pointer(content string) string {
	sum := sha256.Sum256([]byte(content))
	oid := hex.EncodeToString(sum[:])
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.objects == nil {
		l.objects = map[string][]byte{}
	}
	l.objects[oid] = []byte(content)
	return fmt.Sprintf("version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n", oid, len(content))
}

func (l *lfsStore) serve(w http.ResponseWriter, r *http.Request) bool {
	if oid, ok := strings.CutPrefix(r.URL.Path, "/lfs-objects/"); ok {
		l.mu.Lock()
		defer l.mu.Unlock()
		_, _ = w.Write(l.objects[oid])
		return true
	}
	if !strings.HasSuffix(r.URL.Path, "/objects/batch") {
		return false
	}
	var in struct {
		Objects []struct {
			OID  string `json:"oid"`
			Size int64  `json:"size"`
		} `json:"objects"`
	}
	_ = json.NewDecoder(r.Body).Decode(&in)
	base := l.href
	if base == "" {
		base = "http://" + r.Host
		if r.TLS != nil {
			base = "https://" + r.Host
		}
	}
	objects := []map[string]any{}
	for _, o := range in.Objects {
		object := map[string]any{"oid": o.OID, "size": o.Size}
		l.mu.Lock()
		if l.objects[o.OID] == nil {
			object["error"] = map[string]any{"code": 404, "message": "not here"}
		} else {
			object["actions"] = map[string]any{"download": map[string]any{"href": base + "/lfs-objects/" + o.OID}}
		}
		l.mu.Unlock()
		objects = append(objects, object)
	}
	w.Header().Set("Content-Type", "application/vnd.git-lfs+json")
	_ = json.NewEncoder(w).Encode(map[string]any{"transfer": "basic", "objects": objects})
	return true
}

// guarded asks for credentials whatever it is asked for, and is sent none if all is well.
func guarded(w http.ResponseWriter, _ *http.Request) bool {
	w.Header().Set("WWW-Authenticate", `Basic realm="other"`)
	w.WriteHeader(http.StatusUnauthorized)
	return true
}

// origins are a source's server and servers at other origins.
type origins struct {
	root, trees string
	store       *lfsStore
	main        *gitServer
	// others by what differs from main; all ask for credentials.
	port, host, scheme *gitServer
	// public asks for none.
	public *gitServer
	spied  *spy
}

func newOrigins(t *testing.T) *origins {
	t.Helper()
	o := &origins{root: t.TempDir(), trees: t.TempDir(), store: &lfsStore{}, spied: &spy{}}
	redirects := map[string]func() string{
		"/elsewhere.git":       func() string { return o.port.url + "/plain.git" },
		"/downgrade.git":       func() string { return o.scheme.url + "/plain.git" },
		"/early-elsewhere.git": func() string { return o.port.url + "/plain.git" },
		"/early-downgrade.git": func() string { return o.scheme.url + "/plain.git" },
		"/early-renamed.git":   func() string { return o.main.url + "/plain.git" },
	}
	redirected := func(w http.ResponseWriter, r *http.Request) bool {
		for from, to := range redirects {
			if rest, ok := strings.CutPrefix(r.URL.Path, from); ok {
				http.Redirect(w, r, to()+rest+"?"+r.URL.RawQuery, http.StatusFound)
				return true
			}
		}
		return false
	}
	o.main = serveGit(t, o.root, serving{
		user: testUser, password: testPassword, tls: true,
		then: func(w http.ResponseWriter, r *http.Request) bool {
			o.spied.look()
			return redirected(w, r) || o.store.serve(w, r)
		},
		// GitHub's redirect of a renamed repository comes before it asks who somebody is.
		first: func(w http.ResponseWriter, r *http.Request) bool {
			return strings.HasPrefix(r.URL.Path, "/early-") && redirected(w, r)
		},
	})
	o.port = serveGit(t, o.root, serving{tls: true, first: guarded})
	o.host = serveGit(t, o.root, serving{tls: true, first: guarded, host: "127.0.0.2"})
	o.scheme = serveGit(t, o.root, serving{first: guarded})
	o.public = serveGit(t, o.root, serving{tls: true, then: o.store.serve})
	newRepo(t, filepath.Join(o.trees, "lib"), map[string]string{"lib.txt": "lib"})
	newRepo(t, filepath.Join(o.trees, "plain"), map[string]string{"plain.txt": "plain"})
	published(t, o.root, filepath.Join(o.trees, "lib"))
	published(t, o.root, filepath.Join(o.trees, "plain"))
	return o
}

// byName is main's url with the machine's name in the place of its address: another host to git.
func (o *origins) byName() string { return strings.Replace(o.main.url, "127.0.0.1", "localhost", 1) }

// check fails if a credential reached another origin than main's.
func (o *origins) check(t *testing.T) {
	t.Helper()
	for name, s := range map[string]*gitServer{"another port": o.port, "another host": o.host, "plain http": o.scheme, "a public server": o.public} {
		if sent := s.authorizations(); len(sent) > 0 {
			t.Errorf("%s was sent credentials: %v", name, sent)
		}
	}
	for _, r := range o.main.requests() {
		if r.authorization != "" && !strings.HasPrefix(r.host, "127.0.0.1:") {
			t.Errorf("%s was sent credentials under the name %s", r.path, r.host)
		}
	}
	if found := o.spied.found(); len(found) > 0 {
		t.Errorf("the password stands in arguments or environments: %v", found)
	}
}

// forget makes the servers as they were.
func (o *origins) forget() {
	for _, s := range []*gitServer{o.main, o.port, o.host, o.scheme, o.public} {
		s.mu.Lock()
		s.seen = nil
		s.mu.Unlock()
	}
	o.store.href = ""
}

// spy looks for the password in the arguments and environments of all processes, while they run.
type spy struct {
	mu   sync.Mutex
	hits []string
}

func (s *spy) look() {
	files, _ := filepath.Glob("/proc/[0-9]*/*")
	for _, file := range files {
		base := filepath.Base(file)
		if base != "cmdline" && base != "environ" {
			continue
		}
		if text, err := os.ReadFile(file); err == nil && bytes.Contains(text, []byte(testPassword)) {
			s.mu.Lock()
			s.hits = append(s.hits, fmt.Sprintf("%s: %.300q", file, text))
			s.mu.Unlock()
		}
	}
}

func (s *spy) found() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hits
}

func fetchInto(t *testing.T, g *waypointv1.GitSource) (*Fetched, error) {
	t.Helper()
	parent := t.TempDir()
	got, err := Fetch(t.Context(), Request{Source: gitSource(g), Dir: filepath.Join(parent, "source"), KnownHosts: []string{}})
	if left, _ := filepath.Glob(filepath.Join(parent, "git-*")); len(left) > 0 {
		t.Errorf("a directory with credentials is left: %v", left)
	}
	if err != nil && strings.Contains(err.Error(), testPassword) {
		t.Errorf("the error shows the password: %v", err)
	}
	return got, err
}

func TestCredentialsStayAtTheirOrigin(t *testing.T) {
	cases := map[string]struct {
		// make fills the tree of the repository main; url is what is fetched, by default main's.
		make  func(t *testing.T, o *origins, tree, lib string)
		url   func(o *origins) string
		file  string
		fails string
	}{
		"alone": {file: "main.txt"},
		"a submodule beside it": {
			make: func(t *testing.T, _ *origins, tree, lib string) { addSubmodule(t, tree, "sub", "../lib.git", lib) },
			file: "sub/lib.txt",
		},
		"a submodule at the same origin with a name": {
			make: func(t *testing.T, o *origins, tree, lib string) {
				addSubmodule(t, tree, "sub", strings.Replace(o.main.url, "https://", "https://someone@", 1)+"/lib.git", lib)
			},
			file: "sub/lib.txt",
		},
		"a submodule at another port": {
			make: func(t *testing.T, o *origins, tree, lib string) {
				addSubmodule(t, tree, "sub", o.port.url+"/lib.git", lib)
			},
			fails: "refused the credentials",
		},
		"a submodule at another address": {
			make: func(t *testing.T, o *origins, tree, lib string) {
				addSubmodule(t, tree, "sub", o.host.url+"/lib.git", lib)
			},
			fails: "refused the credentials",
		},
		"a submodule at another name of the host": {
			make: func(t *testing.T, o *origins, tree, lib string) {
				addSubmodule(t, tree, "sub", o.byName()+"/lib.git", lib)
			},
			fails: "refused the credentials",
		},
		"a submodule over plain http": {
			make: func(t *testing.T, o *origins, tree, lib string) {
				addSubmodule(t, tree, "sub", o.scheme.url+"/lib.git", lib)
			},
			fails: "refused the credentials",
		},
		"a public submodule elsewhere": {
			make: func(t *testing.T, o *origins, tree, lib string) {
				addSubmodule(t, tree, "sub", o.public.url+"/lib.git", lib)
			},
			file: "sub/lib.txt",
		},
		"a nested submodule elsewhere": {
			make: func(t *testing.T, o *origins, tree, lib string) {
				middle := filepath.Join(o.trees, "middle")
				newRepo(t, middle, map[string]string{"x": "x"})
				addSubmodule(t, middle, "deep", o.port.url+"/lib.git", lib)
				published(t, o.root, middle)
				addSubmodule(t, tree, "sub", "../middle.git", runGit(t, middle, "rev-parse", "HEAD"))
			},
			fails: "refused the credentials",
		},
		"a submodule that redirects elsewhere": {
			make: func(t *testing.T, o *origins, tree, lib string) {
				addSubmodule(t, tree, "sub", "../elsewhere.git", lib)
			},
			fails: "refused the credentials",
		},
		"a redirect elsewhere":              {url: func(o *origins) string { return o.main.url + "/elsewhere.git" }, fails: "refused the credentials"},
		"a redirect to plain http":          {url: func(o *origins) string { return o.main.url + "/downgrade.git" }, fails: "not allowed"},
		"an early redirect elsewhere":       {url: func(o *origins) string { return o.main.url + "/early-elsewhere.git" }, fails: "refused the credentials"},
		"an early redirect to plain http":   {url: func(o *origins) string { return o.main.url + "/early-downgrade.git" }, fails: "not allowed"},
		"an early redirect within the host": {url: func(o *origins) string { return o.main.url + "/early-renamed.git" }, file: "plain.txt"},
		"a password in the url": {url: func(o *origins) string {
			return strings.Replace(o.main.url, "https://", "https://old:wrong@", 1) + "/plain.git"
		}, file: "plain.txt"},
		"LFS at its own server": {
			make: func(t *testing.T, o *origins, tree, _ string) { addLFS(t, o, tree, "") },
			file: "big.bin",
		},
		"LFS at another port": {
			make:  func(t *testing.T, o *origins, tree, _ string) { addLFS(t, o, tree, o.port.url+"/lfs") },
			fails: "fetching big.bin from Git LFS",
		},
		"LFS over plain http": {
			make:  func(t *testing.T, o *origins, tree, _ string) { addLFS(t, o, tree, o.scheme.url+"/lfs") },
			fails: "fetching big.bin from Git LFS",
		},
		"LFS at another name of the host": {
			make:  func(t *testing.T, o *origins, tree, _ string) { addLFS(t, o, tree, o.byName()+"/plain.git/info/lfs") },
			fails: "fetching big.bin from Git LFS",
		},
		"LFS at a public server": {
			make: func(t *testing.T, o *origins, tree, _ string) { addLFS(t, o, tree, o.public.url+"/lfs") },
			file: "big.bin",
		},
		"LFS whose objects are elsewhere": {
			make: func(t *testing.T, o *origins, tree, _ string) {
				addLFS(t, o, tree, "")
				o.store.href = o.public.url
			},
			file: "big.bin",
		},
		"LFS of a submodule elsewhere": {
			make: func(t *testing.T, o *origins, tree, _ string) {
				part := filepath.Join(o.trees, "part")
				newRepo(t, part, nil)
				addLFS(t, o, part, "")
				published(t, o.root, part)
				addSubmodule(t, tree, "sub", o.public.url+"/part.git", runGit(t, part, "rev-parse", "HEAD"))
			},
			file: "sub/big.bin",
		},
	}
	o := newOrigins(t)
	lib := runGit(t, filepath.Join(o.trees, "lib"), "rev-parse", "HEAD")
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if strings.HasPrefix(name, "LFS") {
				required(t, "git-lfs", "git-lfs")
			}
			o.forget()
			repo := strings.ReplaceAll(name, " ", "-")
			tree := filepath.Join(o.trees, repo)
			newRepo(t, tree, map[string]string{"main.txt": "main"})
			if c.make != nil {
				c.make(t, o, tree, lib)
			}
			published(t, o.root, tree)
			url := o.main.url + "/" + repo + ".git"
			if c.url != nil {
				url = c.url(o)
			}
			got, err := fetchInto(t, &waypointv1.GitSource{Url: url, Username: testUser, Password: testPassword, RecurseSubmodules: true})
			o.check(t)
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(filepath.Join(got.Dir, c.file))
			if err != nil || strings.Contains(string(text), "version https") {
				t.Fatalf("%s: %.100q, %v", c.file, text, err)
			}
			if sent := o.main.authorizations(); len(sent) == 0 {
				t.Error("the server saw no credentials: the test proves nothing")
			}
			if status := runGit(t, got.Root, "status", "--porcelain"); status != "" {
				t.Errorf("the checkout has changes: %s", status)
			}
		})
	}
}

// addLFS commits a file that is kept in LFS, at an endpoint that the repository names unless it is empty.
func addLFS(t *testing.T, o *origins, tree, endpoint string) {
	t.Helper()
	writeFile(t, filepath.Join(tree, ".gitattributes"), "*.bin filter=lfs diff=lfs merge=lfs -text\n")
	writeFile(t, filepath.Join(tree, "big.bin"), o.store.pointer(strings.Repeat("big", 1000)))
	if endpoint != "" {
		writeFile(t, filepath.Join(tree, ".lfsconfig"), "[lfs]\n\turl = "+endpoint+"\n")
	}
	commitAll(t, tree, "LFS")
}

func TestGitLFS(t *testing.T) {
	required(t, "git-lfs", "git-lfs")
	const batch = `[lfs]
	skipdownloaderrors = true
`
	cases := map[string]struct {
		files map[string]string
		lost  bool // the server has no object
		path  func(t *testing.T) string
		fails []string
		text  string
	}{
		"files of LFS": {files: map[string]string{"a/big.bin": "@content"}, text: "content"},
		"without git-lfs": {
			files: map[string]string{"a/big.bin": "@content", "b.bin": "@b", "c.bin": "@c", "d.bin": "@d", "e.bin": "@e", "f.bin": "@f", "g.bin": "@g", "readme": "r"},
			path:  withoutLFS,
			fails: []string{"git-lfs is not installed", "a/big.bin, b.bin, c.bin, d.bin, e.bin and 2 more files"},
		},
		"without git-lfs, and without a pointer":      {files: map[string]string{"a/big.bin": "content"}, path: withoutLFS, text: "content"},
		"an object that the server lost":              {files: map[string]string{"a/big.bin": "@content"}, lost: true, fails: []string{"fetching a/big.bin from Git LFS"}},
		"a lost object that the repository overlooks": {files: map[string]string{"a/big.bin": "@content", ".lfsconfig": batch}, lost: true, fails: []string{"fetching a/big.bin from Git LFS"}},
		"a directory of the machine as its server": {
			files: map[string]string{"a/big.bin": "@content", ".lfsconfig": "[lfs]\n\turl = file:///etc\n"}, fails: []string{"names a Git LFS server that is not allowed (file)"},
		},
		"a program as its server": {
			files: map[string]string{"a/big.bin": "@content", ".lfsconfig": "[lfs]\n\turl = ext::sh -c true\n"}, fails: []string{"not allowed"},
		},
		"an agent of the repository's": {
			files: map[string]string{"a/big.bin": "@content", ".lfsconfig": "[lfs]\n\tstandalonetransferagent = x\n[lfs \"customtransfer.x\"]\n\tpath = /bin/false\n"}, text: "content",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			store, root, tree := &lfsStore{}, t.TempDir(), filepath.Join(t.TempDir(), "main")
			files := map[string]string{".gitattributes": "*.bin filter=lfs -text\n"}
			for file, text := range c.files {
				if content, ok := strings.CutPrefix(text, "@"); ok {
					text = store.pointer(content)
				}
				files[file] = text
			}
			if c.lost {
				store.objects = nil
			}
			newRepo(t, tree, files)
			published(t, root, tree)
			server := serveGit(t, root, serving{then: store.serve})
			if c.path != nil {
				t.Setenv("PATH", c.path(t))
			}
			got, err := fetchInto(t, &waypointv1.GitSource{Url: server.url + "/main.git"})
			for _, fails := range c.fails {
				if err == nil || !strings.Contains(err.Error(), fails) {
					t.Errorf("got %v", err)
				}
			}
			if c.fails != nil {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if text, err := os.ReadFile(filepath.Join(got.Dir, "a/big.bin")); err != nil || string(text) != c.text {
				t.Errorf("got %.100q, %v", text, err)
			}
		})
	}
}

// withoutLFS is a PATH with git and a shell, without git-lfs.
func withoutLFS(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, program := range []string{"git", "sh", "cat", "ssh"} {
		if err := os.Symlink(required(t, program, program), filepath.Join(dir, program)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
