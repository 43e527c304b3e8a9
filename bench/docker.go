package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/moby/moby/client"
)

// dockerHCL builds a Dockerfile FROM scratch and runs it. The entrypoint is left out where the original left it out.
const dockerHCL = `project = "%[1]s"
%[2]s
app "web" {
  build {
    use "docker" {
      disable_entrypoint = %[3]t
    }
  }
  deploy {
    use "docker" {
      service_port = 8080
    }
  }
}
`

const dockerfile = "FROM scratch\nCOPY hello /hello\nCOPY stamp /stamp\nENTRYPOINT [\"/hello\"]\n"

// docker measures images and containers on the machine's Docker engine.
func (b *bench) docker(ctx context.Context, n counts) error {
	engine, err := client.New(client.FromEnv)
	if err == nil {
		limited, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		_, err = engine.Ping(limited, client.PingOptions{})
	}
	if err != nil {
		b.add("up, Dockerfile FROM scratch", "2,735 / 2,337 ms", "≤ 1,800 / ≤ 1,500 ms", "not measured: no Docker engine answers")
		return nil
	}
	defer func() { _ = engine.Close() }()
	s, err := b.newStack(ctx, "docker")
	if err != nil {
		return err
	}
	defer s.stop()
	if err := s.addRunners(ctx, 1); err != nil {
		return err
	}
	err = b.dockerRows(ctx, n, s, engine)
	for _, project := range []string{"bench-local", "bench-remote", "bench-inject"} {
		dir := filepath.Join(b.dir, project)
		if _, statErr := os.Stat(dir); statErr == nil {
			_, _, _, destroyErr := s.waypoint(ctx, dir, "destroy", "-auto-approve")
			err = errors.Join(err, destroyErr)
		}
	}
	return err
}

func (b *bench) dockerRows(ctx context.Context, n counts, s *stack, engine *client.Client) error {
	local, err := b.dockerProject(ctx, "bench-local", false, true)
	if err != nil {
		return err
	}
	locals, err := s.times(ctx, n.ups, local, "up", "-force")
	if err != nil {
		return err
	}
	remote, err := b.dockerProject(ctx, "bench-remote", true, true)
	if err != nil {
		return err
	}
	if _, _, _, err := s.waypoint(ctx, remote, "init", "-update"); err != nil {
		return err
	}
	remotes, err := s.times(ctx, n.ups, remote, "up", "-force")
	if err != nil {
		return err
	}
	b.add("up, Dockerfile FROM scratch, unchanged: remote / local, p50", "2,735 / 2,337 ms", "≤ 1,800 / ≤ 1,500 ms",
		"%.0f / %.0f ms", quantile(remotes, .5), quantile(locals, .5))

	injected, err := b.dockerProject(ctx, "bench-inject", false, false)
	if err != nil {
		return err
	}
	var builds []time.Duration
	for i := range n.ups + 1 {
		if err := os.WriteFile(filepath.Join(injected, "stamp"), []byte(strconv.Itoa(i)+time.Now().String()), 0o600); err != nil {
			return err
		}
		_, took, _, err := s.waypoint(ctx, injected, "build")
		if err != nil {
			return err
		}
		if i > 0 { // the first warms up
			builds = append(builds, took)
		}
	}
	with, err := imageSize(ctx, engine, "bench-inject")
	if err != nil {
		return err
	}
	without, err := imageSize(ctx, engine, "bench-local")
	if err != nil {
		return err
	}
	b.add("docker build, changed source, with the entrypoint: p50, image larger by", "5.1–5.8 s, 90.8 MB", "≤ 2 s, ≤ 20 MB",
		"%.2f s, %.1f MB", quantile(builds, .5)/1000, float64(with-without)/1e6)
	return nil
}

// dockerProject compiles the example and writes a project around it.
func (b *bench) dockerProject(ctx context.Context, name string, git, disableEntrypoint bool) (string, error) {
	source := ""
	dir := filepath.Join(b.dir, name)
	if git {
		source = gitSource(dir)
	}
	if _, err := b.writeProject(name, fmt.Sprintf(dockerHCL, name, source, disableEntrypoint)); err != nil {
		return "", err
	}
	for file, text := range map[string]string{"Dockerfile": dockerfile, "stamp": "0"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	if err := buildHello(ctx, filepath.Join(dir, "hello"), "GOOS=linux"); err != nil {
		return "", err
	}
	if git {
		return dir, commit(ctx, dir)
	}
	return dir, nil
}

// imageSize is the size in bytes of the newest image of a project.
func imageSize(ctx context.Context, engine *client.Client, project string) (size int64, err error) {
	list, err := engine.ImageList(ctx, client.ImageListOptions{Filters: client.Filters{}.Add("label", "waypoint.project="+project)})
	if err != nil {
		return 0, err
	}
	newest := int64(0)
	for _, i := range list.Items {
		if i.Created >= newest {
			newest, size = i.Created, max(size, i.Size)
		}
	}
	return size, nil
}
