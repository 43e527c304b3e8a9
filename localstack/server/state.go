package server

import (
	"context"
	"os"

	"github.com/waypoint-serverless/waypoint/localstack/filelock"
)

// State is what can be found out about a local server without changing anything.
type State struct {
	// Installed reports whether a server is installed in the directory.
	Installed bool
	// Server and Runner report whether its two processes run.
	Server, Runner bool
}

// StateOf finds out what runs on a data directory. It starts nothing. The error is about a server that was stopped by
// a signal.
func StateOf(ctx context.Context, dataDir string) (s State, err error) {
	d := dir(dataDir)
	if _, err := os.Stat(d.settings()); err != nil {
		return s, nil //nolint:nilerr // not installed, which is an answer
	}
	s.Installed = true
	pid, listens := d.listener(ctx)
	if s.Server = listens; pid > 0 && isStopped(pid) {
		err = stoppedError(pid)
	}
	if held, lockErr := filelock.Held(d.runnerLock()); lockErr == nil {
		s.Runner = held
	}
	return s, err
}

// Logs are the paths of the logs that the local server and its runner write.
func Logs(dataDir string) (serverLog, runnerLog string) {
	return dir(dataDir).serverLog(), dir(dataDir).runnerLog()
}

// Tokens are the contents of the directory's files that hold a token, as far as they can be read: what must not be in
// a report.
func Tokens(dataDir string) (tokens []string) {
	d := dir(dataDir)
	for _, path := range []string{d.adminToken(), d.runnerToken()} {
		if content, err := os.ReadFile(path); err == nil {
			tokens = append(tokens, string(content))
		}
	}
	return tokens
}
