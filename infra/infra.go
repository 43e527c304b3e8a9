// Package infra installs the server into an AWS account, upgrades it, removes it and checks it.
//
// It works with the operator's own credentials on the operator's machine, and keeps no state of its own: whatever
// it has to know it reads from AWS, so that the next run completes one that was interrupted anywhere.
// Each step may be repeated. It makes, beside the CloudFormation stack of package template, the bucket that holds
// the functions' code and the SecureString that holds the encryption key.
//
// It touches no data: of the table it reads only whether it exists and the names of its keys, and it can delete it.
// It must not import functions or localstack, nor print: progress goes to a callback.
package infra

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/infra/receipt"
	"github.com/waypoint-serverless/waypoint/infra/template"
)

// DefaultName is what an installation is called.
const DefaultName = "waypoint"

// CommandFlags returns the flags that select an installation where the defaults do not, with a space before
// each; empty strings are defaults.
func CommandFlags(name, region, profile string) string {
	text := ""
	for _, flag := range [][2]string{{"name", name}, {"region", region}, {"profile", profile}} {
		if flag[1] != "" && (flag[0] != "name" || flag[1] != DefaultName) {
			text += " --" + flag[0] + "=" + flag[1]
		}
	}
	return text
}

// Options of all operations. Config is required.
type Options struct {
	// Config is the operator's: region, credentials, and BaseEndpoint for emulators (AWS_ENDPOINT_URL).
	Config aws.Config
	// Name of the installation: of the stack, and the beginning of the names of all resources. "" is DefaultName.
	Name string
	// Version of the code that is installed; Install and Upgrade need it.
	Version string
	// Parameters are values for the template's parameters that may be chosen (see SettableParameters). An upgrade
	// keeps those that it is not given, but for TailHoldMs and TailReservedConcurrency, which then follow the
	// account's limits.
	Parameters map[string]string
	// Tags for the stack and what it makes. An upgrade keeps those that it is not given.
	Tags map[string]string
	// Code returns the functions' zip for an architecture, "arm64" or "x86_64". Install and Upgrade need it.
	Code func(architecture string) ([]byte, error)
	// AdminToken names an admin token to make at the end of Install; "": none.
	AdminToken string
	// KeepToken reports whether the caller has a token that this server accepts; then none is made. nil: it has none.
	KeepToken func(ctx context.Context, address string) bool
	// Purge makes Uninstall delete the table and the encryption key too.
	Purge bool
	// Command writes a command of this program for hints, with the flags that lead to this installation; nil: the
	// verb with --platform and --name.
	Command func(verb string, more ...string) string
	// Identified is called once with the account and region, before anything is looked at; an error ends the
	// operation. nil: nobody.
	Identified func(Identity) error
	// Expected names the context that leads to this installation, if there is one: then Doctor fails if nothing is
	// installed. nil: nobody expects it.
	Expected func(Identity) string
	// Progress receives events; may be nil. It is called from one goroutine at a time.
	Progress func(Event)
	// Confirm is shown what will be done before it is; false ends the operation with DECLINED. nil: yes.
	Confirm func(Plan) (bool, error)
	// PollEvery is the time between two reads of a stack operation in progress; 0: two seconds.
	PollEvery time.Duration
	Clock     func() time.Time
	Rand      io.Reader
	Logger    *slog.Logger
}

// Event is one thing that happened.
type Event struct {
	Time time.Time
	// Step is a stable name: "identity", "look", "stack", "change-set", "bucket", "key", "code", "apply", "health",
	// "token", "queues", "table", "verify".
	Step string
	// Text is a sentence for people: what begins, or with Note what was found.
	Text string
	Note bool
	// Resource is set for events of the stack.
	Resource *ResourceEvent
}

// ResourceEvent is an event of CloudFormation.
type ResourceEvent struct{ Logical, Type, Status, Reason string }

// Change is one resource of a change set.
type Change struct {
	// Action is Add, Modify, Remove or Import; Replacement says that Modify replaces it: True, False, Conditional.
	Action, Logical, Type, Replacement string
}

// Plan is what is about to be done.
type Plan struct {
	// Operation is "install", "upgrade" or "uninstall".
	Operation             string
	Name, Account, Region string
	// Changes to the stack.
	Changes []Change
	// Beside are things made or removed outside of the stack, and Kept what an uninstall leaves: a sentence each.
	Beside, Kept []string
	// Parameters that the stack will have, and the receipt of it; not for uninstall.
	Parameters map[string]string
	Receipt    *receipt.Receipt
}

