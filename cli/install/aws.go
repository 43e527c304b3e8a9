package install

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/spf13/cobra"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/infra"
	"github.com/waypoint-serverless/waypoint/internal/release"
	"github.com/waypoint-serverless/waypoint/internal/release/pack"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// pollEmulator is how often an emulator's stack is looked at: it is ready in no time, and asking costs nothing.
const pollEmulator = 100 * time.Millisecond

// AWSFlags name an installation in an AWS account.
type AWSFlags struct {
	Name, Region, Profile string
	// context is the one that was named with --context; "" if none was.
	context string
}

// Register adds the flags.
func (f *AWSFlags) Register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.Name, "name", infra.DefaultName, "aws: name of the installation; all its resources' names begin with it")
	cmd.Flags().StringVar(&f.Region, "region", "", "aws: region, instead of AWS_REGION or the profile's")
	cmd.Flags().StringVar(&f.Profile, "profile", "", "aws: profile of ~/.aws/config, instead of AWS_PROFILE")
}

// command writes a command with the flags that lead to this installation, for hints.
func (f *AWSFlags) command(verb string, more ...string) string {
	text := "waypoint " + verb + " --platform=aws" + infra.CommandFlags(f.Name, f.Region, f.Profile)
	if f.context != "" && (verb == "install" || verb == "upgrade") {
		text += " --context=" + f.context
	}
	return "`" + strings.Join(append([]string{text}, more...), " ") + "`"
}

// config is the SDK's: flags over environment over profile. Credentials are only looked for when they are needed.
func (f *AWSFlags) config(ctx context.Context) (aws.Config, error) {
	var o []func(*awsconfig.LoadOptions) error
	if f.Region != "" {
		o = append(o, awsconfig.WithRegion(f.Region))
	}
	if f.Profile != "" {
		o = append(o, awsconfig.WithSharedConfigProfile(f.Profile))
	}
	c, err := awsconfig.LoadDefaultConfig(ctx, o...)
	var missing awsconfig.SharedConfigProfileNotExistError
	if errors.As(err, &missing) {
		return c, problem.New("AWS_NO_PROFILE", "there is no AWS profile %q", missing.Profile).
			WithHint("`aws configure list-profiles` lists the profiles; choose one with --profile or AWS_PROFILE.")
	}
	if err != nil {
		return c, problem.New("AWS_CONFIG", "cannot read the AWS configuration: %s", err.Error()).WithHint("Check ~/.aws/config and ~/.aws/credentials.")
	}
	return c, nil
}

// Options returns the installer's options that all commands share. Progress is shown on stderr until end is called. A
// command for an existing installation (known) takes region and endpoint from its context.
func (f *AWSFlags) Options(ctx context.Context, sh Host, known bool) (o infra.Options, end func(ok bool), err error) {
	config, err := f.config(ctx)
	if err != nil {
		return o, nil, err
	}
	if err := f.followContext(sh, &config, known); err != nil {
		return o, nil, err
	}
	p := newInstallProgress(sh)
	o = infra.Options{Config: config, Name: f.Name, Clock: sh.Env().Now, Progress: p.event, Logger: sh.Logger(slog.LevelError), Command: f.command}
	if aws.ToString(config.BaseEndpoint) != "" {
		o.PollEvery = pollEmulator
	}
	return o, p.end, nil
}

// installProgress shows the installer's steps as those of an operation are shown.
type installProgress struct {
	sh      Host
	r       *terminal.Renderer
	n       int
	current string
}

func newInstallProgress(sh Host) *installProgress { return &installProgress{sh: sh} }

func (p *installProgress) event(e infra.Event) {
	if p.r == nil {
		p.r = p.sh.Renderer(p.sh.Env().Err, p.sh.ErrSetting())
	}
	if r := e.Resource; r != nil {
		line := fmt.Sprintf("%-20s %-28s %s", r.Status, r.Logical, r.Type)
		if r.Reason != "" {
			line += ": " + r.Reason
		}
		p.step("", waypointv1.OutputEvent_STEP_STATE_UNSPECIFIED, line+"\n")
		return
	}
	if e.Note {
		p.r.Event(&waypointv1.OutputEvent{Event: &waypointv1.OutputEvent_Line_{Line: &waypointv1.OutputEvent_Line{Text: e.Text}}})
		return
	}
	p.done(waypointv1.OutputEvent_STEP_STATE_DONE)
	p.n++
	p.current = fmt.Sprint(p.n)
	p.step(e.Text, waypointv1.OutputEvent_STEP_STATE_RUNNING, "")
}

