package image

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/redact"
)

func TestReferenceTakesNamesAndTags(t *testing.T) {
	cases := map[string]struct{ image, tag, fails string }{
		"of Docker Hub":          {"nginx", "1.29", ""},
		"of a registry":          {"ghcr.io/acme/web", "v1.2_x-3", ""},
		"of a port":              {" localhost:5000/web ", " 1 ", ""},
		"no image":               {"", "1", "must not be empty"},
		"no tag":                 {"nginx", " ", "must not be empty"},
		"capital letters":        {"acme/Web", "1", "is not the name of an image"},
		"a blank inside":         {"ac me", "1", "is not the name of an image"},
		"a tag in the name":      {"nginx:1", "2", "has a tag or a digest in it"},
		"a tag with a slash":     {"nginx", "a/b", "is not a tag"},
		"a tag that is too long": {"nginx", strings.Repeat("x", 129), "is not a tag"},
		"a tag with a dash":      {"nginx", "-x", "is not a tag"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			image, tag, err := Reference(c.image, c.tag)
			if c.fails == "" && (err != nil || image != strings.TrimSpace(c.image) || tag != strings.TrimSpace(c.tag)) {
				t.Errorf("got %q, %q, %v", image, tag, err)
			}
			if c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestSettingsBecomeCredentials(t *testing.T) {
	basic := base64.StdEncoding.EncodeToString([]byte("me:se:cret"))
	header := func(fields map[string]string) string {
		content, _ := json.Marshal(fields)
		return base64.URLEncoding.EncodeToString(content)
	}
	cases := map[string]struct {
		settings Settings
		want     Credentials
		host     string
		fails    string
	}{
		"username and password":        {settings: Settings{Username: "me", Password: "x"}, want: Credentials{Username: "me", Password: "x"}},
		"encoded":                      {settings: Settings{Encoded: header(map[string]string{"username": "m>?e", "password": "x"})}, want: Credentials{Username: "m>?e", Password: "x"}},
		"encoded auth":                 {settings: Settings{Encoded: header(map[string]string{"auth": basic})}, want: Credentials{Username: "me", Password: "se:cret"}},
		"auth block":                   {settings: Settings{Auth: &Auth{Username: "me", Password: "x", Email: "e", Hostname: "https://ghcr.io/v2/"}}, want: Credentials{Username: "me", Password: "x", email: "e"}, host: "ghcr.io"},
		"auth in the block":            {settings: Settings{Auth: &Auth{Auth: basic, Hostname: "docker.io"}}, want: Credentials{Username: "me", Password: "se:cret"}, host: HubHost},
		"tokens":                       {settings: Settings{Auth: &Auth{IdentityToken: "i", RegistryToken: "r"}}, want: Credentials{IdentityToken: "i", RegistryToken: "r"}},
		"nothing":                      {},
		"a password alone":             {settings: Settings{Password: "x"}, fails: "no username"},
		"an empty block":               {settings: Settings{Auth: &Auth{Hostname: "x"}}, fails: "names no credentials"},
		"encoded that is not base64":   {settings: Settings{Encoded: "se cret!"}, fails: "not a JSON object in base64"},
		"encoded that is not JSON":     {settings: Settings{Encoded: base64.StdEncoding.EncodeToString([]byte("secret"))}, fails: "not a JSON object in base64"},
		"auth that is not user:secret": {settings: Settings{Auth: &Auth{Auth: "c2VjcmV0"}}, fails: "user:password"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, host, there, err := c.settings.Credentials()
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) || strings.Contains(err.Error(), "secret") {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil || got != c.want || host != c.host || there == c.want.Anonymous() {
				t.Errorf("got %+v for %q, %v, %v", got, host, there, err)
			}
		})
	}
}

func TestTheEnginesHeaderHoldsAllOfIt(t *testing.T) {
	c, _, _, err := Settings{Auth: &Auth{Username: "me", Password: "x", Email: "e@x", ServerAddress: "https://s/"}}.Credentials()
	if err != nil {
		t.Fatal(err)
	}
	content, err := base64.URLEncoding.DecodeString(c.Header())
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if err := json.Unmarshal(content, &got); err != nil || got["username"] != "me" || got["password"] != "x" || got["email"] != "e@x" || got["serveraddress"] != "https://s/" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestRedactHidesSecretsInAllForms(t *testing.T) {
	c := Credentials{Username: "me", Password: "s3cret", IdentityToken: "t0ken"}
	basic := base64.StdEncoding.EncodeToString([]byte("me:s3cret"))
	got := c.Redact("a s3cret, Basic " + basic + ", " + base64.StdEncoding.EncodeToString([]byte("t0ken")) + ", t0ken")
	if got != "a (hidden), Basic (hidden), (hidden), (hidden)" {
		t.Errorf("got %q", got)
	}
}

func TestCredentialsGoToNoOtherRegistry(t *testing.T) {
	dir := t.TempDir()
	config := `{"auths":{"https://index.docker.io/v1/":{"auth":"aHViOng="},"ghcr.io":{"username":"g","password":"y"},"https://quay.io/v2/":{"identitytoken":"q"}}}`
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := NewKeychain(&plugin.Call{Env: plugin.Env{Environ: []string{"DOCKER_CONFIG=" + dir}}}, "reg.example:5000", Settings{Username: "own", Password: "o"})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{
		"reg.example:5000": "own", "reg.example": "", "docker.io": "hub", "registry-1.docker.io": "hub", "ghcr.io": "g", "quay.io": "token q", "other.io": "",
	} {
		c, err := k.For(t.Context(), host)
		got := c.Username
		if c.IdentityToken != "" {
			got = "token " + c.IdentityToken
		}
		if err != nil || got != want {
			t.Errorf("%s gets %q, want %q: %v", host, got, want, err)
		}
	}
}

func TestCredentialHelpersAreAsked(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the helpers here are shell scripts")
	}
	dir := t.TempDir()
	script := "#!/bin/sh\nread server\ncase $server in\n" +
		"token.io) echo '{\"Username\":\"<token>\",\"Secret\":\"id\"}';;\n" +
		"user.io) echo '{\"Username\":\"u\",\"Secret\":\"p\"}';;\n" +
		"broken.io) echo 'not JSON';;\n" +
		"locked.io) echo 'the key ring is locked'; exit 1;;\n" +
		"*) echo 'credentials not found in native keychain'; exit 1;;\nesac\n"
	if err := os.WriteFile(filepath.Join(dir, "docker-credential-ring"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"credsStore":"ring","auths":{"file.io":{"username":"f","password":"f"}},"credHelpers":{"gone.io":"gone"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := NewKeychain(&plugin.Call{Env: plugin.Env{Environ: []string{"DOCKER_CONFIG=" + dir, "PATH=" + dir + ":" + os.Getenv("PATH")}}}, "x", Settings{})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]Credentials{
		"token.io": {IdentityToken: "id", server: "token.io"}, "user.io": {Username: "u", Password: "p", server: "user.io"},
		"file.io": {Username: "f", Password: "f", server: "file.io"}, "none.io": {},
	} {
		if got, err := k.For(t.Context(), host); err != nil || got != want {
			t.Errorf("%s gets %+v, %v", host, got, err)
		}
	}
	for host, want := range map[string]string{"broken.io": "gave no JSON object", "locked.io": "the key ring is locked", "gone.io": "docker-credential-gone, which is not in the PATH"} {
		if _, err := k.For(t.Context(), host); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestABrokenDockerConfigurationIsSaid(t *testing.T) {
	dir := t.TempDir()
	if _, err := NewKeychain(&plugin.Call{Env: plugin.Env{Environ: []string{"DOCKER_CONFIG=" + dir}}}, "x", Settings{}); err != nil {
		t.Errorf("none there: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewKeychain(&plugin.Call{Env: plugin.Env{Environ: []string{"DOCKER_CONFIG=" + dir}}}, "x", Settings{}); err == nil || !strings.Contains(err.Error(), "config.json is not valid") {
		t.Errorf("got %v", err)
	}
}

// Whatever the plugins read from Docker's configuration and its helpers is hidden by the job from then on.
func TestWhatIsReadIsSensitiveForTheJob(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the helpers here are shell scripts")
	}
	dir := t.TempDir()
	inAuth := base64.StdEncoding.EncodeToString([]byte("acme:marker-of-auth"))
	files := map[string]string{
		"docker-credential-ring": "#!/bin/sh\necho '{\"Username\":\"u\",\"Secret\":\"marker-of-the-helper\"}'\n",
		"docker-credential-broken": "#!/bin/sh\necho '{\"Username\":\"u\",\"Secret\":\"marker-of-the-broken-helper\"}'\n" +
			"echo 'cannot go on with marker-of-the-broken-helper' >&2\nexit 1\n",
		"config.json": `{"credHelpers":{"ring.io":"ring","broken.io":"broken"},"auths":{"auth.io":{"auth":"` + inAuth + `"},
			"password.io":{"username":"u","password":"marker-of-password"},"token.io":{"identitytoken":"marker-of-identity"},
			"bearer.io":{"registrytoken":"marker-of-registry"}},
			"proxies":{"default":{"httpProxy":"http://me:marker-of-proxy@proxy:3128","noProxy":".corp"}}}`,
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	secrets := redact.New()
	env := &plugin.Call{Host: plugin.Host{Secrets: secrets}, Env: plugin.Env{Environ: []string{"DOCKER_CONFIG=" + dir, "PATH=" + dir + ":" + os.Getenv("PATH")}}}
	k, err := NewKeychain(env, "own.io", Settings{Username: "me", Password: "marker-of-the-settings"})
	if err != nil {
		t.Fatal(err)
	}
	for _, marker := range []string{"marker-of-auth", inAuth, "marker-of-password", "marker-of-identity", "marker-of-registry", "marker-of-the-settings"} {
		if shown := secrets.Hide("it is " + marker + "."); strings.Contains(shown, marker) {
			t.Errorf("%q is shown", shown)
		}
	}
	for _, host := range []string{"auth.io", "password.io", "token.io", "bearer.io", "ring.io", "own.io"} {
		if c, err := k.For(t.Context(), host); err != nil || c.Anonymous() {
			t.Errorf("%s: %+v %v", host, c, err)
		}
	}
	if _, err := k.For(t.Context(), "broken.io"); err == nil || strings.Contains(err.Error(), "marker") {
		t.Errorf("a helper that fails: %v", err)
	}
	if _, err := Proxies(env, "unix:///x"); err != nil {
		t.Fatal(err)
	}
	for _, marker := range []string{"auth", "password", "identity", "registry", "the-settings", "the-helper", "the-broken-helper", "proxy"} {
		marker = "marker-of-" + marker
		for _, hide := range []func(string) string{secrets.Hide, secrets.HideData} {
			if shown := hide("it is " + marker + "."); strings.Contains(shown, marker) {
				t.Errorf("%q is shown", shown)
			}
		}
	}
	if shown := secrets.Hide("proxy, .corp, acme"); shown != "proxy, .corp, acme" {
		t.Errorf("%q: what is not secret is hidden", shown)
	}
}
