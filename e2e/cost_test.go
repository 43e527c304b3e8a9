package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/waypoint-serverless/waypoint/infra/receipt"
)

// upMost is what one `up` may cost on AWS at list prices, in USD.
const upMost = 0.002

// queueCallsOfARunner bounds what a standing runner calls its queue for one job: receives, extensions, a delete.
const queueCallsOfARunner = 20

var requestLine = regexp.MustCompile(`msg=request function=(\S+) .*read_units=(\S+) write_units=(\S+) queue_calls=(\S+) ms=(\S+)`)

// expectCheap prices all that this world's server has done since it started, by its own log: all requests of the CLI and
// of the runner.
func (w *world) expectCheap(what string) {
	w.t.Helper()
	raw, err := os.ReadFile(filepath.Join(w.dir, "server.log"))
	if err != nil {
		w.t.Fatal(err)
	}
	used := receipt.Usage{QueueCalls: queueCallsOfARunner}
	for _, m := range requestLine.FindAllStringSubmatch(string(raw), -1) {
		number := func(i int) float64 {
			n, err := strconv.ParseFloat(m[i], 64)
			if err != nil {
				w.t.Fatal(err)
			}
			return n
		}
		used.Requests++
		used.ReadUnits += number(2)
		used.WriteUnits += number(3)
		used.QueueCalls += int64(number(4))
		memory := 0.25
		if m[1] == "tail" {
			memory = 0.125
		}
		used.GBSeconds += number(5) / 1000 * memory
	}
	prices, err := receipt.LoadPrices()
	if err != nil {
		w.t.Fatal(err)
	}
	usd := prices.USD(used)
	w.t.Logf("%s: $%.6f at list prices of %s: %+v", what, usd, prices.Date, used)
	if usd > upMost || used.Requests == 0 {
		w.t.Errorf("%s costs $%.6f", what, usd)
	}
}
