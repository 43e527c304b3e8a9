//go:build docker

package docker

import (
	"bytes"
	"debug/elf"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	imagetypes "github.com/moby/moby/api/types/image"
	"github.com/moby/moby/client"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/image"
	"github.com/waypoint-serverless/waypoint/runner/plugins/image/inject"
)

// own leaves out what the entrypoint and the engine add.
func own(files map[string]string) []string {
	names := slices.Sorted(maps.Keys(files))
	return slices.DeleteFunc(names, func(n string) bool { return n == inject.Path[1:] || n == "app" })
}

func TestDockerBuilderFields(t *testing.T) {
	yes, no := true, false
	outside := filepath.Join(t.TempDir(), "rendered.tpl")
	write(t, outside, "FROM scratch\nCOPY . /\nCMD [\"/app\"]\n")
	stages := "FROM scratch AS one\nCOPY app /app\nLABEL stage=one\nENTRYPOINT [\"/app\"]\n" +
		"FROM one AS two\nLABEL stage=two\n"
	cases := map[string]struct {
		files  map[string]string
		config BuilderConfig
		check  func(t *testing.T, e *engine, img image.Image)
	}{
		"dockerfile": {
			map[string]string{"build/My.Dockerfile": "FROM scratch\nCOPY app /app\nCMD [\"/app\", \"mine\"]\n"},
			BuilderConfig{Dockerfile: "build/My.Dockerfile"},
			func(t *testing.T, e *engine, img image.Image) {
				about := inspect(t, e, img.ID)
				if !slices.Equal(about.Config.Cmd, []string{"/app", "mine"}) || !slices.Equal(about.Config.Entrypoint, []string{inject.Path}) {
					t.Errorf("got %q %q", about.Config.Entrypoint, about.Config.Cmd)
				}
				if out, _ := run(t, e, img.ID); !strings.Contains(out, "app [mine]") {
					t.Error(out)
				}
			},
		},
		"dockerfile outside the context, as templatefile makes it": {
			map[string]string{"a.txt": "a", ".dockerignore": "*.log\n", "b.log": "b"}, BuilderConfig{Dockerfile: outside},
			func(t *testing.T, e *engine, img image.Image) {
				got := own(content(t, e, img.ID))
				got = slices.DeleteFunc(got, func(n string) bool { return n == ".dockerignore" }) // the builders differ in it
				if !slices.Equal(got, []string{"a.txt"}) {
					t.Errorf("the image has %q", got)
				}
			},
		},
		"context": {
			map[string]string{"Dockerfile": "FROM scratch\nCOPY . /\nCMD [\"/x\"]\n", "site/index.html": "hello", "secret": "s"},
			BuilderConfig{Context: "site"},
			func(t *testing.T, e *engine, img image.Image) {
				if got := content(t, e, img.ID); got["index.html"] != "hello" || got["secret"] != "" || got["app"] != "" {
					t.Errorf("the image has %q", own(got))
				}
			},
		},
		".dockerignore": {
			map[string]string{
				"Dockerfile": "FROM scratch\nCOPY . /\nCMD [\"/app\"]\n", ".dockerignore": "# what stays here\n*.log\nnode_modules\n!keep.log\ndocs/**\n!docs/readme.md\nDockerfile\n.dockerignore\n",
				"a.log": "x", "keep.log": "x", "node_modules/m/index.js": "x", "docs/a.md": "x", "docs/readme.md": "x", "src/deep/b.txt": "x",
			},
			BuilderConfig{},
			func(t *testing.T, e *engine, img image.Image) {
				want := []string{"docs", "docs/readme.md", "keep.log", "src", "src/deep", "src/deep/b.txt"}
				if got := own(content(t, e, img.ID)); !slices.Equal(got, want) {
					t.Errorf("the image has %q, want %q", got, want)
				}
			},
		},
		"build_args": {
			map[string]string{"Dockerfile": "FROM scratch\nARG WHO=nobody\nENV WHO=$WHO\nCOPY app /app\nCMD [\"/app\"]\n"},
			BuilderConfig{BuildArgs: map[string]string{"WHO": "me & you"}},
			func(t *testing.T, e *engine, img image.Image) {
				if env := inspect(t, e, img.ID).Config.Env; !slices.Contains(env, "WHO=me & you") {
					t.Errorf("the image's environment is %q", env)
				}
			},
		},
		"platform": {
			map[string]string{"Dockerfile": simple}, BuilderConfig{Platform: "linux/arm64"},
			func(t *testing.T, e *engine, img image.Image) {
				if about := inspect(t, e, img.ID); about.Architecture != "arm64" || about.Os != "linux" || img.Architecture != "arm64" {
					t.Errorf("the engine says %s/%s, we %s", about.Os, about.Architecture, img.Architecture)
				}
				file, err := elf.NewFile(bytes.NewReader([]byte(content(t, e, img.ID)[inject.Path[1:]])))
				if err != nil || file.Machine != elf.EM_AARCH64 {
					t.Errorf("the entrypoint is for %v, %v", file, err)
				}
			},
		},
		"target": {
			map[string]string{"Dockerfile": stages}, BuilderConfig{Target: "one"},
			func(t *testing.T, e *engine, img image.Image) {
				if got := inspect(t, e, img.ID).Config.Labels["stage"]; got != "one" {
					t.Errorf("built stage %q", got)
				}
			},
		},
		"no target: the last stage": {
			map[string]string{"Dockerfile": stages}, BuilderConfig{},
			func(t *testing.T, e *engine, img image.Image) {
				if got := inspect(t, e, img.ID).Config.Labels["stage"]; got != "two" {
					t.Errorf("built stage %q", got)
				}
			},
		},
		"disable_entrypoint": {
			map[string]string{"Dockerfile": simple}, BuilderConfig{DisableEntrypoint: true},
			func(t *testing.T, e *engine, img image.Image) {
				about := inspect(t, e, img.ID)
				if !slices.Equal(about.Config.Entrypoint, []string{"/app"}) || len(about.RootFS.Layers) != 1 || about.Config.Labels[labelApp] != "web" {
					t.Errorf("got %q, %d layers, %v", about.Config.Entrypoint, len(about.RootFS.Layers), about.Config.Labels)
				}
			},
		},
		"symbolic links and modes": {
			map[string]string{"Dockerfile": "FROM scratch\nCOPY dir /dir\nCOPY dir/link /followed\nCMD [\"/x\"]\n", "dir/real": "r"}, BuilderConfig{},
			func(t *testing.T, e *engine, img image.Image) {
				if got := content(t, e, img.ID); got["dir/link"] != "-> real" || got["dir/real"] != "r" || got["followed"] == "" {
					t.Errorf("got %q", got)
				}
			},
		},
	}
	for name, c := range cases {
		for builder, kit := range map[string]*bool{"BuildKit": &yes, "classic": &no} {
			t.Run(name+", "+builder, func(t *testing.T) {
				t.Parallel()
				e := theEngine(t)
				dir := contextOf(t, c.files)
				if strings.HasPrefix(name, "symbolic") {
					if err := os.Symlink("real", filepath.Join(dir, "dir", "link")); err != nil {
						t.Fatal(err)
					}
				}
				env, _ := engineEnv(t, dir)
				config := c.config
				config.BuildKit = kit
				img, _ := built(t, env, config)
				c.check(t, e, img)
			})
		}
	}
}

