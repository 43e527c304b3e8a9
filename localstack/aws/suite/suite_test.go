package suite

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRunTellsWhatBecameOfEachCase(t *testing.T) {
	var cleaned []string
	clean := func(t T, name string) { t.Cleanup(func() { cleaned = append(cleaned, name) }) }
	outcomes := Run(t.Context(), []Case{
		{Name: "passes", Run: func(t T) { clean(t, "first"); clean(t, "second") }},
		{Name: "fails and goes on", Run: func(t T) { t.Error("one"); t.Errorf("two %d", 2) }},
		{Name: "fails and ends", Run: func(t T) { clean(t, "third"); t.Fatal("over"); t.Error("not reached") }},
		{Name: "panics", Run: func(T) { panic("out of order") }},
		{Name: "is bounded", Run: func(t T) {
			if _, bounded := t.Context().Deadline(); !bounded {
				t.Fatal("no deadline")
			}
		}},
	}, 1)
	want := []string{"", "one; two 2", "over", "panic: out of order", ""}
	for i, o := range outcomes {
		if o.Failure != want[i] {
			t.Errorf("%s: %q, want %q", o.Name, o.Failure, want[i])
		}
	}
	if !slices.Equal(cleaned, []string{"second", "first", "third"}) {
		t.Errorf("cleaned up: %v", cleaned)
	}
}

func TestRunRunsSomeAtOnceAndKeepsTheirOrder(t *testing.T) {
	both := make(chan bool, 2)
	meet := func(t T) {
		both <- true
		for deadline := time.Now().Add(time.Minute); len(both) < 2; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the other one did not start")
			}
		}
	}
	outcomes := Run(t.Context(), []Case{{Name: "a", Run: meet}, {Name: "b", Run: meet}}, 2)
	if outcomes[0] != (Outcome{"a", ""}) || outcomes[1] != (Outcome{"b", ""}) {
		t.Fatal(outcomes)
	}
}

func TestCoverageNamesWhatNoCaseMet(t *testing.T) {
	c := new(Coverage)
	engine := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("X-Amz-Target") {
		case "S_1.Good":
			_, _ = w.Write([]byte(`{"Failed":[{"Id":"a","Code":"InBatch"}],"Item":{"Code":{"S":"no code"}}}`))
		case "S_1.Bad":
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"__type":"com.x#Top","CancellationReasons":[{"Code":"Reason"}]}`))
		}
	})
	for _, target := range []string{"S_1.Good", "S_1.Bad"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://x/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Amz-Target", target)
		if _, err := c.Over(InProcess(engine)).RoundTrip(req); err != nil {
			t.Fatal(err)
		}
	}
	got := c.Uncovered([]string{"Good", "Bad", "Other"}, []string{"InBatch", "Top", "Reason", "no code", "Never"})
	want := []string{"error code Never", "error code no code", "operation Bad", "operation Other"}
	if !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func TestSourceFindsOperationsAndCodes(t *testing.T) {
	for _, c := range []struct{ name, source, operations, codes, failure string }{
		{"all forms", `package p
			func dispatch(n string) any { switch n { case "A", "B": return 1; case "C": return 2 }; return nil }
			func other(n string) { switch n { case "Not": } }
			func maker(name string) error { return &apiError{400, ns + name, ""} }
			var x = &apiError{400, ns + "Sum", ""}
			var y = apiError{400, "Plain", ""}
			var z = maker("Made")
			var r = reason{code: "Why", message: "Text"}`, "A B C", "Made Plain Sum Why", ""},
		{"a code that is not written out", `package p
			func dispatch(n string) { switch n { case "A": } }
			func f(code string) error { return &apiError{400, code, ""} }`, "", "", "not written out"},
		{"another form of engine", `package p
			var operations = map[string]int{"A": 1}`, "", "", "its form has changed"},
		{"no Go", `package`, "", "", "reading the engine's source"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "engine.go"), []byte(c.source), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "engine_test.go"), []byte("package p\nvar _ = apiError{1, \"InATest\"}"), 0o600); err != nil {
				t.Fatal(err)
			}
			operations, codes, err := Source{Dir: dir, Dispatch: "dispatch", Errors: map[string]int{"apiError": 1},
				Makers: map[string]int{"maker": 0}, Reasons: map[string]string{"reason": "code"}}.Read()
			if c.failure != "" {
				if err == nil || !strings.Contains(err.Error(), c.failure) {
					t.Fatalf("got %v, want %s", err, c.failure)
				}
				return
			}
			if err != nil || strings.Join(operations, " ") != c.operations || strings.Join(codes, " ") != c.codes {
				t.Fatalf("%v, %v, %v", operations, codes, err)
			}
		})
	}
}
