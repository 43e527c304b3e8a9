//go:build localstack

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cftypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/localstack/container"
)

// installation is a server that the installer put into an endpoint of AWS.
type installation struct{ address, token string }

// TestLocalStack runs the suite on LocalStack, or on what stands in its place: the command installs the stack, the tests go
// through its REST API and its functions, the command removes it and nothing is left. `make test-localstack` runs it.
func TestLocalStack(t *testing.T) {
	began := time.Now()
	endpoint, err := container.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := endpoint.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	say := func(format string, args ...any) {
		t.Logf("%6.1f s  %s", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}
	say("on %s", endpoint.Describe())

	operator := newWorld(t)
	operator.noServer, operator.extra = true, endpoint.Environ()
	name := fmt.Sprintf("wp-e2e-%d", os.Getpid()%10000)
	operator.must(operator.dir, "install", "--platform=aws", "--name", name, "--yes")
	removed := false
	t.Cleanup(func() {
		if !removed {
			_, _ = operator.waypoint(operator.dir, "uninstall", "--platform=aws", "--name", name, "--yes", "--purge")
		}
	})
	server := operator.installed(name)
	say("installed %s: the API is at %s", name, server.address)
	if out := operator.must(operator.dir, "doctor"); strings.Contains(out, "failed") {
		t.Errorf("the doctor says:\n%s", out)
	}
	t.Run("suite", func(t *testing.T) {
		for name, test := range map[string]func(*testing.T, *world){
			"local": upLocal, "hello": upHello, "remote": upRemote, "two": upTwo,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.remote, w.token = server.address, server.token
				test(t, w)
				say("%s is done", name)
			})
		}
	})
	t.Run("resumed", func(t *testing.T) { // alone: the runner that is killed must be the one that has the job
		w := newWorld(t)
		w.remote, w.token = server.address, server.token
		upResumed(t, w)
		say("resumed is done")
	})
	if there := leftovers(t, endpoint, name); len(there) < 7 { // stack, queue, table, bucket, functions
		t.Errorf("before it is removed only %q is found", there)
	}
	out := operator.must(operator.dir, "uninstall", "--platform=aws", "--name", name, "--yes", "--purge")
	removed = true
	for _, left := range leftovers(t, endpoint, name) {
		t.Errorf("uninstall left %s", left)
	}
	if !strings.Contains(out, "Nothing is left") {
		t.Errorf("uninstall says:\n%s", out)
	}
	if out := operator.must(operator.dir, "uninstall", "--platform=aws", "--name", name, "--yes"); !strings.Contains(out, name+" is not installed") {
		t.Errorf("a second uninstall says:\n%s", out)
	}
	say("uninstalled; nothing is left")
}

// leftovers lists what the endpoint has of an installation, without asking the installer.
func leftovers(t *testing.T, endpoint *container.Endpoint, name string) (left []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	config := aws.Config{
		Region: endpoint.Region, BaseEndpoint: &endpoint.URL,
		Credentials: credentials.NewStaticCredentialsProvider(endpoint.AccessKeyID, endpoint.SecretAccessKey, ""),
	}
	stacks, err := cloudformation.NewFromConfig(config).DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &name})
	if err == nil {
		for _, s := range stacks.Stacks {
			if s.StackStatus != cftypes.StackStatusDeleteComplete {
				left = append(left, "the stack "+*s.StackName+" ("+string(s.StackStatus)+")")
			}
		}
	} else if !strings.Contains(err.Error(), "does not exist") {
		t.Error(err)
	}
	queues, err := sqs.NewFromConfig(config).ListQueues(ctx, &sqs.ListQueuesInput{QueueNamePrefix: &name})
	if err != nil {
		t.Fatal(err)
	}
	for _, url := range queues.QueueUrls {
		left = append(left, "the queue "+url)
	}
	tables, err := dynamodb.NewFromConfig(config).ListTables(ctx, &dynamodb.ListTablesInput{})
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables.TableNames {
		if strings.HasPrefix(table, name) {
			left = append(left, "the table "+table)
		}
	}
	caller, err := sts.NewFromConfig(config).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	bucket := name + "-code-" + *caller.Account + "-" + endpoint.Region
	_, err = s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true }).HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &bucket})
	if err == nil {
		left = append(left, "the bucket "+bucket)
	}
	for _, function := range []string{"api", "tail", "sweep"} {
		function = name + "-" + function
		if _, err := lambda.NewFromConfig(config).GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: &function}); err == nil {
			left = append(left, "the function "+function)
		}
	}
	return left
}

