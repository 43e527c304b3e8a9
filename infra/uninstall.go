package infra

import (
	"context"
	"fmt"
	"strings"

	"connectrpc.com/connect"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/waypoint-serverless/waypoint/api/fault"
)

// Removal is the result of Uninstall.
type Removal struct {
	Identity Identity
	// Kept lists what was kept on purpose: the table and its encryption key.
	Kept []string
	// Stuck is the stack that an emulator cannot delete, with what to do; "" if there is none.
	Stuck string
	// Nothing reports that there was no installation.
	Nothing bool
}

// standing is what there is of an installation.
type standing struct {
	stack              *types.Stack
	bucket, key, table bool
	queues             []string
}

func (s standing) empty() bool {
	return s.stack == nil && !s.bucket && !s.key && !s.table && len(s.queues) == 0
}

// look finds all that an installation is made of.
func (i *installer) look(ctx context.Context) (s standing, err error) {
	if s.stack, err = i.describeStack(ctx, i.names.stack); err != nil {
		return s, err
	}
	if s.bucket, err = i.bucketExists(ctx); err != nil {
		return s, err
	}
	if s.key, err = i.keyExists(ctx); err != nil {
		return s, err
	}
	table, err := i.findTable(ctx)
	if err != nil {
		return s, err
	}
	s.table = table != nil
	s.queues, err = i.queues(ctx)
	return s, err
}

// Uninstall removes the installation in any state. The table and its key are kept unless Purge is set.
// At the end it verifies that nothing is left.
func Uninstall(ctx context.Context, o Options) (*Removal, error) {
	i, err := begin(ctx, o)
	if err != nil {
		return nil, err
	}
	defer i.close()
	if err := i.rightClock(); err != nil {
		return nil, err
	}
	i.say("look", "Reading the current state")
	before, err := i.look(ctx)
	if err != nil {
		return nil, err
	}
	if before.stack != nil {
		if err := i.ours(ctx, before.stack); err != nil {
			return nil, err
		}
	}
	r := &Removal{Identity: i.id, Nothing: before.empty()}
	if r.Nothing && i.emulated() {
		left, err := i.remnants(ctx)
		if err != nil {
			return nil, err
		}
		r.Nothing = len(left) == 0
	}
	if r.Nothing {
		return r, nil
	}
	if err := i.confirm(i.removalPlan(before)); err != nil {
		return nil, err
	}
	i.begun = true
	if err := i.remove(ctx, before); err != nil {
		return nil, i.unfinished(err)
	}
	after, err := i.verify(ctx, before.stack != nil)
	r.Kept, r.Stuck = after.kept, after.stuck
	return r, i.unfinished(err)
}

func (i *installer) removalPlan(s standing) Plan {
	p := Plan{Operation: "uninstall"}
	if s.stack != nil {
		p.Changes = append(p.Changes, Change{Action: "Remove", Logical: i.names.stack, Type: "AWS::CloudFormation::Stack"})
	}
	for _, q := range s.queues {
		p.Beside = append(p.Beside, "the queue "+q)
	}
	if s.bucket {
		p.Beside = append(p.Beside, "the bucket "+i.names.bucket+" with the functions' code")
	}
	list := &p.Kept
	if i.Purge {
		list = &p.Beside
	}
	*list = append(*list, i.data(s.table || s.stack != nil, s.key)...)
	return p
}

// data names the table and the key, as far as they are there.
func (i *installer) data(table, key bool) (out []string) {
	if table {
		out = append(out, "the table "+i.names.table+" with all data")
	}
	if key {
		out = append(out, "the encryption key "+i.names.key+", without which the table's secrets are lost")
	}
	return out
}

// remove deletes producers before what they produce: the functions first, so that nobody makes a queue again.
func (i *installer) remove(ctx context.Context, before standing) error {
	if err := i.removeStack(ctx, before.stack); err != nil {
		return err
	}
	if err := i.removeQueues(ctx); err != nil {
		return err
	}
	if err := i.removeBucket(ctx); err != nil {
		return err
	}
	if !i.Purge {
		return nil
	}
	// The table goes first: a key without a table is worthless, a table without its key is a loss.
	if err := i.removeTable(ctx); err != nil {
		return err
	}
	i.say("key", "Deleting the encryption key "+i.names.key)
	return i.removeKey(ctx)
}