// Reasons of this package's faults.
const (
	NoCredentials     fault.Reason = "AWS_NO_CREDENTIALS"
	BadCredentials    fault.Reason = "AWS_BAD_CREDENTIALS"
	CredentialsEnded  fault.Reason = "AWS_CREDENTIALS_EXPIRED"
	NoRegion          fault.Reason = "AWS_NO_REGION"
	Unreachable       fault.Reason = "AWS_UNREACHABLE"
	Denied            fault.Reason = "AWS_PERMISSION_DENIED"
	ClockOff          fault.Reason = "CLOCK_OFF"
	NameTaken         fault.Reason = "NAME_TAKEN"
	StackFailed       fault.Reason = "STACK_FAILED"
	NewerInstalled    fault.Reason = "NEWER_VERSION_INSTALLED"
	Declined          fault.Reason = "DECLINED"
	KeyMissing        fault.Reason = "ENCRYPTION_KEY_MISSING"
	TableForeign      fault.Reason = "TABLE_NOT_OURS"
	NotInstalled      fault.Reason = "NOT_INSTALLED"
	NotHealthy        fault.Reason = "NOT_HEALTHY"
	SomethingLeft     fault.Reason = "SOMETHING_LEFT"
	ParameterRefused  fault.Reason = "PARAMETER_REFUSED"
	TokenNotMade      fault.Reason = "TOKEN_NOT_MADE"
	operationsTimeout              = 30 * time.Minute
)

// Unfinished is the error of an operation that had made or removed something when it failed. Another run continues it.
type Unfinished struct {
	Err error
	// API is whether the API answered after a change failed.
	API APIState
	// Stuck reports that another run cannot continue it; the hint of Err says what to do.
	Stuck bool
}

// APIState is what is known of an installation's API.
type APIState int

// States of an API.
const (
	// APIUnknown: there was none before, or nobody could ask.
	APIUnknown APIState = iota
	APIAnswers
	APISilent
)

func (u *Unfinished) Error() string { return u.Err.Error() }

// Unwrap gives what happened.
func (u *Unfinished) Unwrap() error { return u.Err }

func (i *account) unfinished(err error) error {
	if err == nil || !i.begun {
		return err
	}
	return &Unfinished{Err: err, API: i.api, Stuck: i.stuckForGood}
}

// SettableParameters are the template's parameters that people choose; the installer sets the others.
func SettableParameters() []string {
	return []string{
		template.ParamAlarmTopicArn, template.ParamArchitecture, template.ParamKMSKeyArn, template.ParamLogRetentionDays,
		template.ParamPermissionsBoundaryArn, template.ParamRunnerRoles, template.ParamTailHoldMS, template.ParamTailReservedConcurrency,
		template.ParamThrottleBurst, template.ParamThrottleRate,
		template.ParamRunnersThrottleBurst, template.ParamRunnersThrottleRate,
		template.ParamAppsThrottleBurst, template.ParamAppsThrottleRate,
		template.ParamOpenThrottleBurst, template.ParamOpenThrottleRate,
	}
}

// account is the AWS account that one operation works in: who is calling, the clients, what the installation's
// resources are called, and what the operation has done so far. Every part of an installation below uses it.
type account struct {
	Options
	id     Identity
	ahead  time.Duration // of AWS's clock before this machine's
	names  names
	cfn    *cloudformation.Client
	s3     *s3.Client
	lambda *lambda.Client
	sqs    *sqs.Client
	ssm    *ssm.Client
	sts    *sts.Client
	// signed makes the few calls of services that have no client here.
	signed signedCaller
	tables tableControl
	// begun reports whether something was made or removed.
	begun bool
	// api is what is known of the API after a change that failed.
	api APIState
	// stuckForGood: an emulator cannot delete the stack.
	stuckForGood bool
	// close ends idle connections.
	close func()
}

// installer is one operation in progress: the account, and the parts of an installation that it makes, changes or
// removes.
type installer struct {
	*account
	codeBucket
	stackControl
	keyControl
	leftovers
}

// codeBucket is the bucket that holds the functions' zip.
type codeBucket struct{ *account }

// stackControl is the CloudFormation stack: its state, its events and its change sets.
type stackControl struct {
	*account
	leftovers
}

