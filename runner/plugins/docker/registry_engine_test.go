//go:build docker

package docker

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	stored "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/moby/moby/client"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/image"
	"github.com/waypoint-serverless/waypoint/runner/plugins/image/inject"
)

// Secrets of the registry's account. The tests search everything that is kept or shown for them.
const (
	user          = "acme-bot"
	password      = "pa55-w0rd-of-the-registry"
	identityToken = "identity-token-of-the-account"
	accessToken   = "access-token-of-the-registry"
)

// store is a registry that wants to know who is there: by password, or by a token that its token server gives out.
type store struct {
	*httptest.Server
	host string

	mu     sync.Mutex
	agents []string // of those that were let in
}

// newStore starts a registry; bearer makes it one with a token server.
func newStore(t *testing.T, secure, bearer bool) *store {
	t.Helper()
	s := &store{}
	inner := stored.New(stored.Logger(log.New(io.Discard, "", 0)))
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			s.token(w, r)
			return
		}
		name, given, _ := r.BasicAuth()
		if !(name == user && given == password) && r.Header.Get("Authorization") != "Bearer "+accessToken {
			challenge := `Basic realm="registry"`
			if bearer {
				challenge = fmt.Sprintf(`Bearer realm="%s/token",service="registry"`, s.URL)
			}
			w.Header().Set("WWW-Authenticate", challenge)
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
			return
		}
		s.mu.Lock()
		s.agents = append(s.agents, r.UserAgent())
		s.mu.Unlock()
		inner.ServeHTTP(w, r)
	})
	if secure {
		s.Server = httptest.NewUnstartedServer(handler)
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.StartTLS()
	} else {
		s.Server = httptest.NewServer(handler)
	}
	t.Cleanup(s.Close)
	at, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	s.host = at.Host
	t.Cleanup(s.forget)
	return s
}

// forget removes what engines have pulled from the registry, or named after it: the registry ends with its test.
func (s *store) forget() {
	e, err := connect(context.Background(), nil, nil)
	if err != nil {
		return
	}
	defer e.Close()
	list, err := e.ImageList(context.Background(), client.ImageListOptions{All: true})
	if err != nil {
		return
	}
	for _, item := range list.Items {
		for _, name := range slices.Concat(item.RepoTags, item.RepoDigests) {
			if strings.HasPrefix(name, s.host+"/") {
				_, _ = e.ImageRemove(context.Background(), name, client.ImageRemoveOptions{Force: true})
			}
		}
	}
}

