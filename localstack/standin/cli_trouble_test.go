package standin_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/waypoint-serverless/waypoint/infra"
	"github.com/waypoint-serverless/waypoint/localstack/standin"
)

// fails runs the command and wants a failure, each of the words, and no more lines than people read.
func (u *user) fails(says []string, args ...string) {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(u.t.Context(), 5*time.Minute)
	defer cancel()
	cmd := u.command(ctx, args...)
	var stderr, stdout strings.Builder
	cmd.Stderr, cmd.Stdout = &stderr, &stdout
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() < 1 || exit.ExitCode() > 4 {
		u.t.Fatalf("waypoint %s: %v, want a failure\n%s%s", strings.Join(args, " "), err, stdout.String(), stderr.String())
	}
	for _, want := range says {
		if !strings.Contains(stderr.String(), want) {
			u.t.Errorf("waypoint %s does not say %q:\n%s", strings.Join(args, " "), want, stderr.String())
		}
	}
	if strings.Contains(stderr.String(), "goroutine ") || strings.Contains(stderr.String(), "StatusCode:") {
		u.t.Errorf("waypoint %s says what nobody reads:\n%s", strings.Join(args, " "), stderr.String())
	}
}

// set changes variables of the user's environment.
func (u *user) set(pairs ...string) *user {
	u.env = append(u.env, pairs...)
	return u
}

const incomplete = "waypoint is not complete, and the resources that were made stay"

// install is the command that the tests here see fail.
func install(more ...string) []string {
	return append([]string{"install", "--platform=aws", "--yes"}, more...)
}

