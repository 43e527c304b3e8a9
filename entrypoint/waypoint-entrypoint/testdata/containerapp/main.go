// Command containerapp is an app for tests of the entrypoint in a container that has nothing else in it. It leaves a
// daemon behind in a session of its own, writes each signal that it gets, and ends with TERM.
package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "daemon" {
		daemon()
	}
	if len(os.Args) > 1 && os.Args[1] == "sleep" {
		time.Sleep(time.Hour)
	}
	c := make(chan os.Signal, 128)
	for n := syscall.Signal(1); n < 65; n++ {
		// CHLD is about the daemon, URG is the Go runtime's own. 34 is left to C libraries by it.
		if n != syscall.SIGCHLD && n != syscall.SIGURG && n != 34 {
			signal.Notify(c, n)
		}
	}
	self := exec.Command("/proc/self/exe", "daemon")
	self.Stdout, self.Stderr = os.Stdout, os.Stderr
	self.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	ready, err := self.StdinPipe()
	if err == nil {
		err = self.Start()
	}
	if err != nil {
		fmt.Println("the daemon:", err)
		os.Exit(1)
	}
	defer ready.Close()
	for _, err := os.Stat("/daemon-up"); err != nil; _, err = os.Stat("/daemon-up") {
		time.Sleep(10 * time.Millisecond)
	}
	_ = os.Remove("/daemon-up")
	fmt.Println("run", os.Getenv("V"))
	for s := range c {
		fmt.Printf("got %d.\n", s)
		if s == syscall.SIGTERM {
			os.Exit(3)
		}
	}
}

// daemon keeps a port, as a server that was started in the background does.
func daemon() {
	signal.Ignore(syscall.SIGHUP)
	l, err := net.Listen("tcp", os.Getenv("DAEMON_ADDR"))
	if err != nil {
		fmt.Println("the daemon:", err)
		os.Exit(7)
	}
	defer l.Close()
	if err := os.WriteFile("/daemon-up", nil, 0o600); err != nil {
		fmt.Println("the daemon:", err)
	}
	time.Sleep(time.Hour)
}
