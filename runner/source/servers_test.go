package source

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMain gives the tests a home without configuration, so that the machine's does not decide them.
func TestMain(m *testing.M) {
	home, err := os.MkdirTemp("", "waypoint-source-")
	if err != nil {
		panic(err)
	}
	for name, value := range map[string]string{"HOME": home, "XDG_CONFIG_HOME": home, "GIT_CONFIG_NOSYSTEM": "1", "SSH_AUTH_SOCK": ""} {
		_ = os.Setenv(name, value)
	}
	code := m.Run()
	_ = os.RemoveAll(home)
	os.Exit(code)
}

// required fails, or skips where the tests do not run in CI, without a program.
func required(t *testing.T, program, debian string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/" + program); err == nil {
			return path
		}
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is needed: apt-get install %s", program, debian)
		}
		t.Skipf("%s is not installed: apt-get install %s", program, debian)
	}
	return path
}

func gitCommand(dir string, args ...string) *exec.Cmd {
	cmd := exec.Command("git", append([]string{"-c", "protocol.file.allow=always", "-c", "init.defaultBranch=master"}, args...)...)
	cmd.Dir = dir
	when := "1700000000 +0000"
	cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b",
		"GIT_AUTHOR_DATE="+when, "GIT_COMMITTER_DATE="+when)
	return cmd
}

func runGit(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := gitCommand(dir, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// newRepo makes a repository with one commit of the files at dir.
func newRepo(t *testing.T, dir string, files map[string]string) string {
	t.Helper()
	for name, text := range files {
		writeFile(t, filepath.Join(dir, name), text)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	runGit(t, dir, "init", "-q")
	runGit(t, dir, "config", "uploadpack.allowAnySHA1InWant", "true")
	return commitAll(t, dir, "First")
}

func commitAll(t *testing.T, dir, message string) string {
	t.Helper()
	runGit(t, dir, "add", "-A")
	runGit(t, dir, "commit", "-q", "--allow-empty", "-m", message)
	return runGit(t, dir, "rev-parse", "HEAD")
}

// addSubmodule makes path a submodule with any url, at a commit, without asking git to fetch it.
func addSubmodule(t *testing.T, dir, path, url, commit string) {
	t.Helper()
	name := strings.ReplaceAll(path, "/", "-")
	runGit(t, dir, "config", "-f", ".gitmodules", "submodule."+name+".path", path)
	runGit(t, dir, "config", "-f", ".gitmodules", "submodule."+name+".url", url)
	runGit(t, dir, "add", ".gitmodules")
	runGit(t, dir, "update-index", "--add", "--cacheinfo", "160000,"+commit+","+path)
	runGit(t, dir, "commit", "-q", "-m", "Add "+path)
}

// history is a repository with two commits on master, a tag on the first, and a branch.
type history struct{ dir, first, second, branch string }

func newHistory(t *testing.T) history {
	t.Helper()
	h := history{dir: filepath.Join(t.TempDir(), "repo")}
	newRepo(t, h.dir, map[string]string{"app/waypoint.hcl": "one"})
	runGit(t, h.dir, "commit", "-q", "--amend", "-m", "First\n\nbody")
	h.first = runGit(t, h.dir, "rev-parse", "HEAD")
	runGit(t, h.dir, "tag", "-a", "-m", "v1.0", "v1.0")
	runGit(t, h.dir, "checkout", "-q", "-b", "feature/x")
	writeFile(t, filepath.Join(h.dir, "app/waypoint.hcl"), "branch")
	h.branch = commitAll(t, h.dir, "On a branch")
	runGit(t, h.dir, "update-ref", "refs/pull/7/head", h.branch)
	runGit(t, h.dir, "checkout", "-q", "master")
	writeFile(t, filepath.Join(h.dir, "app/waypoint.hcl"), "two")
	h.second = commitAll(t, h.dir, "Second")
	return h
}

// serving says how a server of repositories behaves.
type serving struct {
	user, password string
	tls            bool
	// host it listens on and is called by; empty: 127.0.0.1.
	host string
	// first may answer a request in the server's place.
	first func(w http.ResponseWriter, r *http.Request) bool
	// then may answer one that brought the right password.
	then func(w http.ResponseWriter, r *http.Request) bool
}

// gitServer serves repositories with git's own program, and records what it is sent.
type gitServer struct {
	url  string
	mu   sync.Mutex
	seen []request
}

type request struct{ host, path, authorization string }

func (s *gitServer) requests() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]request(nil), s.seen...)
}

// authorizations are all that the server was sent.
func (s *gitServer) authorizations() (found []string) {
	for _, r := range s.requests() {
		if r.authorization != "" {
			found = append(found, r.path+": "+r.authorization)
		}
	}
	return found
}

func serveGit(t *testing.T, dir string, how serving) *gitServer {
	t.Helper()
	handler := &cgi.Handler{
		Path: required(t, "git", "git"), Args: []string{"http-backend"},
		Env: []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1"},
		// A client that goes away is no fault of the test.
		Stderr: io.Discard,
	}
	s := &gitServer{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.seen = append(s.seen, request{r.Host, r.URL.Path, r.Header.Get("Authorization")})
		s.mu.Unlock()
		if how.first != nil && how.first(w, r) {
			return
		}
		if u, p, _ := r.BasicAuth(); how.user != "" && (u != how.user || p != how.password) {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if how.then != nil && how.then(w, r) {
			return
		}
		handler.ServeHTTP(w, r)
	}))
	host := how.host
	if host == "" {
		host = "127.0.0.1"
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	_ = server.Listener.Close()
	server.Listener = listener
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	s.url = "http://" + net.JoinHostPort(host, port)
	if how.tls {
		server.TLS = &tls.Config{Certificates: []tls.Certificate{testCertificate(t)}}
		server.StartTLS()
		s.url = "https://" + net.JoinHostPort(host, port)
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return s
}

var certificate struct {
	sync.Once
	pair tls.Certificate
	pem  []byte
	err  error
}

// testCertificate is for this machine's names, and trusted by git and git-lfs in this test.
func testCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	certificate.Do(func() {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			certificate.err = err
			return
		}
		now := time.Now()
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
			DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.ParseIP("127.0.0.1"), net.ParseIP("127.0.0.2")},
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
		certificate.err = err
		certificate.pair = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
		certificate.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	})
	if certificate.err != nil {
		t.Fatal(certificate.err)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, certificate.pem, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", path)
	t.Setenv("GIT_SSL_CAINFO", path)
	return certificate.pair
}
