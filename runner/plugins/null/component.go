package null

import (
	"context"
	"fmt"
	"io"
	"maps"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

type component struct{ config Config }

func (c *component) Config() any { return &c.config }

// act prints the lines and makes the result.
func (c *component) act(ctx context.Context, env *plugin.Call) (plugin.Result, error) {
	if err := lines(ctx, env.UI.Stdout(), c.config.Lines); err != nil {
		return plugin.Result{}, err
	}
	template := make(map[string]any, len(c.config.Values))
	for k, v := range c.config.Values {
		template[k] = v
	}
	return plugin.Result{State: maps.Clone(c.config.Values), Template: template, Portable: true}, nil
}

func lines(ctx context.Context, w io.Writer, n int) error {
	for i := range n {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "line %d\n", i+1); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}
