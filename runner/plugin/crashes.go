package plugin

import (
	"fmt"
	"time"
)

// CrashReader is a Platform of this machine that knows at once, without a job, how often an app was started again. It is called
// without configuration, on components of this program alone: plugins in processes of their own report it with their status.
type CrashReader interface {
	// ReadCrashes reads those of a deployment; ok is false if it is not here. stateDir is that of this machine's runners. It
	// calls nobody and changes nothing.
	ReadCrashes(stateDir string, d *Deployment) (c Crashes, ok bool)
}

// Crashes are the ends of an app that its platform started again each time.
type Crashes struct {
	// Restarts is how often it was started again.
	Restarts int
	// ExitCode is that of its last end; nil: not known.
	ExitCode *int
	// Started is when it was started last.
	Started time.Time
}

const (
	// manyCrashes and settledAfter tell an app that keeps crashing from one that crashed some day: it was started again so
	// often, and did not run for so long since.
	manyCrashes  = 3
	settledAfter = 2 * time.Minute
)

// Looping reports whether the app keeps crashing.
func (c Crashes) Looping(now time.Time) bool {
	return c.Restarts >= manyCrashes && now.Sub(c.Started) < settledAfter
}

// Judge lowers the health of an app that answers at this moment, but keeps crashing, and says so.
func (c Crashes) Judge(health Health, message string, now time.Time) (Health, string) {
	if !c.Looping(now) {
		return health, message
	}
	if health == Ready {
		health = Partial
	}
	return health, "It keeps crashing: it " + c.Text(now) + ". " + message
}

// Text says how often the app was started again, after "it"; "" if it was not.
func (c Crashes) Text(now time.Time) string {
	if c.Restarts == 0 {
		return ""
	}
	text := fmt.Sprintf("was started again %d times, the last time %s ago", c.Restarts, now.Sub(c.Started).Round(time.Second))
	if c.Restarts == 1 {
		text = fmt.Sprintf("was started again once, %s ago", now.Sub(c.Started).Round(time.Second))
	}
	if c.ExitCode != nil {
		text += fmt.Sprintf(", and its last exit code was %d", *c.ExitCode)
	}
	return text
}
