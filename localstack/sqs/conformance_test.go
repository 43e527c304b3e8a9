package sqs_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// TestConformance is one suite for many engines: ours by default, the one that
// WAYPOINT_SQS_ENDPOINT names otherwise. A case says what AWS documents.
func TestConformance(t *testing.T) {
	url := endpoint(t)
	for _, group := range []map[string]func(*client){queueCases, sendCases, receiveCases, visibilityCases, batchCases, deadLetterCases, refusalCases} {
		for _, name := range slices.Sorted(maps.Keys(group)) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				group[name](dial(t, url))
			})
		}
	}
}

var queueCases = map[string]func(*client){
	"queue: create returns a URL that ends with account and name": func(c *client) {
		if url := c.named("q-url-form", nil); !strings.HasSuffix(url, "/"+account+"/q-url-form") {
			c.t.Fatal(url)
		}
	},
	"queue: create is idempotent with the same attributes": func(c *client) {
		attrs := map[string]string{"VisibilityTimeout": "7", "MessageRetentionPeriod": "600"}
		if a, b := c.named("q-idem", attrs), c.named("q-idem", attrs); a != b {
			c.t.Fatalf("%s and %s", a, b)
		}
	},
	"queue: create without attributes finds one that has some": func(c *client) {
		c.named("q-idem2", map[string]string{"VisibilityTimeout": "7"})
		c.named("q-idem2", nil)
	},
	"queue: create with other attributes is refused": func(c *client) {
		c.named("q-other", map[string]string{"VisibilityTimeout": "7"})
		_, err := c.CreateQueue(ctx(c.t), &awssqs.CreateQueueInput{QueueName: aws.String("q-other"), Attributes: map[string]string{"VisibilityTimeout": "8"}})
		wantType[*types.QueueNameExists](c.t, err)
	},
	"queue: names are letters, digits, hyphens and underscores": func(c *client) {
		for _, name := range []string{"a b", "a.b", "ä", strings.Repeat("x", 81)} {
			_, err := c.CreateQueue(ctx(c.t), &awssqs.CreateQueueInput{QueueName: &name})
			c.wantCode(err, "InvalidParameterValue")
		}
	},
	"queue: attributes out of range are refused": func(c *client) {
		for name, value := range map[string]string{"VisibilityTimeout": "43201", "DelaySeconds": "901", "ReceiveMessageWaitTimeSeconds": "21",
			"MessageRetentionPeriod": "59", "MaximumMessageSize": "1048577"} {
			_, err := c.CreateQueue(ctx(c.t), &awssqs.CreateQueueInput{QueueName: aws.String("q-range"), Attributes: map[string]string{name: value}})
			wantType[*types.InvalidAttributeValue](c.t, err)
		}
	},
	"queue: an unknown attribute is refused": func(c *client) {
		_, err := c.CreateQueue(ctx(c.t), &awssqs.CreateQueueInput{QueueName: aws.String("q-unknown"), Attributes: map[string]string{"Colour": "red"}})
		wantType[*types.InvalidAttributeName](c.t, err)
	},
	"queue: defaults are AWS's": func(c *client) {
		url := c.queue(nil)
		for name, want := range map[types.QueueAttributeName]string{"VisibilityTimeout": "30", "DelaySeconds": "0", "MessageRetentionPeriod": "345600",
			"ReceiveMessageWaitTimeSeconds": "0", "MaximumMessageSize": "1048576", "QueueArn": "arn:aws:sqs:us-east-1:" + account + ":" + url[strings.LastIndex(url, "/")+1:]} {
			if got := c.attribute(url, name); got != want {
				c.t.Errorf("%s is %s, want %s", name, got, want)
			}
		}
	},
	"queue: set attributes changes what is named and nothing else": func(c *client) {
		url := c.queue(map[string]string{"VisibilityTimeout": "7", "DelaySeconds": "3"})
		if _, err := c.SetQueueAttributes(ctx(c.t), &awssqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"DelaySeconds": "4"}}); err != nil {
			c.t.Fatal(err)
		}
		if a, b := c.attribute(url, "VisibilityTimeout"), c.attribute(url, "DelaySeconds"); a != "7" || b != "4" {
			c.t.Fatal(a, b)
		}
	},
	"queue: all attributes include the counts and times": func(c *client) {
		url := c.queue(nil)
		out, err := c.GetQueueAttributes(ctx(c.t), &awssqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"All"}})
		if err != nil {
			c.t.Fatal(err)
		}
		for _, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed", "CreatedTimestamp", "LastModifiedTimestamp"} {
			if _, err := strconv.Atoi(out.Attributes[name]); err != nil {
				c.t.Errorf("%s: %v", name, err)
			}
		}
	},
	"queue: get attributes of an unknown name is refused": func(c *client) {
		url := c.queue(nil)
		_, err := c.GetQueueAttributes(ctx(c.t), &awssqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"Colour"}})
		wantType[*types.InvalidAttributeName](c.t, err)
	},
	"queue: get URL finds it": func(c *client) {
		url := c.named("q-get-url", nil)
		out, err := c.GetQueueUrl(ctx(c.t), &awssqs.GetQueueUrlInput{QueueName: aws.String("q-get-url")})
		if err != nil || *out.QueueUrl != url {
			c.t.Fatal(out, err)
		}
	},
	"queue: get URL of none is refused": func(c *client) {
		_, err := c.GetQueueUrl(ctx(c.t), &awssqs.GetQueueUrlInput{QueueName: aws.String("q-none")})
		wantType[*types.QueueDoesNotExist](c.t, err)
		c.wantCode(err, "AWS.SimpleQueueService.NonExistentQueue")
	},
	"queue: operations on a deleted queue are refused": func(c *client) {
		url := c.queue(nil)
		c.send(url, "x")
		if _, err := c.DeleteQueue(ctx(c.t), &awssqs.DeleteQueueInput{QueueUrl: &url}); err != nil {
			c.t.Fatal(err)
		}
		_, err := c.SendMessage(ctx(c.t), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x")})
		wantType[*types.QueueDoesNotExist](c.t, err)
		_, err = c.ReceiveMessage(ctx(c.t), &awssqs.ReceiveMessageInput{QueueUrl: &url})
		wantType[*types.QueueDoesNotExist](c.t, err)
	},
	"queue: list by prefix": func(c *client) {
		a, b := c.named("list-a-1", nil), c.named("list-a-2", nil)
		c.named("list-b-1", nil)
		out, err := c.ListQueues(ctx(c.t), &awssqs.ListQueuesInput{QueueNamePrefix: aws.String("list-a-")})
		if err != nil || !slices.Equal(out.QueueUrls, []string{a, b}) {
			c.t.Fatal(out, err)
		}
	},
	"queue: list in pages finds each once": func(c *client) {
		want := map[string]bool{}
		for i := range 5 {
			want[c.named(fmt.Sprint("pages-", i), nil)] = true
		}
		p := awssqs.NewListQueuesPaginator(c, &awssqs.ListQueuesInput{QueueNamePrefix: aws.String("pages-"), MaxResults: aws.Int32(2)})
		pages := 0
		for p.HasMorePages() {
			out, err := p.NextPage(ctx(c.t))
			if err != nil {
				c.t.Fatal(err)
			}
			pages++
			for _, u := range out.QueueUrls {
				if !want[u] {
					c.t.Fatalf("%s twice or not asked for", u)
				}
				delete(want, u)
			}
		}
		if len(want) != 0 || pages != 3 {
			c.t.Fatalf("%d pages, missing %v", pages, want)
		}
	},
	"queue: tags are set, listed and removed": func(c *client) {
		url := c.queue(nil)
		if _, err := c.TagQueue(ctx(c.t), &awssqs.TagQueueInput{QueueUrl: &url, Tags: map[string]string{"a": "1", "b": "2"}}); err != nil {
			c.t.Fatal(err)
		}
		if _, err := c.UntagQueue(ctx(c.t), &awssqs.UntagQueueInput{QueueUrl: &url, TagKeys: []string{"a"}}); err != nil {
			c.t.Fatal(err)
		}
		out, err := c.ListQueueTags(ctx(c.t), &awssqs.ListQueueTagsInput{QueueUrl: &url})
		if err != nil || !maps.Equal(out.Tags, map[string]string{"b": "2"}) {
			c.t.Fatal(out, err)
		}
	},
	"queue: created with tags": func(c *client) {
		url, err := c.CreateQueue(ctx(c.t), &awssqs.CreateQueueInput{QueueName: aws.String("q-tagged"), Tags: map[string]string{"k": "v"}})
		if err != nil {
			c.t.Fatal(err)
		}
		out, err := c.ListQueueTags(ctx(c.t), &awssqs.ListQueueTagsInput{QueueUrl: url.QueueUrl})
		if err != nil || out.Tags["k"] != "v" {
			c.t.Fatal(out, err)
		}
	},
	"queue: purge empties it, in flight and delayed too": func(c *client) {
		url := c.queue(nil)
		c.send(url, "flying")
		c.one(url)
		c.send(url, "visible")
		c.send(url, "late", delay(900))
		if _, err := c.PurgeQueue(ctx(c.t), &awssqs.PurgeQueueInput{QueueUrl: &url}); err != nil {
			c.t.Fatal(err)
		}
		if got := c.counts(url); got != [3]string{"0", "0", "0"} {
			c.t.Fatal(got)
		}
	},
	"queue: a second purge within a minute is refused": func(c *client) {
		url := c.queue(nil)
		if _, err := c.PurgeQueue(ctx(c.t), &awssqs.PurgeQueueInput{QueueUrl: &url}); err != nil {
			c.t.Fatal(err)
		}
		_, err := c.PurgeQueue(ctx(c.t), &awssqs.PurgeQueueInput{QueueUrl: &url})
		wantType[*types.PurgeQueueInProgress](c.t, err)
	},
}

