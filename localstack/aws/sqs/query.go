package sqs

import (
	"crypto/rand"
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"
)

// requestID is a UUID, as SQS names requests.
func requestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// isQuery says whether a request speaks the query protocol, which SDKs spoke to SQS before November 2023.
func isQuery(r *http.Request) bool {
	return r.Header.Get("X-Amz-Target") == "" &&
		(strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") || r.URL.Query().Has("Action"))
}

// refuseQuery answers the query protocol in its own form, so that an old SDK shows its user the message.
func refuseQuery(w http.ResponseWriter, id string) {
	type detail struct {
		Type, Code, Message string
		Detail              struct{}
	}
	body, err := xml.Marshal(struct {
		XMLName   xml.Name `xml:"http://queue.amazonaws.com/doc/2012-11-05/ ErrorResponse"`
		Error     detail
		RequestID string `xml:"RequestId"`
	}{Error: detail{
		Type: "Sender", Code: legacy + "UnsupportedOperation",
		Message: "The query protocol is not implemented by this engine, only the AWS JSON protocol, which SDKs speak since November 2023: take one of a later release.",
	}, RequestID: id})
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = w.Write(body) // the client may be gone; there is nobody else to tell
}
