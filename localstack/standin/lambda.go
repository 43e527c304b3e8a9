package standin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/waypoint-serverless/waypoint/internal/release/pack"
	"github.com/waypoint-serverless/waypoint/localstack/aws/sigv4"
	"github.com/waypoint-serverless/waypoint/localstack/runtimeapi"
)

// function is a Lambda function of a stack: the binary of a zip, in processes that a Runtime API drives.
type function struct {
	name   string
	env    map[string]string
	role   string
	memory int
	// principals are the services that a permission lets invoke it.
	principals []string
	keyID      string
	runtime    *runtimeapi.Function
	timeout    time.Duration
	reserved   int
}

func (f *function) close(ctx context.Context) error { return f.runtime.Close(ctx) }

// Invoke implements the gateway's Invoker for API Gateway, which needs a permission.
func (f *function) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	if !slices.Contains(f.principals, "apigateway.amazonaws.com") {
		return nil, fmt.Errorf("API Gateway has no permission to invoke %s", f.name)
	}
	return f.runtime.Invoke(ctx, payload)
}

// startFunction unpacks the code that lies in a bucket. s.mu is held.
func (s *StandIn) startFunction(p map[string]any) (*function, error) {
	code := object(p, "Code")
	b := s.buckets[text(code, "S3Bucket")]
	if b == nil {
		return nil, errors.New("Error occurred while GetObject. S3 Error Code: NoSuchBucket")
	}
	archive, ok := b.objects[text(code, "S3Key")]
	if !ok {
		return nil, errors.New("Error occurred while GetObject. S3 Error Code: NoSuchKey")
	}
	arn := text(p, "Role")
	r := s.roles[arn[strings.LastIndexByte(arn, '/')+1:]]
	if r == nil || r.trust != "lambda.amazonaws.com" {
		return nil, errors.New("The role defined for the function cannot be assumed by Lambda.")
	}
	f := &function{name: text(p, "FunctionName"), env: map[string]string{}, role: r.name, keyID: "AKIA" + strings.ToUpper(random(8)),
		memory: number(p, "MemorySize"), timeout: time.Duration(number(p, "Timeout")) * time.Second, reserved: number(p, "ReservedConcurrentExecutions")}
	path, err := s.unpack(archive)
	if err != nil {
		return nil, err
	}
	secret := random(20)
	env := []string{"AWS_ENDPOINT_URL=" + s.URL, "AWS_ACCESS_KEY_ID=" + f.keyID, "AWS_SECRET_ACCESS_KEY=" + secret}
	for k, v := range object(object(p, "Environment"), "Variables") {
		f.env[k] = fmt.Sprint(v)
		env = append(env, k+"="+fmt.Sprint(v))
	}
	f.runtime, err = runtimeapi.New(runtimeapi.Options{
		Command: []string{path}, Env: env, Name: f.name, Region: Region, Account: Account, MemoryMB: f.memory, Timeout: f.timeout,
		MaxSandboxes: 4, Output: s.opt.Output, Clock: s.opt.Clock, Logger: s.opt.Logger,
		NewID: func() string { return f.name + "-" + random(8) },
	})
	if err != nil {
		return nil, err
	}
	s.keys[f.keyID] = sigv4.Credential{AccessKeyID: f.keyID, Secret: secret, Principal: sigv4.Principal{Account: Account, UserID: "AROA" + r.name,
		ARN: "arn:aws:sts::" + Account + ":assumed-role/" + r.name + "/" + f.name, Policy: r.policy}}
	return f, nil
}

// unpack writes the binary to where it can be started from, once for each zip.
func (s *StandIn) unpack(archive []byte) (string, error) {
	sum := sha256.Sum256(archive)
	path := s.path("bootstrap-" + hex.EncodeToString(sum[:]))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	binary, err := pack.Bootstrap(archive)
	if err != nil {
		return "", err
	}
	return path, os.WriteFile(path, binary, 0o700)
}

// stopFunction ends its processes. s.mu is held, but not while they end: they may be asking us something.
func (s *StandIn) stopFunction(f *function) error {
	delete(s.keys, f.keyID)
	s.mu.Unlock()
	defer s.mu.Lock()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return f.close(ctx)
}

