package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"unicode"
	"unicode/utf8"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/infra"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
	"github.com/waypoint-serverless/waypoint/localstack"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// trouble is a failure that the CLI itself finds, or that a job ended with: a fault that no server answered.
type trouble struct {
	reason  fault.Reason
	message string
	// hint says what to do next; may be empty, may have several lines.
	hint string
}

func problem(reason fault.Reason, format string, args ...any) *trouble {
	return &trouble{reason: reason, message: fmt.Sprintf(format, args...)}
}

func (t *trouble) withHint(format string, args ...any) *trouble {
	c := *t
	c.hint = fmt.Sprintf(format, args...)
	return &c
}

func (t *trouble) Error() string { return t.message }

// errSilent ends a command with 1 after it has said everything itself.
var errSilent = errors.New("the command failed")

// rendered is an error that shows itself over several lines, such as diagnostics with their source.
type rendered interface {
	error
	render(w io.Writer, color bool)
}

// report is what is told of an error: what happened, and what to do next.
type report struct{ message, reason, hint string }

// explain finds what a person needs to know in an error. s is the server that was called; nil if none was.
func explain(err error, s *server) report {
	if s == nil {
		s = &server{}
	}
	var own *trouble
	if errors.As(err, &own) {
		return report{message: err.Error(), hint: own.hint}
	}
	if f, ok := fault.From(err); ok {
		r := report{message: f.Message, reason: string(f.Reason), hint: f.Hint}
		if r.hint == "" {
			r.hint = hintFor(f.Reason)
		}
		if f.Reason == fault.TokenInvalid && s.Platform == "local" {
			r.hint = "If the local server's data was lost or replaced, `waypoint install --platform=local` gives this context a token that works."
		}
		return r
	}
	var p *plugin.Error
	if errors.As(err, &p) {
		return report{message: err.Error(), hint: p.Hint}
	}
	var foreign *client.ForeignAnswer
	if errors.As(err, &foreign) {
		return explainForeign(foreign, s)
	}
	var t *localstack.Trouble
	if errors.As(err, &t) {
		return report{message: err.Error(), hint: t.Hint}
	}
	var c *connect.Error
	if errors.As(err, &c) {
		return explainConnect(err, c, s.Address, s.Platform)
	}
	return report{message: err.Error()}
}

// explainForeign words that something else than the server answers.
func explainForeign(f *client.ForeignAnswer, s *server) report {
	name, profile := infra.DefaultName, ""
	if s.AWS != nil {
		name, profile = s.AWS.Name, s.AWS.Profile
	}
	install := "`waypoint install --platform=aws" + infra.CommandFlags(name, "", profile) + "`"
	switch f.Emulator {
	case client.EmulatorStarting:
		return report{message: f.What(), hint: "Wait until it has started, then run the same command again. " + infra.ForgotHint(install)}
	case client.EmulatorForgot:
		return report{message: f.What(), hint: infra.ForgotHint(install)}
	}
	r := report{message: fmt.Sprintf("at %s, %s", s.Address, f.What()),
		hint: "Check the address. A server of HashiCorp Waypoint speaks gRPC and cannot be used with this CLI."}
	if s.Platform == "aws" {
		r.hint = "If somebody removed the installation, " + install + " installs it again; `waypoint doctor` looks at it."
	}
	return r
}

func explainConnect(err error, c *connect.Error, addr, platform string) report {
	cause := c.Message()
	switch {
	case client.Unreachable(err):
		var op *net.OpError
		if dialed := !errors.As(err, &op) || op.Op != "dial"; dialed && errors.Is(err, context.DeadlineExceeded) {
			return report{message: fmt.Sprintf("the server at %s was reached, and does not answer", addr), hint: silentHint(platform)}
		}
		r := report{message: fmt.Sprintf("the server at %s cannot be reached: %s", addr, cause)}
		r.hint = "Check the address (`waypoint context inspect`) and that the server is running."
		if platform == "local" {
			r.hint = "Start it with `waypoint install --platform=local`; its log is server.log in the data directory."
		}
		return r
	case c.Code() == connect.CodeUnimplemented:
		return report{
			message: fmt.Sprintf("the server at %s does not know this call: %s", addr, cause),
			hint:    "It may be older than this CLI: `waypoint doctor` compares the versions.",
		}
	case c.Code() == connect.CodeCanceled:
		return report{message: "interrupted"}
	}
	return report{message: fmt.Sprintf("the server at %s answered %s: %s", addr, c.Code(), cause)}
}

// silentHint says what to do about a server that takes connections and does not answer.
func silentHint(platform string) string {
	if platform == "local" {
		return "Its process is there, but is stopped or overloaded: look at server.log in the data directory, and at the machine. " +
			"`waypoint upgrade --platform=local` starts it anew; the data stays."
	}
	return "It may be overloaded, or something between holds the answers back. Run the same command again; `waypoint doctor` looks at the server."
}

// hintFor says what to do about reasons for which the server gave no hint.
func hintFor(reason fault.Reason) string {
	switch reason {
	case fault.TokenMissing, fault.TokenInvalid, fault.TokenExpired, fault.TokenRevoked:
		return "Get a new token from your administrator and run `waypoint login ADDRESS`."
	case fault.ProjectNotFound:
		return "`waypoint project list` shows the projects; `waypoint init` registers the one in this directory."
	case fault.AppNotFound:
		return "`waypoint project inspect` shows the project's apps; `waypoint init` registers those in waypoint.hcl."
	case fault.JobNotFound:
		return "`waypoint job list` shows the jobs."
	}
	return ""
}

// showError prints an error, once, at the edge.
func (sh *shell) showError(err error) {
	color := sh.errSetting().Color()
	if many := joined(err); many != nil {
		for _, one := range many {
			sh.showError(one)
		}
		return
	}
	if errors.Is(err, errSilent) {
		return
	}
	var r rendered
	if errors.As(err, &r) {
		r.render(sh.env.Err, color)
		return
	}
	if client.Unreachable(err) {
		if t := sh.localTrouble(); t != nil {
			err = t
		}
	}
	e := explain(err, sh.server)
	text := "Error: " + sentence(e.message)
	if e.reason != "" {
		text += " (" + e.reason + ")"
	}
	text = terminal.Clean(strings.ReplaceAll(text, "\n", " "), false)
	sh.sayf("%s\n", terminal.Paint(text, terminal.Failure, color))
	if e.hint != "" {
		for _, line := range strings.Split(e.hint, "\n") {
			sh.sayf("  %s\n", terminal.Clean(line, false))
		}
	}
}

// sentence begins with a capital letter, unless the first word is a name or code.
func sentence(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	word, _, _ := strings.Cut(s, " ")
	if strings.ContainsAny(word, `_-./":=`) || !unicode.IsLower(first) {
		return s
	}
	return string(unicode.ToUpper(first)) + s[size:]
}

// isReason says whether err is a fault of that reason, made here or by the server.
func isReason(err error, reason fault.Reason) bool {
	var own *trouble
	if errors.As(err, &own) {
		return own.reason == reason
	}
	return fault.Is(err, reason)
}

// joined returns the errors that errors.Join put side by side; nil for one error, also for one that wraps two in its
// sentence.
func joined(err error) []error {
	var many interface{ Unwrap() []error }
	if !errors.As(err, &many) {
		return nil
	}
	all := many.Unwrap()
	texts := make([]string, len(all))
	for i, one := range all {
		texts[i] = one.Error()
	}
	if fmt.Sprint(many) != strings.Join(texts, "\n") {
		return nil
	}
	return all
}
