package docker

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

func TestTheEngineIsFoundAsDockersCommandFindsIt(t *testing.T) {
	dir := t.TempDir()
	sum := sha256.Sum256([]byte("desktop"))
	meta := filepath.Join(dir, "contexts", "meta", hex.EncodeToString(sum[:]))
	if err := os.MkdirAll(meta, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(meta, "meta.json"), `{"Name":"desktop","Endpoints":{"docker":{"Host":"unix:///home/me/.docker/run/docker.sock"}}}`)
	write(t, filepath.Join(dir, "config.json"), `{"currentContext":"desktop"}`)
	empty := t.TempDir()

	cases := map[string]struct {
		environ []string
		config  *ClientConfig
		want    location
		fails   string
	}{
		"nothing set: the machine's own": {
			[]string{"DOCKER_CONFIG=" + empty}, nil, location{verify: true, from: "DOCKER_HOST"}, "",
		},
		"the environment": {
			[]string{"DOCKER_HOST=tcp://a:2376", "DOCKER_CERT_PATH=/certs", "DOCKER_TLS_VERIFY=1", "DOCKER_API_VERSION=1.41"}, nil,
			location{host: "tcp://a:2376", certs: "/certs", apiVersion: "1.41", verify: true, from: "DOCKER_HOST"}, "",
		},
		"without DOCKER_TLS_VERIFY the engine's certificate is not checked": {
			[]string{"DOCKER_HOST=tcp://a:2376", "DOCKER_CERT_PATH=/certs"}, nil,
			location{host: "tcp://a:2376", certs: "/certs", from: "DOCKER_HOST"}, "",
		},
		"the configuration is before the environment": {
			[]string{"DOCKER_HOST=tcp://a:2376", "DOCKER_API_VERSION=1.41"},
			&ClientConfig{Host: "tcp://b:2376", CertPath: "/b", APIVersion: "1.43"},
			location{host: "tcp://b:2376", certs: "/b", apiVersion: "1.43", verify: true, from: "client_config"}, "",
		},
		"the context of Docker's configuration": {
			[]string{"DOCKER_CONFIG=" + dir}, nil,
			location{host: "unix:///home/me/.docker/run/docker.sock", verify: true, from: "the Docker context desktop"}, "",
		},
		"the host is before the context": {
			[]string{"DOCKER_CONFIG=" + dir, "DOCKER_HOST=unix:///x"}, nil, location{host: "unix:///x", verify: true, from: "DOCKER_HOST"}, "",
		},
		"a context that is not there": {
			[]string{"DOCKER_CONFIG=" + dir, "DOCKER_CONTEXT=gone"}, nil, location{}, `the Docker context "gone" cannot be read`,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := locate(c.environ, c.config)
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Fatalf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestAnEngineThatDoesNotAnswerIsExplained(t *testing.T) {
	dir := t.TempDir()
	gone, mute := filepath.Join(dir, "gone.sock"), filepath.Join(dir, "mute.sock")
	listener, err := net.Listen("unix", mute)
	if err != nil {
		t.Fatal(err)
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = listener.Close()
	cases := map[string]struct {
		config *ClientConfig
		want   string
	}{
		"no socket":          {&ClientConfig{Host: "unix://" + gone}, "there is no Docker engine at unix://" + gone},
		"nobody behind it":   {&ClientConfig{Host: "unix://" + mute}, "there is no Docker engine at unix://" + mute},
		"no such host":       {&ClientConfig{Host: "tcp://127.0.0.1:1"}, "there is no Docker engine at tcp://127.0.0.1:1"},
		"over SSH":           {&ClientConfig{Host: "ssh://me@there"}, "reached over SSH"},
		"not an address":     {&ClientConfig{Host: "nonsense"}, "the settings of the Docker engine are not right"},
		"no certificates":    {&ClientConfig{Host: "tcp://127.0.0.1:1", CertPath: dir}, "there is no ca.pem, cert.pem or key.pem in " + dir},
		"not an API version": {&ClientConfig{APIVersion: "x"}, "the settings of the Docker engine are not right"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			e, err := connect(t.Context(), []string{"DOCKER_CONFIG=" + dir}, c.config)
			var known *plugin.Error
			if e != nil || !errors.As(err, &known) || !strings.Contains(err.Error(), c.want) || known.Hint == "" {
				t.Fatalf("got %v, want %q and a hint", err, c.want)
			}
		})
	}
}

func TestAnEngineIsAskedWhatItCan(t *testing.T) {
	for builder, preferred := range map[string]bool{"1": false, "2": true} {
		socket := filepath.Join(t.TempDir(), "docker.sock")
		listener, err := net.Listen("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Api-Version", "1.45")
			w.Header().Set("Ostype", "linux")
			w.Header().Set("Builder-Version", builder)
			fmt.Fprint(w, "OK")
		})}
		go func() { _ = server.Serve(listener) }()
		t.Cleanup(func() { _ = server.Close() })
		e, err := connect(t.Context(), []string{"DOCKER_HOST=unix://" + socket}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !e.buildKit || e.preferred != preferred || e.ClientVersion() != "1.45" {
			t.Errorf("builder %s: %+v speaks %s", builder, e, e.ClientVersion())
		}
		_ = e.Close()
	}
}

func TestOwnLabelsFindWhatTheyMark(t *testing.T) {
	env := &plugin.Call{Env: plugin.Env{Project: "shop", App: "web", Workspace: "default", JobID: "01J"}}
	labels, filter := ownLabels(env), ownFilter(env, labelDeployment+"=01D")
	for name, value := range labels {
		if !filter["label"][name+"="+value] {
			t.Errorf("the filter %v misses %s=%s", filter, name, value)
		}
	}
	if len(filter["label"]) != len(labels)+1 || !filter["label"]["waypoint.deployment=01D"] {
		t.Errorf("got %v", filter)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