func TestDockerBuilderBuildkitChoosesTheBuilder(t *testing.T) {
	yes, no := true, false
	e := theEngine(t)
	for name, c := range map[string]struct {
		kit  *bool
		want bool
	}{"true": {&yes, true}, "false": {&no, false}, "left out": {nil, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, _ := engineEnv(t, contextOf(t, map[string]string{"Dockerfile": simple}))
			img, _ := built(t, env, BuilderConfig{BuildKit: c.kit})
			history, err := e.ImageHistory(t.Context(), img.ID)
			if err != nil {
				t.Fatal(err)
			}
			kit := slices.ContainsFunc(history.Items, func(h imagetypes.HistoryResponseItem) bool { return strings.HasPrefix(h.Comment, "buildkit") })
			if kit != c.want {
				t.Errorf("the engine's history says BuildKit: %v", kit)
			}
		})
	}
	t.Run("DOCKER_BUILDKIT=0", func(t *testing.T) {
		env, ui := engineEnv(t, contextOf(t, map[string]string{"Dockerfile": simple}))
		env.Environ = append(env.Environ, "DOCKER_BUILDKIT=0")
		built(t, env, BuilderConfig{})
		if out := ui.text(t); !strings.Contains(out, "classic builder") {
			t.Error(out)
		}
	})
}

