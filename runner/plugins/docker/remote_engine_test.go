//go:build docker

package docker

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/waypoint-serverless/waypoint/runner/plugins/image"
)

// authority makes certificates for a test, and writes them as an engine's clients want them.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{key: key, cert: cert}
}

// write makes a key pair and puts it with the authority's certificate into a directory.
func (a *authority) write(t *testing.T) (string, tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "ca.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})))
	write(t, filepath.Join(dir, "cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})))
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return dir, pair
}

// overTLS is the engine behind TLS, as a remote one is: who has no certificate of the authority is not let in.
func overTLS(t *testing.T, a *authority) (host string) {
	t.Helper()
	socket := strings.TrimPrefix(theEngine(t).host, "unix://")
	_, pair := a.write(t)
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	config := &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12,
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	t.Cleanup(func() { _ = listener.Close(); group.Wait() })
	group.Go(func() {
		for {
			plain, err := listener.Accept()
			if err != nil {
				return
			}
			group.Go(func() {
				conn := tls.Server(plain, config)
				defer conn.Close()
				err := conn.Handshake()
				if header := (tls.RecordHeaderError{}); errors.As(err, &header) && header.Conn != nil { // as Go's server, and so the engine, says it
					_, _ = io.WriteString(header.Conn, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
					_ = header.Conn.Close()
				}
				if err != nil {
					return
				}
				back, err := net.Dial("unix", socket)
				if err != nil {
					return
				}
				defer back.Close()
				done := make(chan struct{}, 2)
				go func() { _, _ = io.Copy(back, conn); _ = back.(*net.UnixConn).CloseWrite(); done <- struct{}{} }()
				go func() { _, _ = io.Copy(conn, back); _ = conn.Close(); done <- struct{}{} }()
				<-done
				<-done
			})
		}
	})
	return "tcp://" + listener.Addr().String()
}

func TestDockerEngineOverTLS(t *testing.T) {
	ours, other := newAuthority(t), newAuthority(t)
	host := overTLS(t, ours)
	good, _ := ours.write(t)
	wrong, _ := other.write(t)
	for title, c := range map[string]struct {
		environ []string
		config  *ClientConfig
		fails   string
	}{
		"DOCKER_CERT_PATH":                {environ: []string{"DOCKER_HOST=" + host, "DOCKER_CERT_PATH=" + good, "DOCKER_TLS_VERIFY=1"}},
		"host and cert_path":              {config: &ClientConfig{Host: host, CertPath: good}},
		"api_version":                     {config: &ClientConfig{Host: host, CertPath: good, APIVersion: "1.41"}},
		"no certificates":                 {config: &ClientConfig{Host: host}, fails: "speaks TLS and no certificates are configured"},
		"another's certificates":          {config: &ClientConfig{Host: host, CertPath: wrong}, fails: "do not accept each other's certificates"},
		"a version that it does not have": {config: &ClientConfig{Host: host, CertPath: good, APIVersion: "1.99"}, fails: "speaks up to 1."},
	} {
		t.Run(title, func(t *testing.T) {
			e, err := connect(t.Context(), c.environ, c.config)
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Fatalf("got %v", err)
				}
				explained(t, err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if c.config != nil && c.config.APIVersion != "" && e.ClientVersion() != c.config.APIVersion {
				t.Errorf("speaks %s", e.ClientVersion())
			}
			_ = e.Close()
		})
	}
	for name, kit := range builders() {
		t.Run("builds with "+name, func(t *testing.T) {
			env, _ := engineEnv(t, contextOf(t, map[string]string{"Dockerfile": simple}))
			env.Environ = append(env.Environ, "DOCKER_HOST="+host, "DOCKER_CERT_PATH="+good, "DOCKER_TLS_VERIFY=1")
			img, _ := built(t, env, BuilderConfig{BuildKit: kit})
			if about := inspect(t, theEngine(t), img.Name()); about.ID != img.ID || img.Location != image.InEngine {
				t.Errorf("the engine has %s, built was %+v", about.ID, img)
			}
		})
	}
}

// asAnotherUser is set where the test runs as somebody who may not use the engine.
const asAnotherUser = "TEST_AS_ANOTHER_USER"

// TestDockerAsAnotherUser is started by the test below, as a user who may not use the engine.
func TestDockerAsAnotherUser(t *testing.T) {
	if os.Getenv(asAnotherUser) == "" {
		return // nothing to check as this user
	}
	_, err := connect(t.Context(), nil, nil)
	if all := explained(t, err); !strings.Contains(all, "may not use the Docker engine at unix:///var/run/docker.sock: permission denied") || !strings.Contains(all, "usermod") {
		t.Errorf("got %s", all)
	}
}

func TestDockerPermissionDeniedIsExplained(t *testing.T) {
	if host := theEngine(t).host; os.Getuid() != 0 || host != "unix:///var/run/docker.sock" {
		t.Skipf("needs root and the machine's own engine, to become somebody who may not use it; the engine is %s", host)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	binary, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/tmp", "docker-test") // a directory that everybody can enter
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	copied := filepath.Join(dir, "test")
	if err := os.WriteFile(copied, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), copied, "-test.run", "^TestDockerAsAnotherUser$", "-test.v")
	cmd.Dir, cmd.Env = dir, []string{asAnotherUser + "=1", "HOME=" + dir, "TMPDIR=" + dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS: TestDockerAsAnotherUser") {
		t.Errorf("%v: %s", err, out)
	}
}
