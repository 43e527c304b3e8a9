package conformance

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/waypoint-serverless/waypoint/localstack/aws/suite"
)

// Client is the unmodified SDK client of an implementation, in the hands of a case.
type Client struct {
	*awssqs.Client
	T suite.T
	// Prefix begins the names of queues.
	Prefix string
	// Own is there in own cases only.
	Own *Own
}

// Name is a queue's name for a case: under the run's prefix, since AWS gives no name twice within a minute.
func (c *Client) Name(name string) string { return c.Prefix + name }

// Context bounds a call.
func Context(t suite.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// wakesWithin bounds the wait for what a long poll gets. A poll that does not wake ends empty after its 20 s.
const wakesWithin = time.Minute

// within begins a time in which something holds. The function returned reports whether the time is still running: on a
// busy machine it may be over when the answer comes, and then the answer says nothing.
func within(d time.Duration) (inTime func() bool) {
	end := time.Now().Add(d)
	return func() bool { return time.Now().Before(end) }
}

// Queue makes a queue of a new name and deletes it when the case ends.
func (c *Client) Queue(attrs map[string]string) string {
	c.T.Helper()
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		c.T.Fatal(err)
	}
	return c.Named("q-"+hex.EncodeToString(b[:]), attrs)
}

// Named makes a queue of that name, under the run's prefix, and deletes it when the case ends.
func (c *Client) Named(name string, attrs map[string]string) string {
	c.T.Helper()
	out, err := c.CreateQueue(Context(c.T), &awssqs.CreateQueueInput{QueueName: aws.String(c.Name(name)), Attributes: attrs})
	if err != nil {
		c.T.Fatal(err)
	}
	c.T.Cleanup(func() {
		// Cases delete queues too; and a queue that stays does no harm to others.
		_, _ = c.DeleteQueue(context.Background(), &awssqs.DeleteQueueInput{QueueUrl: out.QueueUrl})
	})
	return *out.QueueUrl
}

// Send sends a message.
func (c *Client) Send(url, body string, mutate ...func(*awssqs.SendMessageInput)) *awssqs.SendMessageOutput {
	c.T.Helper()
	in := &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: &body}
	for _, m := range mutate {
		m(in)
	}
	out, err := c.SendMessage(Context(c.T), in)
	if err != nil {
		c.T.Fatal(err)
	}
	return out
}

// Receive receives at most ten messages, with all that is known of them.
func (c *Client) Receive(url string, mutate ...func(*awssqs.ReceiveMessageInput)) []types.Message {
	c.T.Helper()
	in := &awssqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10,
		MessageAttributeNames: []string{"All"}, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"}}
	for _, m := range mutate {
		m(in)
	}
	out, err := c.ReceiveMessage(Context(c.T), in)
	if err != nil {
		c.T.Fatal(err)
	}
	return out.Messages
}

// One receives exactly one message, waiting for it.
func (c *Client) One(url string, mutate ...func(*awssqs.ReceiveMessageInput)) types.Message {
	c.T.Helper()
	mutate = append([]func(*awssqs.ReceiveMessageInput){Wait(10)}, mutate...)
	got := c.Receive(url, mutate...)
	if len(got) != 1 {
		c.T.Fatalf("got %d messages, want 1", len(got))
	}
	return got[0]
}

// None fails if a message is visible.
func (c *Client) None(url string) {
	c.T.Helper()
	if got := c.Receive(url); len(got) != 0 {
		c.T.Fatalf("got %d messages, want none", len(got))
	}
}

// Wait sets how long a receive waits.
func Wait(seconds int32) func(*awssqs.ReceiveMessageInput) {
	return func(in *awssqs.ReceiveMessageInput) { in.WaitTimeSeconds = seconds }
}

// Hide sets how long received messages stay hidden.
func Hide(seconds int32) func(*awssqs.ReceiveMessageInput) {
	return func(in *awssqs.ReceiveMessageInput) { in.VisibilityTimeout = seconds }
}

// Limit sets how many messages a receive asks for.
func Limit(n int32) func(*awssqs.ReceiveMessageInput) {
	return func(in *awssqs.ReceiveMessageInput) { in.MaxNumberOfMessages = n }
}

// Delay sets how late a message becomes visible.
func Delay(seconds int32) func(*awssqs.SendMessageInput) {
	return func(in *awssqs.SendMessageInput) { in.DelaySeconds = seconds }
}

// Remove deletes a received message.
func (c *Client) Remove(url string, m types.Message) {
	c.T.Helper()
	if _, err := c.DeleteMessage(Context(c.T), &awssqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
		c.T.Fatal(err)
	}
}

// Change changes the visibility of a received message.
func (c *Client) Change(url string, m types.Message, seconds int32) error {
	_, err := c.ChangeMessageVisibility(Context(c.T), &awssqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: seconds})
	return err
}

// Attribute is one attribute of a queue.
func (c *Client) Attribute(url string, name types.QueueAttributeName) string {
	c.T.Helper()
	out, err := c.GetQueueAttributes(Context(c.T), &awssqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{name}})
	if err != nil {
		c.T.Fatal(err)
	}
	return out.Attributes[string(name)]
}

// Counts are the messages that are visible, in flight, delayed.
func (c *Client) Counts(url string) [3]string {
	c.T.Helper()
	return [3]string{
		c.Attribute(url, types.QueueAttributeNameApproximateNumberOfMessages),
		c.Attribute(url, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible),
		c.Attribute(url, types.QueueAttributeNameApproximateNumberOfMessagesDelayed),
	}
}

// ExpectCode compares error codes, never messages.
func (c *Client) ExpectCode(err error, code string) {
	c.T.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code {
		c.T.Fatalf("got %v, want %s", err, code)
	}
}

// ExpectType compares the typed error of the SDK.
func ExpectType[E error](t suite.T, err error) {
	t.Helper()
	var want E
	if !errors.As(err, &want) {
		t.Fatalf("got %v, want %T", err, want)
	}
}

// account is the account number in a queue's URL.
func (c *Client) account(url string) string {
	parts := strings.Split(url, "/")
	if len(parts) < 2 {
		c.T.Fatalf("%s is not the URL of a queue", url)
	}
	return parts[len(parts)-2]
}
