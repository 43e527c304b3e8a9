package conformance

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// formCases: limits at both of their ends, operations on what is not there, and bodies that no SDK would send.
var formCases = func() map[string]func(*Client) {
	all := map[string]func(*Client){}
	for _, part := range []map[string]func(*Client){attributeLimits(), messageForms(), missingQueues(), wireForms()} {
		maps.Copy(all, part)
	}
	return all
}()

// attributeLimits: each numeric attribute of a queue takes its limits and refuses what is beyond.
func attributeLimits() map[string]func(*Client) {
	cases := map[string]func(*Client){}
	for _, a := range []struct {
		name     string
		min, max int
	}{
		{"VisibilityTimeout", 0, 43200}, {"DelaySeconds", 0, 900}, {"ReceiveMessageWaitTimeSeconds", 0, 20},
		{"MessageRetentionPeriod", 60, 1209600}, {"MaximumMessageSize", 1024, 1048576},
	} {
		for _, n := range []int{a.min, a.max} {
			cases[fmt.Sprintf("limit: %s may be %d", a.name, n)] = func(c *Client) {
				url := c.Queue(map[string]string{a.name: strconv.Itoa(n)})
				if got := c.Attribute(url, types.QueueAttributeName(a.name)); got != strconv.Itoa(n) {
					c.T.Fatal(got)
				}
			}
		}
		for _, v := range []string{strconv.Itoa(a.min - 1), strconv.Itoa(a.max + 1), "many"} {
			cases[fmt.Sprintf("limit: %s may not be set to %s", a.name, v)] = func(c *Client) {
				url := c.Queue(nil)
				_, err := c.SetQueueAttributes(Context(c.T), &awssqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{a.name: v}})
				ExpectType[*types.InvalidAttributeValue](c.T, err)
			}
		}
	}
	return cases
}

func text(v string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &v}
}

