package operation

import (
	"context"
	"runtime"
	"sync"
)

// Side says what of an operation may run side by side for several apps, unless -parallel says so.
type Side int

const (
	// InTurn is one app after another, in the order of the file. The zero value, for what changes what runs.
	InTurn Side = iota
	// AtOnce is all of it at once.
	AtOnce
	// BuildsAtOnce is builds and pushes at once, deploys and releases in the order of the file.
	BuildsAtOnce
)

// order is how the operations of several apps run.
type order struct {
	// most is how many apps are worked on at once.
	most int
	// turns: what changes an app waits until the apps before it are through.
	turns bool
}

// remoteMost bounds the jobs on remote runners that are followed at once: each follower holds a read of the server's.
const remoteMost = 8

// orderOf decides how the operations run. given is -parallel; 0: it was not given.
func orderOf(side Side, given, apps int, remote bool, processors int) order {
	most := max(processors, 2)
	if remote {
		most = remoteMost
	}
	switch {
	case apps < 2:
		return order{most: 1}
	case given > 0:
		return order{most: given}
	case side == AtOnce:
		return order{most: most}
	case side == BuildsAtOnce:
		return order{most: most, turns: true}
	}
	return order{most: 1}
}

// processors is how many processors this process may use.
func processors() int { return runtime.GOMAXPROCS(0) }

// sideBySide reports whether several apps can be seen at the same time.
func (o order) sideBySide() bool { return o.most > 1 }

// A queue hands out the slots in which apps are worked on, and the turns in which they are changed.
type queue struct {
	slots chan struct{}
	apps  []string
	// through[i] is closed when app i changes nothing any more.
	through []chan struct{}
}

func newQueue(most int, apps []string) *queue {
	q := &queue{slots: make(chan struct{}, most), apps: apps, through: make([]chan struct{}, len(apps))}
	for i := range q.through {
		q.through[i] = make(chan struct{})
	}
	return q
}

// ticket is an app's place in the queue.
type ticket struct {
	q     *queue
	n     int
	free  sync.Once
	leave sync.Once
}

// enter waits for a slot for app n; nil if ctx ends before.
func (q *queue) enter(ctx context.Context, n int) *ticket {
	if ctx.Err() != nil {
		return nil
	}
	select {
	case q.slots <- struct{}{}:
		return &ticket{q: q, n: n}
	case <-ctx.Done():
		return nil
	}
}

// giveSlot lets the next app begin. It may be called again.
func (p *ticket) giveSlot() { p.free.Do(func() { <-p.q.slots }) }

// exit gives the slot and the turn on. It may be called again.
func (p *ticket) exit() {
	p.giveSlot()
	p.leave.Do(func() { close(p.q.through[p.n]) })
}

// awaitTurn gives the slot on and waits until all apps before this one are through; waiting is told for which it waits.
func (p *ticket) awaitTurn(ctx context.Context, waiting func(before string)) error {
	p.giveSlot()
	for n := range p.n {
		select {
		case <-p.q.through[n]:
			continue
		default:
		}
		waiting(p.q.apps[n])
		select {
		case <-p.q.through[n]:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
