package source

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"crypto/ed25519"
	"crypto/rand"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// sshDaemon is OpenSSH's server with its log.
type sshDaemon struct {
	port string
	mu   sync.Mutex
	log  bytes.Buffer
}

func (d *sshDaemon) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.Write(p)
}

func (d *sshDaemon) said() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.String()
}

// startSSHD runs a server with a host key that lets in the keys authorized.
func startSSHD(t *testing.T, hostPEM string, authorized ...ssh.PublicKey) *sshDaemon {
	t.Helper()
	program := required(t, "sshd", "openssh-server")
	if os.Getuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	var keys bytes.Buffer
	for _, k := range authorized {
		keys.Write(ssh.MarshalAuthorizedKey(k))
	}
	for name, text := range map[string]string{"host": hostPEM, "keys": keys.String()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	_ = listener.Close()
	d := &sshDaemon{port: port}
	cmd := exec.Command(program, "-D", "-e", "-f", os.DevNull, "-p", port, "-h", filepath.Join(dir, "host"),
		"-o", "ListenAddress=127.0.0.1", "-o", "AuthorizedKeysFile="+filepath.Join(dir, "keys"), "-o", "StrictModes=no",
		"-o", "LogLevel=VERBOSE", "-o", "PidFile=none", "-o", "UsePAM=no", "-o", "PasswordAuthentication=no")
	cmd.Stderr = d
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for deadline := time.Now().Add(2 * time.Minute); !strings.Contains(d.said(), "Server listening"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("sshd does not listen: %s", d.said())
		}
	}
	return d
}

func TestASSHKeyIsOfferedToItsHostAlone(t *testing.T) {
	required(t, "sshd", "openssh-server")
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	host, hostPEM := newKey(t)
	key, keyPEM := newKey(t)
	source := startSSHD(t, hostPEM, key.PublicKey())
	other := startSSHD(t, hostPEM, key.PublicKey())
	known := knownhosts.Line([]string{"[127.0.0.1]:" + source.port, "[127.0.0.1]:" + other.port, "[localhost]:" + source.port}, host.PublicKey())
	at := func(host, port string) string { return "ssh://" + me.Username + "@" + net.JoinHostPort(host, port) }

	root := t.TempDir()
	commit := newRepo(t, filepath.Join(root, "lib"), map[string]string{"name": "lib"})
	repo := func(name, url string) string {
		dir := filepath.Join(root, name)
		newRepo(t, dir, map[string]string{"name": name})
		if url != "" {
			addSubmodule(t, dir, "sub", url, commit)
		}
		return dir
	}
	fingerprint := ssh.FingerprintSHA256(key.PublicKey())
	cases := map[string]struct {
		url     string
		key     string
		pass    string
		fails   string
		isOther bool
	}{
		"alone":                    {url: at("127.0.0.1", source.port) + repo("alone", ""), key: keyPEM},
		"a key with a passphrase":  {url: at("127.0.0.1", source.port) + repo("pass", ""), key: locked(t, "open-sesame"), pass: "open-sesame", fails: "unable to authenticate"},
		"a wrong passphrase":       {url: at("127.0.0.1", source.port) + repo("wrong", ""), key: locked(t, "open-sesame"), pass: "no", fails: "private key cannot be read"},
		"a missing passphrase":     {url: at("127.0.0.1", source.port) + repo("missing", ""), key: locked(t, "open-sesame"), fails: "private key cannot be read"},
		"a submodule beside it":    {url: at("127.0.0.1", source.port) + repo("beside", "../lib"), key: keyPEM},
		"a submodule at its url":   {url: at("127.0.0.1", source.port) + repo("same", at("127.0.0.1", source.port)+filepath.Join(root, "lib")), key: keyPEM},
		"a submodule elsewhere":    {url: at("127.0.0.1", source.port) + repo("port", at("127.0.0.1", other.port)+filepath.Join(root, "lib")), key: keyPEM, fails: "unable to authenticate", isOther: true},
		"another name of the host": {url: at("127.0.0.1", source.port) + repo("name", at("localhost", source.port)+filepath.Join(root, "lib")), key: keyPEM, fails: "unable to authenticate"},
		"a repository that is not": {url: at("127.0.0.1", source.port) + filepath.Join(root, "nothing"), key: keyPEM, fails: "there is no repository"},
		"a host that is not known": {url: "ssh://git@127.0.0.1:1" + root, key: keyPEM, fails: "cloning ssh://git@127.0.0.1:1"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := fetchInto(t, &waypointv1.GitSource{Url: c.url, PrivateKeyPem: c.key, PrivateKeyPassword: c.pass, KnownHosts: known, RecurseSubmodules: true})
			if c.isOther && !strings.Contains(other.said(), "Connection from") {
				t.Error("the other server was not reached: the test proves nothing")
			}
			if strings.Contains(other.said(), fingerprint) {
				t.Errorf("the key was offered to another port:\n%s", other.said())
			}
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) || strings.Contains(err.Error(), "sesame") {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(source.said(), fingerprint) {
				t.Error("the source's server does not name the key: the test proves nothing")
			}
			_ = got
		})
	}
}

// locked is a new private key with a passphrase.
func locked(t *testing.T, passphrase string) string {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKeyWithPassphrase(private, "test", []byte(passphrase))
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block))
}

func TestKeysWithAPassphraseAndPasswordsOpenSSH(t *testing.T) {
	h := newHistory(t)
	host, hostPEM := newKey(t)
	_ = hostPEM
	pass := locked(t, "open-sesame")
	raw, err := ssh.ParseRawPrivateKeyWithPassphrase([]byte(pass), []byte("open-sesame"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	address := sshServer(t, host, signer.PublicKey())
	line := knownhosts.Line([]string{address}, host.PublicKey())
	cases := map[string]struct {
		git   *waypointv1.GitSource
		fails string
	}{
		"a key with a passphrase": {git: &waypointv1.GitSource{Url: "ssh://git@" + address + h.dir, PrivateKeyPem: pass, PrivateKeyPassword: "open-sesame"}},
		"a password":              {git: &waypointv1.GitSource{Url: "ssh://git@" + address + h.dir, Password: sshPassword}},
		"a password in the url":   {git: &waypointv1.GitSource{Url: fmt.Sprintf("ssh://git:%s@%s%s", sshPassword, address, h.dir)}},
		"a wrong password":        {git: &waypointv1.GitSource{Url: "ssh://git@" + address + h.dir, Password: "wrong"}, fails: "unable to authenticate"},
		"a user of its own":       {git: &waypointv1.GitSource{Url: "ssh://" + address + h.dir, Username: "ada", Password: sshPassword}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			c.git.KnownHosts = line
			_, err := fetchInto(t, c.git)
			if c.fails == "" && err != nil || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
				t.Errorf("got %v", err)
			}
		})
	}
}
