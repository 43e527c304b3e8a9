package shell

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/infra"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
	"github.com/waypoint-serverless/waypoint/localstack/server"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// Report is what the user is shown of an error: what happened, and what to do next.
type Report struct{ Message, Reason, Hint string }

// Explain extracts from an error what a person has to know. s is the server that was called; nil if none was.
func Explain(err error, s *Server) Report {
	if s == nil {
		s = &Server{}
	}
	var of *problem.OfSubject
	if errors.As(err, &of) {
		r := Explain(of.Err, s)
		r.Message = of.Subject + ": " + r.Message
		return r
	}
	var own *problem.Problem
	if errors.As(err, &own) {
		return Report{Message: err.Error(), Hint: own.Hint}
	}
	if f, ok := fault.From(err); ok {
		r := Report{Message: f.Message, Reason: string(f.Reason), Hint: f.Hint}
		if r.Hint == "" {
			r.Hint = hintFor(f.Reason)
		}
		if f.Reason == fault.TokenInvalid && s.Platform == "local" {
			r.Hint = "If the local server's data was lost or replaced, `waypoint install --platform=local` gives this context a token that works."
		}
		return r
	}
	var p *plugin.Error
	if errors.As(err, &p) {
		return Report{Message: err.Error(), Hint: p.Hint}
	}
	var foreign *client.ForeignAnswer
	if errors.As(err, &foreign) {
		return explainForeign(foreign, s)
	}
	var t *server.Trouble
	if errors.As(err, &t) {
		return Report{Message: err.Error(), Hint: t.Hint}
	}
	var c *connect.Error
	if errors.As(err, &c) {
		return explainConnect(err, c, s.Address, s.Platform)
	}
	return Report{Message: err.Error()}
}

// explainForeign words that something else than the server answers.
func explainForeign(f *client.ForeignAnswer, s *Server) Report {
	name, profile := infra.DefaultName, ""
	if s.AWS != nil {
		name, profile = s.AWS.Name, s.AWS.Profile
	}
	install := "`waypoint install --platform=aws" + infra.CommandFlags(name, "", profile) + "`"
	switch f.Emulator {
	case client.EmulatorStarting:
		return Report{Message: f.What(), Hint: "Wait until it has started, then run the same command again. " + infra.ForgotHint(install)}
	case client.EmulatorForgot:
		return Report{Message: f.What(), Hint: infra.ForgotHint(install)}
	}
	r := Report{Message: fmt.Sprintf("at %s, %s", s.Address, f.What()),
		Hint: "Check the address. A server of HashiCorp Waypoint speaks gRPC and cannot be used with this CLI."}
	if s.Platform == "aws" {
		r.Hint = "If somebody removed the installation, " + install + " installs it again; `waypoint doctor` checks it."
	}
	return r
}

func explainConnect(err error, c *connect.Error, addr, platform string) Report {
	cause := c.Message()
	switch {
	case client.Unreachable(err):
		var op *net.OpError
		if dialed := !errors.As(err, &op) || op.Op != "dial"; dialed && errors.Is(err, context.DeadlineExceeded) {
			return Report{Message: fmt.Sprintf("the server at %s accepts connections but does not answer", addr), Hint: silentHint(platform)}
		}
		r := Report{Message: fmt.Sprintf("the server at %s cannot be reached: %s", addr, cause)}
		r.Hint = "Check the address (`waypoint context inspect`) and that the server is running."
		if platform == "local" {
			r.Hint = "Start it with `waypoint install --platform=local`; its log is server.log in the data directory."
		}
		return r
	case c.Code() == connect.CodeUnimplemented:
		return Report{
			Message: fmt.Sprintf("the server at %s does not support this call: %s", addr, cause),
			Hint:    "It may be older than this CLI: `waypoint doctor` compares the versions.",
		}
	case c.Code() == connect.CodeCanceled:
		return Report{Message: "interrupted"}
	}
	return Report{Message: fmt.Sprintf("the server at %s answered %s: %s", addr, c.Code(), cause)}
}

// silentHint says what to do about a server that takes connections and does not answer.
func silentHint(platform string) string {
	if platform == "local" {
		return "Its process exists, but is stopped or overloaded: check server.log in the data directory, and the load of the machine. " +
			"`waypoint upgrade --platform=local` restarts it; the data is kept."
	}
	return "It may be overloaded, or a proxy in between holds back its answers. Run the same command again; `waypoint doctor` checks the server."
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

// ShowError prints an error, once, at the edge.
func (sh *Shell) ShowError(err error) {
	color := sh.ErrSetting().Color()
	if many := joined(err); many != nil {
		for _, one := range many {
			sh.ShowError(one)
		}
		return
	}
	if errors.Is(err, problem.ErrSilent) {
		return
	}
	var r problem.Rendered
	if errors.As(err, &r) && !sh.jsonErrors {
		r.Render(sh.env.Err, color)
		return
	}
	if client.Unreachable(err) {
		if t := sh.LocalTrouble(); t != nil {
			err = t
		}
	}
	e := Explain(err, sh.server)
	if sh.jsonErrors {
		sh.showErrorObject(err, e)
		return
	}
	text := "Error: " + problem.Sentence(e.Message)
	if e.Reason != "" {
		text += " (" + e.Reason + ")"
	}
	text = terminal.Clean(strings.ReplaceAll(text, "\n", " "), false)
	sh.Progressf("%s\n", terminal.Paint(text, terminal.Failure, color))
	if e.Hint != "" {
		for _, line := range strings.Split(e.Hint, "\n") {
			sh.Progressf("  %s\n", terminal.Clean(line, false))
		}
	}
}

// showErrorObject prints an error as one line of JSON to stderr, for a command that was asked for JSON.
func (sh *Shell) showErrorObject(err error, e Report) {
	var own *problem.Problem
	if e.Reason == "" && errors.As(err, &own) {
		e.Reason = string(own.Reason)
	}
	var r problem.Rendered
	if e.Reason == "" && errors.As(err, &r) {
		e.Reason = string(fault.ConfigInvalid)
	}
	terminal.NewJSONLines(sh.env.Err).Write(map[string]any{
		"error": map[string]any{"reason": e.Reason, "message": e.Message, "hint": e.Hint, "exit_code": codeOf(err)},
	})
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
