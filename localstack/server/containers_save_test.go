package server

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"connectrpc.com/connect"
)

// A listener that could not be remembered must not be given to the next caller: nobody listens there.
func TestAListenerForContainersThatCannotBeKeptIsNotGivenOut(t *testing.T) {
	dir := t.TempDir()
	served(t, dir)
	blocked := filepath.Join(dir, "doors.json")
	if err := os.MkdirAll(filepath.Join(blocked, "x"), 0o700); err != nil { // no file can be renamed over it
		t.Fatal(err)
	}
	local := LocalClientOf(Address(dir))
	for range 2 {
		if port, _, err := local.OpenListener(t.Context(), "127.0.0.1"); err == nil {
			t.Fatalf("port %d was given out", port)
		}
	}
	if err := os.RemoveAll(blocked); err != nil {
		t.Fatal(err)
	}
	port, pin, err := local.OpenListener(t.Context(), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	if err := register(t, "https://127.0.0.1:"+strconv.Itoa(port), pin); connect.CodeOf(err) != connect.CodeUnauthenticated {
		t.Errorf("the port does not answer: %v", err)
	}
}
