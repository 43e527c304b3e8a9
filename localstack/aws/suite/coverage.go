package suite

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
)

// Coverage notes which operations were answered, and which error codes. It understands AWS JSON.
type Coverage struct {
	mu         sync.Mutex
	operations map[string]bool
	codes      map[string]bool
}

// Over is next, with a note of each answer.
func (c *Coverage) Over(next http.RoundTripper) http.RoundTripper { return noting{c, next} }

type noting struct {
	c    *Coverage
	next http.RoundTripper
}

func (n noting) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := n.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	_, operation, _ := strings.Cut(req.Header.Get("X-Amz-Target"), ".")
	n.c.note(operation, resp.StatusCode, body)
	return resp, nil
}

// InProcess hands requests to an engine without a socket.
func InProcess(h http.Handler) http.RoundTripper { return inProcess{h} }

type inProcess struct{ h http.Handler }

func (p inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	p.h.ServeHTTP(w, req)
	resp := w.Result()
	resp.Request = req
	return resp, nil
}

func (c *Coverage) note(operation string, status int, body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.operations == nil {
		c.operations, c.codes = map[string]bool{}, map[string]bool{}
	}
	if status == http.StatusOK {
		c.operations[operation] = true
	}
	// Codes stand in an error's __type, in a transaction's reasons and in a batch's failed entries.
	if !bytes.Contains(body, []byte(`"__type"`)) && !bytes.Contains(body, []byte(`"Code"`)) {
		return
	}
	var doc any
	if json.Unmarshal(body, &doc) == nil {
		c.walk(doc)
	}
}

func (c *Coverage) walk(doc any) {
	switch doc := doc.(type) {
	case map[string]any:
		for name, value := range doc {
			code, isText := value.(string)
			switch {
			case isText && name == "__type":
				c.codes[code[strings.LastIndexByte(code, '#')+1:]] = true
			case isText && name == "Code":
				c.codes[code] = true
			default:
				c.walk(value)
			}
		}
	case []any:
		for _, value := range doc {
			c.walk(value)
		}
	}
}

// Uncovered names the operations that were never answered and the error codes that were never seen.
func (c *Coverage) Uncovered(operations, codes []string) (missing []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range operations {
		if !c.operations[o] {
			missing = append(missing, "operation "+o)
		}
	}
	for _, code := range codes {
		if !c.codes[code] {
			missing = append(missing, "error code "+code)
		}
	}
	slices.Sort(missing)
	return missing
}

// String counts what was seen.
func (c *Coverage) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("%d operations, %d error codes", len(c.operations), len(c.codes))
}
