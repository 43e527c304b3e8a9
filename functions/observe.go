package functions

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/functions/api"
	"github.com/waypoint-serverless/waypoint/functions/internal/auth"
	"github.com/waypoint-serverless/waypoint/functions/internal/event"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

const headerCost = "Waypoint-Cost"

// observe counts what a request uses, tells the caller in the header Waypoint-Cost, and writes one log line.
// What a user sent is never in it.
func observe(function string, next http.Handler, clock func() time.Time, logger *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := clock()
		var seen auth.Seen
		var failure api.Failure
		ctx, meter := store.WithMeter(r.Context())
		ctx = api.WithFailure(auth.Watch(ctx, &seen), &failure)
		status := &statusWriter{ResponseWriter: w}
		next.ServeHTTP(status, r.WithContext(ctx))

		read, write, queue := meter.Used()
		ms := float64(clock().Sub(start).Microseconds()) / 1000
		// The adapter keeps headers until the handler has returned, so that this one can be set last.
		w.Header().Set(headerCost, costOf(read, write, queue, ms))
		err := failure.Err
		if err == nil && seen.Refused != nil && status.status >= http.StatusBadRequest {
			err = seen.Refused
		}
		level, code, cause := outcome(err, status.status)
		logger.LogAttrs(ctx, level, "request",
			slog.String("function", function),
			slog.String("request_id", event.InfoFrom(ctx).RequestID),
			slog.String("method", loggedPath(r.URL.Path)),
			slog.String("principal", seen.Principal.TokenID),
			slog.String("principal_name", seen.Principal.Name),
			slog.Int("status", status.status),
			slog.String("code", code),
			slog.Float64("read_units", read),
			slog.Float64("write_units", write),
			slog.Int("queue_calls", queue),
			slog.Float64("ms", ms),
			cause,
		)
	})
}

// loggedPathMost is longer than any path that has a handler.
const loggedPathMost = 100

// loggedPath is a path as it stands in a log line. Anybody may ask for any path without a token: what is too long is cut, and
// whatever is not printable ASCII is replaced, so that nobody fills the log or writes into it.
func loggedPath(path string) string {
	clean := strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f {
			return '?'
		}
		return r
	}, path[:min(len(path), loggedPathMost)])
	if len(path) > loggedPathMost {
		clean += "..."
	}
	return clean
}

// costOf writes the header that clients add up: "r=0.5,w=2,q=1,ms=3.2".
func costOf(read, write float64, queue int, ms float64) string {
	b := make([]byte, 0, 48)
	b = strconv.AppendFloat(append(b, "r="...), read, 'f', -1, 64)
	b = strconv.AppendFloat(append(b, ",w="...), write, 'f', -1, 64)
	b = strconv.AppendInt(append(b, ",q="...), int64(queue), 10)
	b = strconv.AppendFloat(append(b, ",ms="...), ms, 'f', 2, 64)
	return string(b)
}

// outcome is how a request ended. Faults that callers make are no errors of the server; what has no reason of
// its own, or is INTERNAL, is, and its cause is written out.
func outcome(err error, status int) (slog.Level, string, slog.Attr) {
	if err == nil {
		if status >= http.StatusBadRequest {
			return slog.LevelInfo, "HTTP_" + strconv.Itoa(status), slog.Attr{}
		}
		return slog.LevelInfo, "OK", slog.Attr{}
	}
	if errors.Is(err, context.Canceled) {
		return slog.LevelInfo, "CANCELED_BY_CALLER", slog.Attr{}
	}
	f, typed := fault.From(err)
	switch {
	case !typed:
		return slog.LevelError, string(fault.Internal), slog.String("error", err.Error())
	case f.Reason == fault.Internal || f.Reason == fault.StorageFull:
		return slog.LevelError, string(f.Reason), slog.String("error", causeOf(f))
	case f.Cause != nil && f.Reason == fault.Throttled:
		return slog.LevelWarn, string(f.Reason), slog.String("error", causeOf(f))
	}
	return slog.LevelInfo, string(f.Reason), slog.Attr{}
}

func causeOf(f *fault.Error) string {
	if f.Cause != nil {
		return f.Cause.Error()
	}
	return f.Message
}

// statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}
