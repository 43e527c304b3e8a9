package contexts

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestAContextIsForItsOwnerAlone(t *testing.T) {
	s := Store{Dir: filepath.Join(t.TempDir(), "a", "context")}
	want := Context{Address: "https://x", Token: "wp_user_1", Platform: "aws", Workspace: "prod"}
	if err := s.Save("one", want); err != nil {
		t.Fatal(err)
	}
	got, err := s.Load("one")
	if err != nil || got != want {
		t.Fatalf("got %+v, %v", got, err)
	}
	if s.LoosePermissions("one") {
		t.Error("others can read it")
	}
	left, err := filepath.Glob(filepath.Join(s.Dir, ".tmp*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestTheDefaultFollowsItsContext(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	check := func(want string) {
		t.Helper()
		if got, err := s.Default(); err != nil || got != want {
			t.Errorf("default is %q, %v; want %q", got, err, want)
		}
	}
	check("")
	for _, name := range []string{"one", "two"} {
		if err := s.Save(name, Context{Address: name}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.SetDefault("one"); err != nil {
		t.Fatal(err)
	}
	if err := s.Rename("one", "three"); err != nil {
		t.Fatal(err)
	}
	check("three")
	if err := s.Delete("two"); err != nil {
		t.Fatal(err)
	}
	check("three")
	if err := s.Delete("three"); err != nil {
		t.Fatal(err)
	}
	check("")
}

func TestWhatIsNotThereIsSaidToBeSo(t *testing.T) {
	s := Store{Dir: filepath.Join(t.TempDir(), "none")}
	if names, err := s.List(); err != nil || len(names) > 0 {
		t.Errorf("got %v, %v", names, err)
	}
	_, loadErr := s.Load("x")
	for what, err := range map[string]error{"load": loadErr, "delete": s.Delete("x"), "default": s.SetDefault("x"), "rename": s.Rename("x", "y")} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestNamesAreNoPaths(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	for _, name := range []string{"", "../x", "a/b", ".hidden", "-", "_default", "a b"} {
		if err := s.Save(name, Context{}); err == nil {
			t.Errorf("%q was taken", name)
		}
	}
}

func TestOldContextsAreFoundAndLeftAlone(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	path := filepath.Join(s.Dir, "old.hcl")
	text := "server {\n  address = \"host:9701\"\n  auth_token = \"secret\"\n}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	names, err := s.Legacy()
	if err != nil || len(names) != 1 || names[0] != "old" {
		t.Fatalf("got %v, %v", names, err)
	}
	c, err := s.LoadLegacy("old")
	if err != nil || c.Address != "host:9701" || c.Path != path {
		t.Errorf("got %+v, %v", c, err)
	}
}
