package infra

import (
	"context"
	"fmt"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/infra/template"
)

// describeStack is nil without error for a stack that is not there.
func (i stackControl) describeStack(ctx context.Context, name string) (*types.Stack, error) {
	out, err := i.cfn.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &name})
	switch {
	case is(err, "ValidationError") && strings.Contains(err.Error(), "does not exist"):
		return nil, nil
	case err != nil:
		return nil, i.explain("reading the stack "+i.names.stack, err)
	case len(out.Stacks) == 0 || out.Stacks[0].StackStatus == types.StackStatusDeleteComplete:
		return nil, nil
	}
	return &out.Stacks[0], nil
}

// ours refuses a stack of that name which another program made.
func (i stackControl) ours(ctx context.Context, s *types.Stack) error {
	for _, t := range s.Tags {
		if aws.ToString(t.Key) == tagInstallation && aws.ToString(t.Value) == i.Name {
			return nil
		}
	}
	if aws.ToString(s.Description) == template.Build().Description {
		return nil
	}
	if blank(s) { // has no description yet: it is whose its change sets are
		sets, err := i.changeSets(ctx)
		if err != nil {
			return err
		}
		for _, name := range sets {
			if !strings.HasPrefix(name, changeSetPrefix) {
				return i.taken(s)
			}
		}
		return nil
	}
	return i.taken(s)
}

func (i stackControl) taken(s *types.Stack) error {
	return fault.New(connect.CodeAlreadyExists, NameTaken, "the stack %s in %s already exists and is not Waypoint's (%s)",
		i.names.stack, i.id.Region, aws.ToString(s.Description)).
		WithHint("Choose another name for the installation with --name.")
}

// blank reports whether a stack is only there for its change sets. (LocalStack gives the status also to a stack that could
// not be changed; that one has outputs.)
func blank(s *types.Stack) bool {
	return s.StackStatus == types.StackStatusReviewInProgress && len(s.Outputs) == 0
}

func moving(s types.StackStatus) bool {
	return strings.HasSuffix(string(s), "_IN_PROGRESS") && s != types.StackStatusReviewInProgress
}

// settle waits for whatever is under way and clears away what stands in the way, such as the remains of a creation
// that failed. It returns a stack that a change set can be made for, or nil if there is none, and the failed stack
// that it removed, or nil.
func (i stackControl) settle(ctx context.Context) (standing, removed *types.Stack, err error) {
	const most = 8 // each round waits for an end or starts something; a stack does not go round in circles
	var last *types.Stack
	for round := 0; round < most; round++ {
		s, err := i.describeStack(ctx, i.names.stack)
		if err != nil || s == nil {
			return nil, removed, err
		}
		last = s
		if err := i.ours(ctx, s); err != nil {
			return nil, nil, err
		}
		switch status := s.StackStatus; {
		case moving(status):
			i.say("stack", fmt.Sprintf("A stack operation is in progress on %s (%s); waiting until it finishes", i.names.stack, status))
			if err := i.watch(ctx, *s.StackId, nil); err != nil {
				return nil, nil, err
			}
		case status == types.StackStatusRollbackComplete, status == types.StackStatusRollbackFailed,
			status == types.StackStatusCreateFailed, status == types.StackStatusDeleteFailed:
			i.say("stack", fmt.Sprintf("The stack %s was left by a failed operation (%s); removing it (the table is kept)", i.names.stack, status))
			i.begun = true
			if err := i.clearAway(ctx, s); err != nil {
				return nil, nil, err
			}
			if err := i.clearRemnants(ctx); err != nil {
				return nil, nil, err
			}
			removed = s
		case status == types.StackStatusUpdateRollbackFailed:
			i.say("stack", fmt.Sprintf("The rollback of the stack %s failed; continuing it", i.names.stack))
			seen, err := i.seen(ctx, *s.StackId)
			if err != nil {
				return nil, nil, err
			}
			if _, err := i.cfn.ContinueUpdateRollback(ctx, &cloudformation.ContinueUpdateRollbackInput{StackName: s.StackId}); err != nil {
				return nil, nil, i.explain("continuing the stack's rollback", err)
			}
			if err := i.watch(ctx, *s.StackId, seen); err != nil {
				return nil, nil, err
			}
		default:
			return s, removed, nil
		}
	}
	return nil, nil, i.stuck(last, nil)
}

// emulatorDeletes is how often a stack of an emulator is deleted: LocalStack may delete in an order that does not work,
// and what is left at the second try. Before the last one, what has a name of ours is deleted by it.
const emulatorDeletes = 3

// clearAway deletes a stack, on an emulator with some patience.
func (i stackControl) clearAway(ctx context.Context, s *types.Stack) error {
	if !i.emulated() {
		return i.deleteStack(ctx, s)
	}
	var failed error
	for n := 1; n <= emulatorDeletes; n++ {
		if n == emulatorDeletes {
			if err := i.clearRemnants(ctx); err != nil {
				return err
			}
		}
		if failed = i.deleteStack(ctx, s); failed == nil {
			return nil
		}
		if !fault.Is(failed, StackFailed) {
			return failed
		}
	}
	return failed
}

