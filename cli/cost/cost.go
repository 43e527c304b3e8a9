// Package cost computes what a command cost, at the list prices of infra/receipt. It calls nothing.
package cost

import (
	"fmt"

	"github.com/waypoint-serverless/waypoint/infra/receipt"
	"github.com/waypoint-serverless/waypoint/internal/client"
)

// memoryGB is what the function that answers most requests has; long reads have half of it, so that they are priced
// too high rather than too low.
const memoryGB = 0.25

// USD is what the calls cost at list prices, without any free tier, and the date of the prices. What a standing runner
// and its queue cost is not in it (a CLI's own runner is), nor is what was deployed.
func USD(c client.Cost) (usd float64, pricesOf string) {
	prices, err := receipt.LoadPrices()
	if err != nil {
		return 0, "unknown date" // the file is part of the program, and a test reads it
	}
	return prices.USD(receipt.Usage{
		Requests: c.Requests, ReadUnits: c.ReadUnits, WriteUnits: c.WriteUnits, QueueCalls: c.QueueCalls,
		GBSeconds: c.ServerMS / 1000 * memoryGB,
	}), prices.Date
}

// Line says in one line what was used.
func Line(c client.Cost) string {
	usd, pricesOf := USD(c)
	return fmt.Sprintf("%d requests, %s read units, %s write units, %d queue calls, %.0f ms of functions: $%.6f at list prices of %s",
		c.Requests, units(c.ReadUnits), units(c.WriteUnits), c.QueueCalls, c.ServerMS, usd, pricesOf)
}

func units(n float64) string {
	if n == float64(int64(n)) {
		return fmt.Sprintf("%.0f", n)
	}
	return fmt.Sprintf("%.1f", n)
}
