package access_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/waypoint-serverless/waypoint/api/access"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

var update = flag.Bool("update", false, "write docs/reference/api.md")

// apiPage is the generated page of the documentation.
const apiPage = "../../docs/reference/api.md"

// TestReferencePage holds the page to the contract; -update writes it, and so does `make docs`.
func TestReferencePage(t *testing.T) {
	want := apiText()
	if *update {
		if err := os.WriteFile(apiPage, want, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(apiPage)
	if err != nil || !bytes.Equal(have, want) {
		t.Errorf("%s is not what the contract declares (%v): make docs", apiPage, err)
	}
}

func apiText() []byte {
	var b bytes.Buffer
	b.WriteString(`# The methods of the API

<!-- Generated from api/proto by ` + "`make docs`" + `. -->

Each method is called with POST at ` + "`/waypoint.v1.SERVICE/METHOD`" + `, in JSON or Protocol Buffers (connectrpc.com). The declarations below stand beside
the methods in ` + "`api/proto/waypoint/v1`" + `; the server checks them before it answers.

- **callers**: the kinds of token that may call: of a user, of a runner, of an entrypoint. *Open* methods need no token.
- **permission**: what the caller must be permitted. Roles hold permissions: a viewer those that end in ` + "`:read`" + ` (but for tokens), a deployer also
  ` + "`project:write`, `job:create`, `job:cancel`, `config:write`, `config:reveal` and `runner:act`" + `, an admin all. A runner token holds the viewer's and
  ` + "`runner:act`" + ` on its projects, an entrypoint's ` + "`deployment:act`" + ` on its deployment.
- **on**: the field of the request that names the project or deployment; or *the loaded project*: that of what the request names by its id;
  *some project*: the answer holds what lies in the caller's own; *all projects*; *its lease*: a job that the caller's runner has claimed.
- **change**: *keyed* takes the header ` + "`Idempotency-Key`" + `, under which a repeat finds what the first call made; *repeatable* is told from its repeat by
  lease, position or sequence; *once* must not be sent twice.
`)
	for _, s := range access.Services() {
		fmt.Fprintf(&b, "\n## %s\n\nTraffic class: %s.\n\n| method | callers | permission | on | change |\n|---|---|---|---|---|\n",
			strings.TrimPrefix(s.Name, "waypoint.v1."), strings.ToLower(strings.TrimPrefix(s.Traffic.String(), "TRAFFIC_")))
		for i := range s.Descriptor.Methods().Len() {
			m, ok := access.Of(s.Descriptor.Methods().Get(i))
			if !ok {
				continue // which another test reports
			}
			permission := ""
			if m.Action != "" {
				permission = "`" + m.Action + "`"
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", m.Name, callersText(m), permission, resourceText(m), changeText(m))
		}
	}
	return b.Bytes()
}

func callersText(m *access.Method) string {
	if m.Open() {
		return "*open*"
	}
	var out []string
	for _, c := range m.Callers {
		out = append(out, strings.ToLower(strings.TrimPrefix(c.String(), "CALLER_")))
	}
	return strings.Join(out, ", ")
}

func resourceText(m *access.Method) string {
	switch m.Resource {
	case "":
		return ""
	case access.Loaded:
		return "the loaded project"
	case access.Any:
		return "some project"
	case access.All:
		return "all projects"
	case access.Lease:
		return "its lease"
	}
	out := "`" + m.Resource + "`"
	if m.GlobalAction != "" {
		out += "; empty: `" + m.GlobalAction + "` on all projects"
	}
	return out
}

func changeText(m *access.Method) string {
	switch {
	case !m.Mutation:
		return ""
	case m.Keyed():
		return "keyed"
	case m.Traffic == waypointv1.Traffic_TRAFFIC_OPEN:
		return "once"
	}
	return "repeatable"
}
