package server

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writeAll writes files of a data directory.
func writeAll(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMissingKeysBesideDataAreRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		files map[string]string
		ok    bool
	}{
		"first start":                    {nil, true},
		"a start that was cut off":       {map[string]string{"data.db": ""}, true},
		"data":                           {map[string]string{"data.db": "SQLite format 3"}, false},
		"data that is only in the log":   {map[string]string{"data.db": "", "data.db-wal": "x"}, false},
		"data, and the token of install": {map[string]string{"data.db": "SQLite format 3", "admin-token": "wp_user_x"}, false},
	} {
		d := dir(t.TempDir())
		writeAll(t, string(d), tt.files)
		k, err := loadKeys(d.keys(), d.data())
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_, statErr := os.Stat(d.keys())
		if tt.ok {
			if again, err := loadKeys(d.keys(), d.data()); err != nil || again.ServerID != k.ServerID {
				t.Errorf("%s: the keys do not stay: %v", name, err)
			}
			continue
		}
		if !errors.Is(statErr, os.ErrNotExist) {
			t.Errorf("%s: a key file was made", name)
		}
		for _, part := range []string{"keys.json", "restore", "backup", string(d), "uninstall --platform=local --purge"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: the refusal does not say %q: %v", name, part, err)
			}
		}
	}
}

// The server as it starts, stops and starts again on the same directory, with files lost in between.
func TestTheAdminTokenOfLostDataIsReplaced(t *testing.T) {
	d := dir(t.TempDir())
	if err := d.make(); err != nil {
		t.Fatal(err)
	}
	start := func() string {
		t.Helper()
		s, err := New(t.Context(), Options{Dir: string(d)})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close(t.Context()) }()
		if err := ensureAdminToken(t.Context(), s, d); err != nil {
			t.Fatal(err)
		}
		token, err := readToken(d.adminToken())
		if err != nil {
			t.Fatal(err)
		}
		if known, err := s.knowsToken(t.Context(), token); err != nil || !known {
			t.Fatalf("the token on disk opens nothing: %v", err)
		}
		return token
	}
	first := start()
	if again := start(); again != first {
		t.Error("a token that works is replaced")
	}
	for _, lost := range []string{"data.db", "data.db-wal", "data.db-shm"} {
		if err := os.Remove(d.file(lost)); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	second := start()
	if second == first {
		t.Error("the token of lost data is kept")
	}
	if again := start(); again != second {
		t.Error("it is replaced at each start")
	}
	writeAll(t, string(d), map[string]string{"admin-token": "\n"})
	if third := start(); third == second {
		t.Error("an empty token file is kept")
	}
}
