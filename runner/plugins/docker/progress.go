package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/moby/moby/api/types/jsonstream"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// layerProgress shows the layers that an engine pushes or pulls: a line for each that is done, and now and then how far
// the whole is.
type layerProgress struct {
	step    plugin.Step
	doing   string
	layers  map[string]*layer
	updated time.Time
}

type layer struct {
	current, total uint64
	done           bool
}

// follow reads the engine's messages to the end; also sees each, and may end it.
func (l *layerProgress) follow(ctx context.Context, r io.Reader, also func(*jsonstream.Message) error) error {
	l.layers, l.updated = map[string]*layer{}, time.Now()
	decoder := json.NewDecoder(r)
	for {
		var m jsonstream.Message
		err := decoder.Decode(&m)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return err
		case m.Error != nil:
			return m.Error
		}
		if also != nil {
			if err := also(&m); err != nil {
				return err
			}
		}
		if m.ID != "" {
			l.message(&m)
		}
	}
}

func (l *layerProgress) message(m *jsonstream.Message) {
	now := l.layers[m.ID]
	if now == nil {
		now = &layer{}
		l.layers[m.ID] = now
	}
	if m.Progress != nil && m.Progress.Total > 0 && (m.Status == "Pushing" || m.Status == "Downloading") {
		now.current, now.total = uint64(max(m.Progress.Current, 0)), uint64(m.Progress.Total)
	}
	word := ""
	switch {
	case m.Status == "Pushed":
		word = "pushed"
	case m.Status == "Pull complete":
		word = "pulled"
	case strings.HasPrefix(m.Status, "Layer already exists"), strings.HasPrefix(m.Status, "Already exists"), strings.HasPrefix(m.Status, "Mounted from"):
		word = "is there already"
	}
	if word != "" && !now.done {
		now.done, now.current = true, now.total
		about := ""
		if now.total > 0 && word != "is there already" {
			about = " (" + size(now.total) + ")"
		}
		_, _ = fmt.Fprintf(l.step.Output(), "Layer %s %s%s\n", m.ID, word, about)
	}
	if time.Since(l.updated) < updateEvery {
		return
	}
	l.updated = time.Now()
	var current, total uint64
	for _, one := range l.layers {
		current, total = current+one.current, total+one.total
	}
	if total > 0 {
		l.step.Update("%s: %s of %s", l.doing, size(current), size(total))
	}
}