var sendCases = map[string]func(*client){
	"send: the body comes back as it was": func(c *client) {
		url := c.queue(nil)
		for _, body := range []string{"x", " spaces ", "{\"a\":\"\\u2028<&>\"}", "zwölf 漢字 🚀", "tab\tline\nreturn\r", strings.Repeat("é", 1000)} {
			c.send(url, body)
			m := c.one(url) // the SDK checks the MD5 sums of send and receive
			if *m.Body != body {
				c.t.Fatalf("got %q, want %q", *m.Body, body)
			}
			c.remove(url, m)
		}
	},
	"send: attributes of all types come back with a right checksum": func(c *client) {
		url := c.queue(nil)
		attrs := map[string]types.MessageAttributeValue{
			"text":   {DataType: aws.String("String"), StringValue: aws.String("héllo")},
			"number": {DataType: aws.String("Number.int"), StringValue: aws.String("-12.5e3")},
			"bytes":  {DataType: aws.String("Binary"), BinaryValue: []byte{0, 255, 10}},
		}
		c.send(url, "x", func(in *awssqs.SendMessageInput) { in.MessageAttributes = attrs })
		m := c.one(url)
		if len(m.MessageAttributes) != 3 || *m.MessageAttributes["text"].StringValue != "héllo" ||
			string(m.MessageAttributes["bytes"].BinaryValue) != "\x00\xff\n" || *m.MessageAttributes["number"].DataType != "Number.int" {
			c.t.Fatalf("%v", m.MessageAttributes)
		}
	},
	"send: the id is the received id": func(c *client) {
		url := c.queue(nil)
		if out, m := c.send(url, "x"), c.one(url); *out.MessageId != *m.MessageId {
			c.t.Fatal(*out.MessageId, *m.MessageId)
		}
	},
	"send: the trace header comes back": func(c *client) {
		url := c.queue(nil)
		c.send(url, "x", func(in *awssqs.SendMessageInput) {
			in.MessageSystemAttributes = map[string]types.MessageSystemAttributeValue{"AWSTraceHeader": {DataType: aws.String("String"), StringValue: aws.String("Root=1-x")}}
		})
		if m := c.one(url); m.Attributes["AWSTraceHeader"] != "Root=1-x" {
			c.t.Fatal(m.Attributes)
		}
	},
	"send: an empty body is refused": func(c *client) {
		url := c.queue(nil)
		_, err := c.SendMessage(ctx(c.t), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("")})
		c.wantCode(err, "MissingParameter")
	},
	"send: characters that XML does not know are refused": func(c *client) {
		url := c.queue(nil)
		for _, body := range []string{"a\x00", "a\x0b", "a\uffff"} {
			_, err := c.SendMessage(ctx(c.t), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: &body})
			wantType[*types.InvalidMessageContents](c.t, err)
		}
	},
	"send: 1 MiB is taken and a byte more is not": func(c *client) {
		url := c.queue(nil)
		c.send(url, strings.Repeat("x", 1<<20))
		_, err := c.SendMessage(ctx(c.t), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(strings.Repeat("x", 1<<20+1))})
		c.wantCode(err, "InvalidParameterValue")
	},
	"send: attributes count for the size": func(c *client) {
		url := c.queue(map[string]string{"MaximumMessageSize": "1024"})
		in := &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(strings.Repeat("x", 1010)),
			MessageAttributes: map[string]types.MessageAttributeValue{"name": {DataType: aws.String("String"), StringValue: aws.String("12345")}}}
		_, err := c.SendMessage(ctx(c.t), in)
		c.wantCode(err, "InvalidParameterValue")
		in.MessageBody = aws.String(strings.Repeat("x", 1024-4-6-5))
		if _, err := c.SendMessage(ctx(c.t), in); err != nil {
			c.t.Fatal(err)
		}
	},
	"send: eleven attributes are refused": func(c *client) {
		url := c.queue(nil)
		attrs := map[string]types.MessageAttributeValue{}
		for i := range 11 {
			attrs[fmt.Sprint("a", i)] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String("x")}
		}
		_, err := c.SendMessage(ctx(c.t), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageAttributes: attrs})
		c.wantCode(err, "InvalidParameterValue")
	},
	"send: attributes of a wrong form are refused": func(c *client) {
		url := c.queue(nil)
		for name, a := range map[string]types.MessageAttributeValue{
			"type":    {DataType: aws.String("Colour"), StringValue: aws.String("x")},
			"number":  {DataType: aws.String("Number"), StringValue: aws.String("x")},
			"binary":  {DataType: aws.String("Binary"), StringValue: aws.String("x")},
			"empty":   {DataType: aws.String("String"), StringValue: aws.String("")},
			"AWS.own": {DataType: aws.String("String"), StringValue: aws.String("x")},
			"a..b":    {DataType: aws.String("String"), StringValue: aws.String("x")},
		} {
			_, err := c.SendMessage(ctx(c.t), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageAttributes: map[string]types.MessageAttributeValue{name: a}})
			c.wantCode(err, "InvalidParameterValue")
		}
	},
	"send: a delay hides the message": func(c *client) {
		url := c.queue(nil)
		c.send(url, "x", delay(1))
		c.none(url)
		if got := c.counts(url); got != [3]string{"0", "0", "1"} {
			c.t.Fatal(got)
		}
		c.one(url)
	},
	"send: the queue's delay holds for messages without one": func(c *client) {
		url := c.queue(map[string]string{"DelaySeconds": "900"})
		c.send(url, "x")
		c.none(url)
	},
	"send: a delay over 15 minutes is refused": func(c *client) {
		url := c.queue(nil)
		_, err := c.SendMessage(ctx(c.t), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), DelaySeconds: 901})
		c.wantCode(err, "InvalidParameterValue")
	},
	"send: to a queue that does not exist is refused": func(c *client) {
		url := c.queue(nil) + "-not"
		_, err := c.SendMessage(ctx(c.t), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x")})
		wantType[*types.QueueDoesNotExist](c.t, err)
	},
}

