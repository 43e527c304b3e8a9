package config

import (
	"context"
	"fmt"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// Whoever gets configuration gets all of it in one answer, and an app gets it in its environment: so much is accepted that
// every answer fits (api/validate has the arithmetic). Apps, runners and the input variables of jobs are counted apart, at
// each level.

// configClass is who gets a variable.
type configClass int

const (
	forApps configClass = iota
	forRunners
	forInputs
)

func classOf(runner, input bool) configClass {
	switch {
	case input:
		return forInputs
	case runner:
		return forRunners
	}
	return forApps
}

func (c configClass) most() int {
	switch c {
	case forRunners:
		return validate.MaxRunnerLevel
	case forInputs:
		return validate.MaxInputs
	}
	return validate.MaxConfigLevel
}

// levelQuery reads all variables of one level: the global ones, a project's own, or an app's.
func levelQuery(s *waypointv1.ConfigScope) store.Query {
	switch {
	case s.GetInput(), s.GetLevel() == levelProject:
		return store.Query{PK: store.ConfigPK(s.GetProject()), SKPrefix: configPrefix, Order: store.OldestFirst}
	case s.GetLevel() == levelApp:
		return store.Query{PK: store.ConfigPK(s.GetProject()), SKPrefix: configAppPrefix(s.GetApp()), Order: store.OldestFirst}
	}
	return store.Query{PK: store.ConfigPK(""), SKPrefix: configPrefix, Order: store.OldestFirst}
}

func levelName(s *waypointv1.ConfigScope, c configClass) string {
	what := map[configClass]string{forApps: "variables", forRunners: "variables for runners", forInputs: "input variables"}[c]
	switch {
	case s.GetLevel() == levelApp:
		return fmt.Sprintf("the %s of the app %s", what, s.GetApp())
	case s.GetInput(), s.GetLevel() == levelProject:
		return fmt.Sprintf("the %s of the project %s", what, s.GetProject())
	}
	return "the global " + what
}

// size is what a variable takes of its level's bound.
func (i configItem) size() int {
	value := int(i.Size)
	if value == 0 {
		value = len(i.Sealed) // stored before sizes were
	}
	return len(i.Name) + value
}

// checkConfigSizes refuses a change after which a level would hold more than is accepted. near reports that one would be at a
// quarter of its bound or above: then two changes at once must not both be made without knowing of each other.
func (st *Store) checkConfigSizes(ctx context.Context, change Change, last map[store.Key]*waypointv1.ConfigVariable) (near bool, err error) {
	levels := map[string]*waypointv1.ConfigScope{}
	for _, v := range last {
		if !change.deletes(v) {
			q := levelQuery(v.GetScope())
			levels[q.PK+" "+q.SKPrefix] = v.GetScope()
		}
	}
	for _, scope := range levels {
		full, err := st.checkLevel(ctx, scope, change, last)
		if err != nil {
			return false, err
		}
		near = near || full
	}
	return near, nil
}

func (st *Store) checkLevel(ctx context.Context, scope *waypointv1.ConfigScope, change Change, last map[store.Key]*waypointv1.ConfigVariable) (near bool, err error) {
	level := levelQuery(scope)
	q := level
	q.Consistent = true
	items, err := st.db.All(ctx, q)
	if err != nil {
		return false, err
	}
	var before, after [3]int
	for _, raw := range items {
		var item configItem
		if err := store.Decode(raw, &item); err != nil {
			return false, err
		}
		class := classOf(item.Runner, item.Input)
		before[class] += item.size()
		if last[store.KeyOf(raw)] == nil {
			after[class] += item.size()
		}
	}
	var largest [3]*waypointv1.ConfigVariable
	for _, v := range last {
		s := v.GetScope()
		class := classOf(s.GetRunner(), s.GetInput())
		if q := levelQuery(s); change.deletes(v) || q.PK != level.PK || q.SKPrefix != level.SKPrefix {
			continue
		}
		after[class] += len(v.GetName()) + len(v.GetValue())
		if largest[class] == nil || len(v.GetValue()) > len(largest[class].GetValue()) {
			largest[class] = v
		}
	}
	for c := range after {
		class := configClass(c)
		if after[c] > class.most() && after[c] > before[c] {
			return false, levelFull(levelName(scope, class), after[c], class.most(), largest[c])
		}
		near = near || 4*after[c] > class.most()
	}
	return near, nil
}

// levelFull refuses a change that makes a level too large; largest is its largest variable.
func levelFull(level string, size, most int, largest *waypointv1.ConfigVariable) error {
	return fault.New(connect.CodeInvalidArgument, fault.TooLarge,
		"%s would have %d bytes in all, names and values, %d of them in %s: at most %d are accepted",
		level, size, len(largest.GetValue()), largest.GetName(), most).
		WithHint("Delete what is not used any more (`waypoint config get` lists it), or let the app read large values from elsewhere. "+
			"Nothing has been changed.").
		WithFact("field", "variables").WithFact("name", largest.GetName())
}
