package server

import (
	"bytes"
	"io"
	"net/http"
	"strings"

	"github.com/waypoint-serverless/waypoint/api/awsproof"
	"github.com/waypoint-serverless/waypoint/localstack/aws/sigv4"
)

// inProcess is an http.RoundTripper that hands the SDK's requests to the engines: the same bytes as over
// TCP, without the socket. Nobody but this process can use it, so it stands for the root key.
type inProcess struct {
	dynamodb, sqs, sts http.Handler
	// signed is STS with signatures checked: a request that carries a runner's identity is that runner's, not the root
	// key's.
	signed http.Handler
	root   sigv4.Principal
}

// RoundTrip implements http.RoundTripper. It returns when the engine has answered; the engines honour the
// request's context.
func (t *inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	r := req.WithContext(sigv4.WithPrincipal(req.Context(), t.root))
	if r.Body == nil {
		r.Body = http.NoBody
	}
	rec := &recorder{header: make(http.Header, 8), status: http.StatusOK}
	t.engine(req).ServeHTTP(rec, r)
	_ = r.Body.Close()
	return &http.Response{
		Status:        http.StatusText(rec.status),
		StatusCode:    rec.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        rec.header,
		Body:          io.NopCloser(bytes.NewReader(rec.body.Bytes())),
		ContentLength: int64(rec.body.Len()),
		Request:       req,
	}, nil
}

func (t *inProcess) engine(req *http.Request) http.Handler {
	switch target := req.Header.Get("X-Amz-Target"); {
	case strings.HasPrefix(target, "DynamoDB_"):
		return t.dynamodb
	case strings.HasPrefix(target, "AmazonSQS."):
		return t.sqs
	}
	if req.Header.Get(awsproof.ServerHeader) != "" {
		return t.signed
	}
	return t.sts
}

type recorder struct {
	header  http.Header
	status  int
	written bool
	body    bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if !r.written {
		r.status, r.written = status, true
	}
}

func (r *recorder) Write(p []byte) (int, error) {
	r.written = true
	return r.body.Write(p)
}
