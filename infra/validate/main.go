// Command validate prints what validate.mjs checks: the template, the roles' policies with names written out, and
// the policy for people who install. With -recorded it holds the list of the functions' calls to what a run of the test
// suite recorded, or writes it. It is a tool of the build, not of the product: `make validate-infra`.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/waypoint-serverless/waypoint/infra"
	"github.com/waypoint-serverless/waypoint/infra/template"
)

// The installation that is simulated.
const (
	account = "123456789012"
	region  = "us-east-1"
	name    = "waypoint"
	ownKey  = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
)

func main() {
	recorded := flag.String("recorded", "", "folder in which a run of the test suite recorded the functions' calls: compare "+callsFile+" with it")
	write := flag.Bool("write", false, "with -recorded: write "+callsFile)
	flag.Parse()
	run := run
	if *recorded != "" {
		run = func() error { return fromRecording(*recorded, *write) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "validate:", err)
		os.Exit(1)
	}
}

type statement struct {
	Sid, Effect      string
	Action, Resource []string
	Condition        map[string]any `json:",omitempty"`
}

type role struct {
	Name string
	// OwnKey: the installation uses a KMS key of its owner's.
	OwnKey     bool
	Statements []statement
}

func run() error {
	var roles []role
	for _, withKey := range []bool{false, true} {
		for _, r := range template.Roles() {
			roles = append(roles, role{r.Name, withKey, statements(r, withKey)})
		}
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"account": account, "region": region, "name": name, "ownKey": ownKey,
		"template": template.Build(), "roles": roles, "installer": infra.Policy(name, account, region),
	})
}

func statements(r template.Role, withKey bool) []statement {
	names := strings.NewReplacer("${AWS::Partition}", "aws", "${AWS::Region}", region, "${AWS::AccountId}", account,
		"${NamePrefix}", name, "${KmsKeyArn}", ownKey)
	var out []statement
	for _, s := range r.Statements {
		if s.When != "" && !withKey || s.Unless != "" && withKey {
			continue
		}
		plain := statement{Sid: s.Sid, Effect: "Allow", Action: s.Actions, Condition: s.Condition}
		for _, resource := range s.Resources {
			plain.Resource = append(plain.Resource, names.Replace(resource))
		}
		out = append(out, plain)
	}
	return out
}
