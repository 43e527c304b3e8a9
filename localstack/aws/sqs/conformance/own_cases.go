package conformance

import (
	"context"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/waypoint-serverless/waypoint/localstack/aws/sigv4"
)

func deny(context.Context, string, string) error {
	return &sigv4.Error{Status: http.StatusForbidden, Code: "AccessDeniedException", Message: "a case says so"}
}

// with is the case's client in front of another engine.
func (c *Client) with(other *awssqs.Client) *Client {
	return &Client{Client: other, T: c.T, Prefix: c.Prefix, Own: c.Own}
}

// ownCases are answers that AWS gives to the unlucky.
var ownCases = map[string]func(*Client){
	"own: more in flight than the limit is refused": func(c *Client) {
		full := c.with(c.Own.Full)
		url := full.Queue(nil)
		full.Send(url, "1")
		full.Send(url, "2")
		m := full.One(url)
		_, err := full.ReceiveMessage(Context(c.T), &awssqs.ReceiveMessageInput{QueueUrl: &url})
		ExpectType[*types.OverLimit](c.T, err)
		full.Remove(url, m)
		full.One(url)
	},
	"own: who may not is refused, whether the queue is there or not": func(c *Client) {
		denied := c.with(c.Own.Denied)
		url := c.Queue(nil)
		for _, u := range []string{url, url + "-not"} {
			_, err := denied.SendMessage(Context(c.T), &awssqs.SendMessageInput{QueueUrl: &u, MessageBody: aws.String("x")})
			denied.ExpectCode(err, "AccessDeniedException")
		}
		_, err := denied.ListQueues(Context(c.T), &awssqs.ListQueuesInput{})
		denied.ExpectCode(err, "AccessDeniedException")
	},
	"own: a broken data file is an internal failure, without its text": func(c *Client) {
		broken := c.with(c.Own.Broken)
		_, err := broken.CreateQueue(Context(c.T), &awssqs.CreateQueueInput{QueueName: aws.String("q")})
		broken.ExpectCode(err, "InternalFailure")
		if text := err.Error(); strings.Contains(text, "closed") || strings.Contains(text, "sqlite") {
			c.T.Fatal(text)
		}
	},
}
