package buildkit

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/waypoint-serverless/waypoint/runner/plugins/docker/buildcontext"
)

// engineSide is what an engine does with the connection: it is the client of HTTP/2 on it. Real engines are in the tests
// with the tag docker; here are the answers that those do not provoke.
func engineSide(t *testing.T, s *Session) *http.Client {
	t.Helper()
	ours, theirs := net.Pipe()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Serve(ctx, ours) }()
	t.Cleanup(func() { stop(); <-done })
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Client{Transport: &http.Transport{
		Protocols: protocols, DialContext: func(context.Context, string, string) (net.Conn, error) { return theirs, nil },
	}, Timeout: 20 * time.Second}
}

func frame(message []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}

// ask makes a call with the messages, and gives those of the answer and the status.
func ask(t *testing.T, c *http.Client, method string, header map[string]string, messages ...[]byte) ([][]byte, string) {
	t.Helper()
	var body bytes.Buffer
	for _, m := range messages {
		body.Write(frame(m))
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://session"+method, &body)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer := &call{in: res.Body}
	var got [][]byte
	for {
		m, err := answer.receive()
		if errors.Is(err, io.EOF) {
			return got, res.Trailer.Get("Grpc-Status") + " " + res.Trailer.Get("Grpc-Message")
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, m)
	}
}

func TestTheSessionAnswersTheEngine(t *testing.T) {
	s := New("shared", nil)
	s.Credentials = func(_ context.Context, host string) (string, string, error) {
		switch host {
		case "ghcr.io":
			return "me", "secret", nil
		case "broken.io":
			return "", "", errors.New("the helper is broken: 50% of it")
		}
		return "", "", nil
	}
	c := engineSide(t, s)
	if got, status := ask(t, c, methodHealth, nil, nil); status != "0 " || len(got) != 1 || !bytes.Equal(got[0], []byte{8, 1}) {
		t.Errorf("health: %v, %s", got, status)
	}
	if got, status := ask(t, c, methodCredentials, nil, putText(nil, 1, "ghcr.io")); status != "0 " || !bytes.Equal(got[0], putText(putText(nil, 1, "me"), 2, "secret")) {
		t.Errorf("credentials: %q, %s", got, status)
	}
	if got, status := ask(t, c, methodCredentials, nil, putText(nil, 1, "docker.io")); status != "0 " || len(got[0]) != 0 {
		t.Errorf("no credentials: %q, %s", got, status)
	}
	if _, status := ask(t, c, methodCredentials, nil, putText(nil, 1, "broken.io")); status != "2 the%20helper%20is%20broken%3A%2050%25%20of%20it" {
		t.Errorf("an error: %s", status)
	}
	if _, status := ask(t, c, "/moby.filesync.v1.Auth/FetchToken", nil, nil); !strings.HasPrefix(status, "12 ") {
		t.Errorf("a call that is not there: %s", status)
	}
	if _, status := ask(t, c, methodFiles, map[string]string{"dir-name": "secrets"}, nil); !strings.HasPrefix(status, "5 ") {
		t.Errorf("a directory that is not there: %s", status)
	}
	if _, status := ask(t, c, methodCredentials, nil, []byte{0xff}); !strings.HasPrefix(status, "2 ") {
		t.Errorf("a broken message: %s", status)
	}
}

// A receiver that asks as an engine does, entry by entry.
func TestFilesArriveWhole(t *testing.T) {
	root := t.TempDir()
	want := map[string]string{"a ü": "first", "big": strings.Repeat("0123456789", 40_000), "empty": ""}
	for name, text := range want {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "no"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := engineSide(t, New("", map[string]buildcontext.Dir{"context": {Root: root}}))
	out, in := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://session"+methodFiles, out)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Dir-Name": {"context"}, "Exclude-Patterns": {"n%6F"}, "Exclude-Patterns-Encoded": {"true"}}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer := &call{in: res.Body}
	var names []string
	got, ended := map[string]string{}, 0
	for {
		message, err := answer.receive()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		var kind, id uint64
		var name string
		var data []byte
		told := false
		_ = fields(message, func(f protowire.Number, number uint64, b []byte) error {
			switch f {
			case 1:
				kind = number
			case 2:
				told = true
				return fields(b, func(f protowire.Number, _ uint64, b []byte) error {
					if f == 1 {
						name = string(b)
					}
					return nil
				})
			case 3:
				id = number
			case 4:
				data = b
			}
			return nil
		})
		switch {
		case kind == packetStat && told:
			names = append(names, name)
			_, _ = in.Write(frame(putNumber(putNumber(nil, 1, packetReq), 3, uint64(len(names)-1))))
		case kind == packetData && len(data) > 0:
			got[names[id]] += string(data)
		case kind == packetData:
			if ended++; ended == len(want) {
				_, _ = in.Write(frame(putNumber(nil, 1, packetFin)))
			}
		case kind == packetErr:
			t.Fatalf("%s", data)
		}
	}
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%s arrived with %d bytes of %d", name, len(got[name]), len(text))
		}
	}
	if len(names) != len(want) || res.Trailer.Get("Grpc-Status") != "0" {
		t.Errorf("told of %q, ended with %s", names, res.Trailer.Get("Grpc-Status"))
	}
	_ = in.Close()
}

