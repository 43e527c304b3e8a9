package server

import (
	"bytes"
	"testing"
)

func TestWhatIsSealedOpensForItsNameAndItsServerAlone(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	stop := served(t, first)
	served(t, second)
	plain := []byte("WAYPOINT_ENTRYPOINT_TOKEN=secret")
	sealed, err := LocalClientOf(Address(first)).Seal(t.Context(), "deployment 1", plain)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("secret")) {
		t.Error("it stands there in the clear")
	}
	stop()
	served(t, first) // another process has the same key
	if got, err := LocalClientOf(Address(first)).Unseal(t.Context(), "deployment 1", sealed); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("opened %q, %v", got, err)
	}
	if _, err := LocalClientOf(Address(first)).Unseal(t.Context(), "deployment 2", sealed); err == nil {
		t.Error("it opens under another name")
	}
	if _, err := LocalClientOf(Address(second)).Unseal(t.Context(), "deployment 1", sealed); err == nil {
		t.Error("another server opens it")
	}
	sealed[len(sealed)-1] ^= 1
	if _, err := LocalClientOf(Address(first)).Unseal(t.Context(), "deployment 1", sealed); err == nil {
		t.Error("it opens although it was changed")
	}
}
