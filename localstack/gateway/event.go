package gateway

import (
	"bytes"
	"encoding/base64"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The event is written by hand instead of with encoding/json: it is on the path of every
// request, and its shape is fixed by AWS. Tests hold it to encoding/json and to the sample
// events that ship with aws-lambda-go.

// dropped are the request headers that API Gateway does not hand on: hop-by-hop ones, and
// the length, which describes a body that the event carries in another form.
var dropped = []string{
	"Connection", "Content-Length", "Expect", "Keep-Alive", "Proxy-Authenticate", "Proxy-Connection",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// encodeEvent writes the REST proxy event of a request. path is percent-encoded and has
// no stage. An event over Lambda's limit is a failure.
func (g *Gateway) encodeEvent(r *http.Request, rt *route, params []param, path, id string, body []byte) (*bytes.Buffer, *failure) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, failBadRequest
	}
	buf := getBuffer()
	buf.Grow(2048 + len(body)*4/3)
	b := buf.AvailableBuffer()

	now := g.opt.Clock()
	source := sourceIP(r)
	b = append(b, rt.head...)
	b = appendString(b, path)
	b = append(b, `,"httpMethod":`...)
	b = appendString(b, r.Method)
	b = appendHeaders(b, forwarded(r, source, id, now))
	b = appendQuery(b, query)
	b = appendParams(b, params)
	b = append(b, rt.context...)
	b = g.appendContext(b, r, path, id, source, now)
	b = g.appendBody(b, r, body)
	b = append(b, '}')

	if len(b) > maxPayload {
		putBuffer(buf)
		return nil, failTooLong
	}
	buf.Write(b) // in place unless it outgrew the estimate
	return buf, nil
}

// header is one request header with its values in order.
type header struct {
	name   string
	values []string
}

// forwarded lists the headers that the function gets: the client's, less the dropped ones,
// plus Host, the forwarding headers and the trace id.
func forwarded(r *http.Request, source, id string, now time.Time) []header {
	var hop []string
	for _, c := range r.Header["Connection"] {
		for name := range strings.SplitSeq(c, ",") {
			hop = append(hop, http.CanonicalHeaderKey(strings.TrimSpace(name)))
		}
	}
	hs := make([]header, 0, len(r.Header)+5)
	via := ""
	for name, values := range r.Header {
		switch {
		case len(values) == 0 || slices.Contains(dropped, name) || slices.Contains(hop, name):
		case name == "X-Forwarded-For":
			via = strings.Join(values, ", ") + ", "
		case name == "Host" || name == "X-Forwarded-Port" || name == "X-Forwarded-Proto" || name == "X-Amzn-Trace-Id":
		default:
			hs = append(hs, header{name, values})
		}
	}
	proto, port := "http", "80"
	if r.TLS != nil {
		proto, port = "https", "443"
	}
	if _, p, err := net.SplitHostPort(r.Host); err == nil {
		port = p
	}
	trace := r.Header.Get("X-Amzn-Trace-Id")
	if trace == "" {
		trace = traceID(id, now)
	}
	return append(hs,
		header{"Host", []string{r.Host}},
		header{"X-Amzn-Trace-Id", []string{trace}},
		header{"X-Forwarded-For", []string{via + source}},
		header{"X-Forwarded-Port", []string{port}},
		header{"X-Forwarded-Proto", []string{proto}},
	)
}

// traceID is "Root=1-<8 hex of time>-<24 hex>"; the 24 come from the request id.
func traceID(id string, now time.Time) string {
	hex := make([]byte, 0, 24)
	for i := 0; i < len(id) && len(hex) < 24; i++ {
		switch c := id[i]; {
		case '0' <= c && c <= '9' || 'a' <= c && c <= 'f':
			hex = append(hex, c)
		case c != '-':
			hex = append(hex, "0123456789abcdef"[c&15])
		}
	}
	for len(hex) < 24 {
		hex = append(hex, '0')
	}
	return "Root=1-" + strconv.FormatInt(now.Unix(), 16) + "-" + string(hex)
}

func sourceIP(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return "127.0.0.1" // a Unix socket or an in-process call
}

func appendHeaders(b []byte, hs []header) []byte {
	b = append(b, `,"headers":{`...)
	for i, h := range hs {
		b = appendKey(b, i, h.name)
		b = appendString(b, h.values[len(h.values)-1]) // the last one wins, as on AWS
	}
	b = append(b, `},"multiValueHeaders":{`...)
	for i, h := range hs {
		b = appendKey(b, i, h.name)
		b = appendStrings(b, h.values)
	}
	return append(b, '}')
}

