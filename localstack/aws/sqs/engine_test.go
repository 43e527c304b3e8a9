package sqs_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/waypoint-serverless/waypoint/localstack/aws/sigv4"
	"github.com/waypoint-serverless/waypoint/localstack/aws/sqs"
	"github.com/waypoint-serverless/waypoint/localstack/aws/sqs/conformance"
	"github.com/waypoint-serverless/waypoint/localstack/aws/store"
)

// virtual runs a test on a clock that jumps, so that hours cost nothing.
func virtual(t *testing.T, test func(t *testing.T, c *conformance.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(t, inProcess(t, newEngine(t, openStore(t, ""), nil)))
	})
}

func TestVisibilityEndsTwelveHoursAfterTheReceipt(t *testing.T) {
	virtual(t, func(t *testing.T, c *conformance.Client) {
		url := c.Queue(nil)
		c.Send(url, "x")
		m := c.One(url, conformance.Hide(43200))
		time.Sleep(11 * time.Hour)
		if err := c.Change(url, m, 3600); err != nil {
			t.Fatal(err)
		}
		c.ExpectCode(c.Change(url, m, 3602), "InvalidParameterValue")
		time.Sleep(59 * time.Minute)
		c.None(url)
		time.Sleep(2 * time.Minute)
		again := c.One(url)
		if err := c.Change(url, again, 43200); err != nil {
			t.Fatalf("a new receipt begins a new count: %v", err)
		}
	})
}

func TestLongPollWakesExactlyWhenAMessageBecomesVisible(t *testing.T) {
	virtual(t, func(t *testing.T, c *conformance.Client) {
		url := c.Queue(nil)
		for _, hidden := range []func(){
			func() { c.Send(url, "delayed", conformance.Delay(7)) },
			func() { c.Send(url, "received"); c.One(url, conformance.Hide(7)) },
		} {
			hidden()
			start := time.Now()
			m := c.One(url, conformance.Wait(20))
			if got := time.Since(start).Round(time.Millisecond); got < 7*time.Second || got > 7*time.Second+2*time.Millisecond {
				t.Errorf("%s: woke after %v, want 7 s", *m.Body, got)
			}
			c.Remove(url, m)
		}
	})
}

func TestLongPollWakesAtOnceOnASend(t *testing.T) {
	virtual(t, func(t *testing.T, c *conformance.Client) {
		url := c.Queue(nil)
		start := time.Now()
		woke := make(chan time.Duration, 1)
		go func() {
			c.One(url, conformance.Wait(20))
			woke <- time.Since(start)
		}()
		time.Sleep(3 * time.Second)
		c.Send(url, "x")
		if d := <-woke; d != 3*time.Second {
			t.Fatalf("woke %v after the send", d-3*time.Second)
		}
	})
}

func TestLongPollLastsItsWaitAndNoLonger(t *testing.T) {
	virtual(t, func(t *testing.T, c *conformance.Client) {
		url := c.Queue(nil)
		c.Send(url, "x", conformance.Delay(30))
		start := time.Now()
		if got := c.Receive(url, conformance.Wait(20)); len(got) != 0 || time.Since(start) != 20*time.Second {
			t.Fatal(len(got), time.Since(start))
		}
	})
}

func TestMessagesExpireAfterTheRetentionPeriod(t *testing.T) {
	virtual(t, func(t *testing.T, c *conformance.Client) {
		url := c.Queue(map[string]string{"MessageRetentionPeriod": "60"})
		c.Send(url, "old")
		time.Sleep(59 * time.Second)
		c.Send(url, "young")
		time.Sleep(time.Second)
		if got := c.Counts(url); got != [3]string{"1", "0", "0"} {
			t.Fatal(got)
		}
		if m := c.One(url); *m.Body != "young" {
			t.Fatal(*m.Body)
		}
		// A shorter period counts for messages that are there already.
		c.Send(url, "x", conformance.Delay(1))
		if _, err := c.SetQueueAttributes(conformance.Context(t), &awssqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"MessageRetentionPeriod": "1209600"}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(13 * 24 * time.Hour)
		if got := c.Receive(url); len(got) != 2 {
			t.Fatalf("%d messages, want 2", len(got))
		}
	})
}

