package process

import (
	"fmt"
	"strings"
	"time"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// BuildConfig configures the builder.
type BuildConfig struct {
	// Program and arguments of the build; no shell reads them. Without it nothing is run and the directory is kept as
	// it stands.
	Command []string `hcl:"command,optional"`
	// Working directory of the build, relative to the app's directory.
	Dir string `hcl:"dir,optional" default:"the app's directory"`
	// Environment variables of the build, over the runner's own.
	Env map[string]string `hcl:"env,optional"`
	// Directory that is kept as the artifact, relative to the app's directory. Of the app's own directory, what its
	// .waypointignore names is left out; a directory below it is kept whole.
	Path string `hcl:"path,optional" default:"the app's directory"`
}

// DeployConfig configures the platform.
type DeployConfig struct {
	// Program and arguments of the app; no shell reads them. A relative path with a slash is relative to the artifact's
	// directory. The app must listen on the port in the environment variable PORT, or on `port`.
	Command []string `hcl:"command"`
	// Port on which the app listens, for an app that cannot read PORT. Only one deployment can listen there at a time: the
	// running one is stopped before the new one is started, so for a moment nothing answers. If the new one does not become
	// healthy, the former one is started again. Without it each deployment has a free port of its own, and no request is
	// lost.
	Port int `hcl:"port,optional" default:"a free port, passed in PORT"`
	// Environment variables of the app, besides PATH, HOME, LANG, LC_*, TZ and TMPDIR, which it has from the runner (on
	// Windows, what the system sets), and its configuration. Nothing else of the runner's environment reaches it. Values
	// that differ between environments, and secrets, are better kept with `waypoint config set`.
	Env map[string]string `hcl:"env,optional"`
	// When the app counts as healthy. Without it, when it accepts connections on its port.
	HealthCheck *HealthCheck `hcl:"health_check,block"`
	// What the app has to end after SIGTERM before it is killed.
	StopTimeout string `hcl:"stop_timeout,optional" default:"10s"`
	// Whether the app is started again when it ends.
	Restart *bool `hcl:"restart,optional" default:"true"`
}

// HealthCheck says when the app is healthy.
type HealthCheck struct {
	// Path of a GET request that is answered with a status from 200 to 399. Without it a connection is enough.
	Path string `hcl:"path,optional"`
	// How long to wait for the app to become healthy.
	Timeout string `hcl:"timeout,optional" default:"30s"`
	// Pause between two tries.
	Interval string `hcl:"interval,optional" default:"200ms"`
}

// BuildOutput is what later stages see of a build.
type BuildOutput struct {
	// Directory of the artifact.
	Path string `hcl:"path"`
	// Digest of what is in it: the same for the same files.
	Digest string `hcl:"digest"`
}

// DeployOutput is what later stages see of a deployment.
type DeployOutput struct {
	// Address of the deployment on 127.0.0.1.
	URL string `hcl:"url"`
	// Port that it listens on.
	Port int `hcl:"port"`
	// Number of the process when it was deployed.
	PID int `hcl:"pid"`
}

// checkup is a HealthCheck that has been read.
type checkup struct {
	Path     string        `json:"path,omitempty"`
	Timeout  time.Duration `json:"timeout"`
	Interval time.Duration `json:"interval"`
}

func (h *HealthCheck) read() (checkup, error) {
	c := checkup{Timeout: 30 * time.Second, Interval: 200 * time.Millisecond}
	if h == nil {
		return c, nil
	}
	var err error
	if c.Timeout, err = duration("health_check.timeout", h.Timeout, c.Timeout); err != nil {
		return c, err
	}
	if c.Interval, err = duration("health_check.interval", h.Interval, c.Interval); err != nil {
		return c, err
	}
	c.Path = h.Path
	if c.Path != "" && !strings.HasPrefix(c.Path, "/") {
		c.Path = "/" + c.Path
	}
	return c, nil
}

func duration(name, given string, fallback time.Duration) (time.Duration, error) {
	if given == "" {
		return fallback, nil
	}
	d, err := time.ParseDuration(given)
	if err != nil || d <= 0 {
		return 0, &plugin.Error{
			Message: fmt.Sprintf("%s is %q, which is not a duration", name, given),
			Hint:    "Write a number with a unit, for example \"30s\" or \"500ms\".",
		}
	}
	return d, nil
}

// order is a DeployConfig that has been read.
type order struct {
	command []string
	env     map[string]string
	port    int
	health  checkup
	grace   time.Duration
	restart bool
}

func (c *DeployConfig) read() (order, error) {
	o := order{command: c.Command, env: c.Env, port: c.Port, restart: c.Restart == nil || *c.Restart}
	if len(c.Command) == 0 || c.Command[0] == "" {
		return o, &plugin.Error{
			Message: "the deploy stanza does not say what to run",
			Hint:    "Add the app's command, for example command = [\"./bin/app\"].",
		}
	}
	if _, set := c.Env["PORT"]; set {
		return o, &plugin.Error{
			Message: "PORT cannot be set: the platform chooses a free port for each deployment",
			Hint: "Take PORT out of env. An app that always listens on the same port has it in `port` of the deploy stanza; " +
				"a fixed address for users is `port` in the release stanza.",
		}
	}
	if c.Port < 0 || c.Port > 65535 {
		return o, &plugin.Error{
			Message: fmt.Sprintf("port = %d is not a valid port", c.Port),
			Hint:    "Use a number from 1 to 65535: the port on which the app listens.",
		}
	}
	var err error
	if o.grace, err = duration("stop_timeout", c.StopTimeout, 10*time.Second); err != nil {
		return o, err
	}
	o.health, err = c.HealthCheck.read()
	return o, err
}
