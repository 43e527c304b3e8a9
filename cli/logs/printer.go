package logs

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"sync"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/render"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// line is a line of an app.
type line struct {
	app string
	*waypointv1.LogLine
}

// printer writes the lines of several apps, one after the other. It holds the first ones until release is called, and
// then writes them in the order of their times: each app's come in one piece. It is safe for concurrent use.
type printer struct {
	wanted filter
	write  func(line)

	mu      sync.Mutex
	held    []line
	holding bool
}

func newPrinter(sh Host, o *options, wanted filter, sources []*source) *printer {
	p := &printer{wanted: wanted, holding: true}
	if o.json {
		out := terminal.NewJSONLines(sh.Env().Out)
		p.write = func(l line) {
			object := render.Object(l.LogLine)
			object["app"] = l.app
			out.Write(object)
		}
		return p
	}
	colors := map[string]terminal.Style{}
	width := 0
	if len(sources) > 1 {
		for i, s := range sources {
			colors[s.app] = appStyles[i%len(appStyles)]
			width = max(width, len(s.app))
		}
	}
	p.write = func(l line) { printLine(sh, o, l, colors[l.app], width) }
	return p
}

// appStyles tell apps apart on a terminal; the name stands there, too.
var appStyles = []terminal.Style{terminal.Info, terminal.Success, terminal.Warning, terminal.Header}

func (p *printer) show(app string, l *waypointv1.LogLine) {
	if !p.wanted.wants(l) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.holding {
		p.held = append(p.held, line{app, l})
		return
	}
	p.write(line{app, l})
}

// release writes what was held, and from now on each line at once.
func (p *printer) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	slices.SortStableFunc(p.held, func(a, b line) int { return cmp.Compare(a.GetTimeUnixMs(), b.GetTimeUnixMs()) })
	for _, l := range p.held {
		p.write(l)
	}
	p.held, p.holding = nil, false
}

// printLine prints one line with its time and where it comes from. width is that of the apps' names; 0: they are left
// out.
func printLine(sh Host, o *options, l line, style terminal.Style, width int) {
	color := sh.OutSetting().Color()
	text := terminal.Clean(l.GetText(), color)
	own := terminal.Normal
	if l.GetEntrypoint() {
		own = terminal.Dim
	}
	if o.noPrefix {
		sh.Printf("%s\n", terminal.Paint(text, own, color))
		return
	}
	at, now := render.UnixMS(l.GetTimeUnixMs()).Local(), sh.Env().Now().Local()
	layout := "15:04:05.000"
	if at.YearDay() != now.YearDay() || at.Year() != now.Year() {
		layout = "2006-01-02 15:04:05.000"
	}
	app := ""
	if width > 0 {
		app = terminal.Paint(fmt.Sprintf("%-*s", width, l.app), style, color) + " "
	}
	source := "v" + strconv.FormatInt(l.GetDeploymentSequence(), 10) + "/" + ShortInstance(l.GetInstanceId())
	switch {
	case l.GetEntrypoint():
		source += " entrypoint"
	case l.GetStderr():
		source += " stderr"
	}
	sh.Printf("%s%s %s %s\n", app, terminal.Paint(at.Format(layout), terminal.Dim, color), terminal.Paint(source+":", terminal.Dim, color),
		terminal.Paint(text, own, color))
}

// ShortInstance is the end of an instance's id.
func ShortInstance(id string) string {
	if len(id) > 4 {
		return id[len(id)-4:]
	}
	return id
}