func TestPurgeIsAllowedAgainAfterAMinute(t *testing.T) {
	virtual(t, func(t *testing.T, c *conformance.Client) {
		url := c.Queue(nil)
		for range 2 {
			if _, err := c.PurgeQueue(conformance.Context(t), &awssqs.PurgeQueueInput{QueueUrl: &url}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
	})
}

func TestDeletingAQueueEndsItsLongPolls(t *testing.T) {
	virtual(t, func(t *testing.T, c *conformance.Client) {
		url := c.Queue(nil)
		got := make(chan error, 1)
		go func() {
			_, err := c.ReceiveMessage(conformance.Context(t), &awssqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20})
			got <- err
		}()
		time.Sleep(time.Second)
		if _, err := c.DeleteQueue(conformance.Context(t), &awssqs.DeleteQueueInput{QueueUrl: &url}); err != nil {
			t.Fatal(err)
		}
		conformance.ExpectType[*types.QueueDoesNotExist](t, <-got)
	})
}

func TestCloseEndsLongPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, openStore(t, ""), nil)
		c := inProcess(t, e)
		url := c.Queue(nil)
		start, done := time.Now(), make(chan time.Duration, 1)
		go func() {
			c.Receive(url, conformance.Wait(20))
			done <- time.Since(start)
		}()
		time.Sleep(time.Second)
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		if d := <-done; d != time.Second {
			t.Fatalf("ended after %v", d)
		}
	})
}

func TestAPollThatDiesTakesNoMessage(t *testing.T) {
	virtual(t, func(t *testing.T, c *conformance.Client) {
		url := c.Queue(nil)
		poll, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() {
			_, err := c.ReceiveMessage(poll, &awssqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20})
			done <- err
		}()
		time.Sleep(time.Second)
		cancel()
		if err := <-done; err == nil {
			t.Fatal("no error")
		}
		c.Send(url, "x")
		c.One(url)
	})
}

func TestInFlightLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := inProcess(t, newEngine(t, openStore(t, ""), func(o *sqs.Options) { o.InFlightLimit = 3 }))
		url := c.Queue(nil)
		for i := range 6 {
			c.Send(url, fmt.Sprint(i))
		}
		first := c.Receive(url, conformance.Limit(2))
		if n := len(first) + len(c.Receive(url, conformance.Limit(2))); n != 3 {
			t.Fatalf("%d in flight, want 3", n)
		}
		_, err := c.ReceiveMessage(conformance.Context(t), &awssqs.ReceiveMessageInput{QueueUrl: &url})
		conformance.ExpectType[*types.OverLimit](t, err)
		c.Remove(url, first[0])
		c.One(url)
		time.Sleep(time.Minute) // all visible again
		if n := len(c.Receive(url)); n != 3 {
			t.Fatalf("%d after the timeouts, want 3", n)
		}
	})
}

func TestEverythingSurvivesReopeningTheStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data.db")
	open := func() (*store.Store, *conformance.Client) {
		s, err := store.Open(context.Background(), store.Options{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		e, err := sqs.New(context.Background(), sqs.Options{Store: s, Clock: time.Now, Region: "us-east-1", Account: account, BaseURL: "http://sqs.test/", Rand: zeroes{}})
		if err != nil {
			t.Fatal(err)
		}
		return s, inProcess(t, e)
	}
	s, c := open()
	out, err := c.CreateQueue(conformance.Context(t), &awssqs.CreateQueueInput{QueueName: aws.String("jobs"), Attributes: map[string]string{"VisibilityTimeout": "77"}, Tags: map[string]string{"k": "v"}})
	if err != nil {
		t.Fatal(err)
	}
	url := *out.QueueUrl
	c.Send(url, "flying")
	held := c.One(url, conformance.Hide(600))
	c.Send(url, "waiting", func(in *awssqs.SendMessageInput) {
		in.MessageAttributes = map[string]types.MessageAttributeValue{"a": {DataType: aws.String("Binary"), BinaryValue: []byte{1}}}
	})
	c.Send(url, "late", conformance.Delay(600))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s, c = open()
	if got := c.Counts(url); got != [3]string{"1", "1", "1"} {
		t.Fatalf("after reopening: %v", got)
	}
	if c.Attribute(url, "VisibilityTimeout") != "77" {
		t.Error("the queue's attributes are gone")
	}
	m := c.One(url)
	if *m.Body != "waiting" || string(m.MessageAttributes["a"].BinaryValue) != "\x01" {
		t.Errorf("got %v", m)
	}
	c.Remove(url, held) // a receipt of before still counts
	if got := c.Counts(url); got != [3]string{"0", "1", "1"} {
		t.Errorf("after deleting: %v", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestFaultsDropDuplicateDelayAndReorder(t *testing.T) {
	run := func(t *testing.T, f sqs.Faults) (order []string, took time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			c := inProcess(t, newEngine(t, openStore(t, ""), func(o *sqs.Options) { o.Faults = &f }))
			url := c.Queue(nil)
			for i := range 30 {
				c.Send(url, fmt.Sprintf("%02d", i))
				time.Sleep(time.Millisecond)
			}
			start := time.Now()
			for {
				got := c.Receive(url, conformance.Wait(20), conformance.Hide(43200), conformance.Limit(1))
				if len(got) == 0 {
					took = time.Since(start)
					return
				}
				order = append(order, *got[0].Body)
			}
		})
		return order, took
	}
	plain, _ := run(t, sqs.Faults{})
	dropped, _ := run(t, sqs.Faults{Seed: 1, Drop: 0.5})
	doubled, _ := run(t, sqs.Faults{Seed: 1, Duplicate: 1})
	delayed, took := run(t, sqs.Faults{Seed: 1, Delay: 1, MaxDelay: 15 * time.Second})
	reordered, _ := run(t, sqs.Faults{Seed: 1, Reorder: 1})
	again, _ := run(t, sqs.Faults{Seed: 1, Reorder: 1})
	want := strings.Join(plain, " ")
	switch {
	case len(plain) != 30 || plain[0] != "00" || plain[29] != "29":
		t.Errorf("without faults: %v", plain)
	case len(dropped) == 0 || len(dropped) >= 30:
		t.Errorf("dropping half leaves %d of 30", len(dropped))
	case len(doubled) != 60:
		t.Errorf("duplicating gives %d of 30", len(doubled))
	case len(delayed) != 30 || took < 21*time.Second:
		t.Errorf("delaying gives %d of 30 within %v", len(delayed), took)
	case len(reordered) != 30 || strings.Join(reordered, " ") == want:
		t.Errorf("reordering gives %v", reordered)
	case strings.Join(again, " ") != strings.Join(reordered, " "):
		t.Error("the same seed gives another order")
	}
}

func TestPolicyLimitsASessionToItsQueue(t *testing.T) {
	e := newEngine(t, openStore(t, ""), func(o *sqs.Options) { o.Authorize = sigv4.Authorize })
	policy, err := sigv4.ParsePolicy([]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow",
		"Action":["sqs:ReceiveMessage","sqs:DeleteMessage","sqs:ChangeMessageVisibility"],"Resource":"arn:aws:sqs:us-east-1:000000000000:mine"}}`))
	if err != nil {
		t.Fatal(err)
	}
	as := func(p sigv4.Principal) *conformance.Client {
		return inProcess(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e.ServeHTTP(w, r.WithContext(sigv4.WithPrincipal(r.Context(), p)))
		}))
	}
	root, runner := as(sigv4.Principal{}), as(sigv4.Principal{Policy: policy})
	mine, other := root.Named("mine", nil), root.Named("other", nil)
	root.Send(mine, "x")
	runner.Remove(mine, runner.One(mine))

	denied := func(name string, err error) {
		t.Helper()
		var api smithy.APIError
		if !errors.As(err, &api) || api.ErrorCode() != "AccessDeniedException" {
			t.Errorf("%s: got %v", name, err)
		}
	}
	_, err = runner.ReceiveMessage(conformance.Context(t), &awssqs.ReceiveMessageInput{QueueUrl: &other})
	denied("receive on another queue", err)
	_, err = runner.ReceiveMessage(conformance.Context(t), &awssqs.ReceiveMessageInput{QueueUrl: aws.String(other + "-none")})
	denied("receive on a queue that does not exist", err)
	_, err = runner.SendMessage(conformance.Context(t), &awssqs.SendMessageInput{QueueUrl: &mine, MessageBody: aws.String("x")})
	denied("send", err)
	_, err = runner.SendMessageBatch(conformance.Context(t), &awssqs.SendMessageBatchInput{QueueUrl: &mine, Entries: []types.SendMessageBatchRequestEntry{{Id: aws.String("a"), MessageBody: aws.String("x")}}})
	denied("send a batch", err)
	_, err = runner.ListQueues(conformance.Context(t), &awssqs.ListQueuesInput{})
	denied("list", err)
	_, err = runner.CreateQueue(conformance.Context(t), &awssqs.CreateQueueInput{QueueName: aws.String("new")})
	denied("create", err)
	_, err = inProcess(t, e).ReceiveMessage(conformance.Context(t), &awssqs.ReceiveMessageInput{QueueUrl: &mine})
	denied("nobody", err)
}

func TestTheSDKsSignaturesAreAccepted(t *testing.T) {
	key := sigv4.Credential{AccessKeyID: "AKIATEST", Secret: "secret", Principal: sigv4.Principal{Account: account, UserID: "AIDAUSER"}}
	v := &sigv4.Verifier{Lookup: sigv4.Static(key), Region: "us-east-1", Clock: time.Now}
	e := newEngine(t, openStore(t, ""), func(o *sqs.Options) { o.Authorize = sigv4.Authorize })
	srv := httptest.NewServer(v.Middleware(sqs.Service, e))
	t.Cleanup(srv.Close)
	c := dial(t, srv.URL)
	url := c.Queue(nil)
	c.Send(url, "x")
	if m := c.One(url); m.Attributes["SenderId"] != "AIDAUSER" {
		t.Errorf("sender %q", m.Attributes["SenderId"])
	}
	key.Secret = "another"
	v.Lookup = sigv4.Static(key)
	_, err := c.SendMessage(conformance.Context(t), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x")})
	c.ExpectCode(err, "InvalidSignatureException")
}

func TestExpiredMessagesOfAnUnreadQueueDoNotPileUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, "")
		c := inProcess(t, newEngine(t, s, nil))
		url := c.Queue(map[string]string{"MessageRetentionPeriod": "60"})
		for range 10 {
			c.Send(url, "x")
			time.Sleep(time.Minute)
		}
		rows := 0
		err := s.Read(context.Background(), func(conn *sqlite.Conn) error {
			return sqlitex.Execute(conn, "SELECT count(*) FROM sqs_message", &sqlitex.ExecOptions{
				ResultFunc: func(st *sqlite.Stmt) error { rows = st.ColumnInt(0); return nil },
			})
		})
		if err != nil || rows > 3 {
			t.Fatal(rows, err)
		}
	})
}

// Senders, receivers that crash, and receivers that finish: nothing is lost.
func TestNothingIsLostUnderLoad(t *testing.T) {
	c := inProcess(t, newEngine(t, openStore(t, filepath.Join(t.TempDir(), "data.db")), nil))
	url := c.Queue(nil)
	const senders, each = 4, 50
	var mu sync.Mutex
	done := map[string]bool{}
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := range each {
				_, err := c.SendMessage(context.Background(), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(fmt.Sprintf("%d-%d", s, i))})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for r := range 6 {
		wg.Go(func() {
			for n := 0; ; n++ {
				out, err := c.ReceiveMessage(context.Background(), &awssqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 2, VisibilityTimeout: 1, MaxNumberOfMessages: 3})
				if err != nil {
					t.Error(err)
					return
				}
				if len(out.Messages) == 0 {
					return
				}
				if r < 2 && n%3 == 0 {
					continue // crashed: says nothing more of these
				}
				for _, m := range out.Messages {
					if _, err := c.DeleteMessage(context.Background(), &awssqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					done[*m.Body] = true
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if len(done) != senders*each {
		t.Fatalf("%d of %d messages", len(done), senders*each)
	}
	if got := c.Counts(url); got != [3]string{"0", "0", "0"} {
		t.Fatal(got)
	}
}

func TestRequestsThatAreNotTheProtocol(t *testing.T) {
	e := newEngine(t, openStore(t, ""), nil)
	tests := []struct{ name, method, target, body, code string }{
		{"the query protocol", "POST", "", "Action=ListQueues", "UnsupportedOperation"},
		{"GET", "GET", "AmazonSQS.ListQueues", "", "UnsupportedOperation"},
		{"another service", "POST", "DynamoDB_20120810.GetItem", "{}", "UnsupportedOperation"},
		{"an unknown operation", "POST", "AmazonSQS.Dance", "{}", "UnsupportedOperation"},
		{"no JSON", "POST", "AmazonSQS.ListQueues", "x", "SerializationException"},
		{"another type", "POST", "AmazonSQS.ListQueues", `{"MaxResults":"many"}`, "SerializationException"},
		{"text after the JSON", "POST", "AmazonSQS.ListQueues", `{} {}`, "SerializationException"},
		{"no queue URL", "POST", "AmazonSQS.DeleteQueue", `{}`, "MissingRequiredParameterException"},
		{"an address that is no queue", "POST", "AmazonSQS.DeleteQueue", `{"QueueUrl":"jobs"}`, "InvalidAddress"},
		{"another account", "POST", "AmazonSQS.DeleteQueue", `{"QueueUrl":"http://h/111111111111/jobs"}`, "QueueDoesNotExist"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, "/", strings.NewReader(tt.body))
			if tt.target != "" {
				r.Header.Set("X-Amz-Target", tt.target)
			}
			rec := httptest.NewRecorder()
			e.ServeHTTP(rec, r)
			if rec.Code != http.StatusBadRequest || !strings.Contains(rec.Body.String(), "#"+tt.code) {
				t.Fatalf("got %d %s", rec.Code, rec.Body)
			}
		})
	}
}

func TestAnyHostInAQueueURLWillDo(t *testing.T) {
	c := inProcess(t, newEngine(t, openStore(t, ""), nil))
	url := c.Named("jobs", nil)
	if url != "http://sqs.test/"+account+"/jobs" {
		t.Fatal(url)
	}
	c.Send("https://sqs.us-east-1.amazonaws.com/"+account+"/jobs", "x")
	c.One("http://127.0.0.1:4566/" + account + "/jobs/")
}

func FuzzRequest(f *testing.F) {
	f.Add("SendMessage", `{"QueueUrl":"http://h/000000000000/q","MessageBody":"x","MessageAttributes":{"a":{"DataType":"String","StringValue":"x"}}}`)
	f.Add("ReceiveMessage", `{"QueueUrl":"http://h/000000000000/q","MaxNumberOfMessages":10}`)
	f.Add("SetQueueAttributes", `{"QueueUrl":"http://h/000000000000/q","Attributes":{"RedrivePolicy":"{}"}}`)
	f.Add("ChangeMessageVisibilityBatch", `{"QueueUrl":"http://h/000000000000/q","Entries":[{"Id":"a","ReceiptHandle":"AQ==","VisibilityTimeout":1}]}`)
	s, err := store.Open(context.Background(), store.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	e, err := sqs.New(context.Background(), sqs.Options{Store: s, Clock: time.Now, Region: "us-east-1", Account: account, BaseURL: "http://h", Rand: zeroes{}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { e.Close() })
	f.Fuzz(func(t *testing.T, operation, body string) {
		for _, request := range [][2]string{{"CreateQueue", `{"QueueName":"q"}`}, {operation, body}} {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
			r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", strings.NewReader(request[1]))
			r.Header["X-Amz-Target"] = []string{"AmazonSQS." + request[0]}
			rec := httptest.NewRecorder()
			e.ServeHTTP(rec, r)
			expired := ctx.Err() != nil
			cancel()
			if rec.Code == http.StatusInternalServerError && !expired {
				t.Fatalf("%s %q: %s", operation, body, rec.Body)
			}
		}
	})
}

func BenchmarkSendReceiveDelete(b *testing.B) {
	s, err := store.Open(context.Background(), store.Options{Path: filepath.Join(b.TempDir(), "data.db")})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	e, err := sqs.New(context.Background(), sqs.Options{Store: s, Clock: time.Now, Region: "us-east-1", Account: account, BaseURL: "http://h", Rand: newCounter()})
	if err != nil {
		b.Fatal(err)
	}
	call := func(op, body string) string {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header["X-Amz-Target"] = []string{"AmazonSQS." + op}
		rec := httptest.NewRecorder()
		e.ServeHTTP(rec, r)
		if rec.Code != http.StatusOK {
			b.Error(rec.Body)
		}
		return rec.Body.String()
	}
	call("CreateQueue", `{"QueueName":"q"}`)
	const q = `"QueueUrl":"http://h/000000000000/q"`
	for _, clients := range []int{1, 16} {
		b.Run(fmt.Sprint("clients=", clients), func(b *testing.B) {
			b.SetParallelism(clients)
			if clients == 1 {
				for b.Loop() {
					cycle(call, q)
				}
				return
			}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					cycle(call, q)
				}
			})
		})
	}
}

func cycle(call func(op, body string) string, q string) {
	call("SendMessage", `{`+q+`,"MessageBody":"{\"job\":\"01J\"}"}`)
	out := call("ReceiveMessage", `{`+q+`}`)
	if _, rest, ok := strings.Cut(out, `"ReceiptHandle":"`); ok {
		h, _, _ := strings.Cut(rest, `"`)
		call("DeleteMessage", `{`+q+`,"ReceiptHandle":"`+h+`"}`)
	}
}

// counter is a source of different bytes that costs nothing.
type counter struct {
	mu sync.Mutex
	n  uint64
}

func newCounter() *counter { return new(counter) }

func (c *counter) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	clear(p)
	for i := range min(len(p), 8) {
		p[i] = byte(c.n >> (8 * i))
	}
	return len(p), nil
}