var receiveCases = map[string]func(*client){
	"receive: an empty queue answers at once without a wait": func(c *client) {
		c.none(c.queue(nil))
	},
	"receive: at most as many as asked for, one by default": func(c *client) {
		url := c.queue(nil)
		for i := range 5 {
			c.send(url, fmt.Sprint(i))
		}
		if got := c.receive(url, limit(3)); len(got) > 3 {
			c.t.Fatal(len(got))
		}
		if got := c.receive(url, limit(0)); len(got) > 1 {
			c.t.Fatal(len(got))
		}
	},
	"receive: limits out of range are refused": func(c *client) {
		url := c.queue(nil)
		for _, in := range []*awssqs.ReceiveMessageInput{{MaxNumberOfMessages: 11}, {MaxNumberOfMessages: -1}, {WaitTimeSeconds: 21}, {VisibilityTimeout: 43201}} {
			in.QueueUrl = &url
			_, err := c.ReceiveMessage(ctx(c.t), in)
			c.wantCode(err, "InvalidParameterValue")
		}
	},
	"receive: system attributes": func(c *client) {
		url := c.queue(nil)
		before := time.Now().Add(-time.Minute).UnixMilli()
		c.send(url, "x")
		a := c.one(url).Attributes
		for _, name := range []string{"SentTimestamp", "ApproximateFirstReceiveTimestamp"} {
			if at, err := strconv.ParseInt(a[name], 10, 64); err != nil || at < before {
				c.t.Errorf("%s is %q", name, a[name])
			}
		}
		if a["ApproximateReceiveCount"] != "1" || a["SenderId"] == "" {
			c.t.Error(a)
		}
	},
	"receive: no attributes unless asked for": func(c *client) {
		url := c.queue(nil)
		c.send(url, "x", func(in *awssqs.SendMessageInput) {
			in.MessageAttributes = map[string]types.MessageAttributeValue{"a": {DataType: aws.String("String"), StringValue: aws.String("x")}}
		})
		m := c.one(url, func(in *awssqs.ReceiveMessageInput) {
			in.MessageAttributeNames, in.MessageSystemAttributeNames = nil, nil
		})
		if len(m.Attributes) != 0 || len(m.MessageAttributes) != 0 || m.MD5OfMessageAttributes != nil {
			c.t.Fatal(m)
		}
	},
	"receive: message attributes by name and by prefix": func(c *client) {
		url := c.queue(nil)
		c.send(url, "x", func(in *awssqs.SendMessageInput) {
			in.MessageAttributes = map[string]types.MessageAttributeValue{}
			for _, n := range []string{"a", "b.one", "b.two", "bee"} {
				in.MessageAttributes[n] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(n)}
			}
		})
		m := c.one(url, func(in *awssqs.ReceiveMessageInput) { in.MessageAttributeNames = []string{"a", "b.*", "none"} })
		if got := slices.Sorted(maps.Keys(m.MessageAttributes)); !slices.Equal(got, []string{"a", "b.one", "b.two"}) {
			c.t.Fatal(got)
		}
	},
	"receive: counts tell visible, in flight and delayed apart": func(c *client) {
		url := c.queue(nil)
		for i := range 5 {
			c.send(url, fmt.Sprint(i))
		}
		c.send(url, "late", delay(900))
		got := len(c.receive(url, limit(2)))
		if want := [3]string{fmt.Sprint(5 - got), fmt.Sprint(got), "1"}; c.counts(url) != want {
			c.t.Fatal(c.counts(url), want)
		}
	},
	"receive: a long poll ends empty after its wait": func(c *client) {
		start := time.Now()
		if got := c.receive(c.queue(nil), wait(1)); len(got) != 0 || time.Since(start) < 900*time.Millisecond {
			c.t.Fatal(len(got), time.Since(start))
		}
	},
	"receive: the queue's wait holds for receives without one": func(c *client) {
		start := time.Now()
		if got := c.receive(c.queue(map[string]string{"ReceiveMessageWaitTimeSeconds": "1"})); len(got) != 0 || time.Since(start) < 900*time.Millisecond {
			c.t.Fatal(len(got), time.Since(start))
		}
	},
	"receive: a long poll wakes on a send": func(c *client) {
		url := c.queue(nil)
		got := make(chan int, 1)
		go func() {
			out, err := c.ReceiveMessage(ctx(c.t), &awssqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20})
			if err != nil {
				got <- -1
				return
			}
			got <- len(out.Messages)
		}()
		time.Sleep(50 * time.Millisecond)
		c.send(url, "x")
		select {
		case n := <-got:
			if n != 1 {
				c.t.Fatal(n)
			}
		case <-time.After(15 * time.Second):
			c.t.Fatal("the poll did not wake")
		}
	},
	"receive: a long poll wakes when a delay ends": func(c *client) {
		url := c.queue(nil)
		c.send(url, "x", delay(1))
		c.one(url, wait(20))
	},
	"receive: 16 receivers get 300 messages, none twice": func(c *client) {
		url := c.queue(nil)
		for i := range 30 {
			in := &awssqs.SendMessageBatchInput{QueueUrl: &url}
			for j := range 10 {
				in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(j)), MessageBody: aws.String(fmt.Sprint(i*10 + j))})
			}
			if out, err := c.SendMessageBatch(ctx(c.t), in); err != nil || len(out.Failed) > 0 {
				c.t.Fatal(out, err)
			}
		}
		var mu sync.Mutex
		seen := map[string]int{}
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for {
					out, err := c.ReceiveMessage(ctx(c.t), &awssqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10})
					if err != nil || len(out.Messages) == 0 {
						return
					}
					mu.Lock()
					for _, m := range out.Messages {
						seen[*m.Body]++
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if len(seen) != 300 {
			c.t.Fatalf("%d of 300 messages", len(seen))
		}
		for body, n := range seen {
			if n != 1 {
				c.t.Errorf("message %s: %d times", body, n)
			}
		}
	},
}

