package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
)

// ForeignAnswer is the error of a call that was answered, but not by a server of this kind: by another program at its
// address, or by an emulator of AWS that does not have the server's API (any more).
type ForeignAnswer struct {
	// Status and MediaType are the answer's.
	Status    int
	MediaType string
	// Emulator is what is known of the emulator at the address, if the address is one's.
	Emulator EmulatorState
	// Endpoint is the emulator's; "" without one.
	Endpoint string

	err error
}

// EmulatorState is what an emulator of AWS says of itself.
type EmulatorState int

// States of an emulator.
const (
	// NotAnEmulator: the address is not one of an emulator's APIs.
	NotAnEmulator EmulatorState = iota
	// EmulatorStarting: it does not say yet that it has started.
	EmulatorStarting
	// EmulatorForgot: it has started, and does not have the API. It forgets everything when it restarts.
	EmulatorForgot
)

// Error describes the answer, and says what to do about an emulator that forgot the server: logs show no hints.
func (f *ForeignAnswer) Error() string {
	if f.Emulator == EmulatorForgot {
		return f.What() + "; LocalStack loses everything when it restarts: run waypoint install --platform=aws"
	}
	return f.What()
}

// What describes the answer in a sentence.
func (f *ForeignAnswer) What() string {
	switch f.Emulator {
	case EmulatorStarting:
		return "the emulator at " + f.Endpoint + " is still starting"
	case EmulatorForgot:
		return "the emulator at " + f.Endpoint + " no longer has this server"
	}
	what := fmt.Sprintf("%d %s", f.Status, http.StatusText(f.Status))
	if f.MediaType != "" {
		what += ", " + f.MediaType
	}
	return "the program at this address is not a Waypoint server of this kind (" + what + ")"
}

// Unwrap returns the call's own error.
func (f *ForeignAnswer) Unwrap() error { return f.err }

// foreignWithin is how long a call is tried again while something else answers at an address where the server may
// appear: an emulator that starts answers every path until it has loaded API Gateway. With the look at the emulator
// (emulatorLook) it stays below the ten seconds within which a person is told.
const foreignWithin = 6 * time.Second

type answerKey struct{}

// answered is the answer to an attempt, as the transport saw it.
type answered struct {
	status    int
	mediaType string
	ours      bool
}

// noting is a transport that notes each answer in the request's context.
type noting struct{ next http.RoundTripper }

func (n noting) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := n.next.RoundTrip(r)
	if a, ok := r.Context().Value(answerKey{}).(*answered); ok && err == nil {
		mediaType, _, parseErr := mime.ParseMediaType(res.Header.Get("Content-Type"))
		if parseErr != nil {
			mediaType = ""
		}
		*a = answered{status: res.StatusCode, mediaType: mediaType, ours: res.Header.Get(HeaderCost) != ""}
	}
	return res, err
}

// CloseIdleConnections lets http.Client close those of the transport below.
func (n noting) CloseIdleConnections() {
	if c, ok := n.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// foreign returns the error of an answer that is not our server's, or nil. Refusals that a gateway of AWS makes in
// our server's place (403, 429, 5xx) are not foreign.
func (a answered) foreign(err error) *ForeignAnswer {
	var c *connect.Error
	if _, typed := fault.From(err); typed || !errors.As(err, &c) || a.ours || a.status == 0 {
		return nil
	}
	html := a.mediaType == "text/html"
	// Connect takes the code from the status where the answer names none: a code that the status does not give was said.
	none := c.Code() == connect.CodeUnknown || a.status == http.StatusNotFound && c.Code() == connect.CodeUnimplemented
	switch {
	case a.status < 300 && !strings.HasPrefix(a.mediaType, "application/proto"),
		a.status >= 300 && a.status < 400,
		none && (a.status == http.StatusNotFound || a.status == http.StatusMethodNotAllowed || a.status == http.StatusNotImplemented),
		html && (a.status == http.StatusBadRequest || a.status == http.StatusUnauthorized || a.status == http.StatusProxyAuthRequired):
		return &ForeignAnswer{Status: a.status, MediaType: a.mediaType, err: err}
	}
	return nil
}

// mayChange reports whether the server may appear at the address soon. Only an emulator answers 404 for a moment.
func (f *ForeignAnswer) mayChange(address string) bool {
	return f.Status != http.StatusNotFound || strings.Contains(address, EmulatorAPIs)
}

// emulatorLook bounds each question to an emulator about itself.
const emulatorLook = 1500 * time.Millisecond

// askEmulator finds out whether the emulator at the address has started, and notes it.
func (f *ForeignAnswer) askEmulator(ctx context.Context, address string) *ForeignAnswer {
	endpoint, _, ok := strings.Cut(address, EmulatorAPIs)
	if !ok {
		return f
	}
	f.Endpoint, f.Emulator = endpoint, EmulatorStarting
	var health struct{ Services map[string]string }
	if !getJSON(ctx, endpoint+"/_localstack/health", &health) || health.Services == nil {
		return f
	}
	// Only LocalStack has this page, and only on it can scripts still be on their way to the server.
	var scripts struct{ Completed map[string]bool }
	getJSON(ctx, endpoint+"/_localstack/init", &scripts)
	if ready, said := scripts.Completed["READY"]; said && !ready || health.Services["apigateway"] == "starting" {
		return f
	}
	f.Emulator = EmulatorForgot
	return f
}

// getJSON reads a page and reports whether it is JSON.
func getJSON(ctx context.Context, address string, out any) bool {
	ctx, cancel := context.WithTimeout(ctx, emulatorLook)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return false
	}
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	return res.StatusCode == http.StatusOK && json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(out) == nil
}
