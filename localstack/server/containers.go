package server

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/waypoint-serverless/waypoint/api/access"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/localstack/bounded"
)

// A container cannot reach the server's socket or loopback port. For apps in containers the server therefore opens a
// listener: a TLS listener on an address of this machine that containers reach, such as that of Docker's bridge, with a
// key that the apps are given to recognise. A listener is open only while a platform needs it, it is remembered over
// restarts with its port, and behind it is nothing but what the entrypoint calls.

// listenersPath is the path, on the Unix socket only, of requests for container listeners. Its name, and those of the
// files doors.json and door-key.pem, are those of earlier versions, so that an upgrade keeps the addresses of apps that
// run.
const listenersPath = "/_local/doors"

// ContainerListener is an open listener for containers.
type ContainerListener struct {
	// Address is the IP address that it is on.
	Address string `json:"address"`
	Port    int    `json:"port"`
	// Pin is the SHA-256 of the key behind it, as clients take it: "sha256/…".
	Pin string `json:"pin,omitempty"`
}

// listenerRetry is how long an address that is not there yet, because Docker starts after us, is waited for between two
// tries.
const listenerRetry = 3 * time.Second

type containerListeners struct {
	d       dir
	handler http.Handler
	log     *slog.Logger

	mu   sync.Mutex
	cert *tls.Certificate
	pin  string
	kept []ContainerListener
	// open are the listeners by address; stop closes one.
	open map[string]func()
	// ctx lives as long as the server; running are the listeners' goroutines.
	ctx     context.Context
	running sync.WaitGroup
}

// newContainerListeners opens the listeners that were open when the server ended. They close with ctx; wait for them.
func newContainerListeners(ctx context.Context, d dir, api http.Handler, log *slog.Logger) (*containerListeners, error) {
	s := &containerListeners{d: d, handler: entrypointOnly(api), log: log, open: map[string]func(){}, ctx: ctx}
	data, err := os.ReadFile(d.listeners())
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &s.kept)
	}
	if err != nil {
		return nil, fmt.Errorf("loading the list of container listeners: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, listener := range s.kept {
		if err := s.start(listener, nil); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// entrypointOnly lets nothing through but what the contract declares to be for apps.
func entrypointOnly(api http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m, ok := access.Lookup(r.URL.Path); !ok || m.Traffic != waypointv1.Traffic_TRAFFIC_APPS {
			http.NotFound(w, r)
			return
		}
		api.ServeHTTP(w, r)
	})
}

// ServeHTTP opens (POST) or closes (DELETE) the listener at the address in the body.
func (s *containerListeners) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var asked ContainerListener
	if err := json.NewDecoder(io.LimitReader(r.Body, 4<<10)).Decode(&asked); err != nil {
		http.Error(w, "the address is missing", http.StatusBadRequest)
		return
	}
	var err error
	switch r.Method {
	case http.MethodPost:
		asked, err = s.openListener(asked.Address)
	case http.MethodDelete:
		err = s.closeListener(asked.Address)
	default:
		http.Error(w, "use POST to open a container listener, and DELETE to close it", http.StatusMethodNotAllowed)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(asked)
}

func (s *containerListeners) openListener(address string) (ContainerListener, error) {
	ip, err := netip.ParseAddr(address)
	if err != nil || ip.IsUnspecified() || !ip.IsLoopback() && !ip.IsPrivate() && !ip.IsLinkLocalUnicast() {
		return ContainerListener{}, fmt.Errorf("%q is not a private address of this machine", address)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.find(address); i >= 0 {
		listener := s.kept[i]
		if err := s.key(); err != nil {
			return ContainerListener{}, err
		}
		listener.Pin = s.pin
		return listener, nil
	}
	ln, err := new(net.ListenConfig).Listen(s.ctx, "tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		return ContainerListener{}, fmt.Errorf("listening on %s for apps in containers: %w", address, err)
	}
	tcp, ok := ln.Addr().(*net.TCPAddr)
	if !ok {
		return ContainerListener{}, errors.Join(fmt.Errorf("%s is not a TCP address", ln.Addr()), ln.Close())
	}
	listener := ContainerListener{Address: address, Port: tcp.Port}
	s.kept = append(s.kept, listener)
	if err := errors.Join(s.start(listener, ln), s.save()); err != nil {
		s.forget(address) // a listener that is not kept is not given to the next caller either
		return ContainerListener{}, errors.Join(err, withoutClosed(ln.Close()))
	}
	listener.Pin = s.pin
	return listener, nil
}

func (s *containerListeners) closeListener(address string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.find(address) < 0 {
		return nil
	}
	s.forget(address)
	return s.save()
}

// forget closes the listener at an address and no longer counts it as open. The caller holds mu.
func (s *containerListeners) forget(address string) {
	if i := s.find(address); i >= 0 {
		s.kept = slices.Delete(s.kept, i, i+1)
	}
	if stop := s.open[address]; stop != nil {
		stop()
		delete(s.open, address)
	}
}

// withoutClosed drops that a listener was closed already.
func withoutClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (s *containerListeners) find(address string) int {
	return slices.IndexFunc(s.kept, func(d ContainerListener) bool { return d.Address == address })
}

func (s *containerListeners) save() error {
	data, err := json.Marshal(s.kept)
	if err != nil {
		return err
	}
	return writeFile(s.d.listeners(), data)
}

// start serves a container listener in the background; without a net.Listener it tries until it has one.
func (s *containerListeners) start(listener ContainerListener, ln net.Listener) error {
	if err := s.key(); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(s.ctx)
	s.open[listener.Address] = stop
	s.running.Go(func() {
		defer stop()
		for said := false; ln == nil; {
			var err error
			if ln, err = new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(listener.Address, strconv.Itoa(listener.Port))); err == nil {
				break
			}
			if !said {
				s.log.WarnContext(ctx, "apps in containers cannot reach this server yet", "address", listener.Address, "port", listener.Port, "error", err)
				said = true
			}
			if !pause(ctx, listenerRetry) {
				return
			}
		}
		s.serve(ctx, ln)
	})
	return nil
}

