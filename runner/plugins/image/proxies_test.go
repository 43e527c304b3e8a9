package image

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

func TestProxiesAreThoseOfDockersCommand(t *testing.T) {
	dir := t.TempDir()
	content := `{"auths": {}, "proxies": {
	  "default": {"httpProxy": "http://proxy:3128", "noProxy": "localhost,.corp"},
	  "tcp://build.corp:2376": {"httpsProxy": "http://other:3129", "ftpProxy": "f", "allProxy": "a"}}}`
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	for engine, want := range map[string]map[string]string{
		"unix:///var/run/docker.sock": {
			"HTTP_PROXY": "http://proxy:3128", "http_proxy": "http://proxy:3128", "NO_PROXY": "localhost,.corp", "no_proxy": "localhost,.corp",
		},
		"tcp://build.corp:2376": {
			"HTTPS_PROXY": "http://other:3129", "https_proxy": "http://other:3129", "FTP_PROXY": "f", "ftp_proxy": "f", "ALL_PROXY": "a", "all_proxy": "a",
		},
	} {
		got, err := Proxies(&plugin.Call{Env: plugin.Env{Environ: []string{"DOCKER_CONFIG=" + dir}}}, engine)
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("%s: %v %v", engine, got, err)
		}
	}
	if got, err := Proxies(&plugin.Call{Env: plugin.Env{Environ: []string{"HOME=" + t.TempDir(), "HTTP_PROXY=http://of-the-runner"}}}, "x"); err != nil || len(got) != 0 {
		t.Errorf("without a configuration: %v %v", got, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Proxies(&plugin.Call{Env: plugin.Env{Environ: []string{"DOCKER_CONFIG=" + dir}}}, "x"); err == nil {
		t.Error("a broken configuration is taken")
	}
}
