package plugin_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugin/plugintest"
)

// countConfig is what `use "count" { … }` may say. In a plugin the comments of its fields become the documentation.
type countConfig struct {
	// Pattern of the files to count.
	Pattern string `hcl:"pattern,optional"`
}

// counter is a builder whose artifact is the number of files in the app's directory.
type counter struct{ config countConfig }

func (c *counter) Config() any { return &c.config }

func (c *counter) Build(ctx context.Context, call *plugin.Call) (*plugin.Result, error) {
	step := call.UI.Step("Counting %s", c.config.Pattern)
	files, err := filepath.Glob(filepath.Join(call.Dir, c.config.Pattern))
	if err != nil {
		step.Fail("")
		return nil, &plugin.Error{Message: fmt.Sprintf("invalid pattern %q", c.config.Pattern), Hint: "For example: *.go.", Cause: err}
	}
	if err := context.Cause(ctx); err != nil {
		step.Fail("")
		return nil, err
	}
	step.Done("Counted %d files", len(files))
	return &plugin.Result{State: len(files), Template: map[string]any{"files": len(files)}}, nil
}

// A plugin with one kind: the runner decodes the configuration, calls Build, and keeps the result.
func Example() {
	call, screen := plugintest.NewCall(new(testing.T))
	call.Dir, _ = os.MkdirTemp("", "example-")
	defer func() { _ = os.RemoveAll(call.Dir) }()
	for _, name := range []string{"a.go", "b.go", "c.txt"} {
		_ = os.WriteFile(filepath.Join(call.Dir, name), nil, 0o600)
	}
	var b plugin.Builder = &counter{config: countConfig{Pattern: "*.go"}}
	result, err := b.Build(context.Background(), call)
	if err != nil {
		fmt.Println(err)
		return
	}
	state, err := result.MarshalState("count")
	fmt.Print(screen)
	fmt.Println("state", string(state), err)
	// Output:
	// Counting *.go
	// Counted 2 files
	// state 2 <nil>
}

// What a component can do besides its kind is asked for with As, which also works for a component in another process.
func ExampleAs() {
	var b plugin.Builder = &counter{}
	_, ok := plugin.As[plugin.WorkspaceDestroyer](b)
	fmt.Println("removes something with the workspace:", ok)
	// Output: removes something with the workspace: false
}