// keyControl is the parameter that holds the encryption key.
type keyControl struct{ *account }

// leftovers are resources with this installation's names that no stack owns, as an emulator can leave them.
type leftovers struct{ *account }

// begin checks the options, makes the clients and finds out who is calling.
func begin(ctx context.Context, o Options) (*installer, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	var closeIdle func()
	o.Config.HTTPClient, closeIdle = oneClient(o.Config.HTTPClient)
	endpoint := aws.ToString(o.Config.BaseEndpoint)
	a := &account{
		Options: o,
		close:   closeIdle,
		cfn:     cloudformation.NewFromConfig(o.Config),
		lambda:  lambda.NewFromConfig(o.Config),
		sqs:     sqs.NewFromConfig(o.Config),
		ssm:     ssm.NewFromConfig(o.Config),
		sts:     sts.NewFromConfig(o.Config),
		s3: s3.NewFromConfig(o.Config, func(s *s3.Options) {
			s.UsePathStyle = endpoint != "" // emulators have no name for each bucket
			s.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		}),
		signed: signedCaller{o.Config, o.Clock},
	}
	a.tables = tableControl{dynamodb.NewFromConfig(o.Config)}
	left := leftovers{a}
	i := &installer{a, codeBucket{a}, stackControl{a, left}, keyControl{a}, left}
	i.say("identity", "Reading the caller's identity from AWS")
	if err := i.identify(ctx); err != nil {
		closeIdle()
		return nil, err
	}
	if o.Identified != nil {
		if err := o.Identified(i.id); err != nil {
			closeIdle()
			return nil, err
		}
	}
	i.names = namesOf(o.Name, i.id)
	i.note("identity", fmt.Sprintf("Account %s, region %s, as %s", i.id.Account, i.id.Region, i.id.ARN))
	return i, nil
}

func (o *Options) complete() error {
	if o.Name == "" {
		o.Name = DefaultName
	}
	if !regexp.MustCompile(template.PrefixPattern).MatchString(o.Name) {
		return fault.New(connect.CodeInvalidArgument, ParameterRefused, "invalid name %q: it must be usable as a prefix of AWS resource names", o.Name).
			WithHint("Use 2 to %d lower-case letters, digits and hyphens, starting with a letter.", template.MaxPrefix)
	}
	for name := range o.Parameters {
		if !slices.Contains(SettableParameters(), name) {
			return fault.New(connect.CodeInvalidArgument, ParameterRefused, "%s is not a parameter that can be set", name).
				WithHint("Use one of: %v.", SettableParameters())
		}
	}
	if o.Config.Region == "" {
		return fault.New(connect.CodeInvalidArgument, NoRegion, "no AWS region is set").
			WithHint("Set AWS_REGION, or a region in your AWS profile.")
	}
	if o.PollEvery == 0 {
		o.PollEvery = 2 * time.Second
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Command == nil {
		o.Command = o.plainCommand
	}
	if o.Progress == nil {
		o.Progress = func(Event) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// plainCommand is Options.Command where the caller has none.
func (o *Options) plainCommand(verb string, more ...string) string {
	words := []string{"waypoint", verb, "--platform=aws"}
	if o.Name != DefaultName {
		words = append(words, "--name="+o.Name)
	}
	return "`" + strings.Join(append(words, more...), " ") + "`"
}

// emulated reports whether AWS_ENDPOINT_URL leads to LocalStack or the like.
func (i *account) emulated() bool { return aws.ToString(i.Config.BaseEndpoint) != "" }

func (i *account) say(step, text string) {
	i.Progress(Event{Time: i.Clock(), Step: step, Text: text})
}

func (i *account) note(step, text string) {
	i.Progress(Event{Time: i.Clock(), Step: step, Text: text, Note: true})
}

// confirm asks, and is an error if the answer is no.
func (i *account) confirm(p Plan) error {
	p.Name, p.Account, p.Region = i.Name, i.id.Account, i.id.Region
	if i.Confirm == nil {
		return nil
	}
	yes, err := i.Confirm(p)
	if err != nil {
		return err
	}
	if !yes {
		return fault.New(connect.CodeCanceled, Declined, "nothing was changed")
	}
	return nil
}

// pause waits for the next look, or for the end of ctx.
func (i *account) pause(ctx context.Context) error {
	t := time.NewTimer(i.PollEvery)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
