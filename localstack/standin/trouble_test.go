package standin_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/infra"
	"github.com/waypoint-serverless/waypoint/localstack/standin"
)

// wantFault checks the reason, that the sentence says what it must, and that there is something to do.
func wantFault(t *testing.T, err error, reason fault.Reason, says string) {
	t.Helper()
	f, ok := fault.From(err)
	if !ok || f.Reason != reason {
		t.Fatalf("got %v, want %s", err, reason)
	}
	if !strings.Contains(f.Message, says) || f.Hint == "" {
		t.Errorf("it says %q and %q, and should say %q", f.Message, f.Hint, says)
	}
}

func TestTroubleIsSaidInOneSentenceWithWhatToDo(t *testing.T) {
	s := start(t, standin.Options{})
	keys := func(id, secret string) aws.CredentialsProvider {
		return credentials.NewStaticCredentialsProvider(id, secret, "")
	}
	tests := []struct {
		name   string
		spoil  func(*infra.Options)
		reason fault.Reason
		says   string
	}{
		{"no credentials", func(o *infra.Options) {
			o.Config.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{}, errors.New("no EC2 IMDS role found")
			})
		}, infra.NoCredentials, "no AWS credentials"},
		{"unknown keys", func(o *infra.Options) { o.Config.Credentials = keys("AKIAUNKNOWN", "x") }, infra.BadCredentials, "does not accept the credentials"},
		{"no region", func(o *infra.Options) { o.Config.Region = "" }, infra.NoRegion, "no AWS region"},
		{"a region that does not exist", func(o *infra.Options) {
			o.Config.BaseEndpoint = aws.String("http://sts.mars-north-1.invalid")
			o.Config.Region = "mars-north-1"
			o.Config.RetryMaxAttempts = 1
		}, infra.Unreachable, "does not exist"},
		{"nobody at the endpoint", func(o *infra.Options) {
			o.Config.BaseEndpoint = aws.String("http://127.0.0.1:9")
			o.Config.RetryMaxAttempts = 1
		}, infra.Unreachable, "cannot reach AWS"},
		{"a name that cannot be", func(o *infra.Options) { o.Name = "Way_Point" }, infra.ParameterRefused, "Way_Point"},
		{"a parameter that is not there", func(o *infra.Options) { o.Parameters = map[string]string{"Colour": "blue"} }, infra.ParameterRefused, "Colour"},
		{"a declined plan", func(o *infra.Options) { o.Confirm = func(infra.Plan) (bool, error) { return false, nil } }, infra.Declined, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := options(s)
			tt.spoil(&o)
			_, err := infra.Install(context.Background(), o)
			f, ok := fault.From(err)
			if !ok || f.Reason != tt.reason || !strings.Contains(f.Message, tt.says) {
				t.Fatalf("got %v", err)
			}
			if f.Hint == "" && tt.reason != infra.Declined {
				t.Error("nothing to do is said")
			}
			if left := s.Left(); len(left) > 0 {
				t.Errorf("it left %q", left)
			}
		})
	}
}