func (p *installProgress) step(text string, state waypointv1.OutputEvent_StepState, output string) {
	p.r.Event(&waypointv1.OutputEvent{Event: &waypointv1.OutputEvent_Step_{Step: &waypointv1.OutputEvent_Step{
		Id: p.current, Text: text, State: state, Output: []byte(output)}}})
}

func (p *installProgress) done(state waypointv1.OutputEvent_StepState) {
	if p.current != "" {
		p.step("", state, "")
		p.current = ""
	}
}

// end closes what is shown; the next event opens it again. It lets a question stand alone on the screen.
func (p *installProgress) end(ok bool) {
	if p.r == nil {
		return
	}
	state := waypointv1.OutputEvent_STEP_STATE_DONE
	if !ok {
		state = waypointv1.OutputEvent_STEP_STATE_FAILED
	}
	p.done(state)
	_ = p.r.Close() // stderr that cannot be written to is nobody's error
	p.r = nil
}

// Lambda's names of the architectures.
const (
	lambdaARM64 = "arm64"
	lambdaX86   = "x86_64"
)

// architectures are the names that people use, and Lambda's.
var architectures = map[string]string{"arm64": lambdaARM64, "aarch64": lambdaARM64,
	"amd64": lambdaX86, "x86_64": lambdaX86, "x86-64": lambdaX86}

// functionCode is where the functions' code comes from: the release that this binary is, or what `make build` made.
type functionCode struct {
	executable string
}

// goArch is Go's name of one of Lambda's architectures.
func goArch(architecture string) string {
	if architecture == lambdaX86 {
		return "amd64"
	}
	return "arm64"
}

// zip is the functions' code for an architecture.
func (c functionCode) zip(architecture string) ([]byte, error) {
	if zip, ok := release.Function(goArch(architecture)); ok {
		return zip, nil
	}
	path, built, err := c.beside()
	if err != nil {
		return nil, err
	}
	if built != architecture {
		return nil, problem.New("NO_FUNCTION_CODE", "this development build has the functions' code for %s only, not for %s", built, architecture).
			WithHint("Add --arch=%s, or use a release: `make dist` makes one.", goArch(built))
	}
	binary, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the functions' code: %w", err)
	}
	return pack.Zip(binary)
}

// beside finds the bootstrap that `make build` puts beside the binary, and for which architecture it is.
func (c functionCode) beside() (path, architecture string, err error) {
	missing := problem.New("NO_FUNCTION_CODE", "this build of waypoint does not carry the functions' code").
		WithHint("Use a release (`make dist` makes one), or run `make build`, which puts the file `bootstrap` beside the binary.")
	executable := c.executable
	if real, err := filepath.EvalSymlinks(executable); err == nil {
		executable = real
	}
	path = filepath.Join(filepath.Dir(executable), "bootstrap")
	f, err := elf.Open(path)
	if err != nil {
		return "", "", missing
	}
	defer f.Close()
	switch f.Machine {
	case elf.EM_X86_64:
		return path, lambdaX86, nil
	case elf.EM_AARCH64:
		return path, lambdaARM64, nil
	default:
		return "", "", missing
	}
}

// architecture is the one to install where none was chosen: what the template says, but for emulators, which run
// functions on this machine, and for development builds, which have but one. "" leaves it to the installer.
func (c functionCode) architecture(emulated bool) string {
	if _, ok := release.Function("arm64"); !ok {
		if _, built, err := c.beside(); err == nil {
			return built
		}
	}
	if emulated {
		return architectures[runtime.GOARCH]
	}
	return ""
}

// pairs reads repeated KEY=VALUE flags.
func pairs(flag string, given []string) (map[string]string, error) {
	out := map[string]string{}
	for _, pair := range given {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return nil, problem.New("USAGE", "invalid --%s %s: expected KEY=VALUE", flag, pair).WithHint("Write --%s KEY=VALUE; the flag can be repeated.", flag)
		}
		out[key] = value
	}
	return out, nil
}