func (s *StandIn) serveLambda(w http.ResponseWriter, r *http.Request) {
	f := s.lambdaCall(w, r)
	if f == nil {
		return
	}
	if f.code == "AccessDenied" {
		f.code = "AccessDeniedException"
	}
	refuse(w, "lambda", f.status, f.code, f.message)
}

func (s *StandIn) lambdaCall(w http.ResponseWriter, r *http.Request) *fault {
	switch path := r.URL.Path; {
	case r.Method == http.MethodGet && strings.HasPrefix(path, "/2016-08-19/account-settings"):
		return s.accountSettings(w, r)
	case strings.HasPrefix(path, "/2015-03-31/functions/"):
		name, rest, _ := strings.Cut(strings.TrimPrefix(path, "/2015-03-31/functions/"), "/")
		return s.functionCall(w, r, name, rest)
	}
	return &fault{http.StatusNotImplemented, "NotImplemented", "the stand-in has no Lambda " + r.Method + " " + r.URL.Path}
}

func (s *StandIn) accountSettings(w http.ResponseWriter, r *http.Request) *fault {
	if f := s.allow(r, "lambda:GetAccountSettings", "*"); f != nil {
		return f
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	free := s.opt.Concurrency
	for _, f := range s.functions {
		free -= f.reserved
	}
	answer(w, map[string]any{"AccountLimit": map[string]any{"ConcurrentExecutions": s.opt.Concurrency, "UnreservedConcurrentExecutions": free}})
	return nil
}

func (s *StandIn) functionCall(w http.ResponseWriter, r *http.Request, name, rest string) *fault {
	operation := map[string]string{"GET ": "GetFunction", "POST invocations": "InvokeFunction", "DELETE ": "DeleteFunction"}[r.Method+" "+rest]
	if operation == "" {
		return &fault{http.StatusNotImplemented, "NotImplemented", "the stand-in has no Lambda " + r.Method + " " + r.URL.Path}
	}
	arn := "arn:aws:lambda:" + Region + ":" + Account + ":function:" + name
	if f := s.allow(r, "lambda:"+operation, arn); f != nil {
		return f
	}
	s.mu.Lock()
	f := s.functions[name]
	s.mu.Unlock()
	if f == nil {
		return &fault{http.StatusNotFound, "ResourceNotFoundException", "Function not found: " + arn}
	}
	if operation == "GetFunction" {
		answer(w, map[string]any{"Configuration": map[string]any{"FunctionName": name, "FunctionArn": arn, "State": "Active", "MemorySize": f.memory,
			"Role": "arn:aws:iam::" + Account + ":role/" + f.role, "Runtime": "provided.al2023", "Handler": "bootstrap"}})
		return nil
	}
	if operation == "DeleteFunction" {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.functions, name)
		if err := s.stopFunction(f); err != nil {
			return &fault{http.StatusInternalServerError, "ServiceException", err.Error()}
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	payload, err := io.ReadAll(r.Body)
	if err != nil {
		return bad("InvalidRequestContentException", "The request body could not be read.")
	}
	out, err := f.runtime.Invoke(r.Context(), payload)
	var failed *runtimeapi.Error
	if errors.As(err, &failed) {
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
		out, err = failed.Payload, nil
	}
	if err != nil {
		return &fault{http.StatusInternalServerError, "ServiceException", err.Error()}
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(out) // the client may be gone
	return nil
}

// Tick runs what schedules start each minute, once.
func (s *StandIn) Tick(ctx context.Context) error {
	s.mu.Lock()
	var due []*function
	for _, st := range s.stacks {
		for _, r := range st.resources {
			if r.kind != "AWS::Events::Rule" {
				continue
			}
			targets, _ := r.properties["Targets"].([]any)
			for _, t := range targets {
				target, _ := t.(map[string]any)
				arn := text(target, "Arn")
				if f := s.functions[arn[strings.LastIndexByte(arn, ':')+1:]]; f != nil && slices.Contains(f.principals, "events.amazonaws.com") {
					due = append(due, f)
				}
			}
		}
	}
	s.mu.Unlock()
	if len(due) == 0 {
		return errors.New("stand-in: no schedule has a function that it may invoke")
	}
	event, err := json.Marshal(map[string]any{"source": "aws.events", "detail-type": "Scheduled Event", "detail": map[string]any{}})
	if err != nil {
		return err
	}
	var errs []error
	for _, f := range due {
		_, err := f.runtime.Invoke(ctx, event)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
