package functions_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/records"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// deployAll puts some in all states, and returns the ids of those that live, oldest first.
func (c *caller) deployAll(t *testing.T, w *world) (living []string, gone string) {
	t.Helper()
	c.project(t, "shop")
	fence := c.claimed(t, noop())
	for _, d := range []struct {
		state    waypointv1.RecordState
		physical waypointv1.PhysicalState
	}{{success, created}, {success, destroyed}, {failed, pending}, {success, created}} {
		id := w.ID(t)
		c.put(t, fence, deployment(id, running, pending))
		c.put(t, fence, deployment(id, d.state, d.physical))
		if d.physical == destroyed {
			gone = id
		} else {
			living = append(living, id)
		}
	}
	return living, gone
}

func (c *caller) living(t *testing.T, req *waypointv1.ListDeploymentsRequest) (ids []string) {
	t.Helper()
	req.Selector = &waypointv1.RecordSelector{Project: "shop", App: "web", Workspace: "default"}
	for req.Page = (&waypointv1.Page{Size: 2}); ; {
		res := must[waypointv1.ListDeploymentsResponse](t)(c.deployments.ListDeployments(t.Context(), ask(req)))
		for _, d := range res.GetDeployments() {
			ids = append([]string{d.GetMeta().GetId()}, ids...) // newest first
		}
		if req.Page.Token = res.GetNextPageToken(); req.Page.GetToken() == "" {
			return ids
		}
	}
}

func TestWhatLivesIsListedWhenItWasWrittenBeforeThereWasTheList(t *testing.T) {
	w := newWorld(t)
	c := w.as(w.admin)
	want, _ := c.deployAll(t, w)
	both := []string{want[0], want[2]}
	check := func(when string) {
		t.Helper()
		if got := c.living(t, &waypointv1.ListDeploymentsRequest{Living: true}); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v live, want %v", when, got, want)
		}
		if got := c.living(t, &waypointv1.ListDeploymentsRequest{PhysicalState: created}); fmt.Sprint(got) != fmt.Sprint(both) {
			t.Errorf("%s: %v are created, want %v", when, got, both)
		}
	}
	check("with the list")
	w.asEarlier(t, map[store.Key]store.Item{}, true)
	check("of an earlier version")
	check("entered")
}

// entries are the lists of what lives, as stored.
func (w *world) entries(t *testing.T) map[store.Key]store.Item {
	t.Helper()
	entries := map[store.Key]store.Item{}
	items, err := w.DB.All(t.Context(), store.Query{PK: store.AppPK("shop", "web"), SKPrefix: "LIVE#", Consistent: true, Order: store.NewestFirst})
	mustDo(t, err)
	for _, item := range items {
		entries[store.KeyOf(item)] = item
	}
	return entries
}

// asEarlier makes of the last writes what a server of an earlier version would have left: the lists as they were before and,
// if a record is new, a counter that was written anew, without what that server does not know.
func (w *world) asEarlier(t *testing.T, before map[store.Key]store.Item, isNew bool) {
	t.Helper()
	for key := range w.entries(t) {
		if before[key] == nil {
			mustDo(t, w.DB.Delete(t.Context(), key))
		}
	}
	for key, item := range before {
		mustDo(t, w.DB.Put(t.Context(), key, item))
	}
	if isNew {
		mustDo(t, w.DB.Update(t.Context(), store.Counter("shop", "web", "D"), store.Set("REMOVE #listed")))
	}
}

