package entrypoint

import (
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/waypoint-serverless/waypoint/internal/retry"
)

// Environment variables that the entrypoint reads. Platforms set the first three on everything they deploy.
const (
	envServerAddr   = "WAYPOINT_SERVER_ADDR"
	envToken        = "WAYPOINT_ENTRYPOINT_TOKEN"
	envDeploymentID = "WAYPOINT_DEPLOYMENT_ID"
	envPort         = "PORT"
	envDisable      = "WAYPOINT_CEB_DISABLE"
	EnvRequired     = "WAYPOINT_CEB_SERVER_REQUIRED"
	envLogLevel     = "WAYPOINT_LOG_LEVEL"
	// envConfigCache names a file that keeps the last configuration for a start without the server. It is
	// encrypted with a key derived from the token, so the disk alone does not reveal it.
	envConfigCache = "WAYPOINT_CONFIG_CACHE"
	// envFileMode is the mode of configuration files, in octal; without it they are 0600.
	envFileMode = "WAYPOINT_CONFIG_FILE_MODE"
	// envPin is the hash of the server's key, "sha256/…", for a server on the app's machine.
	envPin = "WAYPOINT_SERVER_TLS_PIN"
	// envInsecure allows a server address with plain HTTP beyond loopback, as a container on a
	// developer's machine needs.
	envInsecure = "WAYPOINT_SERVER_INSECURE"
)

// defaultPort is the PORT of the app if nobody chose one, as in Waypoint.
const defaultPort = "5000"

// Settings is what the environment of the entrypoint says.
type Settings struct {
	ServerAddr   string
	Token        string
	DeploymentID string
	// Disabled: run the app and nothing else; no network.
	Disabled bool
	// Required: do not start the app before the server has answered.
	Required bool
	Insecure bool
	// Pin of the server's key; empty: its certificate counts.
	Pin string
	// CachePath of the configuration cache; empty: none.
	CachePath string
	// FileMode of configuration files.
	FileMode fs.FileMode
	// LogRate is how many bytes of the app's output a second are sent in the long run; 0: 1 MB, less than 0: any number.
	LogRate  int
	LogLevel slog.Level
}

// ReadSettings reads an environment ("NAME=value" strings). An environment without a server address means
// disabled, as in Waypoint.
func ReadSettings(environ []string) (Settings, error) {
	env := parseEnv(environ)
	s := Settings{
		ServerAddr:   env[envServerAddr],
		Token:        env[envToken],
		DeploymentID: env[envDeploymentID],
		Disabled:     truthy(env[envDisable]) || env[envServerAddr] == "",
		Required:     truthy(env[EnvRequired]),
		Insecure:     truthy(env[envInsecure]),
		Pin:          env[envPin],
		CachePath:    env[envConfigCache],
		FileMode:     defaultFileMode,
		LogLevel:     slog.LevelWarn,
	}
	if text := env[envFileMode]; text != "" {
		mode, err := strconv.ParseUint(text, 8, 32)
		if err != nil || mode > 0o777 || mode&0o400 == 0 {
			return s, fmt.Errorf("invalid %s %q: use an octal mode that lets the owner read, such as 0640", envFileMode, text)
		}
		s.FileMode = fs.FileMode(mode)
	}
	var err error
	if s.LogRate, err = parseLogRate(env[envLogRate]); err != nil {
		return s, err
	}
	switch level := strings.ToLower(env[envLogLevel]); level {
	case "", "warn", "warning":
	case "trace", "debug":
		s.LogLevel = slog.LevelDebug
	case "info":
		s.LogLevel = slog.LevelInfo
	case "error":
		s.LogLevel = slog.LevelError
	default:
		return s, fmt.Errorf("%s is %q: use debug, info, warn or error", envLogLevel, level)
	}
	if s.Disabled {
		return s, nil
	}
	if s.DeploymentID == "" {
		return s, fmt.Errorf("%s is set but %s is not: the platform that deployed this sets both", envServerAddr, envDeploymentID)
	}
	if s.Token == "" {
		return s, fmt.Errorf("%s is set but %s is not: the platform that deployed this sets both", envServerAddr, envToken)
	}
	return s, nil
}

func truthy(v string) bool {
	switch strings.ToLower(v) {
	case "1", "true", "yes", "on":
		return true
	}
	return false
}

// childEnv is the app's environment: the entrypoint's own without its token, a PORT, and the configuration
// over both. It is sorted, so that two of them can be compared.
func childEnv(environ []string, config map[string]string) []string {
	env := parseEnv(environ)
	if env[envPort] == "" {
		env[envPort] = defaultPort
	}
	for name, value := range config {
		if usableName(name) && !strings.ContainsRune(value, 0) {
			env[name] = value
		}
	}
	delete(env, envToken)
	delete(env, envConfigCache)
	out := make([]string, 0, len(env))
	for name, value := range env {
		out = append(out, name+"="+value)
	}
	slices.Sort(out)
	return out
}

// usableName says whether the system can carry such a variable.
func usableName(name string) bool { return name != "" && !strings.ContainsAny(name, "=\x00") }

func parseEnv(environ []string) map[string]string {
	env := make(map[string]string, len(environ)+4)
	for _, kv := range environ {
		// Windows has names that begin with "=".
		if i := strings.IndexByte(kv[min(1, len(kv)):], '='); i >= 0 {
			env[kv[:i+1]] = kv[i+2:]
		}
	}
	return env
}

// Bounds. Each wait of the entrypoint is one of these.
const (
	// firstConfigWait bounds how long the first start of the app waits for the server.
	firstConfigWait = 5 * time.Second
	// defaultEndWait is how long an app that was asked to end is expected to be about to: a restart would come in the way.
	// Engines stop containers within 10 s unless they are told otherwise.
	defaultEndWait = 10 * time.Second
	// leftGrace is what processes that an app left behind have between SIGTERM and SIGKILL before the app starts again.
	leftGrace = 5 * time.Second
	// exitGrace is what processes that an app left behind have between SIGTERM and SIGKILL when the entrypoint ends.
	exitGrace = 2 * time.Second
	// fileRetry is how often a configuration file that could not be written is tried again.
	fileRetry = 30 * time.Second
	// defaultStopGrace is what a restarted app has between SIGTERM and SIGKILL.
	defaultStopGrace = 30 * time.Second
	// outputWait bounds how long an ended app's output is read while something it left behind holds it open.
	outputWait = 2 * time.Second
	// exitFlush bounds how long the last log lines may take after the app has ended; exitIdle how long without any
	// being taken.
	exitFlush = 15 * time.Second
	exitIdle  = 4 * time.Second
	// callTimeout bounds one call of the server.
	callTimeout = 30 * time.Second

	defaultConfigInterval = 30 * time.Second
	defaultLogsInterval   = 15 * time.Second
	minInterval           = 100 * time.Millisecond
	maxInterval           = time.Hour

	// refusedBackoff is the pause after a typed refusal (a revoked token, say): trying again is cheap and may
	// one day succeed, but it is not urgent.
	refusedBackoff = 5 * time.Minute
)

// failing is how calls that failed wait before they are made again.
var failing = retry.Policy{First: 250 * time.Millisecond, Most: time.Minute}
