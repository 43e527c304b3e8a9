package redact

import (
	"context"
	"fmt"
	"log/slog"
)

// Logger returns a logger that writes to the same place without the sensitive values.
func (s *Secrets) Logger(l *slog.Logger) *slog.Logger {
	if s == nil || l == nil {
		return l
	}
	return slog.New(&handler{Handler: l.Handler(), secrets: s})
}

type handler struct {
	slog.Handler
	secrets *Secrets
}

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, h.secrets.Hide(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(h.secrets.attr(a))
		return true
	})
	return h.Handler.Handle(ctx, clean)
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = h.secrets.attr(a)
	}
	return &handler{Handler: h.Handler.WithAttrs(clean), secrets: h.secrets}
}

func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{Handler: h.Handler.WithGroup(name), secrets: h.secrets}
}

// attr is an attribute without the sensitive values. What is neither text nor a number is written as fmt writes it.
func (s *Secrets) attr(a slog.Attr) slog.Attr {
	switch v := a.Value.Resolve(); v.Kind() {
	case slog.KindString:
		return slog.String(a.Key, s.Hide(v.String()))
	case slog.KindGroup:
		clean := make([]any, 0, len(v.Group()))
		for _, inner := range v.Group() {
			clean = append(clean, s.attr(inner))
		}
		return slog.Group(a.Key, clean...)
	case slog.KindAny:
		if text := fmt.Sprint(v.Any()); s.In(text) {
			return slog.String(a.Key, s.Hide(text))
		}
	}
	return a
}
