package source

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/go-git/go-git/v5/plumbing/transport"
	gitssh "github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

const sshTimeout = 30 * time.Second

// checkedAuth is an ssh authentication whose host key is checked.
type checkedAuth struct {
	gitssh.AuthMethod
	callback   ssh.HostKeyCallback
	algorithms []string
	temp       string
}

// ClientConfig adds the check of the host key to what the method offers.
func (a *checkedAuth) ClientConfig() (*ssh.ClientConfig, error) {
	c, err := a.AuthMethod.ClientConfig()
	if err != nil {
		return nil, err
	}
	c.HostKeyCallback, c.HostKeyAlgorithms, c.Timeout = a.callback, a.algorithms, sshTimeout
	return c, nil
}

// remove deletes the file that held the source's known hosts.
func (a *checkedAuth) remove() {
	if a.temp != "" {
		_ = os.Remove(a.temp)
	}
}

func sshAuth(g *waypointv1.GitSource, endpoint *transport.Endpoint, files []string) (transport.AuthMethod, error) {
	auth := &checkedAuth{}
	var err error
	if files == nil {
		files = defaultKnownHosts()
	}
	if g.KnownHosts != "" {
		if auth.temp, err = writeTemp(g.KnownHosts); err != nil {
			return nil, err
		}
		files = append(files, auth.temp)
	}
	db, err := knownhosts.NewDB(existing(files)...)
	if err != nil {
		auth.remove()
		return nil, &Error{Message: "the known ssh hosts cannot be read", Cause: err}
	}
	port := endpoint.Port
	if port <= 0 {
		port = gitssh.DefaultPort
	}
	address := net.JoinHostPort(endpoint.Host, strconv.Itoa(port))
	auth.algorithms = db.HostKeyAlgorithms(address)
	check := db.HostKeyCallback()
	auth.callback = func(hostname string, remote net.Addr, key ssh.PublicKey) error {
		return hostKeyError(hostname, key, check(hostname, remote, key))
	}
	if auth.AuthMethod, err = sshMethod(g, endpoint, gitssh.HostKeyCallbackHelper{HostKeyCallback: auth.callback}); err != nil {
		auth.remove()
		return nil, err
	}
	return auth, nil
}

// hostKeyError says what is wrong with a host key, and how to set it right.
func hostKeyError(hostname string, key ssh.PublicKey, err error) error {
	switch {
	case err == nil:
		return nil
	case knownhosts.IsHostKeyChanged(err):
		return &Error{
			Message: fmt.Sprintf("the ssh host key of %s is not the known one: it is %s now", hostname, ssh.FingerprintSHA256(key)),
			Hint:    "Somebody may be listening in. If the host did change its key, correct the known hosts.",
		}
	case knownhosts.IsHostUnknown(err):
		return &Error{
			Message: fmt.Sprintf("the ssh host key of %s is unknown (%s)", hostname, ssh.FingerprintSHA256(key)),
			Hint:    "Compare the fingerprint with what the host publishes, and add its line to the git source's known_hosts or to ~/.ssh/known_hosts on the runner.",
		}
	}
	return err
}

// sshMethod takes the source's key, its password, the user's agent, or the user's own keys, whichever is first.
func sshMethod(g *waypointv1.GitSource, endpoint *transport.Endpoint, checked gitssh.HostKeyCallbackHelper) (gitssh.AuthMethod, error) {
	user := endpoint.User
	if user == "" {
		user = g.Username
	}
	if user == "" {
		user = "git"
	}
	switch {
	case g.PrivateKeyPem != "":
		keys, err := gitssh.NewPublicKeys(user, []byte(g.PrivateKeyPem), g.PrivateKeyPassword)
		if err != nil {
			// The parser's own words can quote the key.
			return nil, &Error{Message: "the git source's private key cannot be read", Hint: "It must be PEM text; an encrypted one needs its password."}
		}
		keys.HostKeyCallbackHelper = checked
		return keys, nil
	case g.Password != "":
		return &gitssh.Password{User: user, Password: g.Password, HostKeyCallbackHelper: checked}, nil
	}
	if agent, err := gitssh.NewSSHAgentAuth(user); err == nil {
		agent.HostKeyCallbackHelper = checked
		return agent, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		home = "."
	}
	for _, name := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
		if keys, err := gitssh.NewPublicKeysFromFile(user, filepath.Join(home, ".ssh", name), ""); err == nil {
			keys.HostKeyCallbackHelper = checked
			return keys, nil
		}
	}
	return nil, &Error{
		Message: "there is no ssh key for " + endpoint.Host,
		Hint:    "Give the git source a private key, or the runner an ssh agent or a key in ~/.ssh.",
	}
}

func defaultKnownHosts() []string {
	files := []string{"/etc/ssh/ssh_known_hosts"}
	if home, err := os.UserHomeDir(); err == nil {
		files = append(files, filepath.Join(home, ".ssh", "known_hosts"))
	}
	return files
}

func existing(files []string) (found []string) {
	for _, f := range files {
		if _, err := os.Stat(f); !errors.Is(err, fs.ErrNotExist) {
			found = append(found, f)
		}
	}
	return found
}

func writeTemp(text string) (string, error) {
	f, err := os.CreateTemp("", "waypoint-known-hosts-*")
	if err != nil {
		return "", fmt.Errorf("keeping the known hosts: %w", err)
	}
	_, err = f.WriteString(text + "\n")
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return "", fmt.Errorf("keeping the known hosts: %w", err)
	}
	return f.Name(), nil
}
