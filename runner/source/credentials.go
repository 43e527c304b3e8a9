package source

import (
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/crypto/ssh"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/git"
)

// control is a private directory beside a checkout while it is fetched. It is the home directory that git sees: its
// configuration, the credentials and the ssh settings. They are bound to the scheme, host and port of the source; git and ssh
// find nothing for any other, whether a submodule, a redirect or a Git LFS endpoint leads there.
type control struct {
	dir string
	env []string
	// origin is what the credentials are bound to.
	origin string
	// secrets are texts that no message may contain.
	secrets []string
}

// newControl makes the directory. parent must be private to this job.
func newControl(parent string, g *waypointv1.GitSource, a address, knownHosts []string) (*control, error) {
	dir, err := os.MkdirTemp(parent, "git-*") // only the owner can enter it
	if err != nil {
		return nil, fmt.Errorf("making a directory for git: %w", err)
	}
	c := &control{dir: dir, origin: a.origin(), env: git.FetchedEnvironment(os.Environ(), dir)}
	if err := c.fill(g, a, knownHosts); err != nil {
		c.remove()
		return nil, err
	}
	return c, nil
}

func (c *control) remove() { _ = os.RemoveAll(c.dir) }

// write keeps a file that only its owner can read.
func (c *control) write(name, text string, mode os.FileMode) (string, error) {
	path := filepath.Join(c.dir, name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		return "", fmt.Errorf("keeping a file for git: %w", err)
	}
	return path, nil
}

// settings are git's only configuration while content is fetched. Programs of the machine, hooks, and transports beyond
// those that each command allows are off. A file of Git LFS stops the checkout at first, so that repositories without
// LFS pay nothing for it; lfs.go goes on from there.
const settings = `[core]
	hooksPath = %s
	fsmonitor = false
	protectHFS = true
	protectNTFS = true
[protocol]
	allow = never
[http]
	followRedirects = initial
	lowSpeedLimit = 100
	lowSpeedTime = 60
[credential]
	helper =
	interactive = false
[advice]
	detachedHead = false
[init]
	defaultBranch = main
[gc]
	auto = 0
[maintenance]
	auto = false
[fetch]
	recurseSubmodules = false
[submodule]
	recurse = false
[filter "lfs"]
	smudge = exit 1
	required = true
`

func (c *control) fill(g *waypointv1.GitSource, a address, knownHosts []string) error {
	config := fmt.Sprintf(settings, os.DevNull)
	user, password := g.GetUsername(), g.GetPassword()
	for _, s := range []string{password, a.password, g.GetPrivateKeyPassword()} {
		if s != "" {
			c.secrets = append(c.secrets, s)
		}
	}
	switch a.kind {
	case "http", "https":
		if user == "" {
			user = a.user
		}
		if password == "" {
			password = a.password
		}
		if user == "" && password == "" {
			break
		}
		if a.inClear() {
			return &Error{Message: "a password would cross the network in clear text", Hint: "Use an https or ssh url."}
		}
		if user == "" {
			user = "git" // hosts that take a token ask for any name
		}
		if strings.ContainsAny(user+password, "\n\r\x00") {
			return &Error{Message: "the git source's username or password contains a line break"}
		}
		answer, err := c.write("answer", "username="+user+"\npassword="+password+"\n", 0o600)
		if err != nil {
			return err
		}
		// git asks a helper in its credential protocol. The helper is bound to an origin, and prints the file.
		config += fmt.Sprintf("[credential %q]\n\thelper = %s\n", a.origin(), configValue("!cat "+shellQuoted(answer)+" #"))
	}
	if err := c.ssh(g, a, knownHosts); err != nil {
		return err
	}
	_, err := c.write(".gitconfig", config, 0o600)
	return err
}