var visibilityCases = map[string]func(*client){
	"visibility: a received message is hidden": func(c *client) {
		url := c.queue(nil)
		c.send(url, "x")
		c.one(url)
		c.none(url)
	},
	"visibility: it comes back after the timeout, with another handle": func(c *client) {
		url := c.queue(nil)
		c.send(url, "x")
		a := c.one(url, hide(1))
		b := c.one(url)
		if *a.MessageId != *b.MessageId || *a.ReceiptHandle == *b.ReceiptHandle || b.Attributes["ApproximateReceiveCount"] != "2" {
			c.t.Fatal(a, b)
		}
		if a.Attributes["ApproximateFirstReceiveTimestamp"] != b.Attributes["ApproximateFirstReceiveTimestamp"] {
			c.t.Error("the first receive moved")
		}
	},
	"visibility: the queue's timeout holds for receives without one": func(c *client) {
		url := c.queue(map[string]string{"VisibilityTimeout": "1"})
		c.send(url, "x")
		c.one(url)
		c.none(url)
		c.one(url)
	},
	"visibility: a deleted message does not come back": func(c *client) {
		url := c.queue(nil)
		c.send(url, "x")
		c.remove(url, c.one(url, hide(1)))
		if got := c.receive(url, wait(2)); len(got) != 0 {
			c.t.Fatal(got)
		}
	},
	"visibility: deleting twice succeeds": func(c *client) {
		url := c.queue(nil)
		c.send(url, "x")
		m := c.one(url)
		c.remove(url, m)
		c.remove(url, m)
	},
	"visibility: a message can be deleted after its timeout": func(c *client) {
		url := c.queue(nil)
		c.send(url, "x")
		m := c.one(url, hide(1))
		time.Sleep(1100 * time.Millisecond)
		c.remove(url, m)
		c.none(url)
	},
	"visibility: a handle that is none is refused": func(c *client) {
		url := c.queue(nil)
		_, err := c.DeleteMessage(ctx(c.t), &awssqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: aws.String("nonsense")})
		wantType[*types.ReceiptHandleIsInvalid](c.t, err)
		_, err = c.ChangeMessageVisibility(ctx(c.t), &awssqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: aws.String("nonsense"), VisibilityTimeout: 1})
		wantType[*types.ReceiptHandleIsInvalid](c.t, err)
	},
	"visibility: a handle of another queue is refused": func(c *client) {
		a, b := c.queue(nil), c.queue(nil)
		c.send(a, "x")
		_, err := c.DeleteMessage(ctx(c.t), &awssqs.DeleteMessageInput{QueueUrl: &b, ReceiptHandle: c.one(a).ReceiptHandle})
		wantType[*types.ReceiptHandleIsInvalid](c.t, err)
	},
	"visibility: changing it to zero brings the message back at once": func(c *client) {
		url := c.queue(nil)
		c.send(url, "x")
		if err := c.change(url, c.one(url), 0); err != nil {
			c.t.Fatal(err)
		}
		c.one(url)
	},
	"visibility: changing it to zero wakes a long poll": func(c *client) {
		url := c.queue(nil)
		c.send(url, "x")
		m := c.one(url)
		done := make(chan int, 1)
		go func() {
			out, err := c.ReceiveMessage(ctx(c.t), &awssqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20})
			if err != nil {
				done <- -1
				return
			}
			done <- len(out.Messages)
		}()
		time.Sleep(50 * time.Millisecond)
		if err := c.change(url, m, 0); err != nil {
			c.t.Fatal(err)
		}
		select {
		case n := <-done:
			if n != 1 {
				c.t.Fatal(n)
			}
		case <-time.After(15 * time.Second):
			c.t.Fatal("the poll did not wake")
		}
	},
	"visibility: extending it keeps the message hidden": func(c *client) {
		url := c.queue(nil)
		c.send(url, "x")
		if err := c.change(url, c.one(url, hide(1)), 60); err != nil {
			c.t.Fatal(err)
		}
		if got := c.receive(url, wait(2)); len(got) != 0 {
			c.t.Fatal(got)
		}
	},
	"visibility: changing that of a message not in flight is refused": func(c *client) {
		url := c.queue(nil)
		c.send(url, "x")
		m := c.one(url)
		if err := c.change(url, m, 0); err != nil {
			c.t.Fatal(err)
		}
		wantType[*types.MessageNotInflight](c.t, c.change(url, m, 10))
	},
	"visibility: changing that of a deleted message is refused": func(c *client) {
		url := c.queue(nil)
		c.send(url, "x")
		m := c.one(url)
		c.remove(url, m)
		c.wantCode(c.change(url, m, 10), "InvalidParameterValue")
	},
	"visibility: more than 12 hours are refused": func(c *client) {
		url := c.queue(nil)
		c.send(url, "x")
		c.wantCode(c.change(url, c.one(url), 43201), "InvalidParameterValue")
	},
}

