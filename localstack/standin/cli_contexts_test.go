package standin_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waypoint-serverless/waypoint/localstack/standin"
)

// says wants each of the words in what a command said, and none of those after "not:".
func says(t *testing.T, out string, words ...string) {
	t.Helper()
	for _, want := range words {
		not, forbidden := strings.CutPrefix(want, "not:")
		switch {
		case forbidden && strings.Contains(out, not):
			t.Errorf("it says %q:\n%s", not, out)
		case !forbidden && !strings.Contains(out, want):
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
}

// savedContext reads a context's file.
func (u *user) savedContext(name string) (c struct {
	Token, Address string
	AWS            struct{ Name, Endpoint string }
}) {
	u.t.Helper()
	raw, err := os.ReadFile(filepath.Join(u.dir, ".config", "waypoint", "context", name+".json"))
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	if err != nil {
		u.t.Fatal(err)
	}
	return c
}

// Two installations on one endpoint: each has its context and its hints, and neither touches the other's.
func TestASecondInstallationHasAContextAndHintsOfItsOwn(t *testing.T) {
	t.Parallel()
	s := start(t, standin.Options{LikeLocalStack: true})
	u := newUser(t, s, s.URL)
	says(t, u.run(install()...), `The context "aws" is the default`, "+ the bucket", "+ the encryption key", "Receipt:")
	first := u.savedContext("aws")
	says(t, u.run(install("--name=wp2")...), `The context "aws-wp2" is the default`)
	if now := u.savedContext("aws"); now != first || first.Token == "" || first.AWS.Endpoint != s.URL {
		t.Errorf("the first installation's context was %+v and is %+v", first, now)
	}
	u.fails([]string{`The context "aws" belongs to another server`, "context delete aws"}, install("--name=wp2", "--context=aws")...)
	if now := u.savedContext("aws"); now != first {
		t.Errorf("the first installation's context is %+v", now)
	}

	// The plan has what changes; what is unchanged has no receipt.
	says(t, u.run("upgrade", "--platform=aws", "--yes", "--name=wp2", "--parameter=LogRetentionDays=30"), "~ ", "Receipt:", "not:+ the bucket", "not:+ the encryption key")
	says(t, u.run("upgrade", "--platform=aws", "--yes", "--name=wp2"), "was already installed", "not:Receipt:")

	// A new shell knows the endpoint by the context, and a difference is told.
	shell := newUser(t, s, "")
	shell.dir = u.dir
	shell.set("HOME=" + u.dir)
	says(t, shell.run("doctor"), "AWS_ENDPOINT_URL is not set", "belongs to "+s.URL)
	says(t, shell.run("upgrade", "--platform=aws", "--yes", "--name=wp2"), "AWS_ENDPOINT_URL is not set", "was already installed")
	elsewhere := newUser(t, s, "http://127.0.0.1:9")
	elsewhere.dir = u.dir
	elsewhere.set("HOME="+u.dir, "AWS_MAX_ATTEMPTS=1")
	elsewhere.refused("belongs to "+s.URL+", but AWS_ENDPOINT_URL is http://127.0.0.1:9", "doctor")

	says(t, u.run("uninstall", "--platform=aws", "--yes", "--name=wp2"), "`waypoint uninstall --platform=aws --name=wp2 --purge` deletes them",
		"`waypoint install --platform=aws --name=wp2` uses them again", "Deleted the contexts: aws-wp2", `The context "aws" is now the default`)
	says(t, u.run("uninstall", "--platform=aws", "--yes", "--name=wp2", "--purge"), "Nothing is left")

	// Everything is forgotten, and the doctor does not say ok.
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	out := u.failsWith("doctor")
	says(t, out, `failed`, `the installation of the context "aws" does not exist`, "LocalStack loses everything when it restarts: `waypoint install --platform=aws")
	says(t, u.run(install()...), `The context "aws" is the default`)
	says(t, u.run("doctor"), "ok", "not:failed")
}

// failsWith runs the command, wants exit code 1 and returns what it said.
func (u *user) failsWith(args ...string) string {
	u.t.Helper()
	out, err := u.command(u.t.Context(), args...).CombinedOutput()
	if err == nil {
		u.t.Fatalf("waypoint %s succeeded:\n%s", strings.Join(args, " "), out)
	}
	return string(out)
}

// An emulator that restarted under a user answers, but not as the server: each command says within seconds what it is.
func TestACommandRecognisesAnEmulatorThatForgotEverything(t *testing.T) {
	t.Parallel()
	s := start(t, standin.Options{LikeLocalStack: true})
	u := newUser(t, s, s.URL)
	u.run(install()...)
	u.hello()
	u.run("init")

	s.SetStarting(true)
	u.fails([]string{"The emulator at " + s.URL + " is still starting", "Wait until it has started"}, "status")
	s.SetStarting(false)
	u.run("status") // it has forgotten nothing

	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	forgot := []string{"The emulator at " + s.URL + " no longer has this server", "LocalStack loses everything when it restarts: `waypoint install --platform=aws`"}
	for _, loaded := range []bool{false, true} {
		if loaded { // then it answers 404 in JSON
			s.LoadAPIGateway()
		}
		u.fails(forgot, "status")
		u.fails(forgot, "up", "-var", "port=18918")
		u.fails(forgot, "logs")
	}
	u.run(install()...)
	u.run("init")
	u.run("status")
}