// token gives an access token for the account's identity token or password.
func (s *store) token(w http.ResponseWriter, r *http.Request) {
	name, given, _ := r.BasicAuth()
	ok := name == user && given == password || r.FormValue("refresh_token") == identityToken ||
		r.FormValue("username") == user && r.FormValue("password") == password
	if !ok {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"token":%q,"access_token":%q,"expires_in":300}`, accessToken, accessToken)
}

// get asks the registry, as its account, what it has under the name; nil if nothing.
func (s *store) get(t *testing.T, reference string) *remote.Descriptor {
	t.Helper()
	ref, err := name.ParseReference(reference)
	if err != nil {
		t.Fatal(err)
	}
	d, err := remote.Get(ref, remote.WithAuth(&authn.Basic{Username: user, Password: password}), remote.WithTransport(trusting()))
	if err != nil {
		return nil
	}
	return d
}

func trusting() http.RoundTripper {
	return &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
}

func (s *store) config(t *testing.T, reference string) *v1.ConfigFile {
	t.Helper()
	d := s.get(t, reference)
	if d == nil {
		t.Fatalf("the registry has no %s", reference)
	}
	img, err := d.Image()
	if err != nil {
		t.Fatal(err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func (s *store) put(t *testing.T, reference string, what any) {
	t.Helper()
	ref, err := name.ParseReference(reference)
	if err != nil {
		t.Fatal(err)
	}
	auth := remote.WithAuth(&authn.Basic{Username: user, Password: password})
	switch what := what.(type) {
	case v1.ImageIndex:
		err = remote.WriteIndex(ref, what, auth, remote.WithTransport(trusting()))
	case v1.Image:
		err = remote.Write(ref, what, auth, remote.WithTransport(trusting()))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// artifactOf is what a later stage is given.
func artifactOf(t *testing.T, r *plugin.Result) *plugin.Artifact {
	t.Helper()
	state, err := json.Marshal(r.State)
	if err != nil {
		t.Fatal(err)
	}
	return &plugin.Artifact{Plugin: "docker", State: state, Template: r.Template, Portable: r.Portable}
}

// noSecret searches everything that a person or a record gets.
func noSecret(t *testing.T, ui *screen, r *plugin.Result, err error) {
	t.Helper()
	all := ui.text(t)
	if r != nil {
		content, _ := json.Marshal(r)
		all += string(content)
	}
	if err != nil {
		all += err.Error() + explained(t, err)
	}
	for _, secret := range []string{password, identityToken, accessToken, base64.StdEncoding.EncodeToString([]byte(user + ":" + password))} {
		if strings.Contains(all, secret) {
			t.Errorf("%q is in\n%s", secret, all)
		}
	}
}

func encoded(fields map[string]string) string {
	content, _ := json.Marshal(fields)
	return base64.StdEncoding.EncodeToString(content)
}

func TestDockerRegistryCredentials(t *testing.T) {
	e := theEngine(t)
	env, _ := engineEnv(t, contextOf(t, map[string]string{"Dockerfile": simple}))
	_, made := built(t, env, BuilderConfig{})
	basic := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	cases := map[string]struct {
		bearer bool
		config func(host string) RegistryConfig
		docker func(host string) string // config.json
		helper string
		fails  string
	}{
		"username and password": {config: func(string) RegistryConfig { return RegistryConfig{Username: user, Password: password} }},
		"encoded_auth": {config: func(string) RegistryConfig {
			return RegistryConfig{EncodedAuth: encoded(map[string]string{"username": user, "password": password})}
		}},
		"encoded_auth with a token": {bearer: true, config: func(string) RegistryConfig {
			return RegistryConfig{EncodedAuth: encoded(map[string]string{"identitytoken": identityToken})}
		}},
		"auth: username, password, email": {config: func(string) RegistryConfig {
			return RegistryConfig{Auth: &image.Auth{Username: user, Password: password, Email: "bot@example.com"}}
		}},
		"auth: auth":          {config: func(string) RegistryConfig { return RegistryConfig{Auth: &image.Auth{Auth: basic}} }},
		"auth: identityToken": {bearer: true, config: func(string) RegistryConfig { return RegistryConfig{Auth: &image.Auth{IdentityToken: identityToken}} }},
		"auth: registryToken": {bearer: true, config: func(string) RegistryConfig { return RegistryConfig{Auth: &image.Auth{RegistryToken: accessToken}} }},
		"auth: hostname": {config: func(host string) RegistryConfig {
			return RegistryConfig{Auth: &image.Auth{Hostname: host, Username: user, Password: password}}
		}},
		"auth: serverAddress": {config: func(host string) RegistryConfig {
			return RegistryConfig{Auth: &image.Auth{ServerAddress: "http://" + host + "/v2/", Username: user, Password: password}}
		}},
		"auth of another hostname is not sent": {config: func(string) RegistryConfig {
			return RegistryConfig{Auth: &image.Auth{Hostname: "ghcr.io", Username: user, Password: password}}
		}, fails: "there are no credentials for it"},
		"Docker's configuration": {docker: func(host string) string {
			return fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, basic)
		}},
		"a credential helper": {helper: "echo", docker: func(host string) string {
			return fmt.Sprintf(`{"credHelpers":{%q:"echo"}}`, host)
		}},
		"a credential store": {helper: "store", docker: func(string) string { return `{"credsStore":"store"}` }},
		"none":               {fails: "there are no credentials for it"},
		"wrong ones": {config: func(string) RegistryConfig { return RegistryConfig{Username: user, Password: password + "x"} },
			fails: `refused the credentials of the user "acme-bot"`},
		"a helper that is not there": {docker: func(string) string { return `{"credsStore":"gone"}` }, fails: "docker-credential-gone, which is not in the PATH"},
	}
	for title, c := range cases {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			s := newStore(t, false, c.bearer)
			env, ui := engineEnv(t, env.Dir)
			dir := t.TempDir()
			if c.docker != nil {
				write(t, filepath.Join(dir, "config.json"), c.docker(s.host))
			}
			if c.helper != "" {
				script := fmt.Sprintf("#!/bin/sh\nread server\n[ \"$1 $server\" = 'get %s' ] || exit 1\nprintf '{\"Username\":\"%s\",\"Secret\":\"%s\"}'\n", s.host, user, password)
				if err := os.WriteFile(filepath.Join(dir, "docker-credential-"+c.helper), []byte(script), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			env.Environ = append(env.Environ, "DOCKER_CONFIG="+dir, "PATH="+dir+":"+os.Getenv("PATH"))
			config := RegistryConfig{}
			if c.config != nil {
				config = c.config(s.host)
			}
			config.Image, config.Tag = s.host+"/acme/web", "1.0"
			r, err := (&registry{config: config}).Push(t.Context(), env, artifactOf(t, made))
			t.Cleanup(func() { e.forget(context.Background(), config.Image+":1.0") })
			noSecret(t, ui, r, err)
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			there := s.get(t, config.Image+":1.0")
			got := r.State.(image.Image)
			if there == nil || got.Digest != there.Digest.String() || got.Location != image.InRegistry || !r.Portable || r.Template["digest"] != got.Digest {
				t.Errorf("the registry has %v, we say %+v", there, got)
			}
		})
	}
}

func TestDockerRegistryPushesWhatWasBuilt(t *testing.T) {
	e := theEngine(t)
	s := newStore(t, false, false)
	env, ui := engineEnv(t, contextOf(t, map[string]string{"Dockerfile": simple}))
	img, made := built(t, env, BuilderConfig{})
	config := RegistryConfig{Image: s.host + "/acme/web", Tag: "v1.2_x", Username: user, Password: password}
	push := func() *plugin.Result {
		r, err := (&registry{config: config}).Push(t.Context(), env, artifactOf(t, made))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	t.Cleanup(func() { e.forget(context.Background(), config.Image+":"+config.Tag) })
	r := push()
	file, about := s.config(t, config.Image+":"+config.Tag), inspect(t, e, img.ID)
	if !slices.Equal(file.Config.Entrypoint, []string{inject.Path, "/app"}) || len(file.RootFS.DiffIDs) != len(about.RootFS.Layers) || file.Config.Labels[labelApp] != "web" {
		t.Errorf("the registry's image: %+v", file.Config)
	}
	if out := ui.text(t); !strings.Contains(out, "Layer ") || !strings.Contains(out, "pushed") {
		t.Error("no layers are shown:", out)
	}
	_, made = built(t, env, BuilderConfig{})
	if again := push(); again.Template["digest"] != r.Template["digest"] {
		t.Errorf("unchanged, and %v became %v", r.Template["digest"], again.Template["digest"])
	}
	if out := ui.text(t); !strings.Contains(out, "is there already") {
		t.Error("nothing says that the layers were there:", out)
	}
}

func TestDockerRegistryLocal(t *testing.T) {
	e := theEngine(t)
	env, _ := engineEnv(t, contextOf(t, map[string]string{"Dockerfile": simple}))
	img, made := built(t, env, BuilderConfig{})
	config := RegistryConfig{Image: "127.0.0.1:1/acme/web", Tag: "1", Local: true}
	r, err := (&registry{config: config}).Push(t.Context(), env, artifactOf(t, made))
	if err != nil {
		t.Fatal(err)
	}
	if about := inspect(t, e, "127.0.0.1:1/acme/web:1"); about.ID != img.ID || r.Portable || r.Template["location"] != image.InEngine {
		t.Errorf("the engine has %s, built was %s: %+v", about.ID, img.ID, r)
	}
	e.forget(t.Context(), "127.0.0.1:1/acme/web:1")
}

func TestDockerRegistryInsecureOnlyWhenAsked(t *testing.T) {
	e := theEngine(t)
	s := newStore(t, true, false) // with a certificate that nobody knows
	env, ui := engineEnv(t, contextOf(t, map[string]string{"Dockerfile": simple}))
	_, made := built(t, env, BuilderConfig{})
	config := RegistryConfig{Image: s.host + "/acme/web", Tag: "1", Username: user, Password: password, Insecure: true}
	t.Cleanup(func() { e.forget(context.Background(), config.Image+":1") })
	r, err := (&registry{config: config}).Push(t.Context(), env, artifactOf(t, made))
	noSecret(t, ui, r, err)
	if err != nil {
		t.Fatal(err)
	}
	if there := s.get(t, config.Image+":1"); there == nil || there.Digest.String() != r.Template["digest"] {
		t.Errorf("the registry has %v, we say %v", there, r.Template["digest"])
	}
	// Without an engine it is we who check the certificate; with one, it is the engine, by its own rules.
	pulled := artifactOf(t, image.Image{Image: s.host + "/acme/web", Tag: "1"}.Result())
	config.Insecure = false
	r, err = (&registry{config: config}).Push(t.Context(), env, pulled)
	noSecret(t, ui, r, err)
	if err == nil || !strings.Contains(err.Error(), "is not one that this machine trusts") || !strings.Contains(explained(t, err), "insecure = true") {
		t.Errorf("got %v", err)
	}
}

func TestDockerRegistryRefusesWhatIsNoName(t *testing.T) {
	env, _ := engineEnv(t, t.TempDir())
	made := artifactOf(t, image.Image{Image: "x", Tag: "1", ID: "sha256:" + strings.Repeat("0", 64), Location: image.InEngine}.Result())
	for title, c := range map[string]struct {
		config RegistryConfig
		want   string
	}{
		"a tag with a slash":    {RegistryConfig{Image: "web", Tag: "feature/x"}, `tag = "feature/x" is not a tag`},
		"capital letters":       {RegistryConfig{Image: "Acme/Web", Tag: "1"}, `image = "Acme/Web" is not the name of an image`},
		"a tag in the name":     {RegistryConfig{Image: "web:1", Tag: "2"}, `image = "web:1" has a tag`},
		"no tag":                {RegistryConfig{Image: "web"}, "must not be empty"},
		"an image that is gone": {RegistryConfig{Image: "127.0.0.1:1/web", Tag: "1"}, "is not in the Docker engine"},
	} {
		t.Run(title, func(t *testing.T) {
			_, err := (&registry{config: c.config}).Push(t.Context(), env, made)
			if all := explained(t, err); !strings.Contains(all, c.want) {
				t.Errorf("got %s", all)
			}
		})
	}
}

func TestDockerBuilderAuth(t *testing.T) {
	e := theEngine(t)
	s := newStore(t, false, false)
	base, err := random.Image(100, 1)
	if err != nil {
		t.Fatal(err)
	}
	if base, err = mutate.Config(base, v1.Config{Labels: map[string]string{"base": "private"}}); err != nil {
		t.Fatal(err)
	}
	file, _ := base.ConfigFile()
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", "amd64"
	if base, err = mutate.ConfigFile(base, file); err != nil {
		t.Fatal(err)
	}
	number := 0
	for builderName, kit := range builders() {
		for title, c := range map[string]struct {
			auth   *image.Auth
			docker bool
			fails  string
		}{
			"auth":                   {auth: &image.Auth{Hostname: s.host, Username: user, Password: password}},
			"Docker's configuration": {docker: true},
			"none":                   {fails: "there are no credentials for it"},
			"auth without a hostname is Docker Hub's": {auth: &image.Auth{Username: user, Password: password}, fails: "there are no credentials for it"},
		} {
			number++
			name := fmt.Sprintf("%s/private/base-%d:1", s.host, number) // nothing of it is in a cache
			s.put(t, name, base)
			t.Run(title+", "+builderName, func(t *testing.T) {
				t.Parallel()
				t.Cleanup(func() { _, _ = e.ImageRemove(context.Background(), name, client.ImageRemoveOptions{Force: true}) })
				env, ui := engineEnv(t, contextOf(t, map[string]string{"Dockerfile": "FROM " + name + "\nCOPY app /app\nCMD [\"/app\"]\n"}))
				dir := t.TempDir()
				if c.docker {
					write(t, filepath.Join(dir, "config.json"), fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, s.host, base64.StdEncoding.EncodeToString([]byte(user+":"+password))))
				}
				env.Environ = append(env.Environ, "DOCKER_CONFIG="+dir)
				r, err := (&builder{config: BuilderConfig{BuildKit: kit, Auth: c.auth}}).Build(t.Context(), env)
				noSecret(t, ui, r, err)
				if c.fails != "" {
					if err == nil || !strings.Contains(err.Error(), c.fails) {
						t.Fatalf("got %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if got := inspect(t, e, r.State.(image.Image).ID).Config.Labels["base"]; got != "private" {
					t.Errorf("built on %q", got)
				}
			})
		}
	}
}

// anApp is an image with a command, for the platforms given.
func anApp(t *testing.T, architecture string) v1.Image {
	t.Helper()
	img, err := random.Image(500, 1)
	if err != nil {
		t.Fatal(err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Config.Cmd = "linux", architecture, []string{"/app"}
	if img, err = mutate.ConfigFile(img, file); err != nil {
		t.Fatal(err)
	}
	return img
}

func TestDockerPull(t *testing.T) {
	e := theEngine(t)
	s := newStore(t, false, false)
	s.put(t, s.host+"/acme/app:1", anApp(t, "amd64"))
	settings := image.Settings{Auth: &image.Auth{Username: user, Password: password}}
	pull := func(t *testing.T, r PullRequest) (image.Image, error) {
		env, ui := engineEnv(t, t.TempDir())
		r.Image = image.Image{Image: s.host + "/acme/app", Tag: "1"}
		got, err := Pull(t.Context(), env, r)
		if err != nil {
			noSecret(t, ui, nil, err)
			return image.Image{}, err
		}
		noSecret(t, ui, got.Result(), nil)
		return *got, nil
	}
	t.Cleanup(func() {
		_, _ = e.ImageRemove(t.Context(), s.host+"/acme/app:1", client.ImageRemoveOptions{Force: true})
	})
	t.Run("with the entrypoint", func(t *testing.T) {
		got, err := pull(t, PullRequest{Settings: settings, Inject: true})
		if err != nil {
			t.Fatal(err)
		}
		about := inspect(t, e, got.Name())
		if !slices.Equal(about.Config.Entrypoint, []string{inject.Path}) || !slices.Equal(about.Config.Cmd, []string{"/app"}) || about.Config.Labels[labelApp] != "web" {
			t.Errorf("the engine says %+v", about.Config)
		}
	})
	t.Run("disable_entrypoint", func(t *testing.T) {
		got, err := pull(t, PullRequest{Settings: settings})
		if err != nil {
			t.Fatal(err)
		}
		if about := inspect(t, e, got.ID); len(about.Config.Entrypoint) != 0 || got.Name() != s.host+"/acme/app:1" || !slices.Contains(about.RepoTags, got.Name()) {
			t.Errorf("got %+v, the engine says %v", got, about.RepoTags)
		}
	})
	t.Run("encoded_auth", func(t *testing.T) {
		if _, err := pull(t, PullRequest{Settings: image.Settings{Encoded: encoded(map[string]string{"username": user, "password": password})}}); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("no credentials", func(t *testing.T) {
		if _, err := pull(t, PullRequest{}); err == nil || !strings.Contains(err.Error(), "there are no credentials for it") {
			t.Errorf("got %v", err)
		}
	})
}

func TestDockerPullAndPushWithoutAnEngine(t *testing.T) {
	s := newStore(t, false, false)
	index := v1.ImageIndex(empty.Index)
	for _, a := range []string{"amd64", "arm64", "s390x"} {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: anApp(t, a), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: a}}})
	}
	s.put(t, s.host+"/acme/many:1", index)
	s.put(t, s.host+"/acme/one:1", anApp(t, "arm64"))
	auth := &image.Auth{Username: user, Password: password}

	copied := func(t *testing.T, repository string, injected bool) *remote.Descriptor {
		env, ui := newEnv(t, t.TempDir())
		env.Entrypoint = filepath.Join(bins(t), "waypoint-entrypoint")
		env.Environ = append(env.Environ, "DOCKER_HOST=unix:///nowhere/docker.sock")
		got, err := Pull(t.Context(), env, PullRequest{Image: image.Image{Image: s.host + "/acme/" + repository, Tag: "1"}, Settings: image.Settings{Auth: auth}, Inject: injected})
		if err != nil {
			t.Fatal(err)
		}
		config := RegistryConfig{Image: s.host + "/mine/" + repository, Tag: "2", Auth: auth}
		r, err := (&registry{config: config}).Push(t.Context(), env, artifactOf(t, got.Result()))
		noSecret(t, ui, r, err)
		if err != nil {
			t.Fatal(err)
		}
		there := s.get(t, config.Image+":2")
		if there == nil || there.Digest.String() != r.Template["digest"] {
			t.Fatalf("the registry has %v, we say %v", there, r.Template["digest"])
		}
		return there
	}
	t.Run("an index keeps its other platforms", func(t *testing.T) {
		was := s.get(t, s.host+"/acme/many:1")
		made := copied(t, "many", true)
		got, err := made.ImageIndex()
		if err != nil {
			t.Fatal(err)
		}
		manifest, _ := got.IndexManifest()
		before, _ := was.ImageIndex()
		old, _ := before.IndexManifest()
		for i, d := range manifest.Manifests {
			changed := d.Digest != old.Manifests[i].Digest
			if changed != (d.Platform.Architecture != "s390x") {
				t.Errorf("%s changed: %v", d.Platform.Architecture, changed)
			}
		}
		if again := copied(t, "many", true); again.Digest != made.Digest {
			t.Errorf("unchanged, and %s became %s", made.Digest, again.Digest)
		}
	})
	t.Run("one image", func(t *testing.T) {
		copied(t, "one", true)
		file := s.config(t, s.host+"/mine/one:2")
		if !slices.Equal(file.Config.Entrypoint, []string{inject.Path}) || file.Config.Labels[labelApp] != "web" || file.Config.Labels[inject.Label] == "" {
			t.Errorf("got %+v", file.Config)
		}
	})
	t.Run("disable_entrypoint", func(t *testing.T) {
		if made, was := copied(t, "one", false), s.get(t, s.host+"/acme/one:1"); made.Digest != was.Digest {
			t.Errorf("%s became %s", was.Digest, made.Digest)
		}
	})
}