var batchCases = map[string]func(*client){
	"batch: send, receive and delete ten": func(c *client) {
		url := c.queue(nil)
		in := &awssqs.SendMessageBatchInput{QueueUrl: &url}
		for i := range 10 {
			in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint("id-", i)), MessageBody: aws.String(fmt.Sprint(i))})
		}
		if out, err := c.SendMessageBatch(ctx(c.t), in); err != nil || len(out.Successful) != 10 {
			c.t.Fatal(out, err)
		}
		del := &awssqs.DeleteMessageBatchInput{QueueUrl: &url}
		for len(del.Entries) < 10 {
			for _, m := range c.receive(url, wait(5)) {
				del.Entries = append(del.Entries, types.DeleteMessageBatchRequestEntry{Id: m.MessageId, ReceiptHandle: m.ReceiptHandle})
			}
		}
		if out, err := c.DeleteMessageBatch(ctx(c.t), del); err != nil || len(out.Successful) != 10 {
			c.t.Fatal(out, err)
		}
		if got := c.counts(url); got != [3]string{"0", "0", "0"} {
			c.t.Fatal(got)
		}
	},
	"batch: a bad entry fails alone": func(c *client) {
		url := c.queue(nil)
		out, err := c.SendMessageBatch(ctx(c.t), &awssqs.SendMessageBatchInput{QueueUrl: &url, Entries: []types.SendMessageBatchRequestEntry{
			{Id: aws.String("good"), MessageBody: aws.String("x")},
			{Id: aws.String("bad"), MessageBody: aws.String("x\x00")},
			{Id: aws.String("late"), MessageBody: aws.String("x"), DelaySeconds: 901},
		}})
		if err != nil || len(out.Successful) != 1 || len(out.Failed) != 2 || !out.Failed[0].SenderFault {
			c.t.Fatal(out, err)
		}
		if *out.Failed[0].Code != "InvalidMessageContents" || *out.Failed[1].Code != "InvalidParameterValue" {
			c.t.Fatal(*out.Failed[0].Code, *out.Failed[1].Code)
		}
		c.one(url)
	},
	"batch: deleting with one bad handle fails for it alone": func(c *client) {
		url := c.queue(nil)
		c.send(url, "x")
		m := c.one(url)
		out, err := c.DeleteMessageBatch(ctx(c.t), &awssqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: []types.DeleteMessageBatchRequestEntry{
			{Id: aws.String("bad"), ReceiptHandle: aws.String("nonsense")}, {Id: aws.String("good"), ReceiptHandle: m.ReceiptHandle}}})
		if err != nil || len(out.Successful) != 1 || len(out.Failed) != 1 || *out.Failed[0].Code != "ReceiptHandleIsInvalid" {
			c.t.Fatal(out, err)
		}
	},
	"batch: changing visibility with one bad handle fails for it alone": func(c *client) {
		url := c.queue(nil)
		c.send(url, "x")
		m := c.one(url)
		out, err := c.ChangeMessageVisibilityBatch(ctx(c.t), &awssqs.ChangeMessageVisibilityBatchInput{QueueUrl: &url, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
			{Id: aws.String("bad"), ReceiptHandle: aws.String("nonsense"), VisibilityTimeout: 1}, {Id: aws.String("good"), ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 0}}})
		if err != nil || len(out.Successful) != 1 || len(out.Failed) != 1 || *out.Failed[0].Id != "bad" {
			c.t.Fatal(out, err)
		}
		c.one(url)
	},
	"batch: an empty one is refused": func(c *client) {
		url := c.queue(nil)
		_, err := c.SendMessageBatch(ctx(c.t), &awssqs.SendMessageBatchInput{QueueUrl: &url, Entries: []types.SendMessageBatchRequestEntry{}})
		wantType[*types.EmptyBatchRequest](c.t, err)
	},
	"batch: eleven entries are refused": func(c *client) {
		url := c.queue(nil)
		in := &awssqs.DeleteMessageBatchInput{QueueUrl: &url}
		for i := range 11 {
			in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: aws.String("x")})
		}
		_, err := c.DeleteMessageBatch(ctx(c.t), in)
		wantType[*types.TooManyEntriesInBatchRequest](c.t, err)
	},
	"batch: equal ids are refused": func(c *client) {
		url := c.queue(nil)
		e := types.SendMessageBatchRequestEntry{Id: aws.String("same"), MessageBody: aws.String("x")}
		_, err := c.SendMessageBatch(ctx(c.t), &awssqs.SendMessageBatchInput{QueueUrl: &url, Entries: []types.SendMessageBatchRequestEntry{e, e}})
		wantType[*types.BatchEntryIdsNotDistinct](c.t, err)
	},
	"batch: an id of other characters is refused": func(c *client) {
		url := c.queue(nil)
		_, err := c.SendMessageBatch(ctx(c.t), &awssqs.SendMessageBatchInput{QueueUrl: &url, Entries: []types.SendMessageBatchRequestEntry{{Id: aws.String("a b"), MessageBody: aws.String("x")}}})
		wantType[*types.InvalidBatchEntryId](c.t, err)
	},
	"batch: over 1 MiB together is refused": func(c *client) {
		url := c.queue(nil)
		in := &awssqs.SendMessageBatchInput{QueueUrl: &url}
		for i := range 3 {
			in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), MessageBody: aws.String(strings.Repeat("x", 400_000))})
		}
		_, err := c.SendMessageBatch(ctx(c.t), in)
		wantType[*types.BatchRequestTooLong](c.t, err)
		c.none(url)
	},
}

