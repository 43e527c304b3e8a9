package infra

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/waypoint-serverless/waypoint/infra/template"
)

// remnant is something of a stack that is there although its stack is not, found by its name.
type remnant struct {
	// what names it for people: "the function waypoint-api".
	what   string
	remove func(ctx context.Context) error
}

// remnants finds what a deleted stack left. On AWS CloudFormation leaves nothing, so that the functions, the queue
// and the rule are looked for as a proof. Emulators leave much more, and there everything that has a name of ours is
// looked for.
func (i leftovers) remnants(ctx context.Context) ([]remnant, error) {
	finders := []func(context.Context) ([]remnant, error){i.leftFunctions, i.leftRule, i.leftUndelivered}
	if i.emulated() {
		finders = append(finders, i.leftAPIs, i.leftLogGroups, i.leftRoles)
	}
	var out []remnant
	for _, find := range finders {
		some, err := find(ctx)
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
	}
	return out, nil
}

// clearRemnants removes what an emulator's stack left. On AWS nothing is removed by its name alone.
func (i leftovers) clearRemnants(ctx context.Context) error {
	if !i.emulated() {
		return nil
	}
	left, err := i.remnants(ctx)
	if err != nil {
		return err
	}
	for _, r := range left {
		i.say("remains", "Deleting "+r.what+", which the stack left")
		if err := r.remove(ctx); err != nil {
			return i.explain("deleting "+r.what, err)
		}
	}
	return nil
}

// found makes the list of one or none, from the error of looking for it: a missing thing is not an error, and neither
// is a service that an emulator does not have, in which nothing can be.
func (i leftovers) found(r remnant, err error, missing ...string) ([]remnant, error) {
	switch {
	case err == nil:
		return []remnant{r}, nil
	case is(err, missing...), i.emulated() && is(err, "NotImplemented", "InternalFailure", "Not Implemented"):
		return nil, nil
	}
	return nil, i.explain("looking for "+r.what, err)
}

// gone takes the answer that a thing is not there for success.
func gone(err error, missing ...string) error {
	if is(err, missing...) {
		return nil
	}
	return err
}

func (i leftovers) leftFunctions(ctx context.Context) (out []remnant, err error) {
	for _, f := range template.Functions() {
		name := i.Name + "-" + f.Name
		_, err := i.lambda.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: &name})
		one, err := i.found(remnant{"the function " + name, func(ctx context.Context) error {
			_, err := i.lambda.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: &name})
			return gone(err, "ResourceNotFoundException")
		}}, err, "ResourceNotFoundException")
		if err != nil {
			return nil, err
		}
		out = append(out, one...)
	}
	return out, nil
}

func (i leftovers) leftRule(ctx context.Context) ([]remnant, error) {
	rule := map[string]any{"Name": i.Name + "-sweep"}
	call := func(ctx context.Context, operation string, in map[string]any) error {
		return i.signed.json(ctx, "events", "1.1", "AWSEvents."+operation, in, nil)
	}
	err := call(ctx, "DescribeRule", rule)
	return i.found(remnant{"the rule " + i.Name + "-sweep", func(ctx context.Context) error {
		err := call(ctx, "RemoveTargets", map[string]any{"Rule": i.Name + "-sweep", "Ids": []string{"sweep"}})
		if err := gone(err, "ResourceNotFoundException"); err != nil {
			return err
		}
		return gone(call(ctx, "DeleteRule", rule), "ResourceNotFoundException")
	}}, err, "ResourceNotFoundException")
}

// leftUndelivered finds the queue for events that could not be delivered, whose name CloudFormation invented.
func (i leftovers) leftUndelivered(ctx context.Context) (out []remnant, err error) {
	prefix := i.names.stack + "-UndeliveredQueue-"
	page, err := i.sqs.ListQueues(ctx, &sqs.ListQueuesInput{QueueNamePrefix: &prefix})
	if err != nil {
		return nil, i.explain("listing the queues", err)
	}
	for _, u := range page.QueueUrls {
		out = append(out, remnant{"the queue " + queueName(u), func(ctx context.Context) error {
			_, err := i.sqs.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &u})
			return gone(err, "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")
		}})
	}
	return out, nil
}

func (i leftovers) leftAPIs(ctx context.Context) (out []remnant, err error) {
	header := map[string]string{"Accept": "application/json"}
	answer, err := i.signed.do(ctx, signedRequest{service: "apigateway", method: http.MethodGet, path: "/restapis", header: header})
	if some, err := i.found(remnant{what: "REST APIs"}, err); err != nil || len(some) == 0 {
		return nil, err
	}
	type api struct{ ID, Name, Description string }
	var list struct{ Item, Items []api } // AWS says item; SDKs call it items
	if err := json.Unmarshal(answer, &list); err != nil {
		return nil, i.explain("listing the REST APIs", err)
	}
	for _, a := range append(list.Item, list.Items...) {
		if a.Name != i.Name || !strings.Contains(a.Description, "Waypoint") {
			continue
		}
		out = append(out, remnant{"the REST API " + a.ID, func(ctx context.Context) error {
			_, err := i.signed.do(ctx, signedRequest{service: "apigateway", method: http.MethodDelete, path: "/restapis/" + url.PathEscape(a.ID), header: header})
			return gone(err, "NotFoundException", "Not Found")
		}})
	}
	return out, nil
}

func (i leftovers) leftLogGroups(ctx context.Context) (out []remnant, err error) {
	for _, f := range template.Functions() {
		name := "/aws/lambda/" + i.Name + "-" + f.Name
		var page struct {
			LogGroups []struct {
				LogGroupName string `json:"logGroupName"`
			} `json:"logGroups"`
		}
		err := i.signed.json(ctx, "logs", "1.1", "Logs_20140328.DescribeLogGroups", map[string]any{"logGroupNamePrefix": name}, &page)
		one, err := i.found(remnant{"the log group " + name, func(ctx context.Context) error {
			err := i.signed.json(ctx, "logs", "1.1", "Logs_20140328.DeleteLogGroup", map[string]any{"logGroupName": name}, nil)
			return gone(err, "ResourceNotFoundException")
		}}, err)
		if err != nil {
			return nil, err
		}
		for _, g := range page.LogGroups {
			if g.LogGroupName == name {
				out = append(out, one...)
			}
		}
	}
	return out, nil
}

func (i leftovers) leftRoles(ctx context.Context) (out []remnant, err error) {
	const version = "2010-05-08"
	for _, r := range template.Roles() {
		name := i.Name + "-" + i.id.Region + "-" + r.Name
		err := i.signed.query(ctx, "iam", version, "GetRole", map[string]string{"RoleName": name})
		one, err := i.found(remnant{"the role " + name, func(ctx context.Context) error {
			in := map[string]string{"RoleName": name, "PolicyName": template.RolePolicyName}
			if err := gone(i.signed.query(ctx, "iam", version, "DeleteRolePolicy", in), "NoSuchEntity"); err != nil {
				return err
			}
			return gone(i.signed.query(ctx, "iam", version, "DeleteRole", in), "NoSuchEntity")
		}}, err, "NoSuchEntity")
		if err != nil {
			return nil, err
		}
		out = append(out, one...)
	}
	return out, nil
}
