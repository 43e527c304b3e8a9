package conformance

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

var queueCases = map[string]func(*Client){
	"queue: create returns a URL that ends with Account and name": func(c *Client) {
		if url := c.Named("q-url-form", nil); !strings.HasSuffix(url, "/"+c.account(url)+"/"+c.Name("q-url-form")) || len(c.account(url)) != 12 {
			c.T.Fatal(url)
		}
	},
	"queue: create is idempotent with the same attributes": func(c *Client) {
		attrs := map[string]string{"VisibilityTimeout": "7", "MessageRetentionPeriod": "600"}
		if a, b := c.Named("q-idem", attrs), c.Named("q-idem", attrs); a != b {
			c.T.Fatalf("%s and %s", a, b)
		}
	},
	"queue: create without attributes finds one that has some": func(c *Client) {
		c.Named("q-idem2", map[string]string{"VisibilityTimeout": "7"})
		c.Named("q-idem2", nil)
	},
	"queue: create with other attributes is refused": func(c *Client) {
		c.Named("q-other", map[string]string{"VisibilityTimeout": "7"})
		_, err := c.CreateQueue(Context(c.T), &awssqs.CreateQueueInput{QueueName: aws.String(c.Name("q-other")), Attributes: map[string]string{"VisibilityTimeout": "8"}})
		ExpectType[*types.QueueNameExists](c.T, err)
	},
	"queue: names are letters, digits, hyphens and underscores": func(c *Client) {
		for _, name := range []string{"a b", "a.b", "ä", strings.Repeat("x", 81)} {
			_, err := c.CreateQueue(Context(c.T), &awssqs.CreateQueueInput{QueueName: &name})
			c.ExpectCode(err, "InvalidParameterValue")
		}
	},
	"queue: attributes out of range are refused": func(c *Client) {
		for name, value := range map[string]string{"VisibilityTimeout": "43201", "DelaySeconds": "901", "ReceiveMessageWaitTimeSeconds": "21",
			"MessageRetentionPeriod": "59", "MaximumMessageSize": "1048577"} {
			_, err := c.CreateQueue(Context(c.T), &awssqs.CreateQueueInput{QueueName: aws.String(c.Name("q-range")), Attributes: map[string]string{name: value}})
			ExpectType[*types.InvalidAttributeValue](c.T, err)
		}
	},
	"queue: an unknown attribute is refused": func(c *Client) {
		_, err := c.CreateQueue(Context(c.T), &awssqs.CreateQueueInput{QueueName: aws.String(c.Name("q-unknown")), Attributes: map[string]string{"Colour": "red"}})
		ExpectType[*types.InvalidAttributeName](c.T, err)
	},
	"queue: defaults are AWS's": func(c *Client) {
		url := c.Queue(nil)
		for name, want := range map[types.QueueAttributeName]string{"VisibilityTimeout": "30", "DelaySeconds": "0", "MessageRetentionPeriod": "345600",
			"ReceiveMessageWaitTimeSeconds": "0", "MaximumMessageSize": "1048576"} {
			if got := c.Attribute(url, name); got != want {
				c.T.Errorf("%s is %s, want %s", name, got, want)
			}
		}
	},
	"queue: its ARN names account and queue": func(c *Client) {
		url := c.Queue(nil)
		parts := strings.Split(c.Attribute(url, "QueueArn"), ":")
		if len(parts) != 6 || parts[0] != "arn" || parts[2] != "sqs" || parts[4] != c.account(url) || !strings.HasSuffix(url, "/"+parts[5]) {
			c.T.Fatal(parts)
		}
	},
	"queue: set attributes changes what is named and nothing else": func(c *Client) {
		url := c.Queue(map[string]string{"VisibilityTimeout": "7", "DelaySeconds": "3"})
		if _, err := c.SetQueueAttributes(Context(c.T), &awssqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"DelaySeconds": "4"}}); err != nil {
			c.T.Fatal(err)
		}
		if a, b := c.Attribute(url, "VisibilityTimeout"), c.Attribute(url, "DelaySeconds"); a != "7" || b != "4" {
			c.T.Fatal(a, b)
		}
	},
	"queue: all attributes include the counts and times": func(c *Client) {
		url := c.Queue(nil)
		out, err := c.GetQueueAttributes(Context(c.T), &awssqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"All"}})
		if err != nil {
			c.T.Fatal(err)
		}
		for _, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed", "CreatedTimestamp", "LastModifiedTimestamp"} {
			if _, err := strconv.Atoi(out.Attributes[name]); err != nil {
				c.T.Errorf("%s: %v", name, err)
			}
		}
	},
	"queue: get attributes of an unknown name is refused": func(c *Client) {
		url := c.Queue(nil)
		_, err := c.GetQueueAttributes(Context(c.T), &awssqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"Colour"}})
		ExpectType[*types.InvalidAttributeName](c.T, err)
	},
	"queue: get URL finds it": func(c *Client) {
		url := c.Named("q-get-url", nil)
		out, err := c.GetQueueUrl(Context(c.T), &awssqs.GetQueueUrlInput{QueueName: aws.String(c.Name("q-get-url"))})
		if err != nil || *out.QueueUrl != url {
			c.T.Fatal(out, err)
		}
	},
	"queue: get URL of none is refused": func(c *Client) {
		_, err := c.GetQueueUrl(Context(c.T), &awssqs.GetQueueUrlInput{QueueName: aws.String(c.Name("q-none"))})
		ExpectType[*types.QueueDoesNotExist](c.T, err)
		c.ExpectCode(err, "AWS.SimpleQueueService.NonExistentQueue")
	},
	"queue: operations on a deleted queue are refused": func(c *Client) {
		url := c.Queue(nil)
		c.Send(url, "x")
		if _, err := c.DeleteQueue(Context(c.T), &awssqs.DeleteQueueInput{QueueUrl: &url}); err != nil {
			c.T.Fatal(err)
		}
		_, err := c.SendMessage(Context(c.T), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x")})
		ExpectType[*types.QueueDoesNotExist](c.T, err)
		_, err = c.ReceiveMessage(Context(c.T), &awssqs.ReceiveMessageInput{QueueUrl: &url})
		ExpectType[*types.QueueDoesNotExist](c.T, err)
	},
	"queue: list by prefix": func(c *Client) {
		a, b := c.Named("list-a-1", nil), c.Named("list-a-2", nil)
		c.Named("list-b-1", nil)
		out, err := c.ListQueues(Context(c.T), &awssqs.ListQueuesInput{QueueNamePrefix: aws.String(c.Name("list-a-"))})
		if err != nil || !slices.Equal(out.QueueUrls, []string{a, b}) {
			c.T.Fatal(out, err)
		}
	},
	"queue: list in pages finds each once": func(c *Client) {
		want := map[string]bool{}
		for i := range 5 {
			want[c.Named(fmt.Sprint("pages-", i), nil)] = true
		}
		p := awssqs.NewListQueuesPaginator(c, &awssqs.ListQueuesInput{QueueNamePrefix: aws.String(c.Name("pages-")), MaxResults: aws.Int32(2)})
		pages := 0
		for p.HasMorePages() {
			out, err := p.NextPage(Context(c.T))
			if err != nil {
				c.T.Fatal(err)
			}
			pages++
			for _, u := range out.QueueUrls {
				if !want[u] {
					c.T.Fatalf("%s twice or not asked for", u)
				}
				delete(want, u)
			}
		}
		if len(want) != 0 || pages != 3 {
			c.T.Fatalf("%d pages, missing %v", pages, want)
		}
	},
	"queue: tags are set, listed and removed": func(c *Client) {
		url := c.Queue(nil)
		if _, err := c.TagQueue(Context(c.T), &awssqs.TagQueueInput{QueueUrl: &url, Tags: map[string]string{"a": "1", "b": "2"}}); err != nil {
			c.T.Fatal(err)
		}
		if _, err := c.UntagQueue(Context(c.T), &awssqs.UntagQueueInput{QueueUrl: &url, TagKeys: []string{"a"}}); err != nil {
			c.T.Fatal(err)
		}
		out, err := c.ListQueueTags(Context(c.T), &awssqs.ListQueueTagsInput{QueueUrl: &url})
		if err != nil || !maps.Equal(out.Tags, map[string]string{"b": "2"}) {
			c.T.Fatal(out, err)
		}
	},
	"queue: created with tags": func(c *Client) {
		url, err := c.CreateQueue(Context(c.T), &awssqs.CreateQueueInput{QueueName: aws.String(c.Name("q-tagged")), Tags: map[string]string{"k": "v"}})
		if err != nil {
			c.T.Fatal(err)
		}
		out, err := c.ListQueueTags(Context(c.T), &awssqs.ListQueueTagsInput{QueueUrl: url.QueueUrl})
		if err != nil || out.Tags["k"] != "v" {
			c.T.Fatal(out, err)
		}
	},
	"queue: purge empties it, in flight and delayed too": func(c *Client) {
		url := c.Queue(nil)
		c.Send(url, "flying")
		c.One(url)
		c.Send(url, "visible")
		c.Send(url, "late", Delay(900))
		if _, err := c.PurgeQueue(Context(c.T), &awssqs.PurgeQueueInput{QueueUrl: &url}); err != nil {
			c.T.Fatal(err)
		}
		if got := c.Counts(url); got != [3]string{"0", "0", "0"} {
			c.T.Fatal(got)
		}
	},
	"queue: a second purge within a minute is refused": func(c *Client) {
		url := c.Queue(nil)
		if _, err := c.PurgeQueue(Context(c.T), &awssqs.PurgeQueueInput{QueueUrl: &url}); err != nil {
			c.T.Fatal(err)
		}
		_, err := c.PurgeQueue(Context(c.T), &awssqs.PurgeQueueInput{QueueUrl: &url})
		ExpectType[*types.PurgeQueueInProgress](c.T, err)
	},
}
