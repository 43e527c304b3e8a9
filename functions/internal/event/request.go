package event

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
)

// request is what we read of an API Gateway proxy event, payload format 1.0.
type request struct {
	method, path string
	header       http.Header
	query        url.Values
	body         []byte
	info         Info
}

// parse reads an event. The names are those of aws-lambda-go's events.APIGatewayProxyRequest; a test holds
// this reader to that type with the samples that ship there.
func parse(payload []byte) (*request, error) {
	r := &request{}
	var single http.Header
	var singleQuery url.Values
	var body string
	var rawBody []byte
	var is64 bool
	s := &scanner{b: payload}
	err := s.object(func(key string) (err error) {
		switch key {
		case "httpMethod":
			r.method, err = s.str()
		case "path":
			r.path, err = s.str()
		case "multiValueHeaders":
			r.header, err = values[http.Header](s, textproto.CanonicalMIMEHeaderKey)
		case "headers":
			single, err = values[http.Header](s, textproto.CanonicalMIMEHeaderKey)
		case "multiValueQueryStringParameters":
			r.query, err = values[url.Values](s, nil)
		case "queryStringParameters":
			singleQuery, err = values[url.Values](s, nil)
		case "requestContext":
			err = parseContext(s, &r.info)
		case "isBase64Encoded":
			is64 = s.next() == 't'
			err = s.skip()
		case "body":
			rawBody, body, err = parseBody(s)
		default:
			err = s.skip()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	// HTTP API's payload 1.0 and tests may leave out the multi-value members.
	if r.header == nil {
		r.header = single
	}
	if r.query == nil {
		r.query = singleQuery
	}
	if r.header == nil {
		r.header = http.Header{}
	}
	r.body, err = decodeBody(rawBody, body, is64)
	return r, err
}

// values reads an object whose values are strings or arrays of strings.
func values[M ~map[string][]string](s *scanner, canonical func(string) string) (M, error) {
	if s.next() == 'n' {
		return nil, s.skip()
	}
	out := make(M, 16)
	err := s.object(func(key string) error {
		if canonical != nil {
			key = canonical(key)
		}
		if s.next() != '[' {
			v, err := s.str()
			out[key] = append(out[key], v)
			return err
		}
		return s.array(func() error {
			v, err := s.str()
			out[key] = append(out[key], v)
			return err
		})
	})
	return out, err
}

func parseContext(s *scanner, info *Info) error {
	return s.object(func(key string) (err error) {
		switch key {
		case "requestId":
			info.RequestID, err = s.str()
		case "stage":
			info.Stage, err = s.str()
		case "identity":
			err = s.object(func(key string) (err error) {
				if key == "sourceIp" {
					info.SourceIP, err = s.str()
					return err
				}
				return s.skip()
			})
		default:
			err = s.skip()
		}
		return err
	})
}

// parseBody reads the body: a slice of the event itself where it has no escapes (base64 never has: but for
// the escaped slash that some encoders write), else a copy.
func parseBody(s *scanner) (raw []byte, text string, err error) {
	if s.next() == 'n' {
		return nil, "", s.skip()
	}
	start := s.i
	raw, escaped, err := s.raw()
	if err != nil || !escaped {
		return raw, "", err
	}
	s.i = start
	text, err = s.str()
	return nil, text, err
}

func decodeBody(raw []byte, text string, is64 bool) ([]byte, error) {
	if raw == nil {
		raw = []byte(text)
	}
	if !is64 {
		return raw, nil
	}
	out := make([]byte, base64.StdEncoding.DecodedLen(len(raw)))
	n, err := base64.StdEncoding.Decode(out, raw)
	if err != nil {
		return nil, fmt.Errorf("decoding the body: %w", err)
	}
	return out[:n], nil
}

// body is a request body that needs no allocation of its own.
type body struct{ bytes.Reader }

func (*body) Close() error { return nil }

// http makes the request that a handler sees. The path has no stage in it (the event's path never has).
func (r *request) http(ctx context.Context) *http.Request {
	u := &url.URL{Path: r.path}
	if len(r.query) > 0 {
		u.RawQuery = r.query.Encode()
	}
	out := &http.Request{
		Method: r.method, URL: u, RequestURI: r.path,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: r.header, Host: r.header.Get("Host"), RemoteAddr: r.info.SourceIP,
		ContentLength: int64(len(r.body)),
	}
	if u.RawQuery != "" {
		out.RequestURI += "?" + u.RawQuery
	}
	delete(r.header, "Host")
	b := &body{}
	b.Reset(r.body)
	out.Body = io.ReadCloser(b)
	return out.WithContext(context.WithValue(ctx, infoKey{}, r.info))
}
