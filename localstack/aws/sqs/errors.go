package sqs

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/waypoint-serverless/waypoint/localstack/aws/sigv4"
)

// apiError is an error as SQS words it. query is the code that the old query protocol had
// for it, which SDKs report as the error code; empty if it is the same.
type apiError struct {
	status  int
	code    string
	query   string
	message string
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

func (e *apiError) queryCode() string {
	if e.query == "" {
		return e.code
	}
	return e.query
}

const legacy = "AWS.SimpleQueueService."

var (
	errNoQueue = &apiError{http.StatusBadRequest, "QueueDoesNotExist", legacy + "NonExistentQueue",
		"The specified queue does not exist."}
	errHandle = &apiError{http.StatusBadRequest, "ReceiptHandleIsInvalid", "",
		"The input receipt handle is invalid."}
	errNotInFlight = &apiError{http.StatusBadRequest, "MessageNotInflight", legacy + "MessageNotInflight",
		"The specified message isn't in flight."}
	errOverLimit = &apiError{http.StatusForbidden, "OverLimit", "OverLimit",
		"Too many messages are in flight in this queue."}
	errPurging = &apiError{http.StatusForbidden, "PurgeQueueInProgress", legacy + "PurgeQueueInProgress",
		"Only one PurgeQueue operation is allowed every 60 seconds."}
	errEmptyBatch = &apiError{http.StatusBadRequest, "EmptyBatchRequest", legacy + "EmptyBatchRequest",
		"There should be at least one entry in the request."}
	errLongBatch = &apiError{http.StatusBadRequest, "TooManyEntriesInBatchRequest", legacy + "TooManyEntriesInBatchRequest",
		"Maximum number of entries per request are 10."}
	errSameIDs = &apiError{http.StatusBadRequest, "BatchEntryIdsNotDistinct", legacy + "BatchEntryIdsNotDistinct",
		"Two or more batch entries in the request have the same Id."}
	errBatchID = &apiError{http.StatusBadRequest, "InvalidBatchEntryId", legacy + "InvalidBatchEntryId",
		"A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long."}
	errBatchSize = &apiError{http.StatusBadRequest, "BatchRequestTooLong", legacy + "BatchRequestTooLong",
		fmt.Sprintf("Batch requests cannot be longer than %d bytes.", MaxMessageSize)}
)

func invalidValue(format string, args ...any) *apiError {
	return &apiError{http.StatusBadRequest, "InvalidParameterValueException", "InvalidParameterValue", fmt.Sprintf(format, args...)}
}

func missing(name string) *apiError {
	return &apiError{http.StatusBadRequest, "MissingRequiredParameterException", "MissingParameter",
		"The request must contain the parameter " + name + "."}
}

func unsupported(message string) *apiError {
	return &apiError{http.StatusBadRequest, "UnsupportedOperation", legacy + "UnsupportedOperation", message}
}

func attributeName(name string) *apiError {
	return &apiError{http.StatusBadRequest, "InvalidAttributeName", "", "Unknown Attribute " + printable(name) + "."}
}

func attributeValue(name string) *apiError {
	return &apiError{http.StatusBadRequest, "InvalidAttributeValue", "", "Invalid value for the parameter " + name + "."}
}

func contents(message string) *apiError {
	return &apiError{http.StatusBadRequest, "InvalidMessageContents", "", message}
}

func serialization() *apiError {
	return &apiError{http.StatusBadRequest, "SerializationException", "SerializationException", "The request is not the JSON that the operation takes."}
}

// writeError answers err. What is not an API error is logged and answered 500 without its text.
func (e *Engine) writeError(w http.ResponseWriter, r *http.Request, err error) {
	var refusal *sigv4.Error
	if errors.As(err, &refusal) {
		sigv4.WriteError(w, Service, refusal)
		return
	}
	var api *apiError
	if !errors.As(err, &api) {
		if r.Context().Err() == nil {
			e.opt.Logger.Error("sqs request failed", "target", printable(r.Header.Get("X-Amz-Target")), "error", err)
		}
		api = &apiError{http.StatusInternalServerError, "InternalFailure", "", "The request processing has failed because of an unknown error."}
	}
	fault, namespace := "Sender", "com.amazonaws.sqs#"
	if api.status >= 500 {
		fault = "Receiver"
	}
	if strings.HasSuffix(api.code, "Exception") || api.status >= 500 {
		namespace = "com.amazon.coral.service#"
	}
	body, marshalErr := json.Marshal(struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}{namespace + api.code, api.message})
	if marshalErr != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/x-amz-json-1.0")
	h.Set("X-Amzn-Query-Error", api.queryCode()+";"+fault)
	w.WriteHeader(api.status)
	_, _ = w.Write(body) // the client may be gone; there is nobody else to tell
}

// printable bounds and cleans what a caller sent before it is said back.
func printable(s string) string {
	if len(s) > 80 {
		s = s[:80]
	}
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return '?'
		}
		return r
	}, s)
}
