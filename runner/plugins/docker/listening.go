package docker

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/waypoint-serverless/waypoint/internal/sockets"
)

// listeningTimeout bounds the question where an app listens: it only explains a failure.
const listeningTimeout = 3 * time.Second

// listensElsewhere says where the processes of a container listen instead of at a port, if that is known.
func (c *creation) listensElsewhere(ctx context.Context, about container.InspectResponse, port int) string {
	ctx, cancel := context.WithTimeout(ctx, listeningTimeout)
	defer cancel()
	list, known := c.listening(ctx, about)
	if !known {
		return ""
	}
	return "; it listens on " + sockets.Phrase(list) + reach(list, port)
}

// reach ends the sentence about the addresses on which an app listens: a loopback address is that of its container.
func reach(list []netip.AddrPort, port int) string {
	if slices.ContainsFunc(list, func(at netip.AddrPort) bool { return int(at.Port()) == port && at.Addr().IsLoopback() }) {
		return ", which is not reached from outside of the container"
	}
	return ""
}

// listening returns on which addresses there are listeners in a container's network: from this machine's /proc where the
// container is on it, else with the container's own cat, if it has one.
func (c *creation) listening(ctx context.Context, about container.InspectResponse) (list []netip.AddrPort, known bool) {
	if about.State == nil || !about.State.Running || c.where.mode == noNetwork {
		return nil, false
	}
	pid := about.State.Pid
	here := pid > 0 && isOf(pid, about.ID)
	switch {
	case here && c.where.mode == hostNetwork:
		list, known = sockets.OfTree(pid)
	case here:
		list, known = sockets.OfNetwork(pid), true
	case c.where.mode == hostNetwork:
		return nil, false // the listeners of the whole machine say nothing of the app
	default:
		list, known = c.askInside(ctx, about.ID)
	}
	resolver := netip.MustParseAddr("127.0.0.11") // Docker's own, in networks that users make
	return slices.DeleteFunc(list, func(at netip.AddrPort) bool { return at.Addr() == resolver }), known
}

// isOf reports whether a process of this machine belongs to the container: the engine may be on another one.
func isOf(pid int, id string) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	return err == nil && bytes.Contains(text, []byte(id))
}

// askInside reads the tables of sockets with a command in the container.
func (c *creation) askInside(ctx context.Context, id string) ([]netip.AddrPort, bool) {
	made, err := c.engine.ExecCreate(ctx, id, client.ExecCreateOptions{AttachStdout: true, Cmd: []string{"cat", "/proc/net/tcp", "/proc/net/tcp6"}})
	if err != nil {
		return nil, false
	}
	run, err := c.engine.ExecAttach(ctx, made.ID, client.ExecAttachOptions{})
	if err != nil {
		return nil, false
	}
	defer run.Close()
	defer context.AfterFunc(ctx, run.Close)()
	var text bytes.Buffer
	if _, err := stdcopy.StdCopy(&text, io.Discard, io.LimitReader(run.Reader, 1<<20)); err != nil {
		return nil, false
	}
	// Without cat the engine's complaint is all that there is.
	return sockets.Parse(bytes.NewReader(text.Bytes())), bytes.Contains(text.Bytes(), []byte("local_address"))
}

const (
	// showAfter is how long a start may take before the app's lines are shown: one that is soon healthy shows none.
	showAfter = 2 * time.Second
	// showEvery is how often new lines are read.
	showEvery = time.Second
	// mostShown bounds what is shown while its health is awaited, and so what is read each time. The end of what comes then
	// is shown after a failure.
	mostShown = 64 << 10
)

// appOutput shows what a container prints while its health is awaited.
type appOutput struct {
	engine *engine
	id     string
	to     io.Writer
	next   time.Duration
	shown  int
}

// show shows what the app has printed since, if its health has been awaited for long.
func (o *appOutput) show(ctx context.Context, since time.Duration) {
	if since < showAfter || since < o.next {
		return
	}
	o.next = since + showEvery
	o.copy(ctx)
}

// finish shows what is left after a failure and reports whether all that the app printed has been shown.
func (o *appOutput) finish(ctx context.Context) bool {
	if o.shown == 0 {
		return false
	}
	o.copy(ctx)
	return o.shown < mostShown
}

// copy shows what is new. What cannot be read is left out: the failure itself matters more.
func (o *appOutput) copy(ctx context.Context) {
	if o.shown >= mostShown {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	logs, err := o.engine.ContainerLogs(ctx, o.id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true})
	if err != nil {
		return
	}
	defer logs.Close()
	var text bytes.Buffer
	_, _ = stdcopy.StdCopy(&text, &text, io.LimitReader(logs, 2*mostShown)) // cut at the limit: what came before counts
	data := text.Bytes()[:min(text.Len(), mostShown)]
	if len(data) <= o.shown {
		return
	}
	_, _ = o.to.Write(data[o.shown:])
	if o.shown = len(data); o.shown >= mostShown {
		_, _ = fmt.Fprintln(o.to, "\n… (the app prints more)")
	}
}
