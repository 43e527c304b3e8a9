package infra

import (
	"context"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/waypoint-serverless/waypoint/infra/template"
)

const (
	// smallAccount is the limit on functions at once below which long reads are not held: a new account may run 10.
	smallAccount = 200
	// leastUnreserved is what AWS insists on leaving to functions without a reservation.
	leastUnreserved = 100
	// tailReserve is how many long reads are held at once at most, where that many can be reserved.
	tailReserve = 100
	tailHoldMS  = 20_000
)

// concurrency decides how long reads are held, and how many at once. limit is the account's, unreserved what no
// function has reserved, ours what our own function has reserved already.
func concurrency(limit, unreserved, ours int) (holdMS, reserved int) {
	if limit < smallAccount {
		return 0, 0
	}
	if free := unreserved + ours - leastUnreserved; free >= tailReserve {
		return tailHoldMS, tailReserve
	}
	return 0, 0 // held reads without a bound of their own could starve requests
}

// decideConcurrency sets the two parameters, unless somebody chose them.
func (i *installer) decideConcurrency(ctx context.Context, params, chosen map[string]string) error {
	settings, err := i.lambda.GetAccountSettings(ctx, &lambda.GetAccountSettingsInput{})
	if err != nil {
		return i.explain("reading the account's quotas", err)
	}
	var limit, unreserved int
	if l := settings.AccountLimit; l != nil {
		limit, unreserved = int(l.ConcurrentExecutions), int(aws.ToInt32(l.UnreservedConcurrentExecutions))
	}
	ours, _ := strconv.Atoi(params[template.ParamTailReservedConcurrency]) // the stack's own value is a number
	hold, reserved := concurrency(limit, unreserved, ours)
	if chosen[template.ParamTailHoldMS] == "" {
		params[template.ParamTailHoldMS] = strconv.Itoa(hold)
	}
	if chosen[template.ParamTailReservedConcurrency] == "" {
		params[template.ParamTailReservedConcurrency] = strconv.Itoa(reserved)
	}
	if hold == 0 {
		i.note("quotas", "This account can run "+strconv.Itoa(limit)+" functions at once: long reads are not held, and clients poll every second")
	}
	return nil
}
