package config

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"connectrpc.com/connect"
	smithy "github.com/aws/smithy-go"
	"google.golang.org/protobuf/proto"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// emulatorMost is how many actions some emulators take at most, as DynamoDB did until 2022.
const emulatorMost = 10

// limitedToTen reports whether a transaction was refused for having more actions than such an emulator takes.
func limitedToTen(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == "ValidationException" && strings.HasSuffix(strings.TrimSpace(api.ErrorMessage()), "less than or equal to 10")
}

// Change is what is to become of variables.
type Change struct {
	Variables []*waypointv1.ConfigVariable
	// Delete removes them all. Else an empty value removes, but for an input variable.
	Delete bool
	// InParts allows that a large change is made in several transactions. Otherwise all of it happens, or nothing.
	InParts bool
	// By is who asked for it.
	By string
}

func (c Change) deletes(v *waypointv1.ConfigVariable) bool {
	return c.Delete || v.GetValue() == "" && !v.GetScope().GetInput()
}

// setConfigTries bounds how often a change is made anew because another came in between.
const setConfigTries = 8

// Set sets and deletes variables, and returns how many changed. Those that are there already with the same value are not
// written, so that syncing an unchanged waypoint.hcl costs reads alone. All of it is one transaction, with the fence actions
// and with last (audit, idempotency): a change that does not fit one is refused, except by an emulator whose transactions
// hold ten actions. A change that is made in parts raises the versions with the last of them, since apps look for a change
// when they see a new version; a crash between two parts leaves work that a repeat completes.
func (st *Store) Set(ctx context.Context, change Change, sealer store.Sealer, fence, last []store.Action) (int, error) {
	waits := store.Contention.Start()
	for try := 1; ; try++ {
		changed, err := st.setConfig(ctx, change, sealer, fence, last)
		if _, moved := store.Failed(err, versionLabel); !moved {
			return changed, err
		}
		if try == setConfigTries {
			return 0, store.KeptChanging(err)
		}
		if err := store.Pause(ctx, waits); err != nil {
			return 0, err
		}
	}
}

const versionLabel = "version of the configuration"

func (st *Store) setConfig(ctx context.Context, change Change, sealer store.Sealer, fence, last []store.Action) (int, error) {
	actions, projects, guards, err := st.configActions(ctx, change, sealer)
	if err != nil {
		return 0, err
	}
	changed, most := len(actions), validate.MaxAtOnce
	if !change.InParts && partOf(actions, most) < changed {
		return 0, fault.New(connect.CodeInvalidArgument, fault.TooLarge,
			"%d variables with %d bytes would change: one request changes at most %d variables with %d bytes, all of them or none",
			changed, sizeOf(actions), most, transactBytes).
			WithHint("Change them in several requests. Nothing has been changed.").WithFact("field", "variables")
	}
	for {
		n := partOf(actions, most)
		tx := store.Tx{}
		tx.Add(fence...)
		tx.Add(actions[:n]...)
		if n == len(actions) {
			if n > 0 && len(projects) > 0 {
				tx.Add(bumpVersions(projects, guards)...)
			}
			tx.Add(last...)
		}
		err := st.db.Transact(ctx, tx)
		switch {
		case most == validate.MaxAtOnce && limitedToTen(err): // an emulator: there a large change is made in parts
			most = max(1, emulatorMost-len(fence)-len(projects)-1-len(last))
		case err != nil:
			return 0, err
		case n == len(actions):
			return changed, nil
		default:
			actions = actions[n:]
		}
	}
}

// transactBytes is below DynamoDB's limit on the items of one transaction, 4 MB.
const transactBytes = 3_500_000

// partOf is how many of the actions one transaction may hold.
func partOf(actions []store.Action, most int) int {
	n := min(len(actions), most)
	for n > 1 && sizeOf(actions[:n]) > transactBytes {
		n--
	}
	return n
}

// sizeOf is about what the items that actions on variables write take.
func sizeOf(actions []store.Action) (size int) {
	const rest = 300 // keys and attributes beside the value
	for _, a := range actions {
		if item, ok := a.Value().(configItem); ok {
			size += len(item.Sealed) + len(item.Name)
		}
		size += rest
	}
	return size
}

// bumpVersions raises the versions of all that changed; projects[""] stands for the global variables. guards are the versions
// that must not have changed since they were read.
func bumpVersions(projects map[string]bool, guards map[string]int64) []store.Action {
	server := store.Set("ADD #clock ?", 1)
	if projects[""] {
		server = store.Set("ADD #clock ?, #n ?", 1, 1)
	}
	out := []store.Action{store.Update(store.ConfigVersion(""), server, versionIs(guards, "")).Named(versionLabel)}
	for project := range projects {
		if project != "" {
			out = append(out, store.Update(store.ConfigVersion(project), store.Set("ADD #n ?", 1), versionIs(guards, project)).Named(versionLabel))
		}
	}
	return out
}