func TestAFileThatWasNotToldIsRefused(t *testing.T) {
	c := engineSide(t, New("", map[string]buildcontext.Dir{"context": {Root: t.TempDir()}}))
	_, status := ask(t, c, methodFiles, map[string]string{"dir-name": "context"}, putNumber(putNumber(nil, 1, packetReq), 3, 7))
	if !strings.HasPrefix(status, "2 the%20engine%20asked%20for%20file%207") {
		t.Errorf("got %s", status)
	}
}

func FuzzDecodeProgress(f *testing.F) {
	vertex := putText(putText(putNumber(putBytes(nil, 6, nil), 4, 1), 3, "[1/2] COPY app /app"), 1, "sha256:0")
	f.Add(putBytes(putBytes(nil, 1, vertex), 3, putBytes(putText(nil, 1, "sha256:0"), 4, []byte("out\n"))))
	f.Add([]byte{0x0a, 0xff})
	f.Fuzz(func(t *testing.T, message []byte) {
		p, err := DecodeProgress(message)
		if err == nil && len(p.Vertexes)+len(p.Statuses)+len(p.Logs) > len(message) {
			t.Errorf("%d bytes made %+v", len(message), p)
		}
	})
}

func TestProgressIsRead(t *testing.T) {
	vertex := putText(putText(putText(putNumber(putBytes(nil, 6, nil), 4, 1), 3, "[1/2] COPY app /app"), 1, "sha256:0"), 7, "failed")
	status := putNumber(putNumber(putText(putText(nil, 1, "layer"), 2, "sha256:0"), 4, 5), 5, 10)
	log := putBytes(putNumber(putText(nil, 1, "sha256:0"), 3, 2), 4, []byte("out\n"))
	p, err := DecodeProgress(putBytes(putBytes(putBytes(putBytes(nil, 9, []byte("unknown")), 1, vertex), 2, status), 3, log))
	if err != nil || len(p.Vertexes) != 1 || len(p.Statuses) != 1 || len(p.Logs) != 1 {
		t.Fatalf("%+v, %v", p, err)
	}
	if v := p.Vertexes[0]; v != (Vertex{Digest: "sha256:0", Name: "[1/2] COPY app /app", Error: "failed", Cached: true, Completed: true}) {
		t.Errorf("got %+v", v)
	}
	if s := p.Statuses[0]; s != (Status{ID: "layer", Vertex: "sha256:0", Current: 5, Total: 10}) {
		t.Errorf("got %+v", s)
	}
	if l := p.Logs[0]; l.Vertex != "sha256:0" || l.Stream != 2 || string(l.Text) != "out\n" {
		t.Errorf("got %+v", l)
	}
}