func TestDockerBuilderNoCache(t *testing.T) {
	for name, kit := range builders() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := theEngine(t)
			env, ui := engineEnv(t, contextOf(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY app /app\nRUN [\"/app\", \"stamp\"]\nCMD [\"/app\"]\n"}))
			stamp := func(noCache bool) string {
				img, _ := built(t, env, BuilderConfig{BuildKit: kit, NoCache: noCache})
				return content(t, e, img.ID)["stamp"]
			}
			first, second, third := stamp(false), stamp(false), stamp(true)
			if first == "" || first != second || first == third {
				t.Errorf("the instruction ran at %q, then %q, and without cache %q", first, second, third)
			}
			if !strings.Contains(ui.text(t), "(cached)") {
				t.Error("nothing says what came from the cache:", ui.text(t))
			}
		})
	}
}

func TestDockerASecondInjectionChangesNothing(t *testing.T) {
	e := theEngine(t)
	env, _ := engineEnv(t, contextOf(t, map[string]string{"Dockerfile": simple}))
	first, _ := built(t, env, BuilderConfig{})
	write(t, filepath.Join(env.Dir, "Dockerfile"), "FROM "+first.Name()+"\nLABEL more=1\n")
	second, _ := built(t, env, BuilderConfig{})
	one, two := inspect(t, e, first.ID), inspect(t, e, second.ID)
	if !slices.Equal(one.RootFS.Layers, two.RootFS.Layers) || !slices.Equal(one.Config.Entrypoint, two.Config.Entrypoint) || two.Config.Labels["more"] != "1" {
		t.Errorf("%q became %q, %d layers %d", one.Config.Entrypoint, two.Config.Entrypoint, len(one.RootFS.Layers), len(two.RootFS.Layers))
	}
}

