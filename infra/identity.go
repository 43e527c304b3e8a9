package infra

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func (i *installer) identify(ctx context.Context) (Identity, error) {
	id, _, err := i.whoAmI(ctx)
	return id, err
}

// whoAmI also says how far AWS's clock is ahead of this machine's.
func (i *installer) whoAmI(ctx context.Context) (Identity, time.Duration, error) {
	out, err := i.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return Identity{}, 0, i.explain("asking AWS who is calling", err)
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
