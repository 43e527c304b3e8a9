package conformance

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

var receiveCases = map[string]func(*Client){
	"receive: an empty queue answers at once without a wait": func(c *Client) {
		c.None(c.Queue(nil))
	},
	"receive: at most as many as asked for, one by default": func(c *Client) {
		url := c.Queue(nil)
		for i := range 5 {
			c.Send(url, fmt.Sprint(i))
		}
		if got := c.Receive(url, Limit(3)); len(got) > 3 {
			c.T.Fatal(len(got))
		}
		if got := c.Receive(url, Limit(0)); len(got) > 1 {
			c.T.Fatal(len(got))
		}
	},
	"receive: limits out of range are refused": func(c *Client) {
		url := c.Queue(nil)
		for _, in := range []*awssqs.ReceiveMessageInput{{MaxNumberOfMessages: 11}, {MaxNumberOfMessages: -1}, {WaitTimeSeconds: 21}, {VisibilityTimeout: 43201}} {
			in.QueueUrl = &url
			_, err := c.ReceiveMessage(Context(c.T), in)
			c.ExpectCode(err, "InvalidParameterValue")
		}
	},
	"receive: system attributes": func(c *Client) {
		url := c.Queue(nil)
		before := time.Now().Add(-time.Minute).UnixMilli()
		c.Send(url, "x")
		a := c.One(url).Attributes
		for _, name := range []string{"SentTimestamp", "ApproximateFirstReceiveTimestamp"} {
			if at, err := strconv.ParseInt(a[name], 10, 64); err != nil || at < before {
				c.T.Errorf("%s is %q", name, a[name])
			}
		}
		if a["ApproximateReceiveCount"] != "1" || a["SenderId"] == "" {
			c.T.Error(a)
		}
	},
	"receive: no attributes unless asked for": func(c *Client) {
		url := c.Queue(nil)
		c.Send(url, "x", func(in *awssqs.SendMessageInput) {
			in.MessageAttributes = map[string]types.MessageAttributeValue{"a": {DataType: aws.String("String"), StringValue: aws.String("x")}}
		})
		m := c.One(url, func(in *awssqs.ReceiveMessageInput) {
			in.MessageAttributeNames, in.MessageSystemAttributeNames = nil, nil
		})
		if len(m.Attributes) != 0 || len(m.MessageAttributes) != 0 || m.MD5OfMessageAttributes != nil {
			c.T.Fatal(m)
		}
	},
	"receive: message attributes by name and by prefix": func(c *Client) {
		url := c.Queue(nil)
		c.Send(url, "x", func(in *awssqs.SendMessageInput) {
			in.MessageAttributes = map[string]types.MessageAttributeValue{}
			for _, n := range []string{"a", "b.one", "b.two", "bee"} {
				in.MessageAttributes[n] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(n)}
			}
		})
		m := c.One(url, func(in *awssqs.ReceiveMessageInput) { in.MessageAttributeNames = []string{"a", "b.*", "none"} })
		if got := slices.Sorted(maps.Keys(m.MessageAttributes)); !slices.Equal(got, []string{"a", "b.one", "b.two"}) {
			c.T.Fatal(got)
		}
	},
	"receive: counts tell visible, in flight and delayed apart": func(c *Client) {
		url := c.Queue(nil)
		for i := range 5 {
			c.Send(url, fmt.Sprint(i))
		}
		c.Send(url, "late", Delay(900))
		got := len(c.Receive(url, Limit(2)))
		if want := [3]string{fmt.Sprint(5 - got), fmt.Sprint(got), "1"}; c.Counts(url) != want {
			c.T.Fatal(c.Counts(url), want)
		}
	},
	"receive: a long poll ends empty after its wait": func(c *Client) {
		start := time.Now()
		if got := c.Receive(c.Queue(nil), Wait(1)); len(got) != 0 || time.Since(start) < 900*time.Millisecond {
			c.T.Fatal(len(got), time.Since(start))
		}
	},
	"receive: the queue's wait holds for receives without one": func(c *Client) {
		start := time.Now()
		if got := c.Receive(c.Queue(map[string]string{"ReceiveMessageWaitTimeSeconds": "1"})); len(got) != 0 || time.Since(start) < 900*time.Millisecond {
			c.T.Fatal(len(got), time.Since(start))
		}
	},
	"receive: a long poll wakes on a send": func(c *Client) {
		url := c.Queue(nil)
		got := make(chan int, 1)
		go func() {
			out, err := c.ReceiveMessage(Context(c.T), &awssqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20})
			if err != nil {
				got <- -1
				return
			}
			got <- len(out.Messages)
		}()
		time.Sleep(50 * time.Millisecond)
		c.Send(url, "x")
		select {
		case n := <-got:
			if n != 1 {
				c.T.Fatal(n)
			}
		case <-time.After(wakesWithin):
			c.T.Fatal("the poll did not wake")
		}
	},
	"receive: a long poll wakes when a delay ends": func(c *Client) {
		url := c.Queue(nil)
		c.Send(url, "x", Delay(1))
		c.One(url, Wait(20))
	},
	"receive: 16 receivers get 300 messages, none twice": func(c *Client) {
		url := c.Queue(nil)
		for i := range 30 {
			in := &awssqs.SendMessageBatchInput{QueueUrl: &url}
			for j := range 10 {
				in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(j)), MessageBody: aws.String(fmt.Sprint(i*10 + j))})
			}
			if out, err := c.SendMessageBatch(Context(c.T), in); err != nil || len(out.Failed) > 0 {
				c.T.Fatal(out, err)
			}
		}
		var mu sync.Mutex
		seen := map[string]int{}
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for {
					out, err := c.ReceiveMessage(Context(c.T), &awssqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10})
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
			c.T.Fatalf("%d of 300 messages", len(seen))
		}
		for body, n := range seen {
			if n != 1 {
				c.T.Errorf("message %s: %d times", body, n)
			}
		}
	},
}

