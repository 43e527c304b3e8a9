package source

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

func newKey(t *testing.T) (ssh.Signer, string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "test")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer, string(pem.EncodeToMemory(block))
}

// sshPassword opens sshServer, besides its key.
const sshPassword = "an-ssh-s3cret"

// sshServer serves git-upload-pack over ssh to one key.
func sshServer(t *testing.T, host ssh.Signer, user ssh.PublicKey) string {
	t.Helper()
	program, err := exec.LookPath("git")
	if err != nil {
		t.Skip("git over ssh is served by the git program, which is not here")
	}
	config := &ssh.ServerConfig{
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if string(key.Marshal()) != string(user.Marshal()) {
				return nil, os.ErrPermission
			}
			return nil, nil
		},
		PasswordCallback: func(_ ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
			if string(password) != sshPassword {
				return nil, os.ErrPermission
			}
			return nil, nil
		},
	}
	config.AddHostKey(host)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serveSSH(conn, config, program)
		}
	}()
	return listener.Addr().String()
}

func serveSSH(conn net.Conn, config *ssh.ServerConfig, program string) {
	defer func() { _ = conn.Close() }()
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for c := range channels {
		channel, reqs, err := c.Accept()
		if err != nil {
			return
		}
		go func() {
			for req := range reqs {
				if req.Type != "exec" {
					_ = req.Reply(false, nil)
					continue
				}
				_ = req.Reply(true, nil)
				var p struct{ Command string }
				_ = ssh.Unmarshal(req.Payload, &p)
				path := strings.Trim(strings.TrimPrefix(p.Command, "git-upload-pack "), "'")
				cmd := exec.CommandContext(context.Background(), program, "upload-pack", path)
				cmd.Stdout, cmd.Stderr = channel, channel.Stderr()
				in, _ := cmd.StdinPipe()
				go func() { _, _ = io.Copy(in, channel); _ = in.Close() }()
				code := uint32(0)
				if cmd.Run() != nil {
					code = 1
				}
				_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Code uint32 }{code}))
				_ = channel.Close()
			}
		}()
	}
}

func TestFetchOverSSHChecksTheHostKey(t *testing.T) {
	h := newHistory(t)
	host, _ := newKey(t)
	other, otherPEM := newKey(t)
	user, userPEM := newKey(t)
	address := sshServer(t, host, user.PublicKey())
	url := "ssh://git@" + address + h.dir
	line := func(key ssh.PublicKey) string { return knownhosts.Line([]string{knownhosts.Normalize(address)}, key) }
	file := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(file, []byte(line(host.PublicKey())+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		lines, key string
		files      []string
		fails      string
	}{
		"known by the source":            {lines: line(host.PublicKey()), key: userPEM},
		"known by the runner":            {files: []string{file}, key: userPEM},
		"unknown":                        {key: userPEM, fails: "is unknown (" + ssh.FingerprintSHA256(host.PublicKey())},
		"another one than the known":     {lines: line(other.PublicKey()), key: userPEM, fails: "is not the known one"},
		"a key that the host refuses":    {lines: line(host.PublicKey()), key: otherPEM, fails: "unable to authenticate"},
		"a key that is none":             {lines: line(host.PublicKey()), key: "BEGIN s3cret", fails: "cannot be read"},
		"known hosts that make no sense": {lines: "what is this", key: userPEM, fails: "known ssh hosts cannot be read"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			files := c.files
			if files == nil {
				files = []string{}
			}
			got, err := Fetch(t.Context(), Request{
				Source: gitSource(&waypointv1.GitSource{Url: url, PrivateKeyPem: c.key, KnownHosts: c.lines}),
				Dir:    filepath.Join(t.TempDir(), "s"), KnownHosts: files,
			})
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) || strings.Contains(err.Error(), "s3cret") {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Ref.GetCommit() != h.second {
				t.Fatalf("got %v", got.Ref)
			}
		})
	}
}
