package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/client"
)

// kills is how often the server is killed under write load.
const kills = 50

// Every acknowledged write is there after kill -9 of the server, and every transaction is whole: a project that is
// there has both of its apps, which one transaction wrote with it.
func TestKillServer_UnderWriteLoad_NothingAcknowledgedIsLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rng := rand.New(rand.NewPCG(20261124, 7))
	var mu sync.Mutex
	acknowledged := map[string]bool{}
	next := 0
	for range kills {
		w.startServer()
		before := len(acknowledged)
		ctx, stop := context.WithCancel(context.Background())
		var writers sync.WaitGroup
		for range 4 {
			writers.Go(func() {
				c, err := client.New(client.Options{Address: w.address(), Token: w.token, Component: "cli"})
				if err != nil {
					t.Error(err)
					return
				}
				defer c.CloseIdle()
				for ctx.Err() == nil {
					mu.Lock()
					next++
					name := fmt.Sprintf("p%d", next)
					mu.Unlock()
					if writeProject(ctx, c, name) == nil {
						mu.Lock()
						acknowledged[name] = true
						mu.Unlock()
					}
				}
			})
		}
		// Killed in the middle of the load, however slow the machine is: something was acknowledged in this round.
		w.waitFor("a write to be acknowledged", 20*time.Second, func() error {
			mu.Lock()
			defer mu.Unlock()
			if len(acknowledged) <= before {
				return errors.New("none yet")
			}
			return nil
		})
		time.Sleep(time.Duration(rng.IntN(150)) * time.Millisecond)
		w.killServer()
		stop()
		writers.Wait()
	}
	w.startServer()
	c := w.client()
	token, there := "", map[string]bool{}
	for {
		list, err := c.Project.ListProjects(context.Background(), connect.NewRequest(&waypointv1.ListProjectsRequest{Page: &waypointv1.Page{Size: 200, Token: token}}))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range list.Msg.GetProjects() {
			there[p.GetName()] = true
		}
		if token = list.Msg.GetNextPageToken(); token == "" {
			break
		}
	}
	for name := range acknowledged {
		if !there[name] {
			t.Errorf("project %s was acknowledged and is lost", name)
		}
	}
	for name := range there {
		project, err := c.Project.GetProject(context.Background(), connect.NewRequest(&waypointv1.GetProjectRequest{Name: name}))
		if err != nil || len(project.Msg.GetApps()) != 2 {
			t.Errorf("project %s is there without its apps: %v", name, err)
		}
	}
	t.Logf("%d writes acknowledged over %d kills, %d projects there", len(acknowledged), kills, len(there))
	if len(acknowledged) < kills {
		t.Errorf("only %d writes were acknowledged: the load was too small to prove anything", len(acknowledged))
	}
}

func writeProject(ctx context.Context, c *client.Client, name string) error {
	_, err := c.Project.UpsertProject(ctx, connect.NewRequest(&waypointv1.UpsertProjectRequest{
		Project: &waypointv1.Project{Name: name},
		Apps:    []*waypointv1.App{{Project: name, Name: "a"}, {Project: name, Name: "b"}},
	}))
	return err
}