var visibilityCases = map[string]func(*Client){
	"visibility: a received message is hidden": func(c *Client) {
		url := c.Queue(nil)
		c.Send(url, "x")
		c.One(url)
		c.None(url)
	},
	"visibility: it comes back after the timeout, with another handle": func(c *Client) {
		url := c.Queue(nil)
		c.Send(url, "x")
		a := c.One(url, Hide(1))
		b := c.One(url)
		if *a.MessageId != *b.MessageId || *a.ReceiptHandle == *b.ReceiptHandle || b.Attributes["ApproximateReceiveCount"] != "2" {
			c.T.Fatal(a, b)
		}
		if a.Attributes["ApproximateFirstReceiveTimestamp"] != b.Attributes["ApproximateFirstReceiveTimestamp"] {
			c.T.Error("the first receive moved")
		}
	},
	"visibility: the queue's timeout holds for receives without one": func(c *Client) {
		url := c.Queue(map[string]string{"VisibilityTimeout": "1"})
		c.Send(url, "x")
		inTime := within(time.Second)
		c.One(url)
		if got := c.Receive(url); len(got) != 0 && inTime() {
			c.T.Fatal(got)
		}
		c.One(url)
	},
	"visibility: a deleted message does not come back": func(c *Client) {
		url := c.Queue(nil)
		c.Send(url, "x")
		c.Remove(url, c.One(url, Hide(1)))
		if got := c.Receive(url, Wait(2)); len(got) != 0 {
			c.T.Fatal(got)
		}
	},
	"visibility: deleting twice succeeds": func(c *Client) {
		url := c.Queue(nil)
		c.Send(url, "x")
		m := c.One(url)
		c.Remove(url, m)
		c.Remove(url, m)
	},
	"visibility: a message can be deleted after its timeout": func(c *Client) {
		url := c.Queue(nil)
		c.Send(url, "x")
		m := c.One(url, Hide(1))
		time.Sleep(1100 * time.Millisecond)
		c.Remove(url, m)
		c.None(url)
	},
	"visibility: a handle that is none is refused": func(c *Client) {
		url := c.Queue(nil)
		_, err := c.DeleteMessage(Context(c.T), &awssqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: aws.String("nonsense")})
		ExpectType[*types.ReceiptHandleIsInvalid](c.T, err)
		_, err = c.ChangeMessageVisibility(Context(c.T), &awssqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: aws.String("nonsense"), VisibilityTimeout: 1})
		ExpectType[*types.ReceiptHandleIsInvalid](c.T, err)
	},
	"visibility: a handle of another queue is refused": func(c *Client) {
		a, b := c.Queue(nil), c.Queue(nil)
		c.Send(a, "x")
		_, err := c.DeleteMessage(Context(c.T), &awssqs.DeleteMessageInput{QueueUrl: &b, ReceiptHandle: c.One(a).ReceiptHandle})
		ExpectType[*types.ReceiptHandleIsInvalid](c.T, err)
	},
	"visibility: changing it to zero brings the message back at once": func(c *Client) {
		url := c.Queue(nil)
		c.Send(url, "x")
		if err := c.Change(url, c.One(url), 0); err != nil {
			c.T.Fatal(err)
		}
		c.One(url)
	},
	"visibility: changing it to zero wakes a long poll": func(c *Client) {
		url := c.Queue(nil)
		c.Send(url, "x")
		m := c.One(url)
		done := make(chan int, 1)
		go func() {
			out, err := c.ReceiveMessage(Context(c.T), &awssqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20})
			if err != nil {
				done <- -1
				return
			}
			done <- len(out.Messages)
		}()
		time.Sleep(50 * time.Millisecond)
		if err := c.Change(url, m, 0); err != nil {
			c.T.Fatal(err)
		}
		select {
		case n := <-done:
			if n != 1 {
				c.T.Fatal(n)
			}
		case <-time.After(wakesWithin):
			c.T.Fatal("the poll did not wake")
		}
	},
	"visibility: extending it keeps the message hidden": func(c *Client) {
		url := c.Queue(nil)
		c.Send(url, "x")
		inTime := within(time.Second)
		if err := c.Change(url, c.One(url, Hide(1)), 60); err != nil {
			if inTime() {
				c.T.Fatal(err)
			}
			return
		}
		if got := c.Receive(url, Wait(2)); len(got) != 0 {
			c.T.Fatal(got)
		}
	},
	"visibility: changing that of a message not in flight is refused": func(c *Client) {
		url := c.Queue(nil)
		c.Send(url, "x")
		m := c.One(url)
		if err := c.Change(url, m, 0); err != nil {
			c.T.Fatal(err)
		}
		ExpectType[*types.MessageNotInflight](c.T, c.Change(url, m, 10))
	},
	"visibility: changing that of a deleted message is refused": func(c *Client) {
		url := c.Queue(nil)
		c.Send(url, "x")
		m := c.One(url)
		c.Remove(url, m)
		c.ExpectCode(c.Change(url, m, 10), "InvalidParameterValue")
	},
	"visibility: more than 12 hours are refused": func(c *Client) {
		url := c.Queue(nil)
		c.Send(url, "x")
		c.ExpectCode(c.Change(url, c.One(url), 43201), "InvalidParameterValue")
	},
}
