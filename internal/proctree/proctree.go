// Package proctree ends what an app leaves behind when it ends: daemons in sessions of their own, workers whose parent is
// gone. On Linux a process that has called Adopt gets such orphans as its own children, so that all of them can be
// found. Elsewhere only the process group of the app is known.
//
// It uses the standard library and x/sys only, because the entrypoint links it.
package proctree

import (
	"context"
	"time"
)

const (
	// look is how often it is looked whether all have ended.
	look = 20 * time.Millisecond
	// killWait bounds the wait for processes that were killed: one in an uninterruptible read of a dead disk never ends.
	killWait = 5 * time.Second
)

// End ends all descendants of this process, or, where these are not known, the process group: first politely, and after
// the grace with a kill. It returns when none is left, and at the end of ctx at once. count is how many there were.
//
// Zombies are left to whoever waits for them.
func End(ctx context.Context, group int, grace time.Duration) (count int) {
	seen := map[process]bool{}
	polite := time.Now().Add(grace)
	last := polite.Add(killWait)
	for first := true; ; first = false {
		left := remaining(group)
		if len(left) == 0 || time.Now().After(last) {
			return len(seen)
		}
		kill := !time.Now().Before(polite)
		for _, p := range left {
			switch {
			case kill:
				p.kill()
			case first:
				// Not what comes later: those are started by the others to clean up.
				p.terminate()
			}
			seen[p] = true
		}
		timer := time.NewTimer(look)
		select {
		case <-ctx.Done():
			timer.Stop()
			return len(seen)
		case <-timer.C:
		}
	}
}