// installed reads the context that the installer made.
func (w *world) installed(name string) installation {
	w.t.Helper()
	data, err := os.ReadFile(filepath.Join(w.dir, "c", "waypoint", "context", "aws-"+name+".json"))
	var c struct{ Address, Token string }
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	if err != nil || c.Address == "" || c.Token == "" {
		w.t.Fatalf("the installer left no context: %v", err)
	}
	return installation{c.Address, c.Token}
}

func upLocal(t *testing.T, w *world) {
	dir := w.project("local", false)
	w.must(dir, "up")
	expectLines(t, w.numbers(w.latestJob("local").GetId()), 40)
}

func upHello(t *testing.T, w *world) {
	dir := w.hello(18799, false)
	out := w.must(dir, "up")
	url := "http://127.0.0.1:18799"
	if !strings.Contains(out, url) {
		t.Fatalf("no URL is printed:\n%s", out)
	}
	get(t, url)
	w.must(dir, "config", "set", "GREETING=Good evening")
	// The app gets it while it runs: an up deploys nothing for it.
	w.must(dir, "up")
	w.waitFor("the configuration in the app", time.Minute, func() error {
		if page := body(url); !strings.Contains(page, "Good evening") {
			return fmt.Errorf("it says %q", page)
		}
		return nil
	})
	w.waitFor("the app's logs", time.Minute, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, filepath.Join(binaries, "waypoint"), "logs")
		cmd.Dir, cmd.Env = dir, w.env("WAYPOINT_PLAIN=1")
		if out, _ := cmd.CombinedOutput(); !strings.Contains(string(out), "hello listens") {
			return fmt.Errorf("they are %s", out)
		}
		return nil
	})
	if status := w.must(dir, "status", "--json"); !strings.Contains(status, "web") {
		t.Fatalf("status: %s", status)
	}
	w.must(dir, "destroy", "-auto-approve")
	if res, err := (&http.Client{Timeout: time.Second}).Get(url); err == nil {
		_ = res.Body.Close()
		t.Fatalf("the app still answers after destroy: %s", res.Status)
	}
}

// A job with a git source runs on a standing runner, woken through its queue.
func upRemote(t *testing.T, w *world) {
	w.startRunner("alone")
	dir := w.project("remote", true)
	w.must(dir, "up")
	expectLines(t, w.numbers(w.latestJob("remote").GetId()), 40)
}

// A runner is killed in mid-build; another resumes the job.
func upResumed(t *testing.T, w *world) {
	dir := w.project("resumed", true)
	runners := map[string]*exec.Cmd{"a": w.startRunner("a"), "b": w.startRunner("b")}
	cmd, out := w.start(dir, "up", "--var", "lines=200")
	w.waitFor("the build", time.Minute, func() error {
		if !strings.Contains(out.String(), "line 5.") {
			return fmt.Errorf("not yet: %s", out)
		}
		return nil
	})
	victim := w.latestJob("resumed").GetRunnerName()
	if runners[victim] == nil {
		t.Fatalf("the job runs on %q, which is no runner of this test", victim)
	}
	_ = runners[victim].Process.Kill()
	_ = runners[victim].Wait()
	if err := wait(t, cmd, 5*time.Minute); err != nil {
		t.Fatalf("up: %v\n%s", err, out)
	}
	job := w.latestJob("resumed")
	if job.GetState() != waypointv1.JobState_JOB_STATE_SUCCEEDED {
		t.Fatalf("the job ended %s: %v", job.GetState(), job.GetError())
	}
	if job.GetAttempt() < 2 {
		t.Errorf("the runner was killed, and the job ended at attempt %d", job.GetAttempt())
	}
	expectLines(t, w.numbers(job.GetId()), 200)
}

// Two ups of one app: the second waits, and says for which job.
func upTwo(t *testing.T, w *world) {
	dir := w.project("two", false)
	first, out1 := w.start(dir, "up", "--var", "lines=200")
	w.waitFor("the first to build", time.Minute, func() error {
		if !strings.Contains(out1.String(), "line 3.") {
			return fmt.Errorf("not yet: %s", out1)
		}
		return nil
	})
	holder := w.latestJob("two").GetId()
	if out := w.must(dir, "up"); !strings.Contains(out, holder) {
		t.Errorf("the second up does not name job %s:\n%s", holder, out)
	}
	if err := wait(t, first, time.Minute); err != nil {
		t.Fatalf("the first up: %v\n%s", err, out1)
	}
}