func (s *containerListeners) serve(ctx context.Context, ln net.Listener) {
	srv := bounded.NewServer(s.handler, bounded.Limits{})
	srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*s.cert}, MinVersion: tls.VersionTLS13}
	srv.ErrorLog = slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)
	ended := context.AfterFunc(ctx, func() { _ = srv.Close() }) // held reads are called again
	defer ended()
	if err := srv.ServeTLS(ln); !errors.Is(err, http.ErrServerClosed) {
		s.log.ErrorContext(ctx, "a container listener has failed", "error", err)
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// key reads or makes the listeners' key. Apps recognise it by its pin, so the certificate's content does not matter.
func (s *containerListeners) key() error {
	if s.cert != nil {
		return nil
	}
	data, err := os.ReadFile(s.d.containerKey())
	if errors.Is(err, os.ErrNotExist) {
		if data, err = newContainerKey(); err == nil {
			err = writeFile(s.d.containerKey(), data)
		}
	}
	if err != nil {
		return fmt.Errorf("the key for containers: %w", err)
	}
	cert, err := tls.X509KeyPair(data, data)
	if err != nil {
		return fmt.Errorf("the key for containers in %s: %w", s.d.containerKey(), err)
	}
	sum := sha256.Sum256(cert.Leaf.RawSubjectPublicKeyInfo)
	s.cert, s.pin = &cert, "sha256/"+base64.StdEncoding.EncodeToString(sum[:])
	return nil
}

// newContainerKey makes a key and a certificate for it, in PEM.
func newContainerKey() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "waypoint local server"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(100, 0, 0), // nobody looks: clients pin the key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = errors.Join(
		pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.Encode(&out, &pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	return out.Bytes(), err
}

// LocalClient asks a local server, by its Unix socket, for what it does only for its own user: listeners for
// containers, and sealing.
type LocalClient struct{ c *http.Client }

// LocalClientOf is for the server at that address (client.Options.Address); nil for one that is not on this machine.
func LocalClientOf(address string) *LocalClient {
	path, ok := strings.CutPrefix(address, "unix://")
	if !ok {
		return nil
	}
	return &LocalClient{c: socketClient(path)}
}

// OpenListener makes the server reachable from containers at an address of this machine, until CloseListener. pin is
// the hash of its key, for the entrypoint.
func (d *LocalClient) OpenListener(ctx context.Context, address string) (port int, pin string, err error) {
	var listener ContainerListener
	err = d.ask(ctx, http.MethodPost, address, &listener)
	return listener.Port, listener.Pin, err
}

// CloseListener closes a listener for containers. Closing one that is not open is not an error.
func (d *LocalClient) CloseListener(ctx context.Context, address string) error {
	return d.ask(ctx, http.MethodDelete, address, &ContainerListener{})
}

func (d *LocalClient) ask(ctx context.Context, method, address string, answer *ContainerListener) error {
	return d.call(ctx, method, listenersPath, ContainerListener{Address: address}, answer)
}

// call makes a request of the server that only its Unix socket answers.
func (d *LocalClient) call(ctx context.Context, method, path string, request, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://waypoint"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	res, err := d.c.Do(req)
	if err != nil {
		return fmt.Errorf("asking the local server: %w", err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 4*maxSealed))
	if err != nil {
		return fmt.Errorf("asking the local server: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the local server refuses: %s", strings.TrimSpace(string(text)))
	}
	return json.Unmarshal(text, answer)
}
