package conformance

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

var batchCases = map[string]func(*Client){
	"batch: send, receive and delete ten": func(c *Client) {
		url := c.Queue(nil)
		in := &awssqs.SendMessageBatchInput{QueueUrl: &url}
		for i := range 10 {
			in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint("id-", i)), MessageBody: aws.String(fmt.Sprint(i))})
		}
		if out, err := c.SendMessageBatch(Context(c.T), in); err != nil || len(out.Successful) != 10 {
			c.T.Fatal(out, err)
		}
		del := &awssqs.DeleteMessageBatchInput{QueueUrl: &url}
		for len(del.Entries) < 10 {
			for _, m := range c.Receive(url, Wait(5)) {
				del.Entries = append(del.Entries, types.DeleteMessageBatchRequestEntry{Id: m.MessageId, ReceiptHandle: m.ReceiptHandle})
			}
		}
		if out, err := c.DeleteMessageBatch(Context(c.T), del); err != nil || len(out.Successful) != 10 {
			c.T.Fatal(out, err)
		}
		if got := c.Counts(url); got != [3]string{"0", "0", "0"} {
			c.T.Fatal(got)
		}
	},
	"batch: a bad entry fails alone": func(c *Client) {
		url := c.Queue(nil)
		out, err := c.SendMessageBatch(Context(c.T), &awssqs.SendMessageBatchInput{QueueUrl: &url, Entries: []types.SendMessageBatchRequestEntry{
			{Id: aws.String("good"), MessageBody: aws.String("x")},
			{Id: aws.String("bad"), MessageBody: aws.String("x\x00")},
			{Id: aws.String("late"), MessageBody: aws.String("x"), DelaySeconds: 901},
		}})
		if err != nil || len(out.Successful) != 1 || len(out.Failed) != 2 || !out.Failed[0].SenderFault {
			c.T.Fatal(out, err)
		}
		if *out.Failed[0].Code != "InvalidMessageContents" || *out.Failed[1].Code != "InvalidParameterValue" {
			c.T.Fatal(*out.Failed[0].Code, *out.Failed[1].Code)
		}
		c.One(url)
	},
	"batch: deleting with one bad handle fails for it alone": func(c *Client) {
		url := c.Queue(nil)
		c.Send(url, "x")
		m := c.One(url)
		out, err := c.DeleteMessageBatch(Context(c.T), &awssqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: []types.DeleteMessageBatchRequestEntry{
			{Id: aws.String("bad"), ReceiptHandle: aws.String("nonsense")}, {Id: aws.String("good"), ReceiptHandle: m.ReceiptHandle}}})
		if err != nil || len(out.Successful) != 1 || len(out.Failed) != 1 || *out.Failed[0].Code != "ReceiptHandleIsInvalid" {
			c.T.Fatal(out, err)
		}
	},
	"batch: changing visibility with one bad handle fails for it alone": func(c *Client) {
		url := c.Queue(nil)
		c.Send(url, "x")
		m := c.One(url)
		out, err := c.ChangeMessageVisibilityBatch(Context(c.T), &awssqs.ChangeMessageVisibilityBatchInput{QueueUrl: &url, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
			{Id: aws.String("bad"), ReceiptHandle: aws.String("nonsense"), VisibilityTimeout: 1}, {Id: aws.String("good"), ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 0}}})
		if err != nil || len(out.Successful) != 1 || len(out.Failed) != 1 || *out.Failed[0].Id != "bad" {
			c.T.Fatal(out, err)
		}
		c.One(url)
	},
	"batch: an empty one is refused": func(c *Client) {
		url := c.Queue(nil)
		_, err := c.SendMessageBatch(Context(c.T), &awssqs.SendMessageBatchInput{QueueUrl: &url, Entries: []types.SendMessageBatchRequestEntry{}})
		ExpectType[*types.EmptyBatchRequest](c.T, err)
	},
	"batch: eleven entries are refused": func(c *Client) {
		url := c.Queue(nil)
		in := &awssqs.DeleteMessageBatchInput{QueueUrl: &url}
		for i := range 11 {
			in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: aws.String("x")})
		}
		_, err := c.DeleteMessageBatch(Context(c.T), in)
		ExpectType[*types.TooManyEntriesInBatchRequest](c.T, err)
	},
	"batch: equal ids are refused": func(c *Client) {
		url := c.Queue(nil)
		e := types.SendMessageBatchRequestEntry{Id: aws.String("same"), MessageBody: aws.String("x")}
		_, err := c.SendMessageBatch(Context(c.T), &awssqs.SendMessageBatchInput{QueueUrl: &url, Entries: []types.SendMessageBatchRequestEntry{e, e}})
		ExpectType[*types.BatchEntryIdsNotDistinct](c.T, err)
	},
	"batch: an id of other characters is refused": func(c *Client) {
		url := c.Queue(nil)
		_, err := c.SendMessageBatch(Context(c.T), &awssqs.SendMessageBatchInput{QueueUrl: &url, Entries: []types.SendMessageBatchRequestEntry{{Id: aws.String("a b"), MessageBody: aws.String("x")}}})
		ExpectType[*types.InvalidBatchEntryId](c.T, err)
	},
	"batch: over 1 MiB together is refused": func(c *Client) {
		url := c.Queue(nil)
		in := &awssqs.SendMessageBatchInput{QueueUrl: &url}
		for i := range 3 {
			in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), MessageBody: aws.String(strings.Repeat("x", 400_000))})
		}
		_, err := c.SendMessageBatch(Context(c.T), in)
		ExpectType[*types.BatchRequestTooLong](c.T, err)
		c.None(url)
	},
}

// withDeadLetters makes a queue with a dead-letter queue after n receives.
func (c *Client) withDeadLetters(n int) (url, dead string) {
	dead = c.Queue(nil)
	return c.Queue(map[string]string{"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, c.Attribute(dead, "QueueArn"), n)}), dead
}
