package machine

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// A daemon is started twice: the launcher, which the plugin waits for, starts the daemon in a session of its
// own, waits for its first word ("ready", or a sentence that says why not) and ends. So the daemon is no child
// of the runner, which need not bury it, and the runner knows whether it came up.
const (
	daemonMark = "WAYPOINT_DAEMON"
	ready      = "ready"
	// startTime bounds the wait for the daemon's first word.
	startTime = 15 * time.Second
)

// Launch runs a command whose main calls Daemon and returns when the daemon is up, or with the sentence that it
// said instead. env is the daemon's whole environment; nil: the caller's. ctx and a bound of 20 s limit the wait.
func Launch(ctx context.Context, command, env []string) error {
	ctx, cancel := context.WithTimeout(ctx, startTime+5*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = env
	cmd.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	switch word := strings.TrimSpace(stdout.String()); word {
	case ready:
		return nil
	case "":
		if err == nil {
			err = errors.New("it said nothing")
		}
		return fmt.Errorf("starting %s: %w %s", command[0], err, strings.TrimSpace(stderr.String()))
	default:
		return errors.New(word)
	}
}

// Daemon is the body of such a command's main. In the launcher it starts the command again, passes the daemon's
// first word on to stdout and returns. In the daemon it calls run, which calls up once it serves; an error that
// run returns before is the word. errorLog takes what the daemon writes to stderr (a crash); dir is its working
// directory.
func Daemon(dir, errorLog string, run func(up func()) error) error {
	if os.Getenv(daemonMark) == "" {
		word, err := launchSelf(dir, errorLog)
		if err != nil {
			word = err.Error()
		}
		_, err = fmt.Println(word)
		return err
	}
	_ = os.Unsetenv(daemonMark)
	isUp := false
	err := run(func() {
		isUp = true
		_, _ = fmt.Println(ready)
	})
	if err == nil || isUp {
		return err
	}
	_, err = fmt.Println(strings.ReplaceAll(err.Error(), "\n", " "))
	return err
}

func launchSelf(dir, errorLog string) (word string, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	log, err := os.OpenFile(errorLog, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return "", err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(self, os.Args[1:]...) //nolint:noctx // a daemon outlives whoever starts it
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), daemonMark+"=1")
	cmd.Stderr = log
	cmd.SysProcAttr = detached()
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	first := make(chan string, 1)
	go func() { // ends with this process, which ends right after it has the word
		line, _ := bufio.NewReader(out).ReadString('\n')
		first <- strings.TrimSpace(line)
	}()
	select {
	case word := <-first:
		if word == "" {
			return "", fmt.Errorf("the background process ended before it was ready; see %s", errorLog)
		}
		return word, nil
	case <-time.After(startTime):
		_ = cmd.Process.Kill()
		return "", fmt.Errorf("the background process was not ready after %s; see %s", startTime, errorLog)
	}
}
