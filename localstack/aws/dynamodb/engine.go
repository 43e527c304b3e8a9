package dynamodb

import (
	"context"
	crand "crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/waypoint-serverless/waypoint/localstack/aws/store"
)

// Options are what an engine needs from its owner.
type Options struct {
	// Store holds the tables. The engine does not close it.
	Store *store.Store
	// Clock is asked for the time; nil means time.Now.
	Clock func() time.Time
	// Region and Account appear in ARNs. Empty: "us-east-1" and "000000000000".
	Region, Account string
	// Authorize is asked before each operation on each table, with an IAM
	// action ("dynamodb:GetItem") and the ARN of the table or index ("*" for
	// ListTables). An error becomes AccessDeniedException. Nil allows all.
	Authorize func(ctx context.Context, action, resourceARN string) error
	// Faults are injected on demand; nil injects none.
	Faults *Faults
}

// Engine answers DynamoDB requests. It is safe for concurrent use.
type Engine struct {
	store     *store.Store
	clock     func() time.Time
	region    string
	account   string
	authorize func(ctx context.Context, action, resourceARN string) error
	faults    *Faults

	mu     sync.RWMutex
	tables map[string]*table
	counts map[string]tableCount // by table id

	run  string // makes request ids of different processes differ
	next atomic.Uint64
}

// New starts an engine on the tables that the store holds.
func New(ctx context.Context, o Options) (*Engine, error) {
	if o.Store == nil {
		return nil, errors.New("dynamodb: no store given")
	}
	e := &Engine{
		store: o.Store, clock: o.Clock, region: o.Region, account: o.Account,
		authorize: o.Authorize, faults: o.Faults,
		tables: map[string]*table{}, counts: map[string]tableCount{},
	}
	if e.clock == nil {
		e.clock = time.Now
	}
	if e.region == "" {
		e.region = "us-east-1"
	}
	if e.account == "" {
		e.account = "000000000000"
	}
	var run [12]byte
	crand.Read(run[:]) //nolint:errcheck // never fails
	e.run = strings.ToUpper(hex.EncodeToString(run[:]))
	if err := e.store.Migrate(ctx, schema); err != nil {
		return nil, fmt.Errorf("preparing the tables' storage: %w", err)
	}
	if err := e.loadTables(ctx); err != nil {
		return nil, fmt.Errorf("loading the tables: %w", err)
	}
	return e, nil
}

const (
	targetPrefix = "DynamoDB_20120810."
	maxBody      = 16 << 20 // AWS's limit of a request
)

// operation answers a request body with a response body.
type operation func(ctx context.Context, body string) ([]byte, error)

func (e *Engine) operation(name string) operation {
	switch name {
	case "GetItem":
		return e.getItem
	case "PutItem":
		return e.putItem
	case "UpdateItem":
		return e.updateItem
	case "DeleteItem":
		return e.deleteItem
	case "Query":
		return e.query
	case "Scan":
		return e.scan
	case "BatchGetItem":
		return e.batchGet
	case "BatchWriteItem":
		return e.batchWrite
	case "TransactGetItems":
		return e.transactGet
	case "TransactWriteItems":
		return e.transactWrite
	case "CreateTable":
		return e.createTable
	case "DescribeTable":
		return e.describeTable
	case "ListTables":
		return e.listTables
	case "UpdateTable":
		return e.updateTable
	case "DeleteTable":
		return e.deleteTable
	case "UpdateTimeToLive":
		return e.updateTimeToLive
	case "DescribeTimeToLive":
		return e.describeTimeToLive
	case "UpdateContinuousBackups":
		return e.updateContinuousBackups
	case "DescribeContinuousBackups":
		return e.describeContinuousBackups
	case "ListTagsOfResource":
		return e.listTags
	}
	return nil
}

