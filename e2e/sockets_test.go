package e2e

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/oklog/ulid/v2"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/localstack/server"
)

// TestP1_NothingButTheServerListens looks into the socket tables of CLI, runner and entrypoint while an `up` runs.
func TestP1_NothingButTheServerListens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.startServer()
	w.startRunner("r")
	dir := w.project("count", true)
	local := w.hello(18797, false)
	w.must(local, "up") // an app under the entrypoint
	held, letGo := w.hold()
	cmd, out := w.start(dir, "up", held)
	w.waitFor("the build to print", 20*time.Second, func() error {
		if !strings.Contains(out.String(), "line 5.") {
			return errors.New(out.String())
		}
		return nil
	})
	expectNoListeners(t, w, "waypoint", "runner", "waypoint-entrypoint")
	letGo()
	if err := wait(t, cmd, time.Minute); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// expectNoListeners fails if a CLI, runner or entrypoint process of this world has a listening socket. The server and the
// process plugin's proxy are what users reach; the app itself listens because it is an app.
func expectNoListeners(t *testing.T, w *world, expected ...string) {
	t.Helper()
	listening := listeningInodes(t)
	kinds := map[string]int{}
	for pid, args := range w.processes() {
		kind := filepath.Base(strings.SplitN(args, " ", 2)[0])
		if kind != "waypoint" && kind != "waypoint-entrypoint" ||
			strings.Contains(args, "server run") || strings.Contains(args, "plugin-proxy") {
			continue
		}
		if strings.Contains(args, "runner agent") {
			kind = "runner"
		}
		kinds[kind]++
		table := filepath.Join("/proc", strconv.Itoa(pid), "fd")
		fds, _ := os.ReadDir(table)
		for _, fd := range fds {
			link, _ := os.Readlink(filepath.Join(table, fd.Name()))
			if inode, ok := strings.CutPrefix(link, "socket:["); ok && listening[strings.TrimSuffix(inode, "]")] {
				t.Errorf("process %d (%s) listens on a socket", pid, args)
			}
		}
	}
	for _, kind := range expected {
		if kinds[kind] == 0 {
			t.Errorf("no process %s was found to look at: %v", kind, w.processes())
		}
	}
}

// listeningInodes are the sockets that listen, of TCP and Unix, by inode.
func listeningInodes(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, table := range []struct {
		path         string
		state, inode int
		listen       string
	}{{"/proc/net/tcp", 3, 9, "0A"}, {"/proc/net/tcp6", 3, 9, "0A"}, {"/proc/net/unix", 3, 6, "00010000"}} {
		f, err := os.Open(table.path)
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			fields := strings.Fields(lines.Text())
			if len(fields) > table.inode && fields[table.state] == table.listen {
				all[fields[table.inode]] = true
			}
		}
		_ = f.Close()
	}
	if len(all) == 0 {
		t.Fatal("the socket tables cannot be read")
	}
	return all
}

// TestOtherUserGetsNothing tries every port and socket that the server opened without a credential, with a wrong
// signature, and with a runner's key on another queue.
func TestOtherUserGetsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(context.Background())
	ready, served := make(chan string, 1), make(chan error, 1)
	go func() {
		served <- server.Serve(ctx, server.ServeOptions{Dir: w.data(), Listen: "127.0.0.1:0", Ready: func(tcp string) { ready <- tcp }})
	}()
	defer func() { cancel(); <-served }()
	tcp := <-ready
	token, err := os.ReadFile(filepath.Join(w.data(), "admin-token"))
	if err != nil {
		t.Fatal(err)
	}
	w.token = strings.TrimSpace(string(token))

	for _, path := range []string{w.data(), filepath.Join(w.data(), "run")} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s is open to others: %v %v", path, info.Mode(), err)
		}
	}
	for _, name := range []string{"keys.json", "admin-token", "data.db"} {
		if info, err := os.Stat(filepath.Join(w.data(), name)); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is open to others: %v", name, err)
		}
	}
	procedures := []string{
		"ProjectService/ListProjects", "JobService/ListJobs", "JobService/QueueJob", "TokenService/ListTokens", "TokenService/CreateToken",
		"TailService/TailJob", "TailService/TailLogs", "ConfigService/GetConfig", "RunnerService/ListRunners", "RunnerAgentService/Register",
		"RunnerAgentService/ClaimJob", "RunnerAgentService/GetQueueCredentials", "EntrypointService/GetAppConfig", "DeploymentService/ListDeployments",
	}
	for _, p := range procedures {
		for _, auth := range []string{"", "Bearer wp_user_" + strings.Repeat("a", 43), "Basic eDp5"} {
			req, _ := http.NewRequest(http.MethodPost, "http://"+tcp+"/waypoint.v1."+p, strings.NewReader("{}"))
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Waypoint-Protocol", "1")
			if auth != "" {
				req.Header.Set("Authorization", auth)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != http.StatusUnauthorized && res.StatusCode != http.StatusForbidden {
				t.Errorf("%s with %q answers %s", p, auth, res.Status)
			}
		}
	}
	w.queueKeys(t, ctx)
}

