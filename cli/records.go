package cli

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
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// listFlags are those of every list of records.
type listFlags struct {
	allWorkspaces, json, longIDs, desc bool
	limit                              int
	state, physical                    string
}

func (f *listFlags) register(cmd *cobra.Command, physical bool) {
	fs := cmd.Flags()
	fs.BoolVar(&f.allWorkspaces, "workspace-all", false, "list all workspaces")
	fs.BoolVar(&f.json, "json", false, "print a JSON array")
	fs.BoolVar(&f.longIDs, "long-ids", false, "show ids whole")
	fs.IntVar(&f.limit, "limit", 50, "list at most so many of each app; 0: all")
	fs.BoolVar(&f.desc, "desc", true, "newest first; =false: oldest of those first")
	if physical {
		fs.StringVar(&f.state, "state", "", "only running, success or error")
		fs.StringVar(&f.physical, "physical-state", "created", "only pending, created or destroyed; any: all")
	}
}

func (f *listFlags) recordState() (waypointv1.RecordState, error) {
	n, err := enumFlag("state", f.state, "RECORD_STATE_", waypointv1.RecordState_value)
	return waypointv1.RecordState(n), err
}

func (f *listFlags) physicalState() (waypointv1.PhysicalState, error) {
	word := f.physical
	if word == "any" {
		word = ""
	}
	n, err := enumFlag("physical-state", word, "PHYSICAL_STATE_", waypointv1.PhysicalState_value)
	return waypointv1.PhysicalState(n), err
}

// enumFlag reads a word of an enum; empty is 0.
func enumFlag(flag, word, prefix string, values map[string]int32) (int32, error) {
	if word == "" {
		return 0, nil
	}
	if n, ok := values[prefix+strings.ToUpper(strings.ReplaceAll(word, "-", "_"))]; ok && n != 0 {
		return n, nil
	}
	words := make([]string, len(values))
	for name, n := range values {
		words[n] = enumName(name, prefix)
	}
	return 0, problem("USAGE", "-%s %s: unknown", flag, word).withHint("It can be: %s.", strings.Join(words[1:], ", "))
}

// pages reads a list page by page until limit (0: all).
func pages[T any](limit int, read func(page *waypointv1.Page) (items []T, next string, err error)) ([]T, error) {
	var all []T
	token := ""
	for {
		size := int32(validate.MaxPage)
		if limit > 0 {
			size = int32(min(limit-len(all), validate.MaxPage))
		}
		items, next, err := read(&waypointv1.Page{Size: size, Token: token})
		if err != nil {
			return nil, err
		}
		all = append(all, items...)
		if limit > 0 && len(all) >= limit {
			return all[:limit], nil
		}
		if next == "" {
			return all, nil
		}
		token = next
	}
}

// eachApp reads a list of every app that the flags mean.
func eachApp[T any](ctx context.Context, sh *shell, f *listFlags,
	read func(c *client.Client, sel *waypointv1.RecordSelector) ([]T, error),
) ([]T, error) {
	s, err := sh.findScope()
	if err != nil {
		return nil, err
	}
	c, err := sh.look(ctx)
	if err != nil {
		return nil, err
	}
	apps, err := sh.apps(ctx, c, s)
	if err != nil {
		return nil, err
	}
	workspace := sh.workspace()
	if f.allWorkspaces {
		workspace = ""
	} else if err := sh.checkWorkspace(); err != nil {
		return nil, err
	}
	var all []T
	for _, app := range apps {
		items, err := read(c, &waypointv1.RecordSelector{Project: s.project, App: app, Workspace: workspace})
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

// showList prints a list as JSON or as a table; an empty table says so on stderr.
func showList[M proto.Message](sh *shell, asJSON bool, items []M, what string, columns []terminal.Column, row func(M) []string) error {
	if asJSON {
		return sh.printJSON(jsonList(items))
	}
	if len(items) == 0 {
		sh.sayf("No %s.\n", what)
		return nil
	}
	t := terminal.Table{Columns: columns}
	for _, it := range items {
		t.Rows = append(t.Rows, row(it))
	}
	sh.table(t)
	return nil
}

// metaColumns and metaCells are what all records show.
func metaColumns(extra ...terminal.Column) []terminal.Column {
	cols := []terminal.Column{
		{Title: "APP"}, {Title: "VERSION"}, {Title: "WORKSPACE", Rank: 3}, {Title: "STATE"}, {Title: "PLUGIN", Rank: 4}, {Title: "COMPLETED", Rank: 2},
	}
	return append(append(cols, extra...), terminal.Column{Title: "ID", Rank: 5})
}

func (sh *shell) metaCells(m *waypointv1.RecordMeta, f *listFlags, extra ...string) []string {
	when := "-"
	if m.GetCompletedUnixMs() > 0 {
		when = sh.ago(unixMS(m.GetCompletedUnixMs()))
	}
	cells := []string{
		m.GetApp(), "v" + strconv.FormatInt(m.GetSequence(), 10), m.GetWorkspace(),
		enumName(m.GetState().String(), "RECORD_STATE_"), m.GetPlugin(), when,
	}
	return append(append(cells, extra...), shortID(m.GetId(), f.longIDs))
}

// shortID is the end of an id, which differs between ids of one time.
func shortID(id string, long bool) string {
	if long || len(id) <= 10 {
		return id
	}
	return "…" + id[len(id)-10:]
}

// deploymentID finds a deployment by number ("3", "v3") or id; "" stays "".
func deploymentID(ctx context.Context, c *client.Client, project, app, given string) (string, error) {
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
		return "", problem("USAGE", "deployment %s is of the app %s of the project %s", given, m.GetApp(), m.GetProject())
	}
	return m.GetId(), nil
}
