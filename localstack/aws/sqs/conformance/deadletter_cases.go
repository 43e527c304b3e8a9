package conformance

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
)

var deadLetterCases = map[string]func(*Client){
	"dead letters: a message moves after maxReceiveCount receives": func(c *Client) {
		url, dead := c.withDeadLetters(2)
		sent := c.Send(url, "x")
		for range 2 {
			if err := c.Change(url, c.One(url), 0); err != nil {
				c.T.Fatal(err)
			}
		}
		c.None(dead)
		c.None(url)
		m := c.One(dead)
		if *m.MessageId != *sent.MessageId || *m.Body != "x" {
			c.T.Fatal(m)
		}
		if got, want := m.Attributes["DeadLetterQueueSourceArn"], c.Attribute(url, "QueueArn"); got != want {
			c.T.Errorf("source %q, want %q", got, want)
		}
	},
	"dead letters: deleting in time keeps it out": func(c *Client) {
		url, dead := c.withDeadLetters(1)
		c.Send(url, "x")
		c.Remove(url, c.One(url))
		c.None(url)
		c.None(dead)
	},
	"dead letters: a receive skips them and takes the rest": func(c *Client) {
		url, dead := c.withDeadLetters(1)
		c.Send(url, "poison")
		if err := c.Change(url, c.One(url), 0); err != nil {
			c.T.Fatal(err)
		}
		c.Send(url, "good")
		if m := c.One(url); *m.Body != "good" {
			c.T.Fatal(*m.Body)
		}
		if m := c.One(dead); *m.Body != "poison" {
			c.T.Fatal(*m.Body)
		}
	},
	"dead letters: the source queues are listed": func(c *Client) {
		url, dead := c.withDeadLetters(3)
		out, err := c.ListDeadLetterSourceQueues(Context(c.T), &awssqs.ListDeadLetterSourceQueuesInput{QueueUrl: &dead})
		if err != nil || !slices.Equal(out.QueueUrls, []string{url}) {
			c.T.Fatal(out, err)
		}
	},
	"dead letters: a policy can be removed": func(c *Client) {
		url, dead := c.withDeadLetters(1)
		if _, err := c.SetQueueAttributes(Context(c.T), &awssqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"RedrivePolicy": ""}}); err != nil {
			c.T.Fatal(err)
		}
		c.Send(url, "x")
		for range 3 {
			if err := c.Change(url, c.One(url), 0); err != nil {
				c.T.Fatal(err)
			}
		}
		c.None(dead)
	},
	"dead letters: a target that does not exist is refused": func(c *Client) {
		_, err := c.CreateQueue(Context(c.T), &awssqs.CreateQueueInput{QueueName: aws.String(c.Name("q-no-target")), Attributes: map[string]string{
			"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:none","maxReceiveCount":1}`}})
		c.ExpectCode(err, "InvalidParameterValue")
	},
	"dead letters: a policy of another form is refused": func(c *Client) {
		url, dead := c.Queue(nil), c.Queue(nil)
		arn := c.Attribute(dead, "QueueArn")
		for _, p := range []string{"x", "{}", `{"deadLetterTargetArn":"` + arn + `"}`, `{"deadLetterTargetArn":"` + arn + `","maxReceiveCount":0}`} {
			_, err := c.SetQueueAttributes(Context(c.T), &awssqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"RedrivePolicy": p}})
			c.ExpectCode(err, "InvalidParameterValue")
		}
	},
}

// refusalCases are ours alone: what SQS has and this engine has not is refused by name.