// configValue is a value as git's configuration files take it.
func configValue(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

func shellQuoted(text string) string {
	return "'" + strings.ReplaceAll(filepath.ToSlash(text), "'", `'\''`) + "'"
}

// sshSettings are for every host. The level of messages is where ssh names the key of a host that it refuses.
const sshSettings = `Match all
	User git
	StrictHostKeyChecking yes
	UpdateHostKeys no
	UserKnownHostsFile %s
	GlobalKnownHostsFile %s
	BatchMode yes
	ConnectTimeout 30
	ServerAliveInterval 15
	ServerAliveCountMax 4
	ForwardAgent no
	ForwardX11 no
	ClearAllForwardings yes
	PermitLocalCommand no
	ControlMaster no
	ControlPath none
	LogLevel DEBUG1
`

// ssh writes the settings of OpenSSH, for the source itself and for whatever else leads to ssh.
func (c *control) ssh(g *waypointv1.GitSource, a address, knownHosts []string) error {
	user, global, err := c.knownHosts(g, knownHosts)
	if err != nil {
		return err
	}
	own, stored, err := c.identity(g, a)
	if err != nil {
		return err
	}
	text := own + fmt.Sprintf(sshSettings, user, global)
	if stored {
		// The source's key or password is for its host alone, and no other host is offered anything.
		text += "\tIdentityFile none\n\tIdentitiesOnly yes\n\tIdentityAgent none\n"
	} else {
		text += runnerKeys()
		if socket := os.Getenv("SSH_AUTH_SOCK"); socket != "" {
			c.env = append(c.env, "SSH_AUTH_SOCK="+socket)
		}
	}
	path, err := c.write("ssh_config", text, 0o600)
	if err != nil {
		return err
	}
	c.env = append(c.env, "GIT_SSH_COMMAND=ssh -F "+shellQuoted(path), "GIT_SSH_VARIANT=ssh")
	return nil
}

// identity writes what the source brings for ssh, in a block that is for its host and port alone.
func (c *control) identity(g *waypointv1.GitSource, a address) (block string, stored bool, err error) {
	if a.kind != "ssh" {
		return "", false, nil
	}
	user, password := a.user, g.GetPassword()
	if user == "" {
		user = g.GetUsername()
	}
	if user == "" {
		user = "git"
	}
	if strings.ContainsAny(user, "\"\n\r") {
		return "", false, &Error{Message: "the git source's username is not usable with ssh"}
	}
	if password == "" {
		password = a.password
	}
	port := a.port
	if port == "" {
		port = "22"
	}
	// originalhost is the name that git gave; %p is the port in use, which no other criterion sees.
	block = fmt.Sprintf("Match originalhost %q exec \"test %%p = %s\"\n\tUser \"%s\"\n", a.host, port, user)
	switch {
	case g.GetPrivateKeyPem() != "":
		key, err := c.privateKey(g)
		if err != nil {
			return "", false, err
		}
		return block + fmt.Sprintf("\tIdentityFile %s\n\tIdentitiesOnly yes\n\tIdentityAgent none\n\tPreferredAuthentications publickey\n", sshPath(key)), true, nil
	case password != "":
		secret, err := c.write("password", password+"\n", 0o600)
		if err != nil {
			return "", false, err
		}
		ask, err := c.write("askpass", "#!/bin/sh\nexec cat "+shellQuoted(secret)+"\n", 0o700)
		if err != nil {
			return "", false, err
		}
		c.env = append(c.env, "SSH_ASKPASS="+ask, "SSH_ASKPASS_REQUIRE=force", "DISPLAY=none")
		return block + "\tBatchMode no\n\tPubkeyAuthentication no\n\tPreferredAuthentications password,keyboard-interactive\n\tNumberOfPasswordPrompts 1\n", true, nil
	}
	return block, false, nil
}

// privateKey writes the source's key as OpenSSH reads it without a question.
func (c *control) privateKey(g *waypointv1.GitSource) (string, error) {
	given := []byte(g.GetPrivateKeyPem())
	raw, err := ssh.ParseRawPrivateKey(given)
	if missing := new(ssh.PassphraseMissingError); asError(err, &missing) {
		raw, err = ssh.ParseRawPrivateKeyWithPassphrase(given, []byte(g.GetPrivateKeyPassword()))
	}
	if err != nil {
		// The parser's own words can quote the key.
		return "", &Error{Message: "the git source's private key cannot be read", Hint: "It must be PEM text; an encrypted one needs its password."}
	}
	block, err := ssh.MarshalPrivateKey(raw, "")
	if err != nil {
		return "", &Error{Message: "the git source's private key is of a kind that ssh does not use", Hint: "Use an Ed25519, ECDSA or RSA key."}
	}
	return c.write("key", string(pem.EncodeToMemory(block)), 0o600)
}

// runnerKeys are the keys of the runner's own user, for sources that bring none. ssh's own settings are not read, and
// HOME decides whose they are.
func runnerKeys() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	var lines strings.Builder
	for _, name := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
		if path := filepath.Join(home, ".ssh", name); exists(path) {
			fmt.Fprintf(&lines, "\tIdentityFile %s\n", sshPath(path))
		}
	}
	return lines.String()
}

// knownHosts are the files that a host's key is looked up in: the source's own lines, then files, or else the user's and the
// system's.
func (c *control) knownHosts(g *waypointv1.GitSource, files []string) (user, global string, err error) {
	global = os.DevNull
	if files == nil {
		if home, err := os.UserHomeDir(); err == nil {
			files = append(files, filepath.Join(home, ".ssh", "known_hosts"))
		}
		if runtime.GOOS != "windows" {
			global = "/etc/ssh/ssh_known_hosts"
		}
	}
	if lines := g.GetKnownHosts(); lines != "" {
		if err := checkKnownHosts(lines); err != nil {
			return "", "", err
		}
		path, err := c.write("known_hosts", lines+"\n", 0o600)
		if err != nil {
			return "", "", err
		}
		files = append([]string{path}, files...)
	}
	quoted := make([]string, 0, len(files))
	for _, f := range files {
		if exists(f) {
			quoted = append(quoted, sshPath(f))
		}
	}
	if len(quoted) == 0 {
		return os.DevNull, global, nil
	}
	return strings.Join(quoted, " "), global, nil
}

// checkKnownHosts refuses lines that ssh would pass over in silence.
func checkKnownHosts(lines string) error {
	for n, line := range strings.Split(lines, "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if _, _, _, _, _, err := ssh.ParseKnownHosts([]byte(line)); err != nil {
			return &Error{
				Message: fmt.Sprintf("the known ssh hosts cannot be read: line %d of the git source's known_hosts", n+1),
				Hint:    "A line is: host type key, as ssh-keyscan prints it.", Cause: err,
			}
		}
	}
	return nil
}

// sshPath is a path in OpenSSH's configuration, where % begins a token.
func sshPath(path string) string {
	return `"` + strings.NewReplacer("%", "%%", `"`, `\"`).Replace(filepath.ToSlash(path)) + `"`
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// clean takes the secrets out of a text.
func (c *control) clean(text string) string {
	for _, s := range c.secrets {
		text = strings.ReplaceAll(text, s, "xxxxx")
	}
	return text
}
