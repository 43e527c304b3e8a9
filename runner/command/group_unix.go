//go:build unix

package command

import (
	"os/exec"
	"runtime"
	"syscall"
)

// group is the process group that a command leads.
type group struct{ id int }

// startGroup starts cmd as the leader of a group; ended receives the result of waiting for it, once.
// The goroutine that starts keeps its thread to the end, because a parent-death signal follows the thread.
func startGroup(cmd *exec.Cmd, _ bool) (*group, <-chan error, error) {
	cmd.SysProcAttr = attributes()
	started := make(chan error, 1)
	ended := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, nil, err
	}
	return &group{id: cmd.Process.Pid}, ended, nil
}

func (g *group) terminate() { _ = syscall.Kill(-g.id, syscall.SIGTERM) }

// kill ends whatever is left of the group. The group's id cannot be somebody else's while a member lives; with no
// member left the kernel answers that there is none.
func (g *group) kill() { _ = syscall.Kill(-g.id, syscall.SIGKILL) }

func (g *group) close() {}
