package infra

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/waypoint-serverless/waypoint/infra/template"
	"github.com/waypoint-serverless/waypoint/internal/client"
)

// afterFailure bounds what is done for the API after a change that failed.
const afterFailure = 30 * time.Second

// change applies the change set. s is the stack as it was before; nil for one that is new.
//
// LocalStack 4.14 cannot put a new deployment on the stage of a REST API, and deletes the stage together with the old
// deployment: the API would be gone after an upgrade that changed it. One call makes deployment and stage anew, which
// does no harm where they are there.
func (i *installer) change(ctx context.Context, s *types.Stack, set *changeSet) error {
	err := i.apply(ctx, set)
	upgrade := s != nil && !blank(s)
	if !upgrade {
		return err
	}
	if err != nil {
		i.afterFailedChange(ctx, s)
		return err
	}
	if !i.emulated() || !set.changesAPI() {
		return nil
	}
	after, err := i.describeStack(ctx, i.names.stack)
	if err != nil {
		return err
	}
	if after == nil {
		return i.notInstalled()
	}
	i.say("api", "Deploying the REST API, because the emulator does not")
	out := outputsOf(after)
	return i.explain("deploying the REST API", i.signed.redeploy(ctx, out[template.OutputAPIID], out[template.OutputAPIStage]))
}

// reviveAPI deploys the REST API of an emulator where its stage is missing: an earlier version's upgrade may have lost
// it.
func (i *installer) reviveAPI(ctx context.Context, out map[string]string) error {
	if !i.emulated() {
		return nil
	}
	_, err := serverInfo(ctx, i.address(out), i.Version, 0, true)
	var foreign *client.ForeignAnswer
	if !errors.As(err, &foreign) {
		return nil // it answers, or health says why not
	}
	i.say("api", "Deploying the REST API, because its stage is missing")
	return i.explain("deploying the REST API", i.signed.redeploy(ctx, out[template.OutputAPIID], out[template.OutputAPIStage]))
}

// afterFailedChange keeps the API alive on an emulator, and finds out whether what served before goes on serving, so
// that only what is true is said. Its own errors add nothing to the failure.
func (i *installer) afterFailedChange(ctx context.Context, before *types.Stack) {
	if ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, afterFailure)
	defer cancel()
	out := outputsOf(before)
	if i.emulated() {
		i.say("api", "Deploying the unchanged REST API, so that it keeps serving")
		if err := i.signed.redeploy(ctx, out[template.OutputAPIID], out[template.OutputAPIStage]); err != nil {
			i.Logger.DebugContext(ctx, "the REST API could not be deployed", "error", err)
		}
	}
	i.say("health", "Checking that the API keeps serving")
	info, err := serverInfo(ctx, i.address(out), i.Version, afterFailure/2, i.emulated())
	switch {
	case err == nil && info.GetServerId() == out[template.OutputServerID]:
		i.api = APIAnswers
	case errors.Is(err, context.Canceled):
	default:
		i.api = APISilent
	}
}

// changesAPI reports whether a resource of API Gateway is among the changes.
func (c *changeSet) changesAPI() bool {
	return slices.ContainsFunc(c.changes, func(ch Change) bool { return strings.HasPrefix(ch.Type, "AWS::ApiGateway::") })
}
