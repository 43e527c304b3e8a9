package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
)

// Upgrade restarts server and runner with another version of the program, and with the options of the
// installation. If the new version does not answer, the previous one is started again.
func Upgrade(ctx context.Context, o InstallOptions) (*Installed, error) {
	d, err := o.prepare()
	if err != nil {
		return nil, err
	}
	lock, err := d.change(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = lock.Release() }()
	if _, err := os.Stat(d.settings()); err != nil {
		return nil, &Trouble{
			Message: "no local server is installed in " + string(d),
			Hint:    "Run `waypoint install --platform=local`.",
		}
	}
	before := loadSettings(d)
	next := before
	next.Executable = o.Executable
	running, err := d.server().runs(ctx)
	if err != nil {
		return nil, err
	}
	if running {
		if before.Executable, err = keepBinary(d, d.serverPID(ctx), before.Executable, next.Executable); err != nil {
			return nil, err
		}
	}
	if err := stopBoth(ctx, d); err != nil {
		return nil, err
	}
	o.Progress("Stopped the previous version")
	_, err = start(ctx, d, next, o.Progress)
	if err == nil {
		err = next.save(d)
	}
	switch {
	case err == nil:
		_ = os.Remove(d.formerBinary()) // of this upgrade, or of one before that had failed
		next.keepProgram(d)
		return installed(d, next)
	case !running:
		return nil, err
	}
	return nil, goBack(ctx, d, before, err)
}

// goBack starts the version that ran before.
func goBack(ctx context.Context, d dir, before settings, why error) error {
	ctx = context.WithoutCancel(ctx) // an interrupted upgrade goes back, too; each step has its bound
	err := stopBoth(ctx, d)
	if err == nil {
		_, err = start(ctx, d, before, func(string) {})
	}
	if err == nil {
		err = before.save(d)
	}
	if err != nil {
		return &Trouble{
			Message: fmt.Sprintf("the new version does not work: %v. The previous version does not start either: %v", why, err),
			Hint:    "The data in " + string(d) + " is safe. Install the previous version and run `waypoint install --platform=local` with it.",
		}
	}
	return &Trouble{
		Message: fmt.Sprintf("the new version does not work: %v", why),
		Hint:    "The previous version has been started again; no data is lost." + hintOf(why),
	}
}

func hintOf(err error) string {
	if t := new(Trouble); errors.As(err, &t) && t.Hint != "" {
		return "\n" + t.Hint
	}
	return ""
}

// keepBinary makes sure that the program which runs now can be started again, whatever becomes of its file: often the
// new version has replaced it already. It returns the path to start.
func keepBinary(d dir, pid int, installed, next string) (string, error) {
	if same, err := sameFile(installed, next); err == nil && !same && runsAs(pid, installed) {
		return installed, nil
	}
	if _, err := os.Stat(d.installedBinary()); err == nil {
		return d.formerBinary(), copyProgram(d.installedBinary(), d.formerBinary())
	}
	if runtime.GOOS == "linux" && pid > 0 {
		// The kernel keeps the file of a program that runs, also when its name is gone.
		if err := copyProgram("/proc/"+strconv.Itoa(pid)+"/exe", d.formerBinary()); err == nil {
			return d.formerBinary(), nil
		}
	}
	return "", &Trouble{
		Message: "the binary of the running version no longer exists, so there would be no way back: nothing was changed",
		Hint:    "Run `waypoint uninstall --platform=local`, which keeps the data, then `waypoint install --platform=local` to continue without a way back.",
	}
}

// keepProgram keeps a copy of the program that runs, for the time after an upgrade that fails. On Linux the kernel has
// one.
func (s settings) keepProgram(d dir) {
	if runtime.GOOS == "linux" {
		return
	}
	if same, err := sameFile(s.Executable, d.installedBinary()); err == nil && same {
		return
	}
	if err := copyProgram(s.Executable, d.installedBinary()); err != nil {
		_ = os.Remove(d.installedBinary()) // an upgrade then says that it cannot go back
	}
}

// runsAs reports whether a process runs the program of that name; where the system does not tell, its being there
// counts.
func runsAs(pid int, path string) bool {
	if runtime.GOOS == "linux" && pid > 0 {
		same, err := sameFile("/proc/"+strconv.Itoa(pid)+"/exe", path)
		return err == nil && same
	}
	_, err := os.Stat(path)
	return err == nil
}

func sameFile(a, b string) (bool, error) {
	first, err := os.Stat(a)
	if err != nil {
		return false, err
	}
	second, err := os.Stat(b)
	if err != nil {
		return false, err
	}
	return os.SameFile(first, second), nil
}

func copyProgram(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	_ = os.Remove(to) // the one that runs now may be it: its file stays as long as it runs
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in) // a copy that is not whole is an error, and is not used
	return errors.Join(err, out.Sync(), out.Close())
}
