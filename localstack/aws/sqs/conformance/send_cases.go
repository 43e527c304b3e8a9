package conformance

import (
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

var sendCases = map[string]func(*Client){
	"send: the body comes back as it was": func(c *Client) {
		url := c.Queue(nil)
		for _, body := range []string{"x", " spaces ", "{\"a\":\"\\u2028<&>\"}", "zwölf 漢字 🚀", "tab\tline\nreturn\r", strings.Repeat("é", 1000)} {
			c.Send(url, body)
			m := c.One(url) // the SDK checks the MD5 sums of send and receive
			if *m.Body != body {
				c.T.Fatalf("got %q, want %q", *m.Body, body)
			}
			c.Remove(url, m)
		}
	},
	"send: attributes of all types come back with a right checksum": func(c *Client) {
		url := c.Queue(nil)
		attrs := map[string]types.MessageAttributeValue{
			"text":   {DataType: aws.String("String"), StringValue: aws.String("héllo")},
			"number": {DataType: aws.String("Number.int"), StringValue: aws.String("-12.5e3")},
			"bytes":  {DataType: aws.String("Binary"), BinaryValue: []byte{0, 255, 10}},
		}
		c.Send(url, "x", func(in *awssqs.SendMessageInput) { in.MessageAttributes = attrs })
		m := c.One(url)
		if len(m.MessageAttributes) != 3 || *m.MessageAttributes["text"].StringValue != "héllo" ||
			string(m.MessageAttributes["bytes"].BinaryValue) != "\x00\xff\n" || *m.MessageAttributes["number"].DataType != "Number.int" {
			c.T.Fatalf("%v", m.MessageAttributes)
		}
	},
	"send: the id is the received id": func(c *Client) {
		url := c.Queue(nil)
		if out, m := c.Send(url, "x"), c.One(url); *out.MessageId != *m.MessageId {
			c.T.Fatal(*out.MessageId, *m.MessageId)
		}
	},
	"send: the trace header comes back": func(c *Client) {
		url := c.Queue(nil)
		c.Send(url, "x", func(in *awssqs.SendMessageInput) {
			in.MessageSystemAttributes = map[string]types.MessageSystemAttributeValue{"AWSTraceHeader": {DataType: aws.String("String"), StringValue: aws.String("Root=1-x")}}
		})
		if m := c.One(url); m.Attributes["AWSTraceHeader"] != "Root=1-x" {
			c.T.Fatal(m.Attributes)
		}
	},
	"send: an empty body is refused": func(c *Client) {
		url := c.Queue(nil)
		_, err := c.SendMessage(Context(c.T), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("")})
		c.ExpectCode(err, "MissingParameter")
	},
	"send: characters that XML does not know are refused": func(c *Client) {
		url := c.Queue(nil)
		for _, body := range []string{"a\x00", "a\x0b", "a\uffff"} {
			_, err := c.SendMessage(Context(c.T), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: &body})
			ExpectType[*types.InvalidMessageContents](c.T, err)
		}
	},
	"send: 1 MiB is taken and a byte more is not": func(c *Client) {
		url := c.Queue(nil)
		c.Send(url, strings.Repeat("x", 1<<20))
		_, err := c.SendMessage(Context(c.T), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(strings.Repeat("x", 1<<20+1))})
		c.ExpectCode(err, "InvalidParameterValue")
	},
	"send: attributes count for the size": func(c *Client) {
		url := c.Queue(map[string]string{"MaximumMessageSize": "1024"})
		in := &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(strings.Repeat("x", 1010)),
			MessageAttributes: map[string]types.MessageAttributeValue{"name": {DataType: aws.String("String"), StringValue: aws.String("12345")}}}
		_, err := c.SendMessage(Context(c.T), in)
		c.ExpectCode(err, "InvalidParameterValue")
		in.MessageBody = aws.String(strings.Repeat("x", 1024-4-6-5))
		if _, err := c.SendMessage(Context(c.T), in); err != nil {
			c.T.Fatal(err)
		}
	},
	"send: eleven attributes are refused": func(c *Client) {
		url := c.Queue(nil)
		attrs := map[string]types.MessageAttributeValue{}
		for i := range 11 {
			attrs[fmt.Sprint("a", i)] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String("x")}
		}
		_, err := c.SendMessage(Context(c.T), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageAttributes: attrs})
		c.ExpectCode(err, "InvalidParameterValue")
	},
	"send: attributes of a wrong form are refused": func(c *Client) {
		url := c.Queue(nil)
		for name, a := range map[string]types.MessageAttributeValue{
			"type":    {DataType: aws.String("Colour"), StringValue: aws.String("x")},
			"number":  {DataType: aws.String("Number"), StringValue: aws.String("x")},
			"binary":  {DataType: aws.String("Binary"), StringValue: aws.String("x")},
			"empty":   {DataType: aws.String("String"), StringValue: aws.String("")},
			"AWS.own": {DataType: aws.String("String"), StringValue: aws.String("x")},
			"a..b":    {DataType: aws.String("String"), StringValue: aws.String("x")},
		} {
			_, err := c.SendMessage(Context(c.T), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageAttributes: map[string]types.MessageAttributeValue{name: a}})
			c.ExpectCode(err, "InvalidParameterValue")
		}
	},
	"send: a delay hides the message": func(c *Client) {
		url := c.Queue(nil)
		inTime := within(time.Second)
		c.Send(url, "x", Delay(1))
		counts := c.Counts(url)
		if got := c.Receive(url); len(got) != 0 {
			if inTime() {
				c.T.Fatal(got)
			}
			return
		}
		if counts != [3]string{"0", "0", "1"} && inTime() {
			c.T.Fatal(counts)
		}
		c.One(url)
	},
	"send: the queue's delay holds for messages without one": func(c *Client) {
		url := c.Queue(map[string]string{"DelaySeconds": "900"})
		c.Send(url, "x")
		c.None(url)
	},
	"send: a delay over 15 minutes is refused": func(c *Client) {
		url := c.Queue(nil)
		_, err := c.SendMessage(Context(c.T), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), DelaySeconds: 901})
		c.ExpectCode(err, "InvalidParameterValue")
	},
	"send: to a queue that does not exist is refused": func(c *Client) {
		url := c.Queue(nil) + "-not"
		_, err := c.SendMessage(Context(c.T), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x")})
		ExpectType[*types.QueueDoesNotExist](c.T, err)
	},
}
