package infra

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go"

	"github.com/waypoint-serverless/waypoint/internal/retry"
)

// signedCaller makes signed requests to services that a few calls do not justify an SDK client for: each adds up to
// 2 MB to the command.
type signedCaller struct {
	cfg   aws.Config
	clock func() time.Time
}

// signedRequest is one request. An empty Path is "/".
type signedRequest struct {
	service, method, path string
	header                map[string]string
	body                  []byte
}

// endpoint is the service's address in the configured region, or the emulator's.
func (s signedCaller) endpoint(service string) string {
	if s.cfg.BaseEndpoint != nil {
		return strings.TrimSuffix(*s.cfg.BaseEndpoint, "/")
	}
	suffix := "amazonaws.com"
	if strings.HasPrefix(s.cfg.Region, "cn-") {
		suffix = "amazonaws.com.cn"
	}
	return "https://" + service + "." + s.cfg.Region + "." + suffix
}

// signedTries is how often a request is made when the service fails or is too busy.
const signedTries = 3

var signedWaits = retry.Policy{First: 200 * time.Millisecond, Most: time.Second}

// do sends the request, again if the service fails or throttles. The error is a smithy.APIError where the service
// refused.
func (s signedCaller) do(ctx context.Context, r signedRequest) ([]byte, error) {
	waits := signedWaits.Start()
	for try := 1; ; try++ {
		answer, err := s.once(ctx, r)
		var api *smithy.GenericAPIError
		busy := errors.As(err, &api) && (api.Fault == smithy.FaultServer || strings.Contains(api.Code, "Throttl"))
		if !busy || try == signedTries {
			return answer, err
		}
		if !waits.Wait(ctx, err) {
			return nil, ctx.Err()
		}
	}
}

func (s signedCaller) once(ctx context.Context, r signedRequest) ([]byte, error) {
	path := r.path
	if path == "" {
		path = "/"
	}
	req, err := http.NewRequestWithContext(ctx, r.method, s.endpoint(r.service)+path, bytes.NewReader(r.body))
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", r.service, err)
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	if s.cfg.Credentials == nil {
		return nil, &v4.SigningError{Err: errors.New("no credentials")}
	}
	keys, err := s.cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, &v4.SigningError{Err: err}
	}
	sum := sha256.Sum256(r.body)
	if err := v4.NewSigner().SignHTTP(ctx, keys, req, hex.EncodeToString(sum[:]), r.service, s.cfg.Region, s.clock()); err != nil {
		return nil, &v4.SigningError{Err: err}
	}
	var doer aws.HTTPClient = http.DefaultClient
	if s.cfg.HTTPClient != nil {
		doer = s.cfg.HTTPClient
	}
	res, err := doer.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		return nil, refusal(res, answer)
	}
	return answer, nil
}

// json calls an operation of a service with the protocol AWS JSON; target is "AmazonSSM.GetParameter" and the like.
func (s signedCaller) json(ctx context.Context, service, version, target string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("asking %s: %w", service, err)
	}
	answer, err := s.do(ctx, signedRequest{service: service, method: http.MethodPost, body: body,
		header: map[string]string{"Content-Type": "application/x-amz-json-" + version, "X-Amz-Target": target}})
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", service, err)
	}
	return nil
}

// query calls an operation of a service with the protocol AWS Query, whose answer is not read.
func (s signedCaller) query(ctx context.Context, service, version, action string, in map[string]string) error {
	form := url.Values{"Action": {action}, "Version": {version}}
	for name, value := range in {
		form.Set(name, value)
	}
	_, err := s.do(ctx, signedRequest{service: service, method: http.MethodPost, body: []byte(form.Encode()),
		header: map[string]string{"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}})
	return err
}

// refusal reads the error of a service, in JSON or XML.
func refusal(res *http.Response, answer []byte) error {
	var e struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
		Capital string `json:"Message"`
	}
	_ = json.Unmarshal(answer, &e) // what is not JSON leaves it empty
	code := e.Type[strings.IndexByte(e.Type, '#')+1:]
	if code == "" {
		code, _, _ = strings.Cut(res.Header.Get("X-Amzn-Errortype"), ":")
	}
	message := e.Message + e.Capital
	if code == "" {
		var x struct {
			Code    string `xml:"Error>Code"`
			Message string `xml:"Error>Message"`
		}
		if xml.Unmarshal(answer, &x) == nil {
			code, message = x.Code, x.Message
		}
	}
	if code == "" { // something else than the service answered
		code = http.StatusText(res.StatusCode)
	}
	out := &smithy.GenericAPIError{Code: code, Message: message, Fault: smithy.FaultClient}
	if res.StatusCode >= http.StatusInternalServerError {
		out.Fault = smithy.FaultServer
	}
	return out
}

// redeploy makes a deployment of the REST API and puts it on the stage, which is made if it is not there.
func (s signedCaller) redeploy(ctx context.Context, apiID, stage string) error {
	body, err := json.Marshal(map[string]string{"stageName": stage, "description": "Waypoint's API."})
	if err != nil {
		return fmt.Errorf("asking apigateway: %w", err)
	}
	_, err = s.do(ctx, signedRequest{service: "apigateway", method: http.MethodPost, path: "/restapis/" + url.PathEscape(apiID) + "/deployments",
		body: body, header: map[string]string{"Content-Type": "application/json", "Accept": "application/json"}})
	return err
}
