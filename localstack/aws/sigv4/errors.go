package sigv4

import (
	"crypto/rand"
	"encoding/json"
	"encoding/xml"
	"errors"
	"hash/crc32"
	"net/http"
	"strconv"
	"strings"
)

// Error is a refusal as AWS words it: HTTP status, code, message.
type Error struct {
	Status  int
	Code    string
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

var (
	errTooLarge   = &Error{http.StatusRequestEntityTooLarge, "RequestEntityTooLargeException", "The request body is too large."}
	errUnknownKey = &Error{http.StatusForbidden, "UnrecognizedClientException", "The security token included in the request is invalid."}
	errSignature  = &Error{http.StatusForbidden, "InvalidSignatureException", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method."}
	errExpired    = &Error{http.StatusForbidden, "ExpiredTokenException", "The security token included in the request is expired"}
)

func incomplete(message string) *Error {
	return &Error{http.StatusForbidden, "IncompleteSignatureException", message}
}

func invalid(message string) *Error {
	return &Error{http.StatusForbidden, "InvalidSignatureException", message}
}

// queryCodes are the names that the query protocol (STS) has for the same refusals.
func queryCode(code string) string {
	switch code {
	case "UnrecognizedClientException":
		return "InvalidClientTokenId"
	case "InvalidSignatureException":
		return "SignatureDoesNotMatch"
	case "MissingAuthenticationTokenException":
		return "MissingAuthenticationToken"
	case "ExpiredTokenException":
		return "ExpiredToken"
	}
	return strings.TrimSuffix(code, "Exception")
}

// WriteError answers err in the error shape of the service's protocol: query XML for
// STS, AWS JSON for the others. Errors that are not of type *Error are answered 500
// without their text.
func WriteError(w http.ResponseWriter, service string, err error) {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{http.StatusInternalServerError, "InternalFailure", "The request processing has failed because of an unknown error."}
	}
	if service == "sts" {
		writeXML(w, e)
		return
	}
	body, marshalErr := json.Marshal(struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}{"com.amazon.coral.service#" + e.Code, e.Message})
	if marshalErr != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	status := e.Status
	if service == "dynamodb" {
		// DynamoDB refuses a signature with 400 where other services say 403, and its SDKs check each answer's sum.
		if status == http.StatusForbidden {
			status = http.StatusBadRequest
		}
		w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10))
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("X-Amzn-Requestid", rand.Text())
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone; there is nobody else to tell
}

func writeXML(w http.ResponseWriter, e *Error) {
	type detail struct {
		Type    string `xml:"Type"`
		Code    string `xml:"Code"`
		Message string `xml:"Message"`
	}
	fault := "Sender"
	if e.Status >= 500 {
		fault = "Receiver"
	}
	body, err := xml.Marshal(struct {
		XMLName xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
		Error   detail   `xml:"Error"`
	}{Error: detail{fault, queryCode(e.Code), e.Message}})
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(e.Status)
	_, _ = w.Write(body) // the client may be gone; there is nobody else to tell
}

// printable bounds and cleans what a caller sent before it is said back.
func printable(s string) string {
	if len(s) > 64 {
		s = s[:64]
	}
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return '?'
		}
		return r
	}, s)
}
