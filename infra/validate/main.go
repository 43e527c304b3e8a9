// Command validate prints what `make validate-infra` checks: the template, the roles with the calls that their
// functions make, and the policy for people who install. It is a tool of the build, not of the product.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/waypoint-serverless/waypoint/infra/template"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "validate:", err)
		os.Exit(1)
	}
}

func run() error {
	out := json.NewEncoder(os.Stdout)
	return out.Encode(map[string]any{
		"template": template.Build(),
		"roles":    template.Roles(),
	})
}