func appendQuery(b []byte, q url.Values) []byte {
	if len(q) == 0 {
		return append(b, `,"queryStringParameters":null,"multiValueQueryStringParameters":null`...)
	}
	b = append(b, `,"queryStringParameters":{`...)
	i := 0
	for name, values := range q {
		b = appendKey(b, i, name)
		b = appendString(b, values[len(values)-1])
		i++
	}
	b = append(b, `},"multiValueQueryStringParameters":{`...)
	i = 0
	for name, values := range q {
		b = appendKey(b, i, name)
		b = appendStrings(b, values)
		i++
	}
	return append(b, '}')
}

func appendParams(b []byte, params []param) []byte {
	if len(params) == 0 {
		return append(b, `,"pathParameters":null,`...)
	}
	b = append(b, `,"pathParameters":{`...)
	for i, p := range params {
		b = appendKey(b, i, p.name)
		b = appendString(b, p.value)
	}
	return append(b, `},`...)
}

// appendConstants writes what is the same in all events of a route, ending inside the
// request context.
func appendConstants(b []byte, rt route, opt Options) []byte {
	b = append(b, `"stageVariables":`...)
	if opt.StageVariables == nil {
		b = append(b, `null`...)
	} else {
		b = append(b, '{')
		i := 0
		for name, value := range opt.StageVariables {
			b = appendKey(b, i, name)
			b = appendString(b, value)
			i++
		}
		b = append(b, '}')
	}
	b = append(b, `,"requestContext":{"resourceId":`...)
	b = appendString(b, resourceID(rt.resource))
	b = append(b, `,"resourcePath":`...)
	b = appendString(b, rt.resource)
	b = append(b, `,"accountId":`...)
	b = appendString(b, opt.AccountID)
	b = append(b, `,"stage":`...)
	b = appendString(b, opt.Stage)
	b = append(b, `,"apiId":`...)
	return appendString(b, opt.APIID)
}

// noIdentity is what the identity says of a caller that no authorizer has checked.
const noIdentity = `,"identity":{"cognitoIdentityPoolId":null,"accountId":null,"cognitoIdentityId":null,"caller":null,` +
	`"accessKey":null,"cognitoAuthenticationType":null,"cognitoAuthenticationProvider":null,"userArn":null,"user":null,"sourceIp":`

func (g *Gateway) appendContext(b []byte, r *http.Request, path, id, source string, now time.Time) []byte {
	b = append(b, `,"httpMethod":`...)
	b = appendString(b, r.Method)
	b = append(b, `,"protocol":`...)
	b = appendString(b, r.Proto)
	b = append(b, `,"path":`...)
	if g.opt.StagePrefix {
		path = "/" + g.opt.Stage + path
	}
	b = appendString(b, path)
	domain := g.opt.DomainName
	if domain == "" {
		domain = r.Host
		if host, _, err := net.SplitHostPort(domain); err == nil {
			domain = host
		}
	}
	prefix, _, _ := strings.Cut(domain, ".")
	b = append(b, `,"domainName":`...)
	b = appendString(b, domain)
	b = append(b, `,"domainPrefix":`...)
	b = appendString(b, prefix)
	b = append(b, `,"requestId":`...)
	b = appendString(b, id)
	b = append(b, `,"extendedRequestId":`...)
	b = appendString(b, id)
	b = append(b, `,"requestTime":"`...)
	b = now.UTC().AppendFormat(b, "02/Jan/2006:15:04:05 -0700")
	b = append(b, `","requestTimeEpoch":`...)
	b = strconv.AppendInt(b, now.UnixMilli(), 10)
	b = append(b, noIdentity...)
	b = appendString(b, source)
	b = append(b, `,"userAgent":`...)
	if agent := r.UserAgent(); agent == "" {
		b = append(b, `null`...)
	} else {
		b = appendString(b, agent)
	}
	return append(b, `}}`...)
}

func (g *Gateway) appendBody(b []byte, r *http.Request, body []byte) []byte {
	switch {
	case len(body) == 0:
		return append(b, `,"body":null,"isBase64Encoded":false`...)
	case g.binary.binary(r.Header.Get("Content-Type")):
		b = append(b, `,"body":"`...)
		b = base64.StdEncoding.AppendEncode(b, body)
		return append(b, `","isBase64Encoded":true`...)
	}
	b = append(b, `,"body":`...)
	b = appendString(b, body)
	return append(b, `,"isBase64Encoded":false`...)
}