// An interrupt at the question leaves nothing, as a no does.
func TestAnInterruptAtTheQuestionLeavesNothing(t *testing.T) {
	s := start(t, standin.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	o := options(s)
	o.Confirm = func(infra.Plan) (bool, error) { cancel(); return false, ctx.Err() }
	if _, err := infra.Install(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if left := s.Left(); len(left) > 0 {
		t.Errorf("it left %q", left)
	}
}

// noList answers as emulators do that cannot list change sets.
type noList struct{}

func (noList) Do(req *http.Request) (*http.Response, error) {
	if req.Body == nil || req.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		return http.DefaultClient.Do(req)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	req.Body = io.NopCloser(strings.NewReader(string(body)))
	if !strings.Contains(string(body), "Action=ListChangeSets") {
		return http.DefaultClient.Do(req)
	}
	answer := `<ErrorResponse><Error><Type>Sender</Type><Code>ResourceNotFoundException</Code><Message>Unable to find stack</Message></Error></ErrorResponse>`
	return &http.Response{StatusCode: http.StatusNotFound, Header: http.Header{"Content-Type": {"text/xml"}}, Request: req,
		Body: io.NopCloser(strings.NewReader(answer)), ContentLength: int64(len(answer))}, nil
}

func TestAnEmulatorNeedNotListChangeSets(t *testing.T) {
	s := start(t, standin.Options{})
	o := options(s)
	o.Config.HTTPClient = noList{}
	for range 2 {
		if _, err := infra.Install(context.Background(), o); err != nil {
			t.Fatal(err)
		}
	}
	o.Parameters = map[string]string{"LogRetentionDays": "30"}
	if r, err := infra.Upgrade(context.Background(), o); err != nil || !r.Changed {
		t.Fatalf("%+v, %v", r, err)
	}
	purge(t, s, o, "an installation without lists")
}

func TestUpgradingNeedsAnInstallation(t *testing.T) {
	_, err := infra.Upgrade(context.Background(), options(start(t, standin.Options{})))
	wantFault(t, err, infra.NotInstalled, "no installation waypoint")
}

// Each permission that --print-policy names for a call of the installer is named by the refusal when it is missing.
func TestADeniedPermissionIsNamed(t *testing.T) {
	for _, action := range []string{
		"cloudformation:CreateChangeSet", "cloudformation:DescribeStacks", "s3:CreateBucket", "s3:PutObject", "s3:PutBucketVersioning",
		"ssm:PutParameter", "lambda:GetAccountSettings", "lambda:InvokeFunction", "dynamodb:DescribeTable",
	} {
		t.Run(action, func(t *testing.T) {
			policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"` + action + `","Resource":"*"}]}`
			s := start(t, standin.Options{OperatorPolicy: policy})
			_, err := infra.Install(context.Background(), options(s))
			wantFault(t, err, infra.Denied, action)
		})
	}
}

func TestAFailedCreationIsExplainedAndClearedAwayByTheNextRun(t *testing.T) {
	broken := true
	s := start(t, standin.Options{Fail: func(verb, logical string) string {
		if broken && verb == "CREATE" && logical == "SweepFunction" {
			return "Unzipped size must be smaller than it is"
		}
		return ""
	}})
	o := options(s)
	_, err := infra.Install(context.Background(), o)
	wantFault(t, err, infra.StackFailed, "ROLLBACK_COMPLETE: SweepFunction (AWS::Lambda::Function): Unzipped size")
	checks, err := infra.Doctor(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if last := checks[len(checks)-1]; last.Name != "stack" || last.Status != "failed" || last.Fix == "" {
		t.Errorf("the doctor says %+v", last)
	}
	broken = false
	if _, err := infra.Install(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	purge(t, s, o, "a failed creation")
}

func TestAFailedUpgradeLeavesTheOldVersionRunning(t *testing.T) {
	broken := false
	s := start(t, standin.Options{Fail: func(verb, logical string) string {
		if broken && verb == "UPDATE" && logical == "TailLogs" {
			broken = false
			return "Rate exceeded"
		}
		return ""
	}})
	o := options(s)
	if _, err := infra.Install(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	broken = true
	o.Parameters = map[string]string{"LogRetentionDays": "90"}
	_, err := infra.Upgrade(context.Background(), o)
	wantFault(t, err, infra.StackFailed, "UPDATE_ROLLBACK_COMPLETE: TailLogs")
	o.Parameters = nil
	r, err := infra.Install(context.Background(), o)
	if err != nil || r.Parameters["LogRetentionDays"] != "14" {
		t.Fatalf("%+v, %v", r, err)
	}
}

func TestAStackThatAnEmulatorCannotDeleteIsNamedAndTheNextRunGoesOn(t *testing.T) {
	broken := true
	s := start(t, standin.Options{Fail: func(verb, logical string) string {
		if broken && verb == "DELETE" && logical == "TailRole" {
			return "Cannot delete entity, must detach all policies first."
		}
		return ""
	}})
	o := options(s)
	if _, err := infra.Install(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	gone, err := infra.Uninstall(context.Background(), o) // at an emulator it goes on with what has a name
	if err != nil || !strings.Contains(gone.Stuck, "waypoint (DELETE_FAILED)") {
		t.Errorf("%+v, %v", gone, err)
	}
	_, err = infra.Install(context.Background(), o)
	wantFault(t, err, infra.StackFailed, "DELETE_FAILED: TailRole")
	broken = false
	if _, err := infra.Install(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	purge(t, s, o, "a failed removal")
}

func TestSomebodyElsesStackIsLeftAlone(t *testing.T) {
	s := start(t, standin.Options{})
	cfn := cloudformation.NewFromConfig(s.Config())
	ctx := context.Background()
	name, set := aws.String("waypoint"), aws.String("theirs")
	body := `{"Description":"A log group","Resources":{"L":{"Type":"AWS::Logs::LogGroup","Properties":{"LogGroupName":"theirs"}}}}`
	_, err := cfn.CreateChangeSet(ctx, &cloudformation.CreateChangeSetInput{StackName: name, ChangeSetName: set, ChangeSetType: types.ChangeSetTypeCreate,
		TemplateBody: &body, Capabilities: []types.Capability{types.CapabilityCapabilityNamedIam}})
	if err != nil {
		t.Fatal(err)
	}
	refused := func() {
		t.Helper()
		_, err := infra.Install(ctx, options(s))
		wantFault(t, err, infra.NameTaken, "not Waypoint's")
		_, err = infra.Uninstall(ctx, options(s))
		wantFault(t, err, infra.NameTaken, "not Waypoint's")
	}
	refused()
	if _, err := cfn.ExecuteChangeSet(ctx, &cloudformation.ExecuteChangeSetInput{StackName: name, ChangeSetName: set}); err != nil {
		t.Fatal(err)
	}
	refused()
	if left := s.Left(); len(left) != 2 {
		t.Errorf("of their two things these are left: %q", left)
	}
}

func TestAnotherInstallationsThingsAreLeftAlone(t *testing.T) {
	s := start(t, standin.Options{})
	one, two := options(s), options(s)
	two.Name = "waypoint-2"
	for _, o := range []infra.Options{one, two} {
		if _, err := infra.Install(context.Background(), o); err != nil {
			t.Fatal(err)
		}
	}
	one.Purge = true
	if _, err := infra.Uninstall(context.Background(), one); err != nil {
		t.Fatal(err)
	}
	two.AdminToken = ""
	r, err := infra.Install(context.Background(), two)
	if err != nil || r.Changed {
		t.Errorf("the other installation: %+v, %v", r, err)
	}
	purge(t, s, two, "both installations")
}

func TestAnOldCLIDoesNotTouchANewerStack(t *testing.T) {
	s := start(t, standin.Options{})
	o := options(s)
	o.Version = "2.0.0"
	if _, err := infra.Install(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	o.Version = "1.9.9"
	_, err := infra.Install(context.Background(), o)
	wantFault(t, err, infra.NewerInstalled, "has version 2.0.0; this CLI is 1.9.9")
}

// expired is the answer to a session that has ended, in S3's form or that of AWS Query.
func expired(req *http.Request) string {
	const code = `<Code>ExpiredToken</Code><Message>The security token included in the request is expired</Message>`
	if strings.Contains(req.Header.Get("Authorization"), "/s3/aws4_request") {
		return `<Error>` + code + `</Error>`
	}
	return `<ErrorResponse><Error><Type>Sender</Type>` + code + `</Error></ErrorResponse>`
}

// expirer answers that the session has ended, from its n-th request on.
type expirer struct{ left int }

func (e *expirer) Do(req *http.Request) (*http.Response, error) {
	if e.left--; e.left >= 0 {
		return http.DefaultClient.Do(req)
	}
	body := expired(req)
	return &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{"Content-Type": {"text/xml"}}, Request: req,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}, nil
}

func TestASessionThatEndsInTheMiddleIsSaidAndTheNextRunGoesOn(t *testing.T) {
	s := start(t, standin.Options{})
	o := options(s)
	o.Config.HTTPClient = &expirer{left: 20}
	_, err := infra.Install(context.Background(), o)
	wantFault(t, err, infra.CredentialsEnded, "the AWS credentials expired while")
	o.Config.HTTPClient = nil
	if _, err := infra.Install(context.Background(), o); err != nil {
		t.Fatal(err)
	}
}

// The SDK notices the difference and signs with AWS's time; the doctor says it.
func TestAClockThatIsOffIsSaidByTheDoctor(t *testing.T) {
	s := start(t, standin.Options{Clock: func() time.Time { return time.Now().Add(10 * time.Minute) }})
	checks, err := infra.Doctor(context.Background(), options(s))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checks {
		if strings.Contains(c.Detail, "clock") && c.Status != "ok" && c.Fix != "" {
			return
		}
	}
	t.Errorf("the doctor says %+v", checks)
}

// A table without its key holds secrets that nobody can open; a new key would hide that.
func TestALostKeyIsNotReplacedUnderData(t *testing.T) {
	s := start(t, standin.Options{})
	o := options(s)
	if _, err := infra.Install(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	s.Lose("/waypoint/encryption-key")
	_, err := infra.Install(context.Background(), o)
	wantFault(t, err, infra.KeyMissing, "the key that decrypts its secrets (/waypoint/encryption-key) does not")
	purge(t, s, o, "a lost key")
}

func TestASmallAccountHoldsNoReads(t *testing.T) {
	s := start(t, standin.Options{Concurrency: 10})
	r, err := infra.Install(context.Background(), options(s))
	if err != nil {
		t.Fatal(err)
	}
	if r.Parameters["TailHoldMs"] != "0" || r.Parameters["TailReservedConcurrency"] != "0" {
		t.Errorf("parameters %v", r.Parameters)
	}
}

func TestTheStandInRefusesWhatItDoesNotKnow(t *testing.T) {
	s := start(t, standin.Options{})
	cfn := cloudformation.NewFromConfig(s.Config())
	_, err := cfn.ListStacks(context.Background(), &cloudformation.ListStacksInput{})
	if err == nil || !strings.Contains(err.Error(), "cloudformation:ListStacks") {
		t.Errorf("got %v", err)
	}
	body := `{"Resources":{"B":{"Type":"AWS::S3::Bucket"}}}`
	_, err = cfn.CreateChangeSet(context.Background(), &cloudformation.CreateChangeSetInput{StackName: aws.String("x"), ChangeSetName: aws.String("y"), TemplateBody: &body})
	if err == nil || !strings.Contains(err.Error(), "AWS::S3::Bucket") {
		t.Errorf("got %v", err)
	}
}
