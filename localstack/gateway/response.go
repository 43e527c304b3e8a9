package gateway

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
)

// failure is an answer of the gateway itself.
type failure struct {
	status int
	kind   string // x-amzn-ErrorType
	body   string
}

// The gateway's own answers. Their bodies are AWS's, word for word; clients tell them from
// the function's by them.
var (
	failBadRequest  = &failure{http.StatusBadRequest, "BadRequestException", `{"message": "Bad Request"}`}
	failForbidden   = &failure{http.StatusForbidden, "ForbiddenException", `{"message":"Forbidden"}`}
	failNoRoute     = &failure{http.StatusForbidden, "MissingAuthenticationTokenException", `{"message":"Missing Authentication Token"}`}
	failTooLong     = &failure{http.StatusRequestEntityTooLarge, "RequestTooLargeException", `{"message":"Request Too Long"}`}
	failThrottled   = &failure{http.StatusTooManyRequests, "TooManyRequestsException", `{"message":"Too Many Requests"}`}
	failHeader      = &failure{http.StatusRequestHeaderFieldsTooLarge, "RequestHeaderTooLargeException", `{"message":"Request Header Fields Too Large"}`}
	failIntegration = &failure{http.StatusBadGateway, "InternalServerErrorException", `{"message": "Internal server error"}`}
	failClosed      = &failure{http.StatusServiceUnavailable, "ServiceUnavailableException", `{"message": "Service Unavailable"}`}
	failBusy        = &failure{http.StatusServiceUnavailable, "ServiceUnavailableException", `{"message": "Too many large requests at once; try again"}`}
	failTimeout     = &failure{http.StatusGatewayTimeout, "InternalServerErrorException", `{"message": "Endpoint request timed out"}`}
)

func (f *failure) write(w http.ResponseWriter) {
	h := w.Header()
	h["Content-Type"] = []string{"application/json"}
	h["X-Amzn-Errortype"] = []string{f.kind}
	w.WriteHeader(f.status)
	_, _ = w.Write([]byte(f.body)) // the client may be gone; there is nobody else to tell
}

// proxyResponse is what a function must return. A member of another type is malformed.
type proxyResponse struct {
	StatusCode        int                 `json:"statusCode"`
	Headers           map[string]string   `json:"headers"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders"`
	Body              string              `json:"body"`
	IsBase64Encoded   bool                `json:"isBase64Encoded"`
}

// remapped are the response headers that API Gateway keeps for itself and hands on under
// the name X-Amzn-Remapped-….
var remapped = []string{
	"Connection", "Content-Length", "Content-Md5", "Date", "Expect", "Host", "Max-Forwards",
	"Server", "Upgrade", "Via", "Www-Authenticate",
}

// hopByHop are the response headers that are dropped.
var hopByHop = []string{"Keep-Alive", "Proxy-Authenticate", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding"}

// respond turns the function's answer into the HTTP response. Nothing has been written if
// it returns a failure.
func (g *Gateway) respond(w http.ResponseWriter, r *http.Request, out []byte, id string) *failure {
	res, body, err := g.decodeResponse(r, out)
	if err != nil {
		g.opt.Logger.Error("malformed proxy response", "request_id", id, "error", err)
		return failIntegration
	}
	h := w.Header()
	for name, values := range res.MultiValueHeaders {
		for _, v := range values {
			addHeader(h, name, v)
		}
	}
	for name, v := range res.Headers {
		// A pair that is in both is sent once.
		if !slices.Contains(res.MultiValueHeaders[name], v) {
			addHeader(h, name, v)
		}
	}
	if h["Content-Type"] == nil {
		h["Content-Type"] = []string{"application/json"}
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	if !bodyAllowed(res.StatusCode) {
		h.Del("Content-Length")
		body = nil
	}
	w.WriteHeader(res.StatusCode)
	_, _ = w.Write(body) // the client may be gone; there is nobody else to tell
	return nil
}

func (g *Gateway) decodeResponse(r *http.Request, out []byte) (*proxyResponse, []byte, error) {
	if len(out) > maxPayload {
		return nil, nil, fmt.Errorf("response of %d bytes is over the limit of %d", len(out), maxPayload)
	}
	res := new(proxyResponse)
	if err := json.Unmarshal(out, res); err != nil {
		return nil, nil, errors.New("not a proxy response") // err could quote the body
	}
	if res.StatusCode < 200 || res.StatusCode > 599 {
		return nil, nil, fmt.Errorf("status code %d", res.StatusCode)
	}
	if !res.IsBase64Encoded || !g.binary.binary(r.Header.Get("Accept")) {
		return res, []byte(res.Body), nil
	}
	body, err := base64.StdEncoding.DecodeString(res.Body)
	if err != nil {
		return nil, nil, errors.New("isBase64Encoded is true and the body is not base64")
	}
	return res, body, nil
}

func addHeader(h http.Header, name, value string) {
	key := http.CanonicalHeaderKey(name)
	switch {
	case slices.Contains(hopByHop, key) || key == "X-Amzn-Requestid":
		return
	case slices.Contains(remapped, key):
		key = "X-Amzn-Remapped-" + key
	}
	h[key] = append(h[key], value)
}

func bodyAllowed(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified
}
