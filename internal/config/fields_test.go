package config

import (
	"slices"
	"strings"
	"testing"
)

// A fate is what becomes of an attribute or a block: the fields and methods that carry it to a reader, or why it is ignored.
type fate struct {
	key     string
	carried []string
	ignored string
}

// fates lists what becomes of everything that may stand in the language's stanzas, each field singly. A stanza whose block is
// ignored is ignored with all that stands in it.
func fates() (list []fate) {
	var walk func(s *stanza, path, ignored string)
	walk = func(s *stanza, path, ignored string) {
		for _, a := range s.attrs {
			f := fate{key: path + a.name, carried: a.carried, ignored: a.ignored}
			if ignored != "" {
				f.carried, f.ignored = nil, ignored
			}
			list = append(list, f)
		}
		for _, p := range s.holds {
			why := ignored
			if why == "" {
				why = p.ignored
			}
			if p.open || p.narrows || p.carried != nil {
				list = append(list, fate{key: path + p.block, carried: p.carried, ignored: why})
			}
			if !p.open && !p.narrows {
				walk(p.stanza, path+p.block+".", why)
			}
		}
	}
	walk(newLanguage().root, "", "")
	return list
}

func TestEveryFieldOfAStanzaReachesAReaderOrIsIgnored(t *testing.T) {
	c := checkSources(t, "../../cli", "../../runner")
	seen := map[string]bool{}
	for _, f := range fates() {
		if seen[f.key] {
			t.Errorf("%s may stand in its stanza twice", f.key)
		}
		seen[f.key] = true
		if (len(f.carried) > 0) == (f.ignored != "") && !slices.Contains(refused(), f.key) {
			t.Errorf("%s must be carried by something or be ignored: one of the two", f.key)
		}
		for _, by := range f.carried {
			switch {
			case !c.exists(by):
				t.Errorf("%s is carried by %s, which is not a field or method of this package", f.key, by)
			case !c.read[by]:
				t.Errorf("%s is carried by %s, which neither cli nor runner reads, nor what is registered with the server", f.key, by)
			}
		}
	}
	for _, key := range []string{"runner.poll.interval", "pipeline.step.pipeline.step.image_url", "plugin.type.mapper", "app.runner.data_source.key", "app.url.auto_hostname"} {
		if !seen[key] {
			t.Errorf("%s is not among the fields", key)
		}
	}
	// Names do not count: many things have an Enabled that is read.
	if c.read["Poll.Enabled"] || c.read["Runner.Profile"] || !c.read["App.Path"] {
		t.Error("the check does not tell fields of one name apart")
	}
}

// refused are the fields that are always an error where they stand, or a warning of their own.
func refused() []string {
	return []string{"app.build.workspace.registry", "pipeline.step.pipeline.step.pipeline"}
}

func TestEveryStanzaIsDescribed(t *testing.T) {
	described := map[string]bool{}
	for _, r := range Rules() {
		described[r.Stanza] = true
		if r.Mark != "C" && r.Mark != "U" || r.Rule == "" {
			t.Errorf("%s has no rule for the documentation", r.Stanza)
		}
	}
	for _, s := range newLanguage().all {
		undocumented := s.narrows || s.block == "plugin" || s.block == "type" || s.block == "poll" || s.block == ""
		if !undocumented && !described[s.block] {
			t.Errorf("%s has no rule for the documentation", s.name)
		}
	}
}

func TestWhatIsIgnoredIsTold(t *testing.T) {
	f, diags := Parse([]byte(`project = "p"
runner {
  profile = "large"
  poll {
    enabled = true
  }
}
pipeline "ship" {
  step "one" {
    use "up" {}
  }
}
plugin "mine" {
  checksum = "ab"
  type {
    builder = true
  }
}
app "web" {
  build {
    use "files" {}
  }
  deploy {
    use "exec" {}
  }
  url {
    auto_hostname = true
  }
  runner {
    profile = "small"
  }
}
`), "waypoint.hcl")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	told := map[string]bool{}
	var summaries []string
	for _, d := range f.Ignored() {
		told[d.Detail] = true
		summaries = append(summaries, d.Summary)
		if d.Subject == nil || d.Subject.Start.Line == 0 {
			t.Errorf("%s has no place", d.Summary)
		}
	}
	for _, field := range fates() {
		if field.ignored != "" && !told[field.ignored] {
			t.Errorf("%s is ignored, and nobody is told", field.key)
		}
	}
	want := `runner.profile is not used, runner.poll is not used, The pipeline "ship" is not used, plugin.checksum is not used, ` +
		`The type stanza of the plugin "mine" is not used, url.auto_hostname is not used, The runner stanza of the app "web" is not used`
	if got := strings.Join(summaries, ", "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if plain, _ := Parse([]byte("project = \"p\"\n"), "waypoint.hcl"); len(plain.Ignored()) != 0 {
		t.Error("a plain file is warned of")
	}
}
