package docker

import (
	"context"
	"strings"

	"github.com/moby/moby/client"
)

// Facts are what is known of the Docker engine that the plugin would use.
type Facts struct {
	// Host is the engine's address, and From is what named it: DOCKER_HOST, a Docker context, or "" for the machine's own.
	Host, From string
	// Version is the engine's, API the version of its API that is spoken.
	Version, API string
	// RootDir is where the engine keeps images, if that is a directory of this machine; "" otherwise.
	RootDir string
}

// Examine asks the engine that a component would use what it is, and changes nothing. Facts.Host and From are filled
// also when the engine does not answer. The environment is what components are given; nil: the process's.
func Examine(ctx context.Context, environ []string) (f Facts, err error) {
	at, err := locate(environ, nil)
	if err != nil {
		return f, err
	}
	if f.Host = at.host; at.host != "" {
		f.From = at.from
	}
	e, err := connect(ctx, environ, nil)
	if err != nil {
		return f, err
	}
	defer func() { _ = e.Close() }()
	f.Host, f.API = e.host, e.ClientVersion()
	info, err := e.Info(ctx, client.InfoOptions{})
	if err != nil {
		return f, e.explain("asking the Docker engine what it is", err)
	}
	f.Version = info.Info.ServerVersion
	if strings.HasPrefix(e.host, "unix://") {
		f.RootDir = info.Info.DockerRootDir
	}
	return f, nil
}
