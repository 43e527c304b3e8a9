//go:build !linux

package entrypoint

import (
	"context"
	"log/slog"
)

// reap has nothing to do: only Linux containers run an entrypoint as PID 1.
func (s *starter) reap(context.Context, *slog.Logger) {}
