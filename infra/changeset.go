package infra

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"connectrpc.com/connect"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/smithy-go"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/infra/template"
)

const changeSetPrefix = "waypoint-"

// changeSets are the names of the stack's that wait: LocalStack also lists those that were executed, and needs them.
func (i stackControl) changeSets(ctx context.Context) ([]string, error) {
	var out []string
	in := &cloudformation.ListChangeSetsInput{StackName: &i.names.stack}
	for {
		page, err := i.cfn.ListChangeSets(ctx, in)
		var unknown smithy.APIError
		if err != nil && i.emulated() && errors.As(err, &unknown) {
			return nil, nil // not every emulator can list them; a change set too many does no harm there
		}
		if err != nil {
			return nil, i.explain("listing the stack's change sets", err)
		}
		for _, s := range page.Summaries {
			if s.ExecutionStatus == types.ExecutionStatusExecuteComplete || s.ExecutionStatus == types.ExecutionStatusExecuteInProgress {
				continue
			}
			out = append(out, aws.ToString(s.ChangeSetName))
		}
		if page.NextToken == nil {
			return out, nil
		}
		in.NextToken = page.NextToken
	}
}

// dropChangeSets removes what interrupted runs left.
func (i stackControl) dropChangeSets(ctx context.Context) error {
	sets, err := i.changeSets(ctx)
	if err != nil {
		return err
	}
	for _, name := range sets {
		if !strings.HasPrefix(name, changeSetPrefix) {
			continue
		}
		if err := i.dropChangeSet(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func (i stackControl) dropChangeSet(ctx context.Context, name string) error {
	_, err := i.cfn.DeleteChangeSet(ctx, &cloudformation.DeleteChangeSetInput{StackName: &i.names.stack, ChangeSetName: &name})
	if is(err, "ChangeSetNotFound", "ChangeSetNotFoundException") {
		return nil
	}
	return i.explain("removing a change set", err)
}

// changeSet is one that waits to be applied.
type changeSet struct {
	name    string
	stack   string
	changes []Change
}

// propose makes a change set of the template and waits until it is there. It is nil if nothing would change.
// The tags are those of before, and what was given now.
func (i stackControl) propose(ctx context.Context, s, before *types.Stack, params map[string]string) (*changeSet, error) {
	body, err := template.JSON()
	if err != nil {
		return nil, err
	}
	kind := types.ChangeSetTypeUpdate
	if s == nil || blank(s) {
		kind = types.ChangeSetTypeCreate
	}
	suffix := make([]byte, 8)
	if _, err := io.ReadFull(i.Rand, suffix); err != nil {
		return nil, fmt.Errorf("naming the change set: %w", err)
	}
	in := &cloudformation.CreateChangeSetInput{
		StackName: &i.names.stack, ChangeSetName: aws.String(changeSetPrefix + hex.EncodeToString(suffix)), ChangeSetType: kind,
		TemplateBody: aws.String(string(body)), Capabilities: []types.Capability{types.CapabilityCapabilityNamedIam},
		Description: aws.String("Waypoint " + i.Version), Tags: i.tags(before),
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		in.Parameters = append(in.Parameters, types.Parameter{ParameterKey: aws.String(name), ParameterValue: aws.String(params[name])})
	}
	made, err := i.cfn.CreateChangeSet(ctx, in)
	if err != nil {
		return nil, i.explain("creating the change set", err)
	}
	i.begun = true
	return i.awaitChangeSet(ctx, *in.ChangeSetName, aws.ToString(made.StackId))
}

// tags are those that the stack has, and over them those that were given now.
func (i stackControl) tags(s *types.Stack) []types.Tag {
	all := map[string]string{}
	if s != nil {
		for _, t := range s.Tags {
			if key := aws.ToString(t.Key); !strings.HasPrefix(key, "aws:") { // those are CloudFormation's own
				all[key] = aws.ToString(t.Value)
			}
		}
	}
	maps.Copy(all, i.Tags)
	all[tagInstallation] = i.Name
	tags := make([]types.Tag, 0, len(all))
	for _, k := range slices.Sorted(maps.Keys(all)) {
		tags = append(tags, types.Tag{Key: aws.String(k), Value: aws.String(all[k])})
	}
	return tags
}

func (i stackControl) awaitChangeSet(ctx context.Context, name, stack string) (*changeSet, error) {
	ctx, cancel := context.WithTimeout(ctx, operationsTimeout)
	defer cancel()
	out := &changeSet{name: name, stack: stack}
	in := &cloudformation.DescribeChangeSetInput{StackName: &i.names.stack, ChangeSetName: &name}
	for {
		page, err := i.cfn.DescribeChangeSet(ctx, in)
		if err != nil {
			return nil, i.explain("reading the change set", err)
		}
		switch page.Status {
		case types.ChangeSetStatusCreateComplete:
			for _, c := range page.Changes {
				if r := c.ResourceChange; r != nil {
					out.changes = append(out.changes, Change{Action: string(r.Action), Logical: aws.ToString(r.LogicalResourceId),
						Type: aws.ToString(r.ResourceType), Replacement: string(r.Replacement)})
				}
			}
			if page.NextToken == nil {
				return out, nil
			}
			in.NextToken = page.NextToken
			continue
		case types.ChangeSetStatusFailed:
			reason := aws.ToString(page.StatusReason)
			if err := i.abandon(ctx, out); err != nil {
				return nil, err
			}
			if strings.Contains(reason, "didn't contain changes") || strings.Contains(reason, "No updates are to be performed") {
				return nil, nil
			}
			return nil, fault.New(connect.CodeFailedPrecondition, StackFailed, "CloudFormation rejects the change: %s", reason).
				WithHint("Nothing was changed. Fix the cause. %s", again)
		}
		if err := i.pause(ctx); err != nil {
			return nil, i.explain("waiting for the change set", err)
		}
	}
}

// apply executes the change set and follows the stack to its end.
func (i stackControl) apply(ctx context.Context, c *changeSet) error {
	seen, err := i.seen(ctx, c.stack)
	if err != nil {
		return err
	}
	_, err = i.cfn.ExecuteChangeSet(ctx, &cloudformation.ExecuteChangeSetInput{StackName: &i.names.stack, ChangeSetName: &c.name})
	if err != nil {
		return i.explain("applying the change set", err)
	}
	i.say("apply", "Applying the change set to the stack "+i.names.stack)
	reasons := &failures{}
	if err := i.follow(ctx, c.stack, seen, reasons); err != nil {
		return err
	}
	s, err := i.describeStack(ctx, c.stack)
	if err != nil {
		return err
	}
	if s == nil {
		return fault.New(connect.CodeFailedPrecondition, StackFailed, "the stack %s was deleted in the meantime", i.names.stack)
	}
	if s.StackStatus != types.StackStatusCreateComplete && s.StackStatus != types.StackStatusUpdateComplete {
		return i.stuck(s, reasons.texts)
	}
	return nil
}

// abandon takes a change set back that was declined, and the empty stack that only it had.
func (i stackControl) abandon(ctx context.Context, c *changeSet) error {
	if err := i.dropChangeSet(ctx, c.name); err != nil {
		return err
	}
	s, err := i.describeStack(ctx, i.names.stack)
	if err == nil && s != nil && blank(s) {
		err = i.deleteStack(ctx, s)
	}
	i.begun = err != nil
	return err
}