func mustDo(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Servers of two versions write in any order, as in an upgrade, and in one that was taken back and made again: whatever an earlier
// one writes after a list was marked as complete is in the next answer.
func TestWhatAnEarlierServerWritesMeanwhileIsListed(t *testing.T) {
	w := newWorld(t)
	c := w.as(w.admin)
	c.project(t, "shop")
	fence := c.claimed(t, noop())
	rnd := rand.New(rand.NewPCG(1, 2))
	type made struct {
		id       string
		physical waypointv1.PhysicalState
	}
	var all []made
	write := func(earlier bool) {
		before := w.entries(t)
		alive := slices.DeleteFunc(indices(len(all)), func(i int) bool { return all[i].physical == destroyed })
		isNew := len(alive) == 0 || rnd.IntN(3) == 0
		if isNew {
			alive, all = []int{len(all)}, append(all, made{id: w.ID(t)})
		}
		d := &all[alive[rnd.IntN(len(alive))]]
		d.physical = min(d.physical+1, destroyed) // pending, created, destroyed
		c.put(t, fence, deployment(d.id, success, d.physical))
		if earlier {
			w.asEarlier(t, before, isNew)
		}
	}
	ids := func(physical waypointv1.PhysicalState) (ids []string) {
		for _, d := range all {
			if d.physical != destroyed && (physical == 0 || d.physical == physical) {
				ids = append(ids, d.id)
			}
		}
		return ids
	}
	rounds := 40
	if w.Faults == nil {
		rounds = 8 // another DynamoDB takes longer
	}
	for round := range rounds {
		earlier := rnd.IntN(2) == 0
		for range 1 + rnd.IntN(6) {
			write(earlier != (rnd.IntN(5) == 0)) // mostly one version, and some of the other among it
		}
		for _, physical := range []waypointv1.PhysicalState{0, pending, created} {
			req := &waypointv1.ListDeploymentsRequest{Living: true, PhysicalState: physical}
			if got, want := c.living(t, req), ids(physical); !slices.Equal(got, want) {
				t.Fatalf("round %d, in state %s: %v live, want %v", round, physical, got, want)
			}
		}
	}
}

func indices(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// stored is a record as it is stored.
func (w *world) stored(t *testing.T, id string) (record store.Item) {
	t.Helper()
	for _, item := range w.items(t, store.AppPK("shop", "web")) {
		if store.StringOf(item, "id") == id && strings.HasPrefix(store.KeyOf(item).SK, "D#") {
			record = item
		}
	}
	return record
}

// addDestroyed stores so many destroyed deployments like one that there is, from number 101 on.
func (w *world) addDestroyed(t *testing.T, model store.Item, many int64) {
	t.Helper()
	for n := int64(101); n <= 100+many; n++ {
		item := store.Item{}
		for name, value := range model {
			item[name] = value
		}
		id := fmt.Sprintf("01OLD%021d", n)
		item["id"], item["n"] = store.TextValue(id), &types.AttributeValueMemberN{Value: fmt.Sprint(n)}
		item["gsi1sk"], item["gsi2pk"] = store.TextValue(store.RecordSort(n)), store.TextValue(store.RecordIDIndex(id))
		mustDo(t, w.DB.Put(t.Context(), store.Record("shop", "web", "D", n), item))
	}
}

// Whoever follows an app's logs finds what runs, however many newer deployments were destroyed; where the list is not complete, the
// newest records are read, and nothing is written: the function that reads may not.
func TestLogsOfWhatLivesAreFoundBehindWhatWasDestroyed(t *testing.T) {
	w := newWorld(t)
	c := w.as(w.admin)
	c.project(t, "shop")
	d, e, fence := c.deployed(t)
	w.starts(t, e, d).writes(t, "here")
	gone := w.ID(t)
	c.put(t, fence, deployment(gone, success, destroyed))
	if got := texts(c.logs(t, "", 5)); got != "here" {
		t.Errorf("with the list: %q", got)
	}
	before := w.entries(t)
	w.asEarlier(t, map[store.Key]store.Item{}, true)
	if got := texts(c.logs(t, "", 5)); got != "here" || len(w.entries(t)) != 0 {
		t.Errorf("without the list: %q, and %d entries were written", got, len(w.entries(t)))
	}
	for key, item := range before {
		mustDo(t, w.DB.Put(t.Context(), key, item))
	}
	mustDo(t, w.DB.Update(t.Context(), store.Counter("shop", "web", "D"), store.Set("SET #listed = ?", 1)))
	w.addDestroyed(t, w.stored(t, gone), 300)
	if got := texts(c.logs(t, "", 5)); got != "here" {
		t.Errorf("with 300 newer deployments that were destroyed: %q", got)
	}
}

// What up, status and destroy read of an app costs what lives: 10,000 deployments that were destroyed change nothing.
func TestDestroyedDeploymentsCostNothing(t *testing.T) {
	w := newWorld(t)
	if w.Faults == nil {
		t.Skip("another DynamoDB takes long for 10,000 items")
	}
	c := w.as(w.admin)
	_, gone := c.deployAll(t, w)
	model := w.stored(t, gone)
	reads := map[string]records.ListRequest{
		"up, destroy: what lives":    {Kind: records.Deployments, Living: true, Size: 200},
		"up, destroy: releases":      {Kind: records.Releases, Living: true, Size: 200},
		"up: what was interrupted":   {Kind: records.Deployments, Physical: pending, Size: 20},
		"status: what is deployed":   {Kind: records.Deployments, Physical: created, Size: 1},
		"destroy: the newest of all": {Kind: records.Deployments, Size: 1},
	}
	measure := func() map[string]float64 {
		units := map[string]float64{}
		for name, in := range reads {
			in.Project, in.App, in.Workspace = "shop", "web", "default"
			if _, _, err := w.Records.List(t.Context(), in); err != nil { // enters what lives, once
				t.Fatal(err)
			}
			const times = 20
			began := time.Now()
			ctx, meter := store.WithMeter(t.Context())
			for range times {
				if _, _, err := w.Records.List(ctx, in); err != nil {
					t.Fatal(err)
				}
			}
			read, write, _ := meter.Used()
			units[name] = (read + write) / times
			t.Logf("%-28s %4.1f read units %4.1f write units %6.0f µs", name, read/times, write/times, float64(time.Since(began).Microseconds())/times)
		}
		return units
	}
	none := measure()
	const many = 10_000
	w.addDestroyed(t, model, many)
	t.Logf("with %d destroyed deployments:", many)
	for name, units := range measure() {
		if units > none[name]*1.2 {
			t.Errorf("%s: %.1f units with %d destroyed deployments, %.1f with none", name, units, many, none[name])
		}
	}
}
