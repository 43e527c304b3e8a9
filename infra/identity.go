package infra

import (
	"context"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/waypoint-serverless/waypoint/api/fault"
)

// skewMost is how far a clock may be off: AWS refuses signatures beyond.
const skewMost = 5 * time.Minute

func (i *account) identify(ctx context.Context) (err error) {
	i.id, i.ahead, err = i.whoAmI(ctx)
	return err
}

// rightClock refuses to begin with a clock that makes AWS refuse some of the requests. (The SDK's clients notice the
// difference and sign with AWS's time, but each of them anew, and what signs beside them does not.)
func (i *account) rightClock() error {
	if i.ahead.Abs() <= skewMost {
		return nil
	}
	side := "behind"
	if i.ahead < 0 {
		side = "ahead of"
	}
	return fault.New(connect.CodeFailedPrecondition, ClockOff, "this machine's clock is %s %s AWS's, so AWS rejects its signatures",
		i.ahead.Abs().Round(time.Second), side).
		WithHint("Set the clock (for example with NTP), then run the same command again. Nothing was changed.")
}

// whoAmI also says how far AWS's clock is ahead of this machine's.
func (i *account) whoAmI(ctx context.Context) (Identity, time.Duration, error) {
	out, err := i.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return Identity{}, 0, i.explain("reading the caller's identity from AWS", err)
	}
	id := Identity{Account: aws.ToString(out.Account), ARN: aws.ToString(out.Arn), Region: i.Config.Region, Partition: "aws"}
	if parts := strings.Split(id.ARN, ":"); len(parts) > 2 && parts[1] != "" {
		id.Partition = parts[1]
	}
	var ahead time.Duration
	if at, ok := awsmiddleware.GetServerTime(out.ResultMetadata); ok {
		if here, ok := awsmiddleware.GetResponseAt(out.ResultMetadata); ok {
			ahead = at.Sub(here)
		}
	}
	return id, ahead, nil
}