// ServeHTTP answers one AWS JSON 1.0 request.
func (e *Engine) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	out, err := e.answer(req)
	status := http.StatusOK
	if err != nil {
		failure := asAPI(err)
		status = failure.status
		out = append(make([]byte, 0, 256), `{"__type":`...)
		out = appendString(out, failure.typ)
		out = append(out, `,"message":`...)
		out = appendString(out, failure.message)
		out = append(append(out, failure.members...), '}')
	}
	h := w.Header()
	h["Content-Type"] = []string{"application/x-amz-json-1.0"}
	h["X-Amzn-Requestid"] = []string{e.requestID()}
	h["X-Amz-Crc32"] = []string{strconv.FormatUint(uint64(crc32.ChecksumIEEE(out)), 10)}
	h["Content-Length"] = []string{strconv.Itoa(len(out))}
	w.WriteHeader(status)
	w.Write(out) //nolint:errcheck // the client is gone: nobody to tell
}

func (e *Engine) requestID() string {
	id := make([]byte, 0, 52)
	id = append(id, e.run...)
	n := strconv.FormatUint(e.next.Add(1), 32)
	for len(id)+len(n) < 52 {
		id = append(id, '0')
	}
	return string(append(id, strings.ToUpper(n)...))
}

func (e *Engine) answer(req *http.Request) ([]byte, error) {
	if req.Method != http.MethodPost {
		return nil, &apiError{http.StatusMethodNotAllowed, nsService + "UnknownOperationException", "Only POST is answered here", nil, false}
	}
	name, ok := strings.CutPrefix(req.Header.Get("X-Amz-Target"), targetPrefix)
	run := e.operation(name)
	if !ok || run == nil {
		return nil, &apiError{http.StatusBadRequest, nsService + "UnknownOperationException",
			"The operation " + strconv.Quote(name) + " is not implemented by this engine", nil, false}
	}
	body, err := readBody(req)
	if err != nil {
		return nil, err
	}
	ctx := req.Context()
	if e.faults.strikes(Throttle, name) {
		return nil, errThrottled
	}
	return run(ctx, body)
}

func readBody(req *http.Request) (string, error) {
	if req.Body == nil {
		return "", serialization("The request has no body")
	}
	var body []byte
	var err error
	if n := req.ContentLength; n >= 0 && n <= maxBody {
		body = make([]byte, n) // the usual case: no growing, no copying buffer
		_, err = io.ReadFull(req.Body, body)
	} else {
		body, err = io.ReadAll(io.LimitReader(req.Body, maxBody+1))
	}
	if err != nil {
		return "", fmt.Errorf("reading the request: %w", err)
	}
	if len(body) > maxBody {
		return "", &apiError{http.StatusRequestEntityTooLarge, nsService + "RequestTooLargeException", "Request size exceeds 16 MB", nil, false}
	}
	return string(body), nil
}

// allow asks the owner whether the caller may do this.
func (e *Engine) allow(ctx context.Context, operation, arn string) error {
	if e.authorize == nil {
		return nil
	}
	action := "dynamodb:" + operation
	if err := e.authorize(ctx, action, arn); err != nil {
		return &apiError{http.StatusBadRequest, nsService + "AccessDeniedException",
			"Not authorized to perform: " + action + " on resource: " + arn + ": " + err.Error(), nil, false}
	}
	return nil
}

func (e *Engine) arn(table string) string {
	return "arn:aws:dynamodb:" + e.region + ":" + e.account + ":table/" + table
}

// plainName accepts a table's ARN in place of its name, as AWS does.
func (e *Engine) plainName(name string) string {
	if rest, ok := strings.CutPrefix(name, "arn:aws:dynamodb:"+e.region+":"+e.account+":table/"); ok {
		return rest
	}
	return name
}

func (e *Engine) lookup(name string) *table {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.tables[name]
}

// tableFor finds the table of an item operation for a caller who may use it.
func (e *Engine) tableFor(ctx context.Context, operation, name string) (*table, error) {
	name = e.plainName(name)
	if err := checkTableName(name); err != nil {
		return nil, err
	}
	if err := e.allow(ctx, operation, e.arn(name)); err != nil {
		return nil, err
	}
	if t := e.lookup(name); t != nil {
		return t, nil
	}
	return nil, errDataTable
}
