package standin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/infra"
	"github.com/waypoint-serverless/waypoint/infra/template"
	"github.com/waypoint-serverless/waypoint/localstack/standin"
)

// syncBuffer is written to by a process while the test reads.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// taskKeys serves a role's keys as ECS serves them to a task.
func taskKeys(t *testing.T, s *standin.StandIn, role string) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keys, err := s.Session(r.Context(), role)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"AccessKeyId": keys.AccessKeyID, "SecretAccessKey": keys.SecretAccessKey,
			"Token": keys.SessionToken, "Expiration": time.Now().Add(time.Hour).UTC().Format(time.RFC3339)})
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// runnerOf is `waypoint runner agent` as a task with nothing but its role.
func runnerOf(t *testing.T, address, keys string) (*exec.Cmd, *syncBuffer) {
	t.Helper()
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), cliDir+"/waypoint", "runner", "agent", "--name", "task")
	cmd.Env = []string{"HOME=" + home, "PATH=/usr/bin:/bin", "WAYPOINT_SERVER_ADDR=" + address, "AWS_REGION=" + standin.Region,
		"AWS_CONTAINER_CREDENTIALS_FULL_URI=" + keys, "AWS_EC2_METADATA_DISABLED=true"}
	out := &syncBuffer{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd, out
}

// A runner with no credentials but its task's role registers, runs a job, and its queue's keys open no other pool's.
func TestARunnerOnAWSNeedsNothingButItsRole(t *testing.T) {
	t.Parallel()
	s := start(t, standin.Options{})
	o := options(s)
	o.Parameters = map[string]string{template.ParamRunnerRoles: "arn:aws:iam::" + standin.Account + ":role/team/runner=team=web"}
	r, err := infra.Install(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	c := reach(t, r)
	_, out := runnerOf(t, r.Address, taskKeys(t, s, "runner"))
	ask(t, c.Project.UpsertProject, &waypointv1.UpsertProjectRequest{Project: &waypointv1.Project{Name: "shop"}})
	job := ask(t, c.Job.QueueJob, &waypointv1.QueueJobRequest{Spec: &waypointv1.JobSpec{Project: "shop",
		Operation: &waypointv1.Operation{Operation: &waypointv1.Operation_Noop{Noop: &waypointv1.NoopOp{}}},
		Target:    &waypointv1.Target{Target: &waypointv1.Target_Any{Any: &waypointv1.AnyRunner{}}}}}).GetJob()
	deadline := time.Now().Add(5 * time.Minute)
	for {
		now := ask(t, c.Job.GetJob, &waypointv1.GetJobRequest{Id: job.GetId()}).GetJob()
		if now.GetState() == waypointv1.JobState_JOB_STATE_SUCCEEDED {
			if now.GetRunnerName() != "task" {
				t.Errorf("the job was run by %q", now.GetRunnerName())
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the job is %s; the runner says:\n%s", now.GetState(), out)
		}
		time.Sleep(50 * time.Millisecond)
	}
	runners := ask(t, c.Runner.ListRunners, &waypointv1.ListRunnersRequest{}).GetRunners()
	if len(runners) != 1 || runners[0].GetLabels()["team"] != "web" {
		t.Errorf("runners: %v", runners)
	}
	if strings.Contains(out.String(), "wp_runner_") {
		t.Errorf("the runner's log holds its token:\n%s", out)
	}
	anotherPoolIsRefused(t, s, r)
}

// anotherPoolIsRefused exchanges the role once more, registers, and tries another pool's queue with the keys it gets.
func anotherPoolIsRefused(t *testing.T, s *standin.StandIn, r *infra.Result) {
	t.Helper()
	_, other := register(t, r, reach(t, r), "two", map[string]string{"gpu": "yes"})
	mine, id := exchanged(t, s, r, "runner")
	keys := ask(t, mine.Agent.GetQueueCredentials, &waypointv1.GetQueueCredentialsRequest{RunnerId: id})
	queue := queueClient(s, keys)
	if _, err := queue.ReceiveMessage(context.Background(), &sqs.ReceiveMessageInput{QueueUrl: &keys.QueueUrl}); err != nil {
		t.Errorf("its own queue: %v", err)
	}
	if _, err := queue.ReceiveMessage(context.Background(), &sqs.ReceiveMessageInput{QueueUrl: aws.String(other)}); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("another pool's queue: %v", err)
	}
}

func TestARoleThatIsNotOnTheListIsTurnedAway(t *testing.T) {
	t.Parallel()
	s := start(t, standin.Options{})
	o := options(s)
	o.AdminToken = ""
	o.Parameters = map[string]string{template.ParamRunnerRoles: "arn:aws:iam::" + standin.Account + ":role/runner"}
	r, err := infra.Install(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	cmd, out := runnerOf(t, r.Address, taskKeys(t, s, "visitor"))
	if err := cmd.Wait(); err == nil {
		t.Fatalf("the runner ended well:\n%s", out)
	}
	for _, want := range []string{"role/visitor may not register runners", "RunnerRoles", "IDENTITY_REFUSED"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	if n := strings.Count(out.String(), "\n"); n > 3 {
		t.Errorf("it says %d lines:\n%s", n, fmt.Sprint(out))
	}
}
