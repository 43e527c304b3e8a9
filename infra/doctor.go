package infra

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"golang.org/x/mod/semver"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/infra/template"
)

// Check is the result of one check.
type Check struct {
	// Name is stable: "credentials", "clock", "region", "quotas", "permissions", "stack", "version", "key", "table",
	// "bucket", "queues", "function-api", "function-tail", "function-sweep", "api".
	Name string
	// Status is "ok", "warning" or "failed"; a check that could not be made because an earlier one failed is absent.
	Status string
	// Detail says what was found; Fix what to do, if it is not ok.
	Detail, Fix string
}

// clockTolerance is where signatures come near AWS's limit of five minutes.
const clockTolerance = time.Minute

// doctor collects checks.
type doctor struct {
	*installer
	checks []Check
}

func (d *doctor) ok(name, format string, args ...any) {
	d.checks = append(d.checks, Check{Name: name, Status: "ok", Detail: fmt.Sprintf(format, args...)})
}

func (d *doctor) bad(name, status, fix, format string, args ...any) {
	d.checks = append(d.checks, Check{Name: name, Status: status, Detail: fmt.Sprintf(format, args...), Fix: fix})
}

func (d *doctor) failed(name string, err error) {
	c := Check{Name: name, Status: "failed", Detail: err.Error()}
	var f *fault.Error
	if errors.As(err, &f) {
		c.Detail, c.Fix = f.Message, f.Hint
	}
	d.checks = append(d.checks, c)
}

// Doctor checks everything that an installation consists of and depends on. It changes nothing. The error is for
// options that are invalid; what AWS answers becomes a check.
func Doctor(ctx context.Context, o Options) ([]Check, error) {
	d := &doctor{}
	i, err := begin(ctx, o)
	if err != nil {
		var f *fault.Error
		if errors.As(err, &f) && f.Reason != ParameterRefused {
			d.failed("credentials", err)
			return d.checks, nil
		}
		return nil, err
	}
	defer i.close()
	d.installer = i
	d.ok("credentials", "account %s, as %s", i.id.Account, i.id.ARN)
	d.clock()
	d.ok("region", "%s", i.id.Region)
	d.quotas(ctx)
	before, err := i.look(ctx)
	if err != nil {
		d.failed("permissions", err)
		return d.checks, nil
	}
	d.ok("permissions", "the checks have all permissions that they need; `--print-policy` prints those for installing")
	d.standing(ctx, before)
	return d.checks, ctx.Err()
}

func (d *doctor) clock() {
	switch err := d.rightClock(); {
	case err != nil:
		d.failed("clock", err)
	case d.ahead.Abs() > clockTolerance:
		d.bad("clock", "warning", "Set the clock, for example with NTP: AWS rejects requests whose time is off by five minutes.",
			"this machine's clock differs from AWS's by %s", d.ahead.Abs().Round(time.Second))
	default:
		d.ok("clock", "within a minute of AWS's")
	}
}

func (d *doctor) quotas(ctx context.Context) {
	out, err := d.lambda.GetAccountSettings(ctx, &lambda.GetAccountSettingsInput{})
	if err != nil {
		d.failed("quotas", d.explain("reading the account's quotas", err))
		return
	}
	limit := 0
	if out.AccountLimit != nil {
		limit = int(out.AccountLimit.ConcurrentExecutions)
	}
	if limit < smallAccount {
		d.bad("quotas", "warning", "Request a higher quota of concurrent executions (Service Quotas, Lambda), then run the upgrade: output then arrives without delay.",
			"the account can run %d functions at once: long reads are not held, and clients poll every second", limit)
		return
	}
	d.ok("quotas", "the account can run %d functions at once", limit)
}

