package entrypoint

import (
	"fmt"
	"strconv"
	"time"
)

// How much an app's instance may log: what is above is left out and counted, as where the buffer is full.
const (
	// envLogRate sets how many bytes a second are sent in the long run; 0: any number.
	envLogRate = "WAYPOINT_LOG_RATE"
	// defaultLogRate is 1 MB a second; at once, as much is sent as twice the rate gives in logBurstSeconds.
	defaultLogRate  = 1 << 20
	logBurstSeconds = 10
)

// parseLogRate reads EnvLogRate into Settings.LogRate.
func parseLogRate(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	rate, err := strconv.Atoi(text)
	if err != nil || rate < 0 {
		return 0, fmt.Errorf("invalid %s %q: give a number of bytes a second, or 0 for no limit", envLogRate, text)
	}
	if rate == 0 {
		rate = -1
	}
	return rate, nil
}

// allowance is a bucket of bytes that fills with time. A nil one allows everything. The buffer's mutex guards it.
type allowance struct {
	perSecond float64
	most      float64
	have      float64
	at        time.Time
	// spent lasts until there is room for a second's lines again, so that whole passages are left out and not every other
	// line.
	spent bool
}

// newAllowance makes a full bucket for a rate as in Settings.LogRate.
func newAllowance(rate int) *allowance {
	switch {
	case rate < 0:
		return nil
	case rate == 0:
		rate = defaultLogRate
	}
	perSecond := float64(rate)
	most := max(2*logBurstSeconds*perSecond, 4*maxLine)
	return &allowance{perSecond: perSecond, most: most, have: most}
}

// take reports whether n bytes may be sent now.
func (a *allowance) take(n int, now time.Time) bool {
	if a == nil {
		return true
	}
	if !a.at.IsZero() {
		a.have = min(a.most, a.have+max(now.Sub(a.at).Seconds(), 0)*a.perSecond)
	}
	a.at = now
	if a.spent = a.spent && a.have < a.perSecond || float64(n) > a.have; a.spent {
		return false
	}
	a.have -= float64(n)
	return true
}
