package source

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/waypoint-serverless/waypoint/internal/git"
)

// shown is the address for people.
func (a address) shown() string {
	if a.kind == "file" {
		return a.text
	}
	return shown(a.text)
}

// inWords turns an error of package git into one of this package, which job errors take their hints from.
func inWords(err error) error {
	var own *git.Error
	if errors.As(err, &own) {
		return &Error{Message: own.Message, Hint: own.Hint, Cause: own.Cause}
	}
	return err
}

// inWords is a failed command's reason.
func (f *fetch) inWords(err error) error {
	var cause *failed
	if errors.As(err, &cause) {
		return errors.New(f.control.clean(cause.Error()))
	}
	return inWords(err)
}

var (
	refusedPassword = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`Authentication failed|could not read (Username|Password)|terminal prompts disabled|The requested URL returned error: 40[13]`)
	})
	noRepository = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)repository .* not found|does not appear to be a git repository|repository .* does not exist|ERROR: Repository not found|project .* could not be found|The requested URL returned error: 404`)
	})
	forbidden = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`transport '([^']*)' not allowed|Protocol "?([a-z]+)"? (?:is )?(?:disabled|not supported)`)
	})
	hostKey = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`debug1: Server host key: \S+ (SHA256:\S+)`) })
)

// explain words why a source could not be fetched.
func (f *fetch) explain(a address, err error) error {
	var ready *Error
	if errors.As(err, &ready) {
		return ready
	}
	var cause *failed
	if !errors.As(err, &cause) {
		if own := new(git.Error); errors.As(err, &own) {
			return inWords(err)
		}
		return err
	}
	said := cause.stderr
	if own := git.Ownership(said); own != nil {
		return &Error{Message: own.Message, Hint: own.Hint}
	}
	if a.kind == "ssh" {
		if e := sshFailure(a, said); e != nil {
			return e
		}
	}
	switch {
	case refusedPassword().MatchString(said):
		return &Error{Message: a.shown() + " refused the credentials", Hint: "Set username and password of the git source."}
	case noRepository().MatchString(said) && a.kind == "file":
		return &Error{Message: "there is no git repository at " + a.shown()}
	case noRepository().MatchString(said):
		return &Error{Message: "there is no repository at " + a.shown(), Hint: "A private one needs credentials."}
	case forbidden().MatchString(said):
		return &Error{Message: a.shown() + " leads to a transport that is not allowed", Cause: f.inWords(err)}
	}
	return &Error{Message: "cloning " + a.shown(), Cause: f.inWords(err)}
}

// sshFailure words what OpenSSH says before git can speak.
func sshFailure(a address, said string) error {
	key := "of an unknown kind"
	if m := hostKey().FindStringSubmatch(said); m != nil {
		key = m[1]
	}
	switch {
	case strings.Contains(said, "REMOTE HOST IDENTIFICATION HAS CHANGED"):
		return &Error{
			Message: fmt.Sprintf("the ssh host key of %s is not the known one: it is %s now", a.hostPort(), key),
			Hint:    "Somebody may be listening in. If the host did change its key, correct the known hosts.",
		}
	case strings.Contains(said, "Host key verification failed"):
		return &Error{
			Message: fmt.Sprintf("the ssh host key of %s is unknown (%s)", a.hostPort(), key),
			Hint:    "Compare the fingerprint with what the host publishes, and add its line to the git source's known_hosts or to ~/.ssh/known_hosts on the runner.",
		}
	case strings.Contains(said, "Permission denied ("):
		return &Error{
			Message: fmt.Sprintf("unable to authenticate with %s: it refused the key or password", a.hostPort()),
			Hint:    "Give the git source a private key that the host knows, or the runner an ssh agent or a key in ~/.ssh.",
		}
	case strings.Contains(said, "ssh: not found"), strings.Contains(said, "ssh: command not found"), strings.Contains(said, "cannot run ssh"):
		return &Error{Message: "the ssh program is not installed on this machine", Hint: "Install OpenSSH's client, or use an https url."}
	}
	return nil
}

func (a address) hostPort() string {
	if a.port == "" {
		return a.host
	}
	return strings.TrimPrefix(a.origin(), a.kind+"://")
}