func messageForms() map[string]func(*Client) {
	withAttributes := func(attrs map[string]types.MessageAttributeValue) func(*awssqs.SendMessageInput) {
		return func(in *awssqs.SendMessageInput) { in.MessageAttributes = attrs }
	}
	return map[string]func(*Client){
		"form: a queue's name may have 80 characters": func(c *Client) {
			url := c.Named(strings.Repeat("n", 80-len(c.Prefix)), nil)
			c.Send(url, "x")
			c.One(url)
		},
		"form: ten message attributes are taken": func(c *Client) {
			url, attrs := c.Queue(nil), map[string]types.MessageAttributeValue{}
			for i := range 10 {
				attrs[fmt.Sprint("a", i)] = text(fmt.Sprint(i))
			}
			c.Send(url, "x", withAttributes(attrs))
			if m := c.One(url); len(m.MessageAttributes) != 10 {
				c.T.Fatal(len(m.MessageAttributes))
			}
		},
		"form: an attribute's name may have 256 characters and not one more": func(c *Client) {
			url := c.Queue(nil)
			c.Send(url, "x", withAttributes(map[string]types.MessageAttributeValue{strings.Repeat("n", 256): text("x")}))
			_, err := c.SendMessage(Context(c.T), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"),
				MessageAttributes: map[string]types.MessageAttributeValue{strings.Repeat("n", 257): text("x")}})
			c.ExpectCode(err, "InvalidParameterValue")
		},
		"form: types may have labels of one's own": func(c *Client) {
			url := c.Queue(nil)
			c.Send(url, "x", withAttributes(map[string]types.MessageAttributeValue{
				"s": {DataType: aws.String("String.json"), StringValue: aws.String("{}")},
				"b": {DataType: aws.String("Binary.png"), BinaryValue: []byte{1}},
			}))
			m := c.One(url)
			if *m.MessageAttributes["s"].DataType != "String.json" || *m.MessageAttributes["b"].DataType != "Binary.png" {
				c.T.Fatal(m.MessageAttributes)
			}
		},
		"form: a delay may be 15 minutes": func(c *Client) {
			url := c.Queue(nil)
			c.Send(url, "x", Delay(900))
			if got := c.Counts(url); got != [3]string{"0", "0", "1"} {
				c.T.Fatal(got)
			}
		},
		"form: a negative delay is refused": func(c *Client) {
			url := c.Queue(nil)
			_, err := c.SendMessage(Context(c.T), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), DelaySeconds: -1})
			c.ExpectCode(err, "InvalidParameterValue")
		},
		"form: a batch's messages keep their own delays and attributes": func(c *Client) {
			url := c.Queue(nil)
			out, err := c.SendMessageBatch(Context(c.T), &awssqs.SendMessageBatchInput{QueueUrl: &url, Entries: []types.SendMessageBatchRequestEntry{
				{Id: aws.String("now"), MessageBody: aws.String("now"), MessageAttributes: map[string]types.MessageAttributeValue{"a": text("1")}},
				{Id: aws.String("late"), MessageBody: aws.String("late"), DelaySeconds: 900},
			}})
			if err != nil || len(out.Successful) != 2 || out.Successful[0].MD5OfMessageAttributes == nil || out.Successful[1].MD5OfMessageAttributes != nil {
				c.T.Fatal(out, err)
			}
			if m := c.One(url); *m.Body != "now" || *m.MessageAttributes["a"].StringValue != "1" {
				c.T.Fatal(m)
			}
			if got := c.Counts(url); got != [3]string{"0", "1", "1"} {
				c.T.Fatal(got)
			}
		},
		"form: a receive with no visibility leaves the message visible": func(c *Client) {
			url := c.Queue(nil)
			c.Send(url, "x")
			// The SDK sends no zero; a queue's own timeout can be zero.
			_, err := c.SetQueueAttributes(Context(c.T), &awssqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"VisibilityTimeout": "0"}})
			if err != nil {
				c.T.Fatal(err)
			}
			if a, b := c.One(url), c.One(url); *a.MessageId != *b.MessageId || b.Attributes["ApproximateReceiveCount"] != "2" {
				c.T.Fatal(a, b)
			}
		},
		"form: the first receive keeps its time, the count goes on": func(c *Client) {
			url := c.Queue(nil)
			c.Send(url, "x")
			first := c.One(url)
			if err := c.Change(url, first, 0); err != nil {
				c.T.Fatal(err)
			}
			again := c.One(url)
			if again.Attributes["ApproximateReceiveCount"] != "2" ||
				again.Attributes["ApproximateFirstReceiveTimestamp"] != first.Attributes["ApproximateFirstReceiveTimestamp"] {
				c.T.Fatal(first.Attributes, again.Attributes)
			}
		},
		"form: one system attribute is given alone": func(c *Client) {
			url := c.Queue(nil)
			c.Send(url, "x")
			m := c.One(url, func(in *awssqs.ReceiveMessageInput) {
				in.MessageSystemAttributeNames = []types.MessageSystemAttributeName{types.MessageSystemAttributeNameSentTimestamp}
			})
			if len(m.Attributes) != 1 || m.Attributes["SentTimestamp"] == "" {
				c.T.Fatal(m.Attributes)
			}
		},
		"form: an unknown system attribute is refused": func(c *Client) {
			url := c.Queue(nil)
			_, err := c.ReceiveMessage(Context(c.T), &awssqs.ReceiveMessageInput{QueueUrl: &url,
				MessageSystemAttributeNames: []types.MessageSystemAttributeName{"Colour"}})
			ExpectType[*types.InvalidAttributeName](c.T, err)
		},
		"form: some attributes of a queue are given alone": func(c *Client) {
			url := c.Queue(nil)
			out, err := c.GetQueueAttributes(Context(c.T), &awssqs.GetQueueAttributesInput{QueueUrl: &url,
				AttributeNames: []types.QueueAttributeName{"DelaySeconds", "QueueArn"}})
			if err != nil || len(out.Attributes) != 2 || out.Attributes["DelaySeconds"] != "0" {
				c.T.Fatal(out, err)
			}
		},
		"form: a tag is written over, and removing one that is not there is no error": func(c *Client) {
			url := c.Queue(nil)
			for _, v := range []string{"1", "2"} {
				if _, err := c.TagQueue(Context(c.T), &awssqs.TagQueueInput{QueueUrl: &url, Tags: map[string]string{"k": v}}); err != nil {
					c.T.Fatal(err)
				}
			}
			if _, err := c.UntagQueue(Context(c.T), &awssqs.UntagQueueInput{QueueUrl: &url, TagKeys: []string{"other"}}); err != nil {
				c.T.Fatal(err)
			}
			out, err := c.ListQueueTags(Context(c.T), &awssqs.ListQueueTagsInput{QueueUrl: &url})
			if err != nil || !maps.Equal(out.Tags, map[string]string{"k": "2"}) {
				c.T.Fatal(out, err)
			}
		},
		"form: a list of queues that are not there is empty": func(c *Client) {
			out, err := c.ListQueues(Context(c.T), &awssqs.ListQueuesInput{QueueNamePrefix: aws.String(c.Name("nobody-"))})
			if err != nil || len(out.QueueUrls) != 0 || out.NextToken != nil {
				c.T.Fatal(out, err)
			}
		},
		"form: a page of queues has at most 1000": func(c *Client) {
			_, err := c.ListQueues(Context(c.T), &awssqs.ListQueuesInput{MaxResults: aws.Int32(1001)})
			c.ExpectCode(err, "InvalidParameterValue")
		},
		"form: setting an unknown attribute is refused": func(c *Client) {
			url := c.Queue(nil)
			_, err := c.SetQueueAttributes(Context(c.T), &awssqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"Colour": "red"}})
			ExpectType[*types.InvalidAttributeName](c.T, err)
		},
	}
}

