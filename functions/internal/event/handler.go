// Package event carries HTTP over Lambda: API Gateway proxy events (REST API, payload format 1.0) in, an
// http.Handler behind, the proxy answer out.
//
// It does not depend on the API's services and imports api/fault and api/validate alone of ours. Every request
// passes here, on AWS and on one machine alike.
package event

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/api/validate"
)

// maxAnswer is what Lambda passes on to the gateway, in bytes of the answer's JSON (AWS quota: 6 MB).
const maxAnswer = 6 << 20

// Info is what the gateway says of a request.
type Info struct {
	// RequestID that the gateway gave, and answered to the caller too.
	RequestID string
	Stage     string
	SourceIP  string
}

type infoKey struct{}

// InfoFrom returns what the gateway said of the request; zero outside one.
func InfoFrom(ctx context.Context) Info {
	info, _ := ctx.Value(infoKey{}).(Info)
	return info
}

// Direct answers an invocation that came from no gateway: a payload without httpMethod.
type Direct func(ctx context.Context, payload []byte) ([]byte, error)

// Handler is a lambda.Handler over an http.Handler. It is safe for concurrent use.
type Handler struct {
	http   http.Handler
	direct Direct
	logger *slog.Logger
	errors *connect.ErrorWriter
}

// NewHandler makes a lambda.Handler. direct may be nil: then only gateway events are accepted.
func NewHandler(h http.Handler, direct Direct, logger *slog.Logger) *Handler {
	return &Handler{http: h, direct: direct, logger: logger, errors: connect.NewErrorWriter()}
}

// Invoke answers one event. An error means that the payload is not an event; whatever a handler does, a panic
// included, becomes an HTTP answer.
func (h *Handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	req, err := parse(payload)
	if err != nil {
		return nil, fmt.Errorf("reading the event: %w", err)
	}
	if req.method == "" {
		if h.direct == nil {
			return nil, fmt.Errorf("reading the event: it has no httpMethod, so it does not come from API Gateway")
		}
		return h.direct(ctx, payload)
	}
	r := req.http(ctx)
	w := &response{header: make(http.Header, 8)}
	if err := validate.Size("the request", len(req.body), validate.MaxMessage); err != nil {
		h.refuse(w, r, err)
		return w.encode(), nil
	}
	if !h.serve(w, r) {
		w = &response{header: make(http.Header, 4)}
		h.refuse(w, r, fault.New(connect.CodeInternal, fault.Internal, "the server failed to answer this request").
			WithHint("Try again; the server's log names the cause under request id %s.", req.info.RequestID))
	}
	out := w.encode()
	if len(out) > maxAnswer {
		w = &response{header: make(http.Header, 4)}
		h.refuse(w, r, fault.New(connect.CodeResourceExhausted, fault.TooLarge, "the answer is larger than Lambda carries").
			WithHint("Ask for a smaller page."))
		out = w.encode()
	}
	return out, nil
}

// serve runs the handler; false if it panicked.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request) (ok bool) {
	defer func() {
		if p := recover(); p != nil {
			h.logger.ErrorContext(r.Context(), "handler panicked",
				"request_id", InfoFrom(r.Context()).RequestID, "path", r.URL.Path,
				"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	h.http.ServeHTTP(w, r)
	return true
}

func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	_ = h.errors.Write(w, r, fault.Connect(err)) // writing to memory does not fail
}
