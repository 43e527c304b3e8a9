package runtimeapi

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

const prefix = "/2018-06-01/runtime/"

// serve is the Runtime API. A request without a sandbox's secret is answered 403, whatever
// it asks for.
func (f *Function) serve(w http.ResponseWriter, r *http.Request) {
	secret, path := cutSecret(r.URL.Path)
	f.mu.Lock()
	sb := f.sandboxes[secret]
	f.mu.Unlock()
	if sb == nil {
		refuse(w, http.StatusForbidden, "Forbidden", "No sandbox has this address")
		return
	}
	path, ok := strings.CutPrefix(path, prefix)
	if !ok {
		refuse(w, http.StatusNotFound, "NotFound", "Only the Runtime API 2018-06-01 is implemented")
		return
	}
	id, verb, _ := strings.Cut(strings.TrimPrefix(path, "invocation/"), "/")
	switch {
	case path == "invocation/next" && r.Method == http.MethodGet:
		f.serveNext(w, r, sb)
	case path == "init/error" && r.Method == http.MethodPost:
		serveInitError(w, r, sb)
	case verb == "response" && r.Method == http.MethodPost:
		serveResponse(w, r, sb, id)
	case verb == "error" && r.Method == http.MethodPost:
		serveError(w, r, sb, id)
	default:
		refuse(w, http.StatusNotFound, "NotFound", r.Method+" of this path is not implemented")
	}
}

func (f *Function) serveNext(w http.ResponseWriter, r *http.Request, sb *sandbox) {
	if !sb.arrive() {
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "Concurrent invocations within one sandbox are not implemented")
		return
	}
	inv := sb.next(r.Context())
	if inv == nil {
		refuse(w, http.StatusInternalServerError, "ContainerError", "The sandbox is being stopped")
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(inv.payload)))
	h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.deadline.UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", f.arn)
	h.Set("Lambda-Runtime-Trace-Id", "Root=1-"+strconv.FormatInt(f.opt.Clock().Unix(), 16)+"-000000000000000000000000;Sampled=0")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(inv.payload) // a runtime that is gone is noticed by its exit
}

func serveResponse(w http.ResponseWriter, r *http.Request, sb *sandbox, id string) {
	if sb.owned(id) == nil {
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
		return
	}
	if r.Header.Get("Lambda-Runtime-Function-Response-Mode") == "streaming" ||
		strings.HasPrefix(r.Header.Get("Content-Type"), "application/vnd.awslambda.http-integration-response") {
		const text = "Response streaming is not implemented by this Runtime API"
		sb.end(outcome{err: failure("Runtime.StreamingNotImplemented", text)})
		refuse(w, http.StatusNotImplemented, "StreamingNotImplemented", text)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxPayload))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if !errors.As(err, &tooLarge) {
			return // the runtime broke off: its exit decides
		}
		text := fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", MaxPayload)
		sb.end(outcome{err: failure("Function.ResponseSizeTooLarge", text)})
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", text)
		return
	}
	if kind := r.Trailer.Get("Lambda-Runtime-Function-Error-Type"); kind != "" {
		payload, _ := base64.StdEncoding.DecodeString(r.Trailer.Get("Lambda-Runtime-Function-Error-Body")) // empty if broken
		sb.end(outcome{err: reported(payload, kind)})
	} else {
		sb.end(outcome{out: body})
	}
	accepted(w)
}

func serveError(w http.ResponseWriter, r *http.Request, sb *sandbox, id string) {
	if sb.owned(id) == nil {
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxPayload))
	if err != nil {
		return // the runtime broke off: its exit decides
	}
	sb.end(outcome{err: reported(body, r.Header.Get("Lambda-Runtime-Function-Error-Type"))})
	accepted(w)
}

// serveInitError keeps the error for the invocation that the sandbox was started for; the
// runtime exits by itself.
func serveInitError(w http.ResponseWriter, r *http.Request, sb *sandbox) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxPayload))
	if err != nil {
		return // the runtime broke off: its exit decides
	}
	sb.mu.Lock()
	sb.initError = reported(body, r.Header.Get("Lambda-Runtime-Function-Error-Type"))
	sb.mu.Unlock()
	accepted(w)
}

// reported reads an error that the function reported.
func reported(payload []byte, kind string) *Error {
	var doc struct {
		Message string `json:"errorMessage"`
		Type    string `json:"errorType"`
	}
	if err := json.Unmarshal(payload, &doc); err != nil {
		return failure("Runtime.Unknown", "the function reported an error that is not JSON")
	}
	if doc.Type == "" {
		doc.Type = kind
	}
	return &Error{Type: doc.Type, Message: doc.Message, Payload: payload}
}

func accepted(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = w.Write([]byte(`{"status":"OK"}`)) // a runtime that is gone is noticed by its exit
}

func refuse(w http.ResponseWriter, status int, kind, message string) {
	body, err := json.Marshal(struct {
		Message string `json:"errorMessage"`
		Type    string `json:"errorType"`
	}{message, kind})
	if err != nil {
		body = nil
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a runtime that is gone is noticed by its exit
}