// missingQueues: each operation on a queue says so when the queue is not there.
func missingQueues() map[string]func(*Client) {
	cases := map[string]func(*Client){}
	for name, call := range map[string]func(c *Client, url *string) error{
		"DeleteQueue": func(c *Client, url *string) error {
			_, err := c.DeleteQueue(Context(c.T), &awssqs.DeleteQueueInput{QueueUrl: url})
			return err
		},
		"GetQueueAttributes": func(c *Client, url *string) error {
			_, err := c.GetQueueAttributes(Context(c.T), &awssqs.GetQueueAttributesInput{QueueUrl: url, AttributeNames: []types.QueueAttributeName{"All"}})
			return err
		},
		"SetQueueAttributes": func(c *Client, url *string) error {
			_, err := c.SetQueueAttributes(Context(c.T), &awssqs.SetQueueAttributesInput{QueueUrl: url, Attributes: map[string]string{"DelaySeconds": "1"}})
			return err
		},
		"PurgeQueue": func(c *Client, url *string) error {
			_, err := c.PurgeQueue(Context(c.T), &awssqs.PurgeQueueInput{QueueUrl: url})
			return err
		},
		"TagQueue": func(c *Client, url *string) error {
			_, err := c.TagQueue(Context(c.T), &awssqs.TagQueueInput{QueueUrl: url, Tags: map[string]string{"a": "b"}})
			return err
		},
		"UntagQueue": func(c *Client, url *string) error {
			_, err := c.UntagQueue(Context(c.T), &awssqs.UntagQueueInput{QueueUrl: url, TagKeys: []string{"a"}})
			return err
		},
		"ListQueueTags": func(c *Client, url *string) error {
			_, err := c.ListQueueTags(Context(c.T), &awssqs.ListQueueTagsInput{QueueUrl: url})
			return err
		},
		"ListDeadLetterSourceQueues": func(c *Client, url *string) error {
			_, err := c.ListDeadLetterSourceQueues(Context(c.T), &awssqs.ListDeadLetterSourceQueuesInput{QueueUrl: url})
			return err
		},
		"SendMessageBatch": func(c *Client, url *string) error {
			_, err := c.SendMessageBatch(Context(c.T), &awssqs.SendMessageBatchInput{QueueUrl: url, Entries: []types.SendMessageBatchRequestEntry{{Id: aws.String("a"), MessageBody: aws.String("x")}}})
			return err
		},
		"DeleteMessage": func(c *Client, url *string) error {
			_, err := c.DeleteMessage(Context(c.T), &awssqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: aws.String("x")})
			return err
		},
		"DeleteMessageBatch": func(c *Client, url *string) error {
			_, err := c.DeleteMessageBatch(Context(c.T), &awssqs.DeleteMessageBatchInput{QueueUrl: url, Entries: []types.DeleteMessageBatchRequestEntry{{Id: aws.String("a"), ReceiptHandle: aws.String("x")}}})
			return err
		},
		"ChangeMessageVisibility": func(c *Client, url *string) error {
			_, err := c.ChangeMessageVisibility(Context(c.T), &awssqs.ChangeMessageVisibilityInput{QueueUrl: url, ReceiptHandle: aws.String("x"), VisibilityTimeout: 1})
			return err
		},
		"ChangeMessageVisibilityBatch": func(c *Client, url *string) error {
			_, err := c.ChangeMessageVisibilityBatch(Context(c.T), &awssqs.ChangeMessageVisibilityBatchInput{QueueUrl: url, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{{Id: aws.String("a"), ReceiptHandle: aws.String("x")}}})
			return err
		},
	} {
		cases["missing: "+name+" on a queue that is not there"] = func(c *Client) {
			url := c.Queue(nil) + "-not"
			ExpectType[*types.QueueDoesNotExist](c.T, call(c, &url))
		}
	}
	return cases
}

// wireForms are bodies that no SDK would send.
func wireForms() map[string]func(*Client) {
	list := func(c *Client, body string) error {
		_, err := c.ListQueues(Context(c.T), &awssqs.ListQueuesInput{}, instead(body))
		return err
	}
	return map[string]func(*Client){
		"wire: a body that is not JSON is refused": func(c *Client) {
			for _, body := range []string{"{", "[]", "Action=ListQueues", `{"QueueNamePrefix":7}`} {
				c.ExpectCode(list(c, body), "SerializationException")
			}
		},
		"wire: a queue's URL that is none is refused": func(c *Client) {
			_, err := c.PurgeQueue(Context(c.T), &awssqs.PurgeQueueInput{QueueUrl: aws.String("nonsense")})
			c.ExpectCode(err, "InvalidAddress")
		},
		"wire: a missing parameter is refused": func(c *Client) {
			_, err := c.PurgeQueue(Context(c.T), &awssqs.PurgeQueueInput{QueueUrl: aws.String("x")}, instead("{}"))
			c.ExpectCode(err, "MissingParameter")
		},
	}
}

// instead sends another body than the one that the SDK made; it is signed as usual.
func instead(body string) func(*awssqs.Options) {
	return func(o *awssqs.Options) {
		o.APIOptions = append(o.APIOptions, func(s *middleware.Stack) error {
			return s.Build.Add(middleware.BuildMiddlewareFunc("Instead", func(ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler) (middleware.BuildOutput, middleware.Metadata, error) {
				req, err := in.Request.(*smithyhttp.Request).SetStream(strings.NewReader(body))
				if err != nil {
					return middleware.BuildOutput{}, middleware.Metadata{}, err
				}
				req.ContentLength = int64(len(body))
				in.Request = req
				return next.HandleBuild(ctx, in)
			}), middleware.Before)
		})
	}
}
