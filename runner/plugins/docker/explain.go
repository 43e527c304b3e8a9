package docker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/moby/moby/client"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/image"
)

// shown makes what an engine or a registry said one line of bearable length.
func shown(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	for _, noise := range []string{"Error response from daemon: ", "error from registry: ", "failed to solve with frontend dockerfile.v0: ", "failed to solve: ", "failed to create LLB definition: ", "rpc error: code = Unknown desc = "} {
		text = strings.ReplaceAll(text, noise, "")
	}
	if len(text) > 600 {
		text = strings.ToValidUTF8(text[:600], "") + "…"
	}
	return text
}

// missingFile finds the file that an instruction wants and the context lacks, in the words of both builders.
var missingFile = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`"([^"]+)"(?:: not found| not found)|(?:COPY|ADD) failed: (?:file not found in build context or excluded by \.dockerignore: stat )?([^:\s]+)?`)
})

// explainBuild turns what ended a build into one sentence.
func (e *engine) explainBuild(p *buildPlan, err error, keys *image.Keychain) error {
	var failed *buildFailed
	if !errors.As(err, &failed) {
		if errors.Is(err, context.Canceled) || client.IsErrConnectionFailed(err) {
			return e.explain("building "+p.shown, err)
		}
		failed = &buildFailed{message: err.Error()} // the engine refused the request itself
	}
	text := shown(keys.Redact(failed.message))
	refuse := func(hint, format string, args ...any) error {
		return &plugin.Error{Message: fmt.Sprintf(format, args...), Hint: hint}
	}
	lower := strings.ToLower(text)
	switch {
	case strings.Contains(lower, "no space left on device"):
		return e.explain("building "+p.shown, errors.New(text))
	case strings.Contains(lower+failed.printed, "exec format error"):
		return refuse("Set platform to the engine's own, or install emulation on its machine (binfmt).",
			"%s in %s cannot run: the program is for another architecture than the Docker engine's", quoted(failed.instruction), p.shown)
	case strings.HasPrefix(strings.ToUpper(failed.instruction), "RUN") && (failed.code > 0 || strings.Contains(lower, "executor failed")):
		return refuse("What it printed stands above; nothing was deployed.",
			"%s in %s failed with exit code %d", quoted(failed.instruction), p.shown, failed.code)
	case strings.Contains(lower, "target stage") && strings.Contains(lower, "could not be found"), strings.Contains(lower, "failed to reach build target"):
		return refuse("Name a stage that a FROM … AS in it has, or leave target out.", "target = %q: %s has no such stage", p.target, p.shown)
	case strings.Contains(lower, "dockerfile parse error"), strings.Contains(lower, "unknown instruction"), strings.Contains(lower, "the dockerfile"), strings.Contains(lower, "file with no instructions"):
		return refuse("Mend it at that place.", "%s is not right: %s", p.shown, text)
	case isBaseImage(failed.instruction, lower):
		return e.explainBase(p, failed, text)
	case strings.Contains(lower, "failed to compute cache key"), strings.Contains(lower, "failed to calculate checksum"), strings.Contains(lower, "file not found in build context"),
		strings.Contains(lower, "no such file or directory") && isCopy(failed.instruction):
		name := ""
		if m := missingFile().FindStringSubmatch(text); m != nil {
			name = strings.TrimPrefix(m[1]+m[2], "/") + " "
		}
		return refuse("It is relative to "+p.context+", and .dockerignore may leave it out.",
			"%s in %s: the file %sis not in the build's context", quoted(failed.instruction), p.shown, name)
	case strings.Contains(lower, "the --mount option requires buildkit"), strings.Contains(lower, "requires buildkit"):
		return refuse("Leave buildkit = false out.", "%s needs BuildKit: %s", p.shown, text)
	}
	return refuse("", "building %s failed: %s", p.shown, text)
}

func quoted(instruction string) string {
	if instruction == "" {
		return "an instruction"
	}
	if len(instruction) > 120 {
		instruction = strings.ToValidUTF8(instruction[:120], "") + "…"
	}
	return "“" + strings.Join(strings.Fields(instruction), " ") + "”"
}

func isCopy(instruction string) bool {
	upper := strings.ToUpper(instruction)
	return strings.HasPrefix(upper, "COPY") || strings.HasPrefix(upper, "ADD")
}

