package store

import (
	"errors"
	"fmt"
	"strings"

	"connectrpc.com/connect"
	smithy "github.com/aws/smithy-go"

	"github.com/waypoint-serverless/waypoint/api/fault"
)

// wrap turns DynamoDB's errors into faults where a caller can act on them, and adds what was being done to the rest.
func wrap(err error, format string, args ...any) error {
	what := fmt.Sprintf(format, args...)
	var api smithy.APIError
	if !errors.As(err, &api) {
		return fmt.Errorf("%s: %w", what, err)
	}
	switch code := api.ErrorCode(); {
	case code == "ProvisionedThroughputExceededException" || code == "RequestLimitExceeded" || code == "ThrottlingException":
		return fault.New(connect.CodeResourceExhausted, fault.Throttled, "the database is throttling requests").
			WithHint("Try again in a moment.").WithCause(fmt.Errorf("%s: %w", what, err))
	case code == "InternalServerError" && storageFull(api.ErrorMessage()):
		return fault.New(connect.CodeResourceExhausted, fault.StorageFull, "the server's disk is full: nothing was written").
			WithHint("Free some space where the server keeps its data, then try again.").WithCause(fmt.Errorf("%s: %w", what, err))
	}
	return fmt.Errorf("%s: %w", what, err)
}

// storageFull recognises what the embedded engine says when its file cannot grow (SQLITE_FULL, ENOSPC).
func storageFull(message string) bool {
	m := strings.ToLower(message)
	return strings.Contains(m, "disk is full") || strings.Contains(m, "disk full") ||
		strings.Contains(m, "storage full") || strings.Contains(m, "no space left")
}