func TestDockerBuildsThatCannotBe(t *testing.T) {
	scratch := "FROM scratch\nCOPY app /app\n"
	cases := map[string]struct {
		files  map[string]string
		config BuilderConfig
		want   []string // in the message, the hint or the output
	}{
		"no Dockerfile":                      {nil, BuilderConfig{}, []string{"there is no Dockerfile at", "set dockerfile in the build stanza"}},
		"no context":                         {nil, BuilderConfig{Context: "gone"}, []string{`context = "gone": there is no directory`}},
		"not a platform":                     {map[string]string{"Dockerfile": scratch}, BuilderConfig{Platform: "a/b/c/d"}, []string{`platform = "a/b/c/d" is not a platform`}},
		"a failing RUN":                      {map[string]string{"Dockerfile": scratch + "RUN [\"/app\", \"exit\", \"3\"]\n"}, BuilderConfig{}, []string{"in Dockerfile failed with exit code 3", "RUN [", "boom at line 7"}},
		"no such stage":                      {map[string]string{"Dockerfile": scratch}, BuilderConfig{Target: "test"}, []string{`target = "test": Dockerfile has no such stage`}},
		"a file that is not there":           {map[string]string{"Dockerfile": "FROM scratch\nCOPY gone.txt /\n"}, BuilderConfig{}, []string{"the file gone.txt is not in the build's context", ".dockerignore"}},
		"not an instruction":                 {map[string]string{"Dockerfile": "FROM scratch\nCOPPY a b\n"}, BuilderConfig{}, []string{"Dockerfile", "COPPY"}},
		"an empty Dockerfile":                {map[string]string{"Dockerfile": "# nothing\n"}, BuilderConfig{}, []string{"Dockerfile is not right"}},
		"a base that is not there":           {map[string]string{"Dockerfile": "FROM 127.0.0.1:1/none:1\nCOPY app /\n"}, BuilderConfig{}, []string{"getting the image 127.0.0.1:1/none:1, which Dockerfile names: 127.0.0.1:1 cannot be reached"}},
		"an architecture without entrypoint": {map[string]string{"Dockerfile": simple}, BuilderConfig{Platform: "linux/s390x"}, []string{"is for linux/s390x", "disable_entrypoint = true"}},
		"a program of another architecture":  {map[string]string{"Dockerfile": scratch + "RUN [\"/app\"]\n", "app": "\x7fELF not of this machine"}, BuilderConfig{}, []string{"is for another architecture"}},
	}
	for name, c := range cases {
		for builderName, kit := range builders() {
			t.Run(name+", "+builderName, func(t *testing.T) {
				t.Parallel()
				dir := contextOf(t, c.files)
				if err := os.Chmod(filepath.Join(dir, "app"), 0o755); err != nil {
					t.Fatal(err)
				}
				env, ui := engineEnv(t, dir)
				config := c.config
				config.BuildKit = kit
				_, err := (&builder{config: config}).Build(t.Context(), env)
				all := explained(t, err) + "\n" + ui.text(t)
				for _, want := range c.want {
					if !strings.Contains(all, want) {
						t.Errorf("%q is not in\n%s", want, all)
					}
				}
			})
		}
	}
}

// explained is an error for people: its sentence and what to do.
func explained(t *testing.T, err error) string {
	t.Helper()
	var known *plugin.Error
	if !errors.As(err, &known) {
		t.Fatalf("not explained: %v", err)
	}
	return known.Error() + "\n" + known.Hint
}

func TestDockerAnImageWithoutACommandIsSaid(t *testing.T) {
	env, ui := engineEnv(t, contextOf(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY app /app\n"}))
	built(t, env, BuilderConfig{})
	if out := ui.text(t); !strings.Contains(out, "neither ENTRYPOINT nor CMD") {
		t.Error(out)
	}
}

func TestDockerRemoveImagesLeavesNoneOfTheApp(t *testing.T) {
	e := theEngine(t)
	env, _ := engineEnv(t, contextOf(t, map[string]string{"Dockerfile": simple}))
	one, _ := built(t, env, BuilderConfig{})
	write(t, filepath.Join(env.Dir, "Dockerfile"), simple+"LABEL two=2\n")
	two, _ := built(t, env, BuilderConfig{})
	other := *env
	other.App = "api"
	kept, _ := built(t, &other, BuilderConfig{})
	if err := e.removeImages(t.Context(), env, 0); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []image.Image{one, two} {
		if inspectError(t, e, gone.ID) == nil {
			t.Errorf("%s is still there", gone.Name())
		}
	}
	if inspectError(t, e, kept.ID) != nil {
		t.Error("another app's image is gone")
	}
}

func TestDockerPlatformIsNotTakenFromTheCacheOfAnother(t *testing.T) {
	e := theEngine(t)
	for name, kit := range builders() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, _ := engineEnv(t, contextOf(t, map[string]string{"Dockerfile": simple}))
			own, err := e.ServerVersion(t.Context(), client.ServerVersionOptions{})
			if err != nil {
				t.Fatal(err)
			}
			other := map[string]string{"amd64": "linux/arm64", "arm64": "linux/amd64"}[own.Arch]
			for _, platform := range []string{other, "", "linux/" + own.Arch, other} {
				img, _ := built(t, env, BuilderConfig{BuildKit: kit, Platform: platform})
				if platform == "" {
					platform = "linux/" + own.Arch
				}
				if about := inspect(t, e, img.ID); "linux/"+about.Architecture != platform {
					t.Errorf("asked for %s, the engine says %s", platform, about.Architecture)
				}
			}
		})
	}
}
