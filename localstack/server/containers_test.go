package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/client"
)

// served runs a local server on a directory until the test, or stop, ends it.
func served(t *testing.T, dir string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- Serve(ctx, ServeOptions{
			Dir: dir, Listen: "none", Logger: slog.New(slog.DiscardHandler), Ready: func(string) { close(ready) },
		})
	}()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return stop
}

func register(t *testing.T, address, pin string) error {
	t.Helper()
	c, err := client.New(client.Options{Address: address, Pin: pin, Token: "none", Component: "entrypoint"})
	if err != nil {
		return err
	}
	defer c.CloseIdle()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	_, err = c.Entrypoint.GetAppConfig(ctx, connect.NewRequest(&waypointv1.GetAppConfigRequest{}))
	return err
}

func TestAContainerListenerServesOnlyWhatAppsCall(t *testing.T) {
	dir := t.TempDir()
	stop := served(t, dir)
	local := LocalClientOf(Address(dir))
	port, pin, err := local.OpenListener(t.Context(), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	address := "https://127.0.0.1:" + strconv.Itoa(port)
	if err := register(t, address, pin); connect.CodeOf(err) != connect.CodeUnauthenticated {
		t.Errorf("the listener does not reach the server: %v", err)
	}
	other := strings.Repeat("A", 43) + "="
	if err := register(t, address, "sha256/"+other); !errors.Is(err, client.ErrPin) {
		t.Errorf("another key is taken: %v", err)
	}
	if err := register(t, address, ""); err == nil || connect.CodeOf(err) == connect.CodeUnauthenticated {
		t.Errorf("a certificate that nobody signed is taken: %v", err)
	}
	for _, pin := range []string{"sha256/abc", "md5/" + other, other} {
		if _, err := client.New(client.Options{Address: address, Pin: pin}); !errors.Is(err, client.ErrAddress) {
			t.Errorf("the pin %q is taken: %v", pin, err)
		}
	}
	c, err := client.New(client.Options{Address: address, Pin: pin, Token: "none"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Server.GetServerInfo(t.Context(), connect.NewRequest(&waypointv1.GetServerInfoRequest{})); connect.CodeOf(err) != connect.CodeUnimplemented {
		t.Errorf("the listener serves more than the entrypoint's service: %v", err)
	}
	c.CloseIdle()

	// It is the same listener for the next deployment, and after the server was started again.
	if again, pinAgain, err := local.OpenListener(t.Context(), "127.0.0.1"); err != nil || again != port || pinAgain != pin {
		t.Errorf("opened twice: port %d and %d, %v", port, again, err)
	}
	stop()
	stop = served(t, dir)
	if again, pinAgain, err := local.OpenListener(t.Context(), "127.0.0.1"); err != nil || again != port || pinAgain != pin {
		t.Errorf("after a restart: port %d and %d, %v", port, again, err)
	}
	if err := register(t, address, pin); connect.CodeOf(err) != connect.CodeUnauthenticated {
		t.Errorf("after a restart: %v", err)
	}
	if err := local.CloseListener(t.Context(), "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	if err := register(t, address, pin); connect.CodeOf(err) != connect.CodeUnavailable {
		t.Errorf("a closed listener accepts requests: %v", err)
	}
	if err := local.CloseListener(t.Context(), "127.0.0.1"); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	stop()
	served(t, dir)
	if err := register(t, address, pin); connect.CodeOf(err) != connect.CodeUnavailable {
		t.Errorf("a closed listener is open after a restart: %v", err)
	}
}

func TestAContainerListenerOpensOnPrivateAddressesOfThisMachineOnly(t *testing.T) {
	dir := t.TempDir()
	served(t, dir)
	local := LocalClientOf(Address(dir))
	for _, address := range []string{"", "0.0.0.0", "::", "8.8.8.8", "localhost", "10.255.255.254"} {
		if _, _, err := local.OpenListener(t.Context(), address); err == nil {
			t.Errorf("a listener at %q was opened", address)
		}
	}
	if LocalClientOf("https://example.com") != nil {
		t.Error("a server elsewhere has a local client")
	}
	res, err := local.c.Get("http://waypoint" + listenersPath)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode == http.StatusOK {
		t.Error("a listener was opened by GET")
	}
}
