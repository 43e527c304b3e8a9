package fault_test

import (
	"errors"
	"fmt"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
)

// An error is made where the fact is known, with a stable reason, what was wrong and what to do; it may be wrapped on its way.
func Example() {
	made := fault.New(connect.CodeNotFound, fault.AppNotFound, "the project %q has no app %q", "shop", "wep").
		WithHint("Its apps: cart, web.").WithFact("app", "wep")
	wrapped := fmt.Errorf("deploying wep: %w", made)

	var f *fault.Error
	fmt.Println(errors.As(wrapped, &f), f.Reason, fault.Is(wrapped, fault.AppNotFound))
	fmt.Println(f.Message)
	fmt.Println(f.Hint)
	// Output:
	// true APP_NOT_FOUND true
	// the project "shop" has no app "wep"
	// Its apps: cart, web.
}

// Over the wire an error is a Connect error with a typed detail, from which the client gets all of it back.
func ExampleFrom() {
	sent := fault.Connect(fault.New(connect.CodeNotFound, fault.JobNotFound, "there is no job X").WithHint("List jobs: `waypoint job list`."))
	got, ok := fault.From(sent)
	fmt.Println(ok, got.Reason, got.Hint)
	// Output: true JOB_NOT_FOUND List jobs: `waypoint job list`.
}