// withDeadLetters makes a queue with a dead-letter queue after n receives.
func (c *client) withDeadLetters(n int) (url, dead string) {
	dead = c.queue(nil)
	return c.queue(map[string]string{"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, c.attribute(dead, "QueueArn"), n)}), dead
}

var deadLetterCases = map[string]func(*client){
	"dead letters: a message moves after maxReceiveCount receives": func(c *client) {
		url, dead := c.withDeadLetters(2)
		sent := c.send(url, "x")
		for range 2 {
			if err := c.change(url, c.one(url), 0); err != nil {
				c.t.Fatal(err)
			}
		}
		c.none(dead)
		c.none(url)
		m := c.one(dead)
		if *m.MessageId != *sent.MessageId || *m.Body != "x" {
			c.t.Fatal(m)
		}
		if got, want := m.Attributes["DeadLetterQueueSourceArn"], c.attribute(url, "QueueArn"); got != want {
			c.t.Errorf("source %q, want %q", got, want)
		}
	},
	"dead letters: deleting in time keeps it out": func(c *client) {
		url, dead := c.withDeadLetters(1)
		c.send(url, "x")
		c.remove(url, c.one(url))
		c.none(url)
		c.none(dead)
	},
	"dead letters: a receive skips them and takes the rest": func(c *client) {
		url, dead := c.withDeadLetters(1)
		c.send(url, "poison")
		if err := c.change(url, c.one(url), 0); err != nil {
			c.t.Fatal(err)
		}
		c.send(url, "good")
		if m := c.one(url); *m.Body != "good" {
			c.t.Fatal(*m.Body)
		}
		if m := c.one(dead); *m.Body != "poison" {
			c.t.Fatal(*m.Body)
		}
	},
	"dead letters: the source queues are listed": func(c *client) {
		url, dead := c.withDeadLetters(3)
		out, err := c.ListDeadLetterSourceQueues(ctx(c.t), &awssqs.ListDeadLetterSourceQueuesInput{QueueUrl: &dead})
		if err != nil || !slices.Equal(out.QueueUrls, []string{url}) {
			c.t.Fatal(out, err)
		}
	},
	"dead letters: a policy can be removed": func(c *client) {
		url, dead := c.withDeadLetters(1)
		if _, err := c.SetQueueAttributes(ctx(c.t), &awssqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"RedrivePolicy": ""}}); err != nil {
			c.t.Fatal(err)
		}
		c.send(url, "x")
		for range 3 {
			if err := c.change(url, c.one(url), 0); err != nil {
				c.t.Fatal(err)
			}
		}
		c.none(dead)
	},
	"dead letters: a target that does not exist is refused": func(c *client) {
		_, err := c.CreateQueue(ctx(c.t), &awssqs.CreateQueueInput{QueueName: aws.String("q-no-target"), Attributes: map[string]string{
			"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:none","maxReceiveCount":1}`}})
		c.wantCode(err, "InvalidParameterValue")
	},
	"dead letters: a policy of another form is refused": func(c *client) {
		url, dead := c.queue(nil), c.queue(nil)
		arn := c.attribute(dead, "QueueArn")
		for _, p := range []string{"x", "{}", `{"deadLetterTargetArn":"` + arn + `"}`, `{"deadLetterTargetArn":"` + arn + `","maxReceiveCount":0}`} {
			_, err := c.SetQueueAttributes(ctx(c.t), &awssqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"RedrivePolicy": p}})
			c.wantCode(err, "InvalidParameterValue")
		}
	},
}

// refusalCases are ours alone: what SQS has and this engine has not is refused by name.
var refusalCases = map[string]func(*client){
	"refusal: FIFO queues": func(c *client) {
		c.refused("FIFO", func() error {
			_, err := c.CreateQueue(ctx(c.t), &awssqs.CreateQueueInput{QueueName: aws.String("q.fifo"), Attributes: map[string]string{"FifoQueue": "true"}})
			return err
		})
	},
	"refusal: attributes": func(c *client) {
		for _, name := range []string{"Policy", "KmsMasterKeyId", "RedriveAllowPolicy", "SqsManagedSseEnabled"} {
			c.refused(name, func() error {
				_, err := c.CreateQueue(ctx(c.t), &awssqs.CreateQueueInput{QueueName: aws.String("q-refused"), Attributes: map[string]string{name: "true"}})
				return err
			})
		}
	},
	"refusal: operations": func(c *client) {
		c.refused("StartMessageMoveTask", func() error {
			_, err := c.StartMessageMoveTask(ctx(c.t), &awssqs.StartMessageMoveTaskInput{SourceArn: aws.String("x")})
			return err
		})
	},
	"refusal: members": func(c *client) {
		url := c.queue(nil)
		c.refused("MessageGroupId", func() error {
			_, err := c.SendMessage(ctx(c.t), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageGroupId: aws.String("g")})
			return err
		})
		c.refused("ReceiveRequestAttemptId", func() error {
			_, err := c.ReceiveMessage(ctx(c.t), &awssqs.ReceiveMessageInput{QueueUrl: &url, ReceiveRequestAttemptId: aws.String("a")})
			return err
		})
	},
}

func (c *client) refused(name string, do func() error) {
	c.t.Helper()
	err := do()
	wantType[*types.UnsupportedOperation](c.t, err)
	if !strings.Contains(err.Error(), name) {
		c.t.Fatalf("%v does not name %s", err, name)
	}
}
