package server

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// printMuch is the body of a child that prints three times what a log may have.
func printMuch(path string) {
	line := strings.Repeat("x", 1<<10)
	for n := range 3 * maxLog >> 10 {
		fmt.Fprintln(os.Stderr, line)
		if n%500 == 0 {
			boundLog(path)
		}
	}
	boundLog(path)
	fmt.Println("the last line")
}

func TestALogIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "server.log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envServe+"="+path, envListen+"=log")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	_ = log.Close()
	if now, former := logSize(path), logSize(path+".1"); now > maxLog+1<<20 || former > maxLog+1<<20 || former == 0 {
		t.Errorf("%d and %d bytes", now, former)
	}
	if said, _ := lastWords(path, 0); said != "the last line" {
		t.Errorf("the log ends with %q", said)
	}
}

func TestTheLastWordsOfAProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	for log, want := range map[string][2]string{
		"":           {"it printed nothing", ""},
		"one\ntwo\n": {"two", ""},
		"noise\nError: The flux is off (X)\n  Set it,\n  then go on.\n": {"the flux is off (X)", "Set it,\nthen go on."},
		"Error: AWS is off\n": {"AWS is off", ""},
	} {
		if err := os.WriteFile(path, []byte("Error: An older one\n"+log), 0o600); err != nil {
			t.Fatal(err)
		}
		said, hint := lastWords(path, int64(len("Error: An older one\n")))
		if said != want[0] || hint != want[1] {
			t.Errorf("%q: %q and %q", log, said, hint)
		}
	}
}