// queueKeys checks who the queue socket serves.
func (w *world) queueKeys(t *testing.T, ctx context.Context) {
	http1 := server.QueueClient(w.address())
	res, err := http1.Post("http://sqs/", "application/x-amz-json-1.0", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("an unsigned request to the queues answers %s", res.Status)
	}
	queue := func(id, secret, session string) *sqs.Client {
		return sqs.New(sqs.Options{
			Region: "us-east-1", HTTPClient: http1, BaseEndpoint: aws.String("http://sqs.waypoint.internal"),
			Credentials: credentials.NewStaticCredentialsProvider(id, secret, session), RetryMaxAttempts: 1,
		})
	}
	mine, other := w.pool(t, ctx, "mine"), w.pool(t, ctx, "other")
	keys := queue(mine.GetAccessKeyId(), mine.GetSecretAccessKey(), mine.GetSessionToken())
	receive := func(c *sqs.Client, url string) error {
		_, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: aws.String(url)})
		return err
	}
	if err := receive(keys, mine.GetQueueUrl()); err != nil {
		t.Errorf("a runner's own queue: %v", err)
	}
	if err := receive(keys, other.GetQueueUrl()); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("another pool's queue: %v", err)
	}
	if _, err := keys.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: aws.String(mine.GetQueueUrl()), MessageBody: aws.String("x")}); err == nil {
		t.Error("a runner may send to its queue")
	}
	if err := receive(queue(mine.GetAccessKeyId(), "wrong"+mine.GetSecretAccessKey(), mine.GetSessionToken()), mine.GetQueueUrl()); err == nil {
		t.Error("a wrong signature is accepted")
	}
	if err := receive(queue(mine.GetAccessKeyId(), mine.GetSecretAccessKey(), ""), mine.GetQueueUrl()); err == nil {
		t.Error("a key without its session token is accepted")
	}
}

func (w *world) pool(t *testing.T, ctx context.Context, label string) *waypointv1.GetQueueCredentialsResponse {
	t.Helper()
	made, err := w.client().Token.CreateToken(ctx, connect.NewRequest(&waypointv1.CreateTokenRequest{
		Kind: waypointv1.TokenKind_TOKEN_KIND_RUNNER, Name: label, RunnerLabels: map[string]string{"pool": label}, AllProjects: true,
	}))
	if err != nil {
		t.Fatal(err)
	}
	agent, id := w.clientAs(made.Msg.GetSecret()).Agent, ulid.Make().String()
	if _, err := agent.Register(ctx, connect.NewRequest(&waypointv1.RegisterRequest{
		RunnerId: id, Name: label, Kind: waypointv1.RunnerKind_RUNNER_KIND_STANDING, Concurrency: 1,
	})); err != nil {
		t.Fatal(err)
	}
	keys, err := agent.GetQueueCredentials(ctx, connect.NewRequest(&waypointv1.GetQueueCredentialsRequest{RunnerId: id}))
	if err != nil {
		t.Fatal(err)
	}
	return keys.Msg
}

// A second server on the same data, and a port that is taken, are refused with a sentence.
func TestServerRun_SecondIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.startServer()
	out, err := w.waypoint(w.dir, "server", "run", "--listen", "none")
	if err == nil || !strings.Contains(out, "already running") {
		t.Errorf("%v: %s", err, out)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cmd := w.command(w.dir, "server", "run", "--listen", taken.Addr().String())
	cmd.Env = append(cmd.Env, "WAYPOINT_LOCAL_DIR="+filepath.Join(w.dir, "e"))
	refused, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(refused), "is in use") {
		t.Errorf("%v: %s", err, refused)
	}
}
