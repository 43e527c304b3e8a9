package records

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/cli/render"
	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// Flags are those of every list of records.
type Flags struct {
	allWorkspaces, JSON, longIDs, desc bool
	Limit                              int
	state, Physical                    string
}

// Register adds the flags; physical adds those of records that can be destroyed.
func (f *Flags) Register(cmd *cobra.Command, physical bool) {
	fs := cmd.Flags()
	fs.BoolVar(&f.allWorkspaces, "workspace-all", false, "list all workspaces")
	fs.BoolVar(&f.JSON, "json", false, "print a JSON array")
	fs.BoolVar(&f.longIDs, "long-ids", false, "show full ids")
	fs.IntVar(&f.Limit, "limit", 50, "how many to list for each app at most; 0: all")
	fs.BoolVar(&f.desc, "desc", true, "newest first; =false: oldest first, of the same records")
	if physical {
		fs.StringVar(&f.state, "state", "", "show only this state: running, success or error")
		fs.StringVar(&f.Physical, "physical-state", "created", "show only this physical state: pending, created or destroyed; any: all")
	}
}

// RecordState reads -state.
func (f *Flags) RecordState() (waypointv1.RecordState, error) {
	n, err := render.EnumFlag("state", f.state, "RECORD_STATE_", waypointv1.RecordState_value)
	return waypointv1.RecordState(n), err
}

// PhysicalState reads -physical-state.
func (f *Flags) PhysicalState() (waypointv1.PhysicalState, error) {
	word := f.Physical
	if word == "any" {
		word = ""
	}
	n, err := render.EnumFlag("physical-state", word, "PHYSICAL_STATE_", waypointv1.PhysicalState_value)
	return waypointv1.PhysicalState(n), err
}

// EachApp reads a list of every app that the flags mean.
func EachApp[T any](ctx context.Context, sh Host, f *Flags,
	read func(c *client.Client, sel *waypointv1.RecordSelector) ([]T, error),
) ([]T, error) {
	s, err := scope.Find(sh)
	if err != nil {
		return nil, err
	}
	c, err := sh.ReadClient(ctx)
	if err != nil {
		return nil, err
	}
	apps, err := scope.Apps(ctx, sh, c, s)
	if err != nil {
		return nil, err
	}
	workspace := sh.Workspace()
	if f.allWorkspaces {
		workspace = ""
	} else if err := scope.CheckWorkspace(sh); err != nil {
		return nil, err
	}
	var all []T
	for _, app := range apps {
		items, err := read(c, &waypointv1.RecordSelector{Project: s.Project, App: app, Workspace: workspace})
		if err != nil {
			return nil, fmt.Errorf("listing for %s: %w", app, err)
		}
		if !f.desc {
			for i, j := 0, len(items)-1; i < j; i, j = i+1, j-1 {
				items[i], items[j] = items[j], items[i]
			}
		}
		all = append(all, items...)
	}
	return all, nil
}

// Show prints a list as JSON or as a table; an empty table says so on stderr.
func Show[M proto.Message](sh Host, asJSON bool, items []M, what string, columns []terminal.Column, row func(M) []string) error {
	if asJSON {
		return sh.PrintJSON(render.List(items))
	}
	if len(items) == 0 {
		sh.Progressf("No %s.\n", what)
		return nil
	}
	t := terminal.Table{Columns: columns}
	for _, it := range items {
		t.Rows = append(t.Rows, row(it))
	}
	sh.Table(t)
	return nil
}

// Columns are the columns that all records show; metaCells fills them.
func Columns(extra ...terminal.Column) []terminal.Column {
	cols := []terminal.Column{
		{Title: "APP"}, {Title: "VERSION"}, {Title: "WORKSPACE", Rank: 3}, {Title: "STATE"}, {Title: "PLUGIN", Rank: 4}, {Title: "COMPLETED", Rank: 2},
	}
	return append(append(cols, extra...), terminal.Column{Title: "ID", Rank: 5})
}

// Cells are the cells of Columns for one record.
func Cells(sh Host, m *waypointv1.RecordMeta, f *Flags, extra ...string) []string {
	when := "-"
	if m.GetCompletedUnixMs() > 0 {
		when = sh.Ago(render.UnixMS(m.GetCompletedUnixMs()))
	}
	cells := []string{
		m.GetApp(), "v" + strconv.FormatInt(m.GetSequence(), 10), m.GetWorkspace(),
		render.Enum(m.GetState().String(), "RECORD_STATE_"), m.GetPlugin(), when,
	}
	return append(append(cells, extra...), render.ShortID(m.GetId(), f.longIDs))
}

// DeploymentID finds a deployment by number ("3", "v3") or id; "" stays "".
func DeploymentID(ctx context.Context, c *client.Client, project, app, given string) (string, error) {
	if given == "" {
		return "", nil
	}
	ref := &waypointv1.RecordRef{Ref: &waypointv1.RecordRef_Id{Id: given}}
	if n, err := strconv.ParseInt(strings.TrimPrefix(given, "v"), 10, 64); err == nil {
		ref = &waypointv1.RecordRef{Ref: &waypointv1.RecordRef_Sequence{
			Sequence: &waypointv1.RecordSequence{Project: project, App: app, Sequence: n},
		}}
	} else if err := validate.ID("deployment", given); err != nil {
		return "", err
	}
	got, err := c.Deployment.GetDeployment(ctx, connect.NewRequest(&waypointv1.GetDeploymentRequest{Ref: ref}))
	if err != nil {
		return "", fmt.Errorf("finding deployment %s: %w", given, err)
	}
	m := got.Msg.GetDeployment().GetMeta()
	if m.GetProject() != project || m.GetApp() != app {
		return "", problem.New("USAGE", "deployment %s is of the app %s of the project %s", given, m.GetApp(), m.GetProject())
	}
	return m.GetId(), nil
}