// removeStack deletes the stack, whatever state it is in. A stack that an emulator cannot delete stays, without
// anything that has a name of ours.
func (i *installer) removeStack(ctx context.Context, s *types.Stack) error {
	for s != nil {
		if moving(s.StackStatus) {
			i.say("stack", fmt.Sprintf("A stack operation is in progress on %s (%s); waiting until it finishes", i.names.stack, s.StackStatus))
			if err := i.watch(ctx, *s.StackId, nil); err != nil {
				return err
			}
		} else {
			i.say("stack", "Deleting the stack "+i.names.stack)
			err := i.clearAway(ctx, s)
			if i.emulated() && fault.Is(err, StackFailed) {
				i.note("stack", "The emulator cannot delete the stack; continuing with the rest")
				return nil
			}
			if err != nil {
				return err
			}
		}
		var err error
		if s, err = i.describeStack(ctx, i.names.stack); err != nil {
			return err
		}
	}
	return i.clearRemnants(ctx)
}

// verifyLooks bounds how often verify looks: AWS lists a deleted queue for up to a minute.
const verifyLooks = 45

// verify looks again, and names what is kept. Anything else that is left is an error.
// What a stack holds is looked for where there was one: on AWS, things of those names may be somebody else's.
func (i *installer) verify(ctx context.Context, stack bool) (aftermath, error) {
	i.say("verify", "Checking that nothing is left")
	for n := 1; ; n++ {
		after, err := i.remains(ctx, stack)
		switch {
		case err != nil || len(after.left) == 0:
			return after, err
		case n == verifyLooks:
			return after, fault.New(connect.CodeFailedPrecondition, SomethingLeft, "these resources still exist: %s", strings.Join(after.left, ", ")).
				WithHint("AWS may take a minute to delete them. Run the same command again: it continues where it stopped.")
		}
		if err := i.pause(ctx); err != nil {
			return after, i.explain("waiting for AWS to complete the deletions", err)
		}
	}
}

// aftermath is what there is after a removal: on purpose, against it, and the stack that an emulator cannot delete.
type aftermath struct {
	kept, left []string
	stuck      string
}

func (i *installer) remains(ctx context.Context, stack bool) (a aftermath, err error) {
	after, err := i.look(ctx)
	if err != nil {
		return a, err
	}
	switch {
	case after.stack == nil:
	case i.emulated() && after.stack.StackStatus == types.StackStatusDeleteFailed:
		a.stuck = fmt.Sprintf("the stack %s (%s), which this emulator cannot delete. It is empty, and disappears when the emulator is restarted; "+
			"until then an installation requires another --name", i.names.stack, after.stack.StackStatus)
	default:
		a.left = append(a.left, "the stack "+i.names.stack)
	}
	if stack || i.emulated() {
		remnants, err := i.remnants(ctx)
		if err != nil {
			return a, err
		}
		for _, r := range remnants {
			a.left = append(a.left, r.what)
		}
	}
	if after.bucket {
		a.left = append(a.left, "the bucket "+i.names.bucket)
	}
	for _, q := range after.queues {
		a.left = append(a.left, "the queue "+q)
	}
	data := i.data(after.table, after.key)
	if i.Purge {
		a.left = append(a.left, data...)
	} else {
		a.kept = data
	}
	return a, nil
}

// queues are the names of the queues that the server made.
func (i *installer) queues(ctx context.Context) ([]string, error) {
	urls, err := i.queueURLs(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, u := range urls {
		out = append(out, queueName(u))
	}
	return out, nil
}

func queueName(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }

func (i *installer) queueURLs(ctx context.Context) ([]string, error) {
	var out []string
	in := &sqs.ListQueuesInput{QueueNamePrefix: &i.names.queuePrefix, MaxResults: aws.Int32(1000)}
	for {
		page, err := i.sqs.ListQueues(ctx, in)
		if err != nil {
			return nil, i.explain("listing the queues", err)
		}
		for _, u := range page.QueueUrls {
			if i.names.queue.MatchString(queueName(u)) {
				out = append(out, u)
			}
		}
		if page.NextToken == nil {
			return out, nil
		}
		in.NextToken = page.NextToken
	}
}

func (i *installer) removeQueues(ctx context.Context) error {
	urls, err := i.queueURLs(ctx)
	if err != nil {
		return err
	}
	for _, u := range urls {
		i.say("queues", "Deleting the queue "+queueName(u))
		_, err := i.sqs.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &u})
		if err != nil && !is(err, "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist") {
			return i.explain("deleting the queue "+queueName(u), err)
		}
	}
	return nil
}