func (d *doctor) standing(ctx context.Context, s standing) {
	if s.empty() || s.stack == nil && s.table {
		left := d.data(s.table, s.key)
		if d.Expected != nil {
			if name := d.Expected(d.id); name != "" {
				d.gone(name, left)
				return
			}
		}
		text := "nothing is installed under this name"
		if len(left) > 0 {
			text += "; an earlier installation left " + strings.Join(left, " and ")
		}
		d.ok("stack", "%s", text)
		return
	}
	if s.stack == nil {
		d.bad("stack", "failed", "Run "+d.Command("install")+": it continues where the last run stopped.", "an installation was started but not finished")
		return
	}
	if err := d.ours(ctx, s.stack); err != nil {
		d.failed("stack", err)
		return
	}
	switch status := s.stack.StackStatus; {
	case moving(status):
		d.bad("stack", "warning", "Wait until it finishes.", "a stack operation is in progress: %s", status)
		return
	case status != types.StackStatusCreateComplete && status != types.StackStatusUpdateComplete && status != types.StackStatusUpdateRollbackComplete:
		d.bad("stack", "failed", "Run "+d.Command("install")+": it removes what a failed operation left, and continues.", "the stack is %s", status)
		return
	default:
		d.ok("stack", "%s is %s", d.names.stack, status)
	}
	d.parts(ctx, s)
}

// gone says that the installation to which a context leads is not there.
func (d *doctor) gone(contextName string, left []string) {
	fix := "Install it again: " + d.Command("install") + ". Or delete the context: `waypoint context delete " + contextName + "`."
	if d.emulated() {
		fix = ForgotHint(d.Command("install"))
	}
	text := ""
	if len(left) > 0 {
		text = "; an earlier installation left " + strings.Join(left, " and ")
	}
	d.bad("stack", "failed", fix, "the installation of the context %q does not exist%s", contextName, text)
}

// ForgotHint returns the hint for an emulator that lost the installation. install is the command, quoted.
func ForgotHint(install string) string {
	return "LocalStack loses everything when it restarts: " + install + " installs it again."
}

func (d *doctor) parts(ctx context.Context, s standing) {
	out := outputsOf(s.stack)
	installed, own := "v"+strings.TrimPrefix(out[template.OutputVersion], "v"), "v"+strings.TrimPrefix(d.Version, "v")
	switch {
	case semver.IsValid(installed) && semver.IsValid(own) && semver.Compare(installed, own) > 0:
		d.bad("version", "warning", "Install Waypoint "+out[template.OutputVersion]+" on this machine.", "the server has version %s, this CLI %s", out[template.OutputVersion], d.Version)
	case d.Version != "" && installed != own:
		d.bad("version", "warning", "Run "+d.Command("upgrade")+".", "the server has version %s, this CLI %s", out[template.OutputVersion], d.Version)
	default:
		d.ok("version", "%s", out[template.OutputVersion])
	}
	kms := ""
	for _, p := range s.stack.Parameters {
		if aws.ToString(p.ParameterKey) == template.ParamKMSKeyArn {
			kms = aws.ToString(p.ParameterValue)
		}
	}
	switch {
	case kms != "":
		d.ok("key", "your KMS key %s", kms)
	case s.key:
		d.ok("key", "%s is there", d.names.key)
	default:
		d.bad("key", "failed", "Restore the parameter from your backup: without it, the encrypted values are lost.", "the encryption key %s is missing", d.names.key)
	}
	d.there("table", s.table, "the table "+d.names.table)
	d.there("bucket", s.bucket, "the bucket "+d.names.bucket)
	d.ok("queues", "%d pools have a queue", len(s.queues))
	for _, f := range template.Functions() {
		d.function(ctx, f.Name)
	}
	address := d.address(out)
	if err := d.health(ctx, address, out[template.OutputServerID]); err != nil {
		d.failed("api", err)
		return
	}
	d.ok("api", "%s answers", address)
}

func (d *doctor) there(name string, there bool, what string) {
	if there {
		d.ok(name, "%s is there", what)
		return
	}
	d.bad(name, "failed", "Somebody deleted it. Run "+d.Command("uninstall")+", then install.", "%s is missing", what)
}

func (d *doctor) function(ctx context.Context, name string) {
	check, full := "function-"+name, d.Name+"-"+name
	out, err := d.lambda.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: &full})
	switch {
	case is(err, "ResourceNotFoundException"):
		d.there(check, false, "the function "+full)
	case err != nil:
		d.failed(check, d.explain("reading the function "+full, err))
	case out.Configuration.State != lambdatypes.StateActive && out.Configuration.State != lambdatypes.StateInactive:
		d.bad(check, "failed", "Run "+d.Command("upgrade")+".", "the function %s is %s: %s", full, out.Configuration.State, aws.ToString(out.Configuration.StateReason))
	default:
		d.ok(check, "%s is ready", full)
	}
}
