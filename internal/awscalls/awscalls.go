// Package awscalls records which AWS calls the functions make, and on what kind of resource, so that their roles can be
// held to exactly those: see infra/validate.
//
// It is for tests. The local server records too when WAYPOINT_RECORD_CALLS names a folder, so that a test which drives
// the real command sees what the server inside it does. Calls of SDK clients are seen by a middleware, those that the
// functions write themselves (SSM, KMS) by the HTTP client; nothing of a request is kept but its operation, its kinds of
// actions and its kind of resource. It imports nothing of ours.
package awscalls

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Variable names the folder in which every process of a test run records.
const Variable = "WAYPOINT_RECORD_CALLS"

// Call is one kind of call.
type Call struct {
	// Function made it; "?" if it is not known (see Named).
	Function string
	// Operation is "service.Operation", or "service.Operation/Action" for each kind of action of a transaction.
	Operation string
	// Resource is its kind: table, the index's name, queue, role, parameter, key; "-" for none.
	Resource string
}

func (c Call) String() string { return c.Function + " " + c.Operation + " " + c.Resource }

// parse reads what String wrote.
func parse(line string) (Call, error) {
	parts := strings.Fields(line)
	if len(parts) != 3 {
		return Call{}, fmt.Errorf("reading recorded calls: %q is not a valid call", line)
	}
	return Call{parts[0], parts[1], parts[2]}, nil
}

// Recorder is safe for concurrent use.
type Recorder struct {
	dir string

	mu   sync.Mutex
	seen map[Call]bool
	file *os.File
	err  error
}

// New makes a recorder. With a folder, each new call is written there at once, into a file of this process: a process
// that is killed has recorded what it did.
func New(dir string) *Recorder { return &Recorder{dir: dir, seen: map[Call]bool{}} }

// FromEnvironment is a recorder for the folder that Variable names, or nil.
func FromEnvironment() *Recorder {
	if dir := os.Getenv(Variable); dir != "" {
		return New(dir)
	}
	return nil
}

// Watch returns a configuration whose clients are recorded. A nil recorder changes nothing.
func (r *Recorder) Watch(cfg aws.Config) aws.Config {
	if r == nil {
		return cfg
	}
	cfg = cfg.Copy()
	cfg.APIOptions = append(slices.Clone(cfg.APIOptions), func(s *middleware.Stack) error {
		return s.Finalize.Add(middleware.FinalizeMiddlewareFunc("RecordCalls", r.finalize), middleware.After)
	})
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = http.DefaultClient
	}
	cfg.HTTPClient = client{cfg.HTTPClient, r}
	return cfg
}

// Calls are what was recorded so far, sorted; the error is of the file.
func (r *Recorder) Calls() ([]Call, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return sorted(r.seen), r.err
}

func sorted(set map[Call]bool) []Call {
	return slices.SortedFunc(maps.Keys(set), func(a, b Call) int { return strings.Compare(a.String(), b.String()) })
}

// Read returns what all processes recorded in a folder, sorted.
func Read(dir string) ([]Call, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.calls"))
	if err != nil {
		return nil, fmt.Errorf("reading recorded calls: %w", err)
	}
	set := map[Call]bool{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading recorded calls: %w", err)
		}
		for line := range strings.Lines(string(raw)) {
			c, err := parse(line)
			if err != nil {
				return nil, err
			}
			set[c] = true
		}
	}
	return sorted(set), nil
}

func (r *Recorder) add(ctx context.Context, operation, resource string) {
	function, _ := ctx.Value(nameKey{}).(string)
	if function == "" {
		function = "?"
	}
	c := Call{function, operation, resource}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen[c] {
		return
	}
	r.seen[c] = true
	if r.dir == "" || r.err != nil {
		return
	}
	if r.file == nil {
		// One file for each recorder: a process may have several.
		if r.file, r.err = os.CreateTemp(r.dir, fmt.Sprintf("%d-*.calls", os.Getpid())); r.err != nil {
			return
		}
	}
	_, r.err = r.file.WriteString(c.String() + "\n")
}

type nameKey struct{}

// Handler is a Lambda handler.
type Handler interface {
	Invoke(ctx context.Context, payload []byte) ([]byte, error)
}

// Named attributes the calls of a handler to a function.
func Named(function string, h Handler) Handler { return named{h, function} }

type named struct {
	Handler
	function string
}

func (n named) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	return n.Handler.Invoke(context.WithValue(ctx, nameKey{}, n.function), payload)
}

// finalize sees each try of an SDK client's call.
func (r *Recorder) finalize(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
	operation := strings.ToLower(awsmiddleware.GetServiceID(ctx)) + "." + awsmiddleware.GetOperationName(ctx)
	var body []byte
	if req, ok := in.Request.(*smithyhttp.Request); ok && req.GetStream() != nil {
		var err error
		if body, err = io.ReadAll(req.GetStream()); err != nil {
			return middleware.FinalizeOutput{}, middleware.Metadata{}, fmt.Errorf("recording %s: %w", operation, err)
		}
		if err := req.RewindStream(); err != nil {
			return middleware.FinalizeOutput{}, middleware.Metadata{}, fmt.Errorf("recording %s: %w", operation, err)
		}
	}
	r.record(ctx, operation, body)
	return next.HandleFinalize(ctx, in)
}

// client sees the requests that no SDK client makes.
type client struct {
	aws.HTTPClient
	r *Recorder
}

func (c client) Do(req *http.Request) (*http.Response, error) {
	if awsmiddleware.GetOperationName(req.Context()) == "" {
		c.r.record(req.Context(), operationOf(req), nil)
	}
	return c.HTTPClient.Do(req)
}

func operationOf(req *http.Request) string {
	switch service, operation, _ := strings.Cut(req.Header.Get("X-Amz-Target"), "."); service {
	case "AmazonSSM":
		return "ssm." + operation
	case "TrentService":
		return "kms." + operation
	}
	if req.GetBody != nil { // STS has a form
		if body, err := req.GetBody(); err == nil {
			raw, _ := io.ReadAll(body) // a body in memory
			if form, err := url.ParseQuery(string(raw)); err == nil && form.Get("Action") != "" {
				return "sts." + form.Get("Action")
			}
		}
	}
	return "unknown." + req.Method
}

func (r *Recorder) record(ctx context.Context, operation string, body []byte) {
	service, _, _ := strings.Cut(operation, ".")
	if service != "dynamodb" {
		resource := map[string]string{"sqs": "queue", "sts": "role", "ssm": "parameter", "kms": "key"}[service]
		if resource == "" || operation == "sts.GetCallerIdentity" {
			resource = "-"
		}
		r.add(ctx, operation, resource)
		return
	}
	var in struct {
		IndexName     string
		TransactItems []map[string]json.RawMessage
	}
	if err := json.Unmarshal(body, &in); err != nil {
		r.add(ctx, operation, "?")
		return
	}
	resource := "table"
	if in.IndexName != "" {
		resource = in.IndexName
	}
	if in.TransactItems == nil {
		r.add(ctx, operation, resource)
	}
	for _, item := range in.TransactItems {
		for action := range item {
			r.add(ctx, operation+"/"+action, resource)
		}
	}
}