func (i stackControl) stuck(s *types.Stack, reasons []string) error {
	text := ""
	if len(reasons) > 0 {
		text = ": " + strings.Join(reasons, "; ")
	}
	return fault.New(connect.CodeFailedPrecondition, StackFailed, "the stack %s is %s%s", i.names.stack, s.StackStatus, text).
		WithFact("status", string(s.StackStatus)).WithHint("%s", i.stuckHint(s))
}

// stuckHint says what to do about a stack that an operation left in a state of failure, and notes whether it stays.
func (i stackControl) stuckHint(s *types.Stack) string {
	switch {
	case i.emulated() && s.StackStatus == types.StackStatusDeleteFailed:
		i.stuckForGood = true
		return "This emulator cannot delete the stack. Restart the emulator (it then forgets everything), or install under another --name. " +
			i.Command("uninstall", "--purge") + " removes the rest."
	case i.emulated():
		return "Fix the cause; the emulator's log may name it, and its functions require the Docker socket. " + again
	}
	return "Fix the cause (the CloudFormation console shows all events). " + again + " " + i.Command("uninstall") + " removes everything."
}

// deleteStack deletes the stack and waits for its end.
func (i stackControl) deleteStack(ctx context.Context, s *types.Stack) error {
	seen, err := i.seen(ctx, *s.StackId)
	if err != nil {
		return err
	}
	if _, err := i.cfn.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: s.StackId}); err != nil {
		return i.explain("deleting the stack "+i.names.stack, err)
	}
	reasons := &failures{}
	if err := i.follow(ctx, *s.StackId, seen, reasons); err != nil {
		return err
	}
	after, err := i.describeStack(ctx, *s.StackId)
	if err != nil {
		return err
	}
	if after != nil && !moving(after.StackStatus) {
		return i.stuck(after, reasons.texts)
	}
	return nil
}

// events are what was seen of a stack's events, by id.
type events map[string]bool

// seen are the events so far; they will not be shown.
func (i stackControl) seen(ctx context.Context, stack string) (events, error) {
	known := events{}
	_, err := i.newEvents(ctx, stack, known)
	return known, err
}

// newEvents are those that are not in known, oldest first; they are added to it.
func (i stackControl) newEvents(ctx context.Context, stack string, known events) ([]types.StackEvent, error) {
	var fresh []types.StackEvent
	in := &cloudformation.DescribeStackEventsInput{StackName: &stack}
	for {
		page, err := i.cfn.DescribeStackEvents(ctx, in)
		if is(err, "ValidationError") { // the stack is gone
			return fresh, nil
		}
		if err != nil {
			return nil, i.explain("reading the stack's events", err)
		}
		old := false
		for _, e := range page.StackEvents {
			id := aws.ToString(e.EventId)
			if known[id] {
				old = true
				continue
			}
			known[id] = true
			fresh = append([]types.StackEvent{e}, fresh...)
		}
		if old || page.NextToken == nil {
			return fresh, nil
		}
		in.NextToken = page.NextToken
	}
}

// failures are the reasons of the first resources that failed; what follows them is cancelled because of them.
type failures struct{ texts []string }

func (f *failures) note(e types.StackEvent) {
	reason := aws.ToString(e.ResourceStatusReason)
	if reason == "" || aws.ToString(e.PhysicalResourceId) == aws.ToString(e.StackId) { // the stack fails because of what is in it
		return
	}
	if !strings.HasSuffix(string(e.ResourceStatus), "_FAILED") || strings.Contains(reason, "cancelled") || len(f.texts) >= 3 {
		return
	}
	f.texts = append(f.texts, fmt.Sprintf("%s (%s): %s", aws.ToString(e.LogicalResourceId), aws.ToString(e.ResourceType), reason))
}

// startGrace is how long a stack may take to show that what was asked of it has begun.
const startGrace = time.Minute

// follow shows events until the stack stands still. With known events, it must first move: an event of the stack
// itself that is not known.
func (i stackControl) follow(ctx context.Context, stack string, known events, reasons *failures) error {
	begun := known == nil
	if known == nil {
		known = events{}
	}
	ctx, cancel := context.WithTimeout(ctx, operationsTimeout)
	defer cancel()
	for since := i.Clock(); ; {
		s, err := i.describeStack(ctx, stack) // before the events, so that the last ones are seen
		if err != nil {
			return err
		}
		fresh, err := i.newEvents(ctx, stack, known)
		if err != nil {
			return err
		}
		for _, e := range fresh {
			begun = begun || aws.ToString(e.PhysicalResourceId) == aws.ToString(e.StackId)
			reasons.note(e)
			i.Progress(Event{Time: aws.ToTime(e.Timestamp), Step: "apply", Resource: &ResourceEvent{
				Logical: aws.ToString(e.LogicalResourceId), Type: aws.ToString(e.ResourceType),
				Status: string(e.ResourceStatus), Reason: aws.ToString(e.ResourceStatusReason),
			}})
		}
		if s == nil || !moving(s.StackStatus) && (begun || i.Clock().Sub(since) > startGrace) {
			return nil
		}
		if err := i.pause(ctx); err != nil {
			return i.explain("waiting for the stack "+i.names.stack, err)
		}
	}
}

// watch is follow for those who do not ask for reasons.
func (i stackControl) watch(ctx context.Context, stack string, known events) error {
	return i.follow(ctx, stack, known, &failures{})
}
