package status

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/proxy"
)

// probeTimeout bounds one look at an app of this machine. A stable port waits 3 s for an app that is just starting
// again.
const probeTimeout = 5 * time.Second

// lookAtApps asks the apps of this machine whether they answer, all at once, and corrects what was last reported of
// them: a report may be older than the machine's last start. It reports whether there was one to look at.
func lookAtApps(ctx context.Context, sh Host, all []*appStatus) (looked bool) {
	if sh.Server() == nil || sh.Server().Platform != "local" {
		return false // a loopback address of another machine's runner says nothing here
	}
	var asking sync.WaitGroup
	for _, a := range all {
		a.readCrashes(sh)
		at := a.localURL()
		if at == "" {
			continue
		}
		looked = true
		asking.Go(func() {
			err := probe(ctx, at)
			if ctx.Err() == nil {
				a.correct(at, err, sh.Env().Now())
				a.addCrashes(sh.Env().Now())
			}
		})
	}
	asking.Wait()
	return looked
}

// localURL is where the app answers, if that is on this machine; else "".
func (a *appStatus) localURL() string {
	at := a.deployment.GetUrl()
	if a.release.GetUrl() != "" {
		at = a.release.GetUrl()
	}
	u, err := url.Parse(at)
	if err != nil || u.Scheme != "http" || u.Port() == "" {
		return ""
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return ""
	}
	return at
}

// correct puts what was seen just now over a report that it contradicts.
func (a *appStatus) correct(at string, err error, now time.Time) {
	report := &waypointv1.StatusReport{DeploymentId: a.deployment.GetMeta().GetId()}
	if a.report != nil {
		report = proto.CloneOf(a.report)
	}
	switch was := report.GetHealth(); {
	case err != nil:
		report.Health = waypointv1.Health_HEALTH_DOWN
		for _, r := range report.GetResources() {
			if r.GetHealth() == waypointv1.Health_HEALTH_READY {
				r.Health, r.HealthMessage = waypointv1.Health_HEALTH_UNKNOWN, "Last reported: "+r.GetHealthMessage()
			}
		}
		report.HealthMessage = "Nothing answers at " + at + " (" + err.Error() + "). `waypoint release` or `waypoint up` starts it again."
	case was == waypointv1.Health_HEALTH_DOWN || was == waypointv1.Health_HEALTH_MISSING:
		report.Health, report.HealthMessage = waypointv1.Health_HEALTH_ALIVE, "It answers at "+at+"; it was last reported as not running."
	default:
		return // nothing that was reported is contradicted
	}
	report.TimeUnixMs = now.UnixMilli()
	a.report = report
}

// readCrashes reads how often the app was started again, if its platform is this machine and knows.
func (a *appStatus) readCrashes(sh Host) {
	if a.deployment == nil {
		return
	}
	m := a.deployment.GetMeta()
	platform, err := sh.Deps().Catalog().Platform(m.GetPlugin())
	if err != nil {
		return
	}
	if reader, ok := platform.(plugin.CrashReader); ok {
		if state, err := sh.Env().RunnersDir(); err == nil {
			a.crashes, _ = reader.ReadCrashes(state, &plugin.Deployment{ID: m.GetId()})
		}
	}
}

// addCrashes tells of an app that keeps crashing, whether it answers at this moment or not.
func (a *appStatus) addCrashes(now time.Time) {
	health, says := a.report.GetHealth(), ""
	switch {
	case health == waypointv1.Health_HEALTH_READY && a.crashes.Looping(now):
		health, says = waypointv1.Health_HEALTH_PARTIAL, "It answers, but it keeps crashing: it "
	case health == waypointv1.Health_HEALTH_DOWN && a.crashes.Restarts > 0:
		says = "It crashed, and is started again: it "
	default:
		return
	}
	report := proto.CloneOf(a.report)
	report.Health, report.TimeUnixMs = health, now.UnixMilli()
	report.HealthMessage = says + a.crashes.Text(now) + ". `waypoint logs` shows what it printed."
	a.report = report
}

// probe reports how an app does not answer. Any answer of its own counts, an error too: what it means, its health check
// says.
func probe(ctx context.Context, at string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, at, nil)
	if err != nil {
		return err
	}
	c := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := c.Do(req)
	switch {
	case err == nil:
		_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<10))
		_ = res.Body.Close()
		if res.Header.Get(proxy.AnswerHeader) != "" {
			return errors.New("the stable port is open, but the deployment behind it does not answer")
		}
		return nil
	case ctx.Err() != nil:
		return errors.New("no answer within " + probeTimeout.String())
	case strings.Contains(err.Error(), "malformed HTTP"):
		return nil // another protocol, which is an answer
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return errors.New("the connection was closed without an answer")
}
