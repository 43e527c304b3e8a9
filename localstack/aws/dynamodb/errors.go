package dynamodb

import (
	"errors"
	"net/http"
)

// apiError is an error of the protocol: a type that the SDK turns into a Go
// error, a message, and sometimes more members.
type apiError struct {
	status  int
	typ     string // with its namespace, as AWS sends it
	message string
	members []byte // further members of the JSON answer, each with a leading comma
	late    bool   // in a transaction, a reason of its action
}

func (e *apiError) Error() string { return e.typ + ": " + e.message }

const (
	nsDynamo   = "com.amazonaws.dynamodb.v20120810#"
	nsValidate = "com.amazon.coral.validate#"
	nsService  = "com.amazon.coral.service#"
)

func validation(message string) *apiError {
	return &apiError{http.StatusBadRequest, nsValidate + "ValidationException", message, nil, false}
}

// invalidParameter is the form in which most of AWS's checks of values speak.
func invalidParameter(message string) *apiError {
	return validation("One or more parameter values were invalid: " + message)
}

// late marks an error that depends on the table's schema: a transaction
// reports it as the reason of its action.
func late(err error) error {
	if e, ok := err.(*apiError); ok { //nolint:errorlint // made here, never wrapped
		e.late = true
	}
	return err
}

func serialization(message string) *apiError {
	return &apiError{http.StatusBadRequest, nsService + "SerializationException", message, nil, false}
}

// notImplemented names a request member that AWS knows and this engine does
// not, or that nobody knows.
func notImplemented(member string) *apiError {
	return validation("The request member " + member + " is not implemented by this engine")
}

func dynamoError(name, message string) *apiError {
	return &apiError{http.StatusBadRequest, nsDynamo + name, message, nil, false}
}

func tableNotFound(name string) *apiError {
	return dynamoError("ResourceNotFoundException", "Requested resource not found: Table: "+name+" not found")
}

var (
	errDataTable = dynamoError("ResourceNotFoundException", "Requested resource not found")
	errThrottled = dynamoError("ProvisionedThroughputExceededException",
		"The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level with the UpdateTable API.")
	errConflict = dynamoError("TransactionConflictException", "Transaction is ongoing for the item")
	errSchema   = validation("The provided key element does not match the schema")
)

const (
	conditionFailed  = "The conditional request failed"
	itemTooLarge     = "Item size has exceeded the maximum allowed size"
	itemTooLargeUpd  = "Item size to update has exceeded the maximum allowed size"
	maxItemSize      = 400 * 1024
	maxNestingLevels = 32
)

// asAPI finds the protocol's error in err, or makes an internal one: its
// message says what kind of thing happened, never what was in the request.
func asAPI(err error) *apiError {
	var e *apiError
	if errors.As(err, &e) {
		return e
	}
	return &apiError{http.StatusInternalServerError, nsDynamo + "InternalServerError", err.Error(), nil, false}
}
