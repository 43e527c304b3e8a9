package functions_test

import (
	"fmt"
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
	for _, item := range w.items(t, store.AppPK("shop", "web")) {
		if key := store.KeyOf(item); strings.HasPrefix(key.SK, "LIVE#") {
			if err := w.DB.Delete(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}
	}
	check("of an earlier version")
	check("entered")
}

// What up, status and destroy read of an app costs what lives: 10,000 deployments that were destroyed change nothing.
func TestDestroyedDeploymentsCostNothing(t *testing.T) {
	w := newWorld(t)
	if w.Faults == nil {
		t.Skip("another DynamoDB takes long for 10,000 items")
	}
	c := w.as(w.admin)
	_, gone := c.deployAll(t, w)
	var model store.Item
	for _, item := range w.items(t, store.AppPK("shop", "web")) {
		if store.StringOf(item, "id") == gone {
			model = item
		}
	}
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
	for n := int64(101); n <= 100+many; n++ {
		item := store.Item{}
		for name, value := range model {
			item[name] = value
		}
		id := fmt.Sprintf("01OLD%021d", n)
		item["id"], item["n"] = store.TextValue(id), &types.AttributeValueMemberN{Value: fmt.Sprint(n)}
		item["gsi1sk"], item["gsi2pk"] = store.TextValue(store.RecordSort(n)), store.TextValue(store.RecordIDIndex(id))
		if err := w.DB.Put(t.Context(), store.Record("shop", "web", "D", n), item); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("with %d destroyed deployments:", many)
	for name, units := range measure() {
		if units > none[name]*1.2 {
			t.Errorf("%s: %.1f units with %d destroyed deployments, %.1f with none", name, units, many, none[name])
		}
	}
}