// How BuildKit calls its steps that ask a registry: for a base image, and for the one that # syntax= names.
const (
	metadataOf = "load metadata for "
	configOf   = "resolve image config for "
)

// isBaseImage reports whether it is the image under FROM that could not be had.
func isBaseImage(instruction, text string) bool {
	return strings.HasPrefix(strings.ToUpper(instruction), "FROM") || strings.HasPrefix(instruction, metadataOf) || strings.HasPrefix(instruction, configOf) ||
		strings.Contains(text, "failed to resolve source metadata") || strings.Contains(text, "pull access denied")
}

func (e *engine) explainBase(p *buildPlan, failed *buildFailed, text string) error {
	name := strings.TrimPrefix(strings.TrimPrefix(failed.instruction, metadataOf), configOf)
	if fields := strings.Fields(name); len(fields) > 1 && strings.EqualFold(fields[0], "FROM") {
		name = fields[len(fields)-1]
		for _, f := range fields[1:] {
			if !strings.HasPrefix(f, "--") {
				name = f
				break
			}
		}
	}
	return e.explainRegistry("getting the image "+name+", which "+p.shown+" names", image.Host(name), errors.New(text), image.Credentials{})
}

func (e *engine) explainRegistry(doing, host string, err error, c image.Credentials) error {
	var known *plugin.Error
	if err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled) {
		return err
	}
	if strings.Contains(err.Error(), "no space left on device") {
		return e.explain(doing, err)
	}
	return explainRegistry(doing, host, err, c)
}

// explainRegistry turns what a registry, or an engine on its behalf, answered into one sentence. Nothing of the
// credentials is left in it.
func explainRegistry(doing, host string, err error, c image.Credentials) error {
	var known *plugin.Error
	if err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled) {
		return err
	}
	text := shown(c.Redact(err.Error()))
	lower := strings.ToLower(text)
	code := 0
	var answered *transport.Error
	if errors.As(err, &answered) {
		code = answered.StatusCode
	}
	refuse := func(hint, what string) error {
		return &plugin.Error{Message: doing + ": " + what, Hint: hint}
	}
	has := func(words ...string) bool {
		for _, word := range words {
			if strings.Contains(lower, word) {
				return true
			}
		}
		return false
	}
	login := host
	if host == image.HubHost {
		host, login = "Docker Hub", ""
	}
	switch {
	case has("x509: "):
		return refuse("Add its certificate authority to the machine's and the Docker engine's own (/etc/docker/certs.d/"+host+"/ca.crt); or set insecure = true in the registry stanza to accept any certificate.",
			"the certificate of "+host+" is not one that this machine trusts: "+after(text, "x509: "))
	case has("server gave http response to https client"):
		return refuse("Set insecure = true in the registry stanza to speak plain HTTP to it.", host+" does not speak TLS")
	case code == http.StatusUnauthorized, code == http.StatusForbidden, has("unauthorized", "no basic auth credentials", "authentication required", "incorrect username or password",
		"requested access to the resource is denied", "pull access denied", "denied: ", "401 unauthorized", "403 forbidden"):
		hint := "Log in with `docker login " + login + "` on the runner's machine, or give username and password (auth) in waypoint.hcl."
		what := host + " refused the request: there are no credentials for it, or the image does not exist"
		if !c.Anonymous() {
			what = host + " refused the credentials"
			if c.Username != "" {
				what = fmt.Sprintf("%s refused the credentials of the user %q", host, c.Username)
			}
			hint = "Check them, and that the account may read and write this image."
		}
		return refuse(hint, what)
	case code == http.StatusNotFound, has("manifest unknown", "manifest_unknown", "not found", "name_unknown", "name unknown"):
		return refuse("Check the name and the tag.", host+" has no such image")
	case has("no match for platform", "no matching manifest", "does not provide the specified platform", "does not match the specified platform"):
		return refuse("Leave platform out, or name one that it has.", "the image is not there for this platform: "+text)
	case has("connection refused", "no such host", "i/o timeout", "network is unreachable", "context deadline exceeded", "server misbehaving", "tls handshake timeout", "request canceled while waiting"):
		return refuse("Check the name's host and the way to it, proxies included.", host+" cannot be reached: "+text)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%s: %w", doing, err)
	}
	return refuse("", text)
}

// after gives what follows a mark.
func after(text, mark string) string {
	if _, rest, ok := strings.Cut(text, mark); ok {
		return rest
	}
	return text
}