// One sentence and what to do, exit code 1, and nothing left without a word.
func TestTheCommandSaysWhatKeepsItFromInstalling(t *testing.T) {
	t.Parallel()
	deny := func(action string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"` + action + `","Resource":"*"}]}`
	}
	ahead := func() time.Time { return time.Now().Add(10 * time.Minute) }
	for name, tt := range map[string]struct {
		options standin.Options
		env     []string
		says    []string
		// left says that something was made; then the command does, too.
		left bool
	}{
		"no credentials": {env: []string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_CONFIG_FILE=/dev/null"},
			says: []string{"No AWS credentials were found", "aws sso login"}},
		"no region":      {env: []string{"AWS_REGION=", "AWS_DEFAULT_REGION=", "AWS_CONFIG_FILE=/dev/null"}, says: []string{"No AWS region is set", "AWS_REGION"}},
		"a wrong region": {env: []string{"AWS_REGION=mars-north-1"}, says: []string{`the endpoint is not one of the region "mars-north-1"`, "--region"}},
		"a region that does not exist": {env: []string{"AWS_ENDPOINT_URL=http://sts.mars-north-1.invalid", "AWS_REGION=mars-north-1", "AWS_MAX_ATTEMPTS=1"},
			says: []string{"the host sts.mars-north-1.invalid does not exist", `"mars-north-1" may not exist`}},
		"unknown keys":     {env: []string{"AWS_ACCESS_KEY_ID=AKIAUNKNOWN"}, says: []string{"AWS does not accept the credentials", "Check AWS_PROFILE"}},
		"a denied look":    {options: standin.Options{OperatorPolicy: deny("cloudformation:DescribeStacks")}, says: []string{"the permission cloudformation:DescribeStacks is missing", "--print-policy"}},
		"a denied bucket":  {options: standin.Options{OperatorPolicy: deny("s3:CreateBucket")}, says: []string{"the permission s3:CreateBucket is missing", incomplete}, left: true},
		"a denied token":   {options: standin.Options{OperatorPolicy: deny("lambda:InvokeFunction")}, says: []string{"the permission lambda:InvokeFunction is missing", incomplete}, left: true},
		"a clock 10' slow": {options: standin.Options{Clock: ahead}, says: []string{"This machine's clock is ", " behind AWS's", "NTP"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, tt.options)
			newUser(t, s, s.URL).set(tt.env...).fails(tt.says, install()...)
			if left := s.Left(); (len(left) > 0) != tt.left {
				t.Errorf("left: %q", left)
			}
		})
	}
}

func TestTheCommandGoesOnAfterAStackThatFailed(t *testing.T) {
	t.Parallel()
	var creating, deleting atomic.Bool
	s := start(t, standin.Options{Fail: func(verb, logical string) string {
		switch {
		case verb == "CREATE" && logical == "SweepFunction" && creating.Load():
			return "Unzipped size must be smaller than it is"
		case verb == "DELETE" && logical == "TailRole" && deleting.Load():
			return "Cannot delete entity, must detach all policies first."
		}
		return ""
	}})
	u := newUser(t, s, s.URL)
	creating.Store(true)
	u.fails([]string{"ROLLBACK_COMPLETE: SweepFunction (AWS::Lambda::Function): Unzipped size", "the same command again", incomplete}, install()...)
	creating.Store(false)
	u.run(install()...)
	deleting.Store(true)
	if out := u.run("uninstall", "--platform=aws", "--yes", "--purge"); !strings.Contains(out, "the stack waypoint (DELETE_FAILED), which this emulator cannot delete") {
		t.Errorf("uninstall says:\n%s", out)
	}
	u.fails([]string{"DELETE_FAILED: TailRole", "Restart the emulator", "another --name"}, install()...)
	u.fails([]string{}, "doctor", "--platform=aws")
	deleting.Store(false)
	u.run("uninstall", "--platform=aws", "--yes", "--purge")
	if left := s.Left(); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

func TestTheCommandLeavesSomebodyElsesStackAlone(t *testing.T) {
	t.Parallel()
	s := start(t, standin.Options{})
	cfn := cloudformation.NewFromConfig(s.Config())
	name, set := aws.String("shop"), aws.String("theirs")
	body := `{"Description":"A log group","Resources":{"L":{"Type":"AWS::Logs::LogGroup","Properties":{"LogGroupName":"theirs"}}}}`
	_, err := cfn.CreateChangeSet(t.Context(), &cloudformation.CreateChangeSetInput{StackName: name, ChangeSetName: set, ChangeSetType: types.ChangeSetTypeCreate,
		TemplateBody: &body, Capabilities: []types.Capability{types.CapabilityCapabilityNamedIam}})
	if err == nil {
		_, err = cfn.ExecuteChangeSet(t.Context(), &cloudformation.ExecuteChangeSetInput{StackName: name, ChangeSetName: set})
	}
	if err != nil {
		t.Fatal(err)
	}
	u := newUser(t, s, s.URL)
	for _, command := range []string{"install", "upgrade", "uninstall"} {
		u.fails([]string{"stack shop in us-east-1 already exists and is not Waypoint's (A log group)", "--name"}, command, "--platform=aws", "--yes", "--name=shop")
	}
	if left := s.Left(); len(left) != 2 {
		t.Errorf("of their two things these are left: %q", left)
	}
}

// A session that ends at the n-th request: said, with what stands, and the next run completes.
func TestTheCommandSaysThatItsSessionHasEnded(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		at   int64
		says []string
	}{
		"before anything was made": {3, []string{"The AWS credentials expired while", "aws sso login"}},
		"in the middle":            {20, []string{"The AWS credentials expired while", "the same command again", incomplete}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, standin.Options{})
			var seen atomic.Int64
			var valid atomic.Bool
			front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				// The functions have keys of their own.
				if strings.Contains(r.Header.Get("Authorization"), "Credential=AKIASTANDINOPERATOR/") && seen.Add(1) >= tt.at && !valid.Load() {
					if r.Header.Get("X-Amz-Target") != "" {
						w.WriteHeader(http.StatusBadRequest)
						_, _ = w.Write([]byte(`{"__type":"ExpiredTokenException","message":"The security token included in the request is expired"}`))
						return
					}
					w.Header().Set("Content-Type", "text/xml")
					w.WriteHeader(http.StatusForbidden)
					_, _ = w.Write([]byte(expired(r)))
					return
				}
				s.ServeHTTP(w, r)
			}))
			defer front.Close()
			u := newUser(t, s, front.URL)
			u.fails(tt.says, install()...)
			valid.Store(true)
			u.run(install()...)
		})
	}
}

func TestAnOldCommandDoesNotTouchANewerStack(t *testing.T) {
	t.Parallel()
	s := start(t, standin.Options{})
	o := options(s)
	o.Version = "2.0.0"
	if _, err := infra.Install(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	u := newUser(t, s, s.URL)
	for _, command := range []string{"install", "upgrade"} {
		u.fails([]string{"The installation waypoint has version 2.0.0; this CLI is " + cliVersion, "Install Waypoint 2.0.0"}, command, "--platform=aws", "--yes")
	}
	if out := u.run("doctor", "--platform=aws"); !strings.Contains(out, "the server has version 2.0.0, this CLI "+cliVersion) {
		t.Errorf("the doctor says:\n%s", out)
	}
}
