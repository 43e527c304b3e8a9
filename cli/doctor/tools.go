package doctor

import (
	"context"
	"net"
	"net/url"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// examineTools looks at the programs on this machine that jobs may need. A project that does not use them does without.
func examineTools(ctx context.Context, sh Host, add addCheck) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "git", "--version").Output(); err != nil {
		add("git", "warning", "Install git 2.30 or newer, if projects have a git source or use gitref functions.", "git does not run on this machine: %v", err)
	} else {
		add("git", "ok", "", "%s", strings.TrimSpace(string(out)))
	}
	host := sh.Env().Get("DOCKER_HOST")
	network, address, ok := dockerAddress(host)
	if !ok {
		return // an engine behind ssh: asking it takes a login
	}
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	switch {
	case err == nil:
		_ = c.Close()
		add("docker", "ok", "", "an engine answers at %s", address)
	case host != "":
		add("docker", "warning", "Start it, or correct DOCKER_HOST.", "no engine answers at DOCKER_HOST=%s: %v", host, err)
	default:
		add("docker", "ok", "", "no Docker engine is running; the docker plugins require one")
	}
}

// dockerAddress is where the Docker engine listens, as its own command finds it without contexts.
func dockerAddress(host string) (network, address string, ok bool) {
	if host == "" {
		if runtime.GOOS == "windows" {
			return "", "", false // a named pipe
		}
		return "unix", "/var/run/docker.sock", true
	}
	u, err := url.Parse(host)
	if err != nil {
		return "", "", false
	}
	switch u.Scheme {
	case "unix":
		return "unix", u.Path, true
	case "tcp", "http", "https":
		return "tcp", u.Host, true
	}
	return "", "", false
}
