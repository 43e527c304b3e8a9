package infra

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"

	"connectrpc.com/connect"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go"

	"github.com/waypoint-serverless/waypoint/api/fault"
)

// again is what to do after most troubles: a run goes on where the last one stopped.
const again = "Then run the same command again: it continues where it stopped."

// action finds the permission in AWS's refusals ("… is not authorized to perform: s3:CreateBucket on resource …").
func action(message string) string {
	m := regexp.MustCompile(`not authorized to perform:? ([A-Za-z0-9-]+:[A-Za-z0-9]+)`).FindStringSubmatch(message)
	if m == nil {
		return ""
	}
	return m[1]
}

// explain turns an error of the SDK into a sentence and what to do; doing says what was under way ("making the
// bucket x"). Errors that are explained already are left alone.
func (i *account) explain(doing string, err error) error {
	var known *fault.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", doing, err)
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		return i.explainAnswer(doing, err, api)
	}
	var signing *v4.SigningError
	if errors.As(err, &signing) || strings.Contains(err.Error(), "get credentials") || strings.Contains(err.Error(), "retrieve credentials") ||
		strings.Contains(err.Error(), "get identity") {
		return fault.New(connect.CodeUnauthenticated, NoCredentials, "no AWS credentials were found (%s)", doing).
			WithHint("Log in (`aws sso login`), or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.").WithCause(err)
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return fault.New(connect.CodeUnavailable, Unreachable, "%s: the host %s does not exist", doing, dns.Name).
			WithHint("Check the network, and the region: %q may not exist.", i.Config.Region).WithCause(err)
	}
	var netErr net.Error
	if errors.As(err, &netErr) {
		return fault.New(connect.CodeUnavailable, Unreachable, "%s: cannot reach AWS: %v", doing, root(err)).
			WithHint("Check the network and AWS_ENDPOINT_URL. %s", again).WithCause(err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func (i *account) explainAnswer(doing string, err error, api smithy.APIError) error {
	code, message := api.ErrorCode(), api.ErrorMessage()
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(code, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("ExpiredToken", "RequestExpired"):
		return fault.New(connect.CodeUnauthenticated, CredentialsEnded, "the AWS credentials expired while %s", doing).
			WithHint("Get new ones (`aws sso login`). %s", again).WithCause(err)
	case has("RequestTimeTooSkewed") || has("SignatureDoesNotMatch", "InvalidSignature") && strings.Contains(message, "ignature") &&
		(strings.Contains(message, "expired") || strings.Contains(message, "not yet current")):
		return fault.New(connect.CodeFailedPrecondition, ClockOff, "this machine's clock is off by more than five minutes, so AWS rejects its requests").
			WithHint("Set the clock (for example with NTP). %s", again).WithCause(err)
	case strings.Contains(message, "scoped to a valid region"):
		return fault.New(connect.CodeInvalidArgument, NoRegion, "%s: the endpoint is not one of the region %q", doing, i.Config.Region).
			WithHint("Check --region, AWS_REGION, the profile's region and AWS_ENDPOINT_URL.").WithCause(err)
	case has("InvalidClientTokenId", "UnrecognizedClient", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSignature", "AuthFailure", "MissingAuthenticationToken"):
		return fault.New(connect.CodeUnauthenticated, BadCredentials, "AWS does not accept the credentials (%s)", doing).
			WithHint("Check AWS_PROFILE and the keys: they may be mistyped, deleted, or of another partition.").WithCause(err)
	case has("AccessDenied", "UnauthorizedOperation", "Forbidden", "NotAuthorized"):
		if a := action(message); a != "" {
			return fault.New(connect.CodePermissionDenied, Denied, "%s: the permission %s is missing", doing, a).WithFact("action", a).
				WithHint("%s prints all permissions that installing requires. %s", i.Command("install", "--print-policy"), again).WithCause(err)
		}
		return fault.New(connect.CodePermissionDenied, Denied, "%s: access denied by AWS: %s", doing, message).
			WithHint("%s prints all permissions that installing requires. %s", i.Command("install", "--print-policy"), again).WithCause(err)
	case has("Throttl", "TooManyRequests", "LimitExceeded", "SlowDown"):
		return fault.New(connect.CodeResourceExhausted, fault.Throttled, "%s: AWS is throttling requests, or an account quota is exhausted: %s", doing, message).
			WithHint("Wait a minute. %s", again).WithCause(err)
	}
	return fmt.Errorf("%s: %s: %s (%w)", doing, code, message, err)
}

// root is the innermost cause.
func root(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// is says whether err is an answer of AWS with one of these codes.
func is(err error, codes ...string) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	for _, c := range codes {
		if api.ErrorCode() == c {
			return true
		}
	}
	return false
}
