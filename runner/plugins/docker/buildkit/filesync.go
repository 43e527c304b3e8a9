package buildkit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/waypoint-serverless/waypoint/runner/plugins/docker/buildcontext"
)

// Kinds of packets of the file transfer, as in the module fsutil of BuildKit: the sender tells all entries, the
// receiver asks for the content of those that it has not, by their number.
const (
	packetStat = 0
	packetReq  = 1
	packetData = 2
	packetFin  = 3
	packetErr  = 4
)

// chunk is how much of a file goes with one packet.
const chunk = 128 << 10

// files answers FileSync.DiffCopy: sends what the engine wants of a directory.
func (s *Session) files(ctx context.Context, md http.Header, c *call) error {
	name := md.Get("Dir-Name")
	dir, ok := s.Dirs[name]
	if !ok {
		return &status{codeNotFound, fmt.Sprintf("there is no directory %q in this build", name)}
	}
	filter := buildcontext.Filter{Include: md.Values("Include-Patterns"), Exclude: md.Values("Exclude-Patterns")}
	if paths := md.Values("Followpaths"); len(paths) > 0 && dir.Names == nil {
		if paths = buildcontext.Follow(dir.Root, paths); !slices.Contains(paths, ".") {
			filter.Include = append(filter.Include, paths...)
		}
	}
	t := &transfer{call: c, wanted: make(chan uint32, 1)}
	group, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, func() { _ = c.in.Close() }) // so that nobody waits for a request when another has failed
	defer stop()
	group.Go(func() error { return t.tell(dir, filter) })
	group.Go(func() error { return t.receive(ctx) })
	group.Go(func() error { return t.deliver(ctx) })
	err := group.Wait()
	if err != nil {
		_ = c.send(packet(packetErr, nil, 0, []byte(err.Error())))
	}
	return err
}

type transfer struct {
	call   *call
	wanted chan uint32

	mu    sync.Mutex
	paths []string // by number
}

// tell sends all entries, and an empty one as the end.
func (t *transfer) tell(dir buildcontext.Dir, filter buildcontext.Filter) error {
	err := dir.Walk(filter, func(e buildcontext.Entry) error {
		t.mu.Lock()
		t.paths = append(t.paths, e.Path)
		t.mu.Unlock()
		return t.call.send(packet(packetStat, stat(e), 0, nil))
	})
	if err != nil {
		return fmt.Errorf("reading %s: %w", dir.Root, err)
	}
	return t.call.send(packet(packetStat, nil, 0, nil))
}

// receive takes the engine's requests until it says that it has all.
func (t *transfer) receive(ctx context.Context) error {
	defer close(t.wanted)
	for {
		message, err := t.call.receive()
		if errors.Is(err, io.EOF) {
			return nil // the engine does not want more
		}
		if err != nil {
			return err
		}
		var kind uint64
		var id uint32
		var data []byte
		if err := fields(message, func(field protowire.Number, number uint64, bytes []byte) error {
			switch field {
			case 1:
				kind = number
			case 3:
				id = uint32(number) //nolint:gosec // it is one on the wire
			case 4:
				data = bytes
			}
			return nil
		}); err != nil {
			return err
		}
		switch kind {
		case packetReq:
			select {
			case t.wanted <- id:
			case <-ctx.Done():
				return ctx.Err()
			}
		case packetFin:
			return t.call.send(packet(packetFin, nil, 0, nil))
		case packetErr:
			return fmt.Errorf("the engine could not take the files: %s", data)
		}
	}
}

// deliver sends the files that were asked for, and after each an empty packet.
func (t *transfer) deliver(ctx context.Context) error {
	buffer := make([]byte, chunk)
	for {
		select {
		case id, ok := <-t.wanted:
			if !ok {
				return nil
			}
			if err := t.file(id, buffer); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (t *transfer) file(id uint32, buffer []byte) error {
	t.mu.Lock()
	if int(id) >= len(t.paths) {
		t.mu.Unlock()
		return fmt.Errorf("the engine asked for file %d, which it was not told of", id)
	}
	path := t.paths[id]
	t.mu.Unlock()
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		n, err := f.Read(buffer)
		if n > 0 {
			if err := t.call.send(packet(packetData, nil, id, buffer[:n])); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return t.call.send(packet(packetData, nil, id, nil))
		}
		if err != nil {
			return err
		}
	}
}

// packet is fsutil's Packet{type = 1, stat = 2, ID = 3, data = 4}.
func packet(kind uint64, stat []byte, id uint32, data []byte) []byte {
	b := putNumber(nil, 1, kind)
	if stat != nil {
		b = putBytes(b, 2, stat)
	}
	b = putNumber(b, 3, uint64(id))
	if len(data) > 0 {
		b = putBytes(b, 4, data)
	}
	return b
}

// stat is fsutil's Stat. Owner and group are root's, as Docker's own command sends them: those of this machine mean
// nothing in an image.
func stat(e buildcontext.Entry) []byte {
	mode := e.Info.Mode()
	if runtime.GOOS == "windows" && mode&fs.ModeSymlink == 0 {
		mode |= 0o755 // the file system does not know what is executable
	}
	b := putText(nil, 1, e.Name)
	b = putNumber(b, 2, uint64(mode)) // the bits of Go's fs.FileMode
	if mode.IsRegular() {
		b = putNumber(b, 5, uint64(e.Info.Size())) //nolint:gosec // sizes are not negative
	}
	b = putNumber(b, 6, uint64(e.Info.ModTime().UnixNano())) //nolint:gosec // two's complement, as protobuf has it
	return putText(b, 7, e.Link)
}