func versionIs(guards map[string]int64, project string) store.Expr {
	n, guarded := guards[project]
	switch {
	case !guarded:
		return store.Expr{}
	case n == 0:
		return store.If("attribute_not_exists(#n)")
	}
	return store.If("#n = ?", n)
}

// versions reads the versions of projects, strongly.
func (st *Store) versions(ctx context.Context, projects map[string]bool) (map[string]int64, error) {
	out := map[string]int64{}
	for project := range projects {
		n, err := st.ProjectVersion(ctx, project)
		if err != nil {
			return nil, err
		}
		out[project] = n
	}
	return out, nil
}

// configActions are the writes of a change, the projects whose versions they raise, and the versions that must not have changed
// since the sizes were counted.
func (st *Store) configActions(ctx context.Context, change Change, sealer store.Sealer) (actions []store.Action, projects map[string]bool, guards map[string]int64, err error) {
	last := map[store.Key]*waypointv1.ConfigVariable{} // a name given twice: the last counts
	var keys []store.Key
	touched := map[string]bool{}
	for _, v := range change.Variables {
		key := configVarKey(v.GetScope(), v.GetName())
		if last[key] == nil {
			keys = append(keys, key)
		}
		last[key] = v
		touched[configProject(v.GetScope())] = true
	}
	guards, err = st.versions(ctx, touched)
	if err != nil {
		return nil, nil, nil, err
	}
	near, err := st.checkConfigSizes(ctx, change, last)
	if err != nil {
		return nil, nil, nil, err
	}
	if !near {
		guards = nil // two changes at once may both be made
	}
	found, err := st.db.BatchGet(ctx, keys, true)
	if err != nil {
		return nil, nil, nil, err
	}
	projects = map[string]bool{}
	for _, key := range keys {
		action, differs, err := st.configAction(ctx, key, last[key], found[key], change, sealer)
		if err != nil {
			return nil, nil, nil, err
		}
		if differs {
			actions = append(actions, action)
			if s := last[key].GetScope(); near || !s.GetInput() { // apps need not look again for input variables
				projects[configProject(s)] = true
			}
		}
	}
	return actions, projects, guards, nil
}

// configProject is the project whose version a scope belongs to; "" for global ones.
func configProject(s *waypointv1.ConfigScope) string {
	if s.GetLevel() == levelGlobal {
		return ""
	}
	return s.GetProject()
}

func (st *Store) configAction(ctx context.Context, key store.Key, v *waypointv1.ConfigVariable, old store.Item, change Change, sealer store.Sealer) (store.Action, bool, error) {
	if change.deletes(v) {
		return store.Delete(key), old != nil, nil
	}
	if old != nil {
		var item configItem
		if err := store.Decode(old, &item); err != nil {
			return store.Action{}, false, err
		}
		v = staySensitive(v, item)
		have := item.variable(key)
		if err := Open(ctx, sealer, have); err == nil && have.GetValue() == v.GetValue() &&
			have.GetInternal() == v.GetInternal() && have.GetFile() == v.GetFile() && have.GetName() == v.GetName() &&
			have.GetSensitive() == v.GetSensitive() {
			return store.Action{}, false, nil
		}
	}
	sealed, err := sealer.Seal(ctx, key.String(), []byte(v.GetValue()))
	if err != nil {
		return store.Action{}, false, fmt.Errorf("storing the configuration variable %s: %w", v.GetName(), err)
	}
	s := v.GetScope()
	item := configItem{
		Name: v.GetName(), Level: int32(s.GetLevel()), Workspace: s.GetWorkspace(), Selector: s.GetLabelSelector(),
		Runner: s.GetRunner(), RunnerID: s.GetRunnerId(), Sealed: sealed, Internal: v.GetInternal(), File: v.GetFile(),
		Input: s.GetInput(), Sensitive: v.GetSensitive(), Size: int64(len(v.GetValue())), Updated: st.db.Now().Unix(), UpdatedBy: change.By,
	}
	if s.GetLevel() != levelGlobal {
		item.Project = s.GetProject()
	}
	if s.GetLevel() == levelApp {
		item.App = s.GetApp()
	}
	return store.Put(key, item), true, nil
}

// staySensitive is a new value of a variable that is stored: it is sensitive if the old one was. Somebody who sets a password
// anew and forgets the flag does not show it. Of an input variable the flag counts each time, as waypoint.hcl can give it.
func staySensitive(v *waypointv1.ConfigVariable, old configItem) *waypointv1.ConfigVariable {
	if !old.Sensitive || v.GetSensitive() || v.GetScope().GetInput() {
		return v
	}
	v = proto.CloneOf(v)
	v.Sensitive = true
	return v
}
