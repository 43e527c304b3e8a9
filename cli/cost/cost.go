// Package cost prices what a command used. It knows AWS's list prices and nothing else.
package cost

import (
	"fmt"

	"github.com/waypoint-serverless/waypoint/internal/client"
)

// USD is what the calls cost at list prices, without any free tier. The doorbells' and the runner's own SQS
// calls are not in it, nor is what was deployed.
func USD(c client.Cost) float64 {
	const memoryGB = 0.25 // the functions have 256 MB
	return float64(c.Requests)*(RESTRequest+LambdaRequest) +
		c.ServerMS/1000*memoryGB*LambdaARMGBSecond +
		c.ReadUnits*ReadUnit + c.WriteUnits*WriteUnit +
		float64(c.QueueCalls)*QueueCall
}

// Line says in one line what was used.
func Line(c client.Cost) string {
	return fmt.Sprintf("%d requests, %s read units, %s write units, %d queue calls, %.0f ms of functions: $%.6f at list prices of %s",
		c.Requests, units(c.ReadUnits), units(c.WriteUnits), c.QueueCalls, c.ServerMS, USD(c), PricesOf)
}

func units(n float64) string {
	if n == float64(int64(n)) {
		return fmt.Sprintf("%.0f", n)
	}
	return fmt.Sprintf("%.1f", n)
}
