package runner

import (
	"context"
	"fmt"
	"sync"

	"connectrpc.com/connect"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/client"
)

// serverID asks the server for its id, once: jobs that need it are few.
func serverID(c *client.Client) func(context.Context) (string, error) {
	var mu sync.Mutex
	id := ""
	return func(ctx context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if id != "" {
			return id, nil
		}
		info, err := c.Server.GetServerInfo(ctx, connect.NewRequest(&waypointv1.GetServerInfoRequest{}))
		if err != nil {
			return "", fmt.Errorf("asking the server for its id: %w", err)
		}
		id = info.Msg.GetServerId()
		return id, nil
	}
}
