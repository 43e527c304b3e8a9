//go:build linux && (amd64 || arm64)

package entrypoint

import (
	"encoding/binary"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// firstRealtime is SIGRTMIN. The Go runtime leaves it to C libraries, which we do not have: os/signal delivers every
// other real-time signal, and this one ends the process. It gets a handler of our own.
const firstRealtime = syscall.Signal(34)

// realtimeFD is the eventfd that the handler adds realtimeOne to.
var (
	realtimeFD  int64      //nolint:unused // the handler, in assembly, reads it
	realtimeOne uint64 = 1 //nolint:unused // the handler, in assembly, reads it
)

func realtimeHandlerAddress() uintptr

// notifyFirstRealtime sends SIGRTMIN to c, as long as the process lives. If the kernel refuses what it needs, this one
// signal is not passed on.
func notifyFirstRealtime(c chan<- os.Signal) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return
	}
	realtimeFD = int64(fd)
	// The kernel's struct sigaction: handler, flags, restorer, and a mask of 8 bytes. Flags and restorer are those of the
	// runtime's handler for another signal.
	var action struct {
		handler, flags, restorer, mask uint64
	}
	const maskBytes = 8
	if _, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGHUP), 0, uintptr(unsafe.Pointer(&action)), maskBytes, 0, 0); errno != 0 {
		return
	}
	const siginfo = 4 // SA_SIGINFO: the handler takes no such argument
	action.handler, action.flags = uint64(realtimeHandlerAddress()), action.flags&^siginfo
	if _, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(firstRealtime), uintptr(unsafe.Pointer(&action)), 0, maskBytes, 0, 0); errno != 0 {
		return
	}
	events := os.NewFile(uintptr(fd), "SIGRTMIN")
	go func() { // as os/signal's own, for as long as the process lives
		buf := make([]byte, 8)
		for {
			if _, err := events.Read(buf); err != nil {
				return
			}
			for range binary.NativeEndian.Uint64(buf) {
				select {
				case c <- firstRealtime:
				default: // as os/signal does when nobody takes them
				}
			}
		}
	}()
}
