package conformance

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// inGroup gives a message a group.
func inGroup(id string) func(*awssqs.SendMessageInput) {
	return func(in *awssqs.SendMessageInput) { in.MessageGroupId = &id }
}

var fairCases = map[string]func(*Client){
	"fair: a standard queue takes messages with a group": func(c *Client) {
		url := c.Queue(nil)
		c.Send(url, "x", inGroup("tenant-1"))
		if m := c.One(url); *m.Body != "x" {
			c.T.Fatal(*m.Body)
		}
		out, err := c.SendMessageBatch(Context(c.T), &awssqs.SendMessageBatchInput{QueueUrl: &url, Entries: []types.SendMessageBatchRequestEntry{
			{Id: aws.String("a"), MessageBody: aws.String("1"), MessageGroupId: aws.String("tenant-1")},
			{Id: aws.String("b"), MessageBody: aws.String("2")},
		}})
		if err != nil {
			c.T.Fatal(err)
		}
		if len(out.Successful) != 2 {
			c.T.Fatal(out.Failed)
		}
	},
	"fair: the group comes back to who asks for it": func(c *Client) {
		url := c.Queue(nil)
		c.Send(url, "x", inGroup("tenant-1"))
		if m := c.One(url); m.Attributes["MessageGroupId"] != "tenant-1" {
			c.T.Fatal(m.Attributes)
		}
		c.Send(url, "y")
		if m := c.One(url); m.Attributes["MessageGroupId"] != "" {
			c.T.Fatal(m.Attributes)
		}
	},
	"fair: messages of one group are received at once": func(c *Client) {
		url := c.Queue(nil)
		c.Send(url, "1", inGroup("g"))
		c.Send(url, "2", inGroup("g"))
		if one, two := c.One(url, Limit(1)), c.One(url, Limit(1)); *one.Body == *two.Body { // One fails if the second message waits for the first
			c.T.Fatal(*one.Body)
		}
	},
	"fair: a group's id has 1 to 128 printable characters": func(c *Client) {
		url := c.Queue(nil)
		c.Send(url, "x", inGroup(strings.Repeat("g", 128)))
		c.Send(url, "x", inGroup("a!b#c~"))
		for _, id := range []string{"", strings.Repeat("g", 129), "a b", "ä"} {
			_, err := c.SendMessage(Context(c.T), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageGroupId: &id})
			c.ExpectCode(err, "InvalidParameterValue")
		}
	},
	"fair: a noisy group's messages come after the others'": func(c *Client) {
		url := c.Queue(map[string]string{"VisibilityTimeout": "600"})
		for i := range 50 {
			c.Send(url, fmt.Sprint("noisy ", i), inGroup("noisy"))
		}
		for range 35 {
			c.One(url, Limit(1))
		}
		c.Send(url, "quiet", inGroup("quiet"))
		if m := c.One(url, Limit(1)); *m.Body != "quiet" {
			c.T.Fatalf("%s was received before the message of the quiet group", *m.Body)
		}
	},
}
