package conformance

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

var refusalCases = map[string]func(*Client){
	"refusal: FIFO queues": func(c *Client) {
		c.refused("FIFO", func() error {
			_, err := c.CreateQueue(Context(c.T), &awssqs.CreateQueueInput{QueueName: aws.String(c.Name("q.fifo")), Attributes: map[string]string{"FifoQueue": "true"}})
			return err
		})
	},
	"refusal: attributes": func(c *Client) {
		for _, name := range []string{"Policy", "KmsMasterKeyId", "RedriveAllowPolicy", "SqsManagedSseEnabled"} {
			c.refused(name, func() error {
				_, err := c.CreateQueue(Context(c.T), &awssqs.CreateQueueInput{QueueName: aws.String(c.Name("q-refused")), Attributes: map[string]string{name: "true"}})
				return err
			})
		}
	},
	"refusal: operations": func(c *Client) {
		c.refused("StartMessageMoveTask", func() error {
			_, err := c.StartMessageMoveTask(Context(c.T), &awssqs.StartMessageMoveTaskInput{SourceArn: aws.String("x")})
			return err
		})
	},
	"refusal: members": func(c *Client) {
		url := c.Queue(nil)
		c.refused("MessageDeduplicationId", func() error {
			_, err := c.SendMessage(Context(c.T), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageDeduplicationId: aws.String("d")})
			return err
		})
		c.refused("ReceiveRequestAttemptId", func() error {
			_, err := c.ReceiveMessage(Context(c.T), &awssqs.ReceiveMessageInput{QueueUrl: &url, ReceiveRequestAttemptId: aws.String("a")})
			return err
		})
	},
}

func (c *Client) refused(name string, do func() error) {
	c.T.Helper()
	err := do()
	ExpectType[*types.UnsupportedOperation](c.T, err)
	if !strings.Contains(err.Error(), name) {
		c.T.Fatalf("%v does not name %s", err, name)
	}
}
