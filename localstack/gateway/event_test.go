package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"pgregory.net/rapid"
)

// excused are the key paths in which our events differ from aws-lambda-go's samples, each
// with its reason. "sample" is in the sample only, "ours" in our event only, "type" in both.
var excused = map[string]string{
	"sample requestContext.authorizer:object":                                "no authorizer: AWS leaves the member out",
	"sample requestContext.authorizer.clientId:number":                       "no authorizer",
	"sample requestContext.authorizer.clientName:string":                     "no authorizer",
	"sample requestContext.authorizer.principalId:string":                    "no authorizer",
	"sample requestContext.identity.apiKey:string":                           "no API keys: AWS leaves the member out",
	"sample requestContext.identity.apiKeyId:string":                         "no API keys: AWS leaves the member out",
	"sample requestContext.identity.clientCert:object":                       "no mutual TLS: AWS leaves the member out",
	"sample requestContext.identity.clientCert.clientCertPem:string":         "no mutual TLS",
	"sample requestContext.identity.clientCert.subjectDN:string":             "no mutual TLS",
	"sample requestContext.identity.clientCert.issuerDN:string":              "no mutual TLS",
	"sample requestContext.identity.clientCert.serialNumber:string":          "no mutual TLS",
	"sample requestContext.identity.clientCert.validity:object":              "no mutual TLS",
	"sample requestContext.identity.clientCert.validity.notBefore:string":    "no mutual TLS",
	"sample requestContext.identity.clientCert.validity.notAfter:string":     "no mutual TLS",
	"type requestContext.identity.cognitoIdentityPoolId:string/null":         "null without IAM or Cognito authorization, as on AWS",
	"type requestContext.identity.accountId:string/null":                     "null without IAM authorization, as on AWS",
	"type requestContext.identity.cognitoIdentityId:string/null":             "null without Cognito, as on AWS",
	"type requestContext.identity.caller:string/null":                        "null without IAM authorization, as on AWS",
	"type requestContext.identity.accessKey:string/null":                     "null without IAM authorization, as on AWS",
	"type requestContext.identity.cognitoAuthenticationType:string/null":     "null without Cognito, as on AWS",
	"type requestContext.identity.cognitoAuthenticationProvider:string/null": "null without Cognito, as on AWS",
	"type requestContext.identity.userArn:string/null":                       "null without IAM authorization, as on AWS",
	"type requestContext.identity.user:string/null":                          "null without IAM authorization, as on AWS",
	"sample requestContext.operationName:string":                             "only for APIs imported with operation names",
	"ours isBase64Encoded:bool":                                              "AWS sends it always; the samples are older",
}

func TestEventHasTheShapeOfAWSsSamples(t *testing.T) {
	seen := make(map[string]bool)
	for _, name := range []string{"apigw-request.json", "apigw-restapi-openapi-request.json"} {
		t.Run(name, func(t *testing.T) {
			sample := shape(t, sampleEvent(t, name))
			r := httptest.NewRequest(http.MethodPost, "/hello/world?name=me", strings.NewReader("{\r\n\t\"a\": 1\r\n}"))
			// The client's own headers are data, not shape: send the sample's.
			var ev events.APIGatewayProxyRequest
			if err := json.Unmarshal(sampleEvent(t, name), &ev); err != nil {
				t.Fatal(err)
			}
			for k, v := range ev.Headers {
				r.Header[k] = []string{v}
			}
			got := capture(t, testOptions(func(o *Options) {
				o.StageVariables = map[string]string{"stageVariableName": "stageVariableValue"}
			}), r)
			ours := shape(t, got)
			for path, kind := range sample {
				switch mine, ok := ours[path]; {
				case !ok:
					wantExcuse(t, seen, "sample "+path+":"+kind)
				case mine != kind:
					wantExcuse(t, seen, "type "+path+":"+kind+"/"+mine)
				}
			}
			for path, kind := range ours {
				if _, ok := sample[path]; !ok && !strings.Contains(strings.ToLower(path), "headers.x-amzn-trace-id") {
					wantExcuse(t, seen, "ours "+path+":"+kind)
				}
			}
		})
	}
	for difference := range excused {
		if !seen[difference] {
			t.Errorf("no longer a difference: %s", difference)
		}
	}
}

func wantExcuse(t *testing.T, seen map[string]bool, difference string) {
	t.Helper()
	if excused[difference] == "" {
		t.Errorf("unreviewed difference: %s", difference)
	}
	seen[difference] = true
}

func sampleEvent(t *testing.T, name string) []byte {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-lambda-go").Output()
	if err != nil {
		t.Fatalf("finding aws-lambda-go's samples: %v", err)
	}
	b, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "events", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// shape maps each key path of a JSON object to its type.
func shape(t *testing.T, doc []byte) map[string]string {
	t.Helper()
	var v any
	if err := json.Unmarshal(doc, &v); err != nil {
		t.Fatalf("%v in %s", err, doc)
	}
	out := make(map[string]string)
	var walk func(path string, v any)
	walk = func(path string, v any) {
		kind := "null"
		switch v := v.(type) {
		case map[string]any:
			kind = "object"
			for k, child := range v {
				walk(strings.TrimPrefix(path+"."+k, "."), child)
			}
		case []any:
			kind = "array"
			for _, child := range v {
				walk(path+"[]", child)
			}
		case string:
			kind = "string"
		case float64:
			kind = "number"
		case bool:
			kind = "bool"
		}
		if path != "" {
			out[path] = kind
		}
	}
	walk("", v)
	return out
}

func TestEventSaysNullWhereAWSDoes(t *testing.T) {
	got := shape(t, capture(t, testOptions(nil), httptest.NewRequest(http.MethodGet, "/x", nil)))
	for _, path := range []string{"queryStringParameters", "multiValueQueryStringParameters", "stageVariables", "body", "requestContext.identity.userAgent"} {
		if got[path] != "null" {
			t.Errorf("%s is %s, want null", path, got[path])
		}
	}
	exact := capture(t, testOptions(func(o *Options) { o.Routes[0].Resource = "/x" }), httptest.NewRequest(http.MethodGet, "/x", nil))
	if shape(t, exact)["pathParameters"] != "null" {
		t.Error("pathParameters of a resource without any is not null")
	}
}

// The hand-written encoder says what encoding/json would say of the same request.
func TestEventEqualsEncodingJSON(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.StringOf(rapid.Rune())
		token := rapid.StringMatching(`[A-Za-z][A-Za-z0-9-]{0,11}`)
		headerText := rapid.StringMatching(`[ -~]{0,30}`)
		body := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(rt, "body")
		query := url.Values{}
		for k, vs := range rapid.MapOfN(text, rapid.SliceOfN(text, 1, 3), 0, 3).Draw(rt, "query") {
			query[k] = vs
		}
		path := "/a/" + url.PathEscape(text.Draw(rt, "path")+"x")
		r := httptest.NewRequest(rapid.SampledFrom([]string{"GET", "POST", "PUT"}).Draw(rt, "method"), "http://api.example:8080"+path, bytes.NewReader(body))
		r.URL.RawQuery = query.Encode()
		r.Header = http.Header{}
		for k, vs := range rapid.MapOfN(token, rapid.SliceOfN(headerText, 1, 3), 0, 4).Draw(rt, "headers") {
			k = http.CanonicalHeaderKey("Q-" + k)
			r.Header[k] = vs
		}
		binary := rapid.Bool().Draw(rt, "binary")
		opt := testOptions(func(o *Options) {
			o.StagePrefix = false
			if binary {
				o.BinaryMediaTypes = []string{"*/*"}
			}
		})
		want := reference(r, opt, body, binary)
		var got events.APIGatewayProxyRequest
		dec := json.NewDecoder(bytes.NewReader(capture(rt, opt, r)))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&got); err != nil {
			rt.Fatal(err)
		}
		// As encoding/json would carry it.
		encoded, err := json.Marshal(want)
		if err != nil {
			rt.Fatal(err)
		}
		var carried events.APIGatewayProxyRequest
		if err := json.Unmarshal(encoded, &carried); err != nil {
			rt.Fatal(err)
		}
		if !reflect.DeepEqual(got, carried) {
			rt.Fatalf("got  %+v\nwant %+v", got, carried)
		}
	})
}

// reference builds the event as a struct, the slow way.
func reference(r *http.Request, opt Options, body []byte, binary bool) events.APIGatewayProxyRequest {
	ev := events.APIGatewayProxyRequest{
		Resource: "/{proxy+}", Path: r.URL.EscapedPath(), HTTPMethod: r.Method,
		Headers: map[string]string{}, MultiValueHeaders: map[string][]string{},
		PathParameters: map[string]string{"proxy": strings.TrimPrefix(r.URL.EscapedPath(), "/")},
	}
	all := r.Header.Clone()
	all.Set("Host", r.Host)
	all.Set("X-Forwarded-For", "192.0.2.1")
	all.Set("X-Forwarded-Port", "8080")
	all.Set("X-Forwarded-Proto", "http")
	all.Set("X-Amzn-Trace-Id", traceID("id-1", at))
	for k, vs := range all {
		ev.Headers[k], ev.MultiValueHeaders[k] = vs[len(vs)-1], vs
	}
	for k, vs := range r.URL.Query() {
		if ev.QueryStringParameters == nil {
			ev.QueryStringParameters, ev.MultiValueQueryStringParameters = map[string]string{}, map[string][]string{}
		}
		ev.QueryStringParameters[k], ev.MultiValueQueryStringParameters[k] = vs[len(vs)-1], vs
	}
	ev.Body = string(body)
	if binary && len(body) > 0 {
		ev.IsBase64Encoded = true
		b, _ := json.Marshal(body) // encoding/json's base64
		ev.Body = strings.Trim(string(b), `"`)
	}
	ev.RequestContext = events.APIGatewayProxyRequestContext{
		AccountID: opt.AccountID, ResourceID: resourceID("/{proxy+}"), Stage: opt.Stage, DomainName: "api.example", DomainPrefix: "api",
		RequestID: "id-1", ExtendedRequestID: "id-1", Protocol: "HTTP/1.1", ResourcePath: "/{proxy+}", Path: ev.Path, HTTPMethod: r.Method,
		RequestTime: "24/Nov/2026:12:00:00 +0000", RequestTimeEpoch: at.UnixMilli(), APIID: opt.APIID,
		Identity: events.APIGatewayRequestIdentity{SourceIP: "192.0.2.1", UserAgent: r.UserAgent()},
	}
	return ev
}

func TestStringsAreWrittenAsEncodingJSONWritesThem(t *testing.T) {
	check := func(s string) error {
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(s); err != nil {
			return err
		}
		for _, got := range [][]byte{appendString(nil, s), appendString(nil, []byte(s))} {
			// Versions of Go differ in what they escape: what is read of it counts.
			var ours, theirs string
			if err := errors.Join(json.Unmarshal(got, &ours), json.Unmarshal(want.Bytes(), &theirs)); err != nil {
				return fmt.Errorf("%q: %s, %w", s, got, err)
			}
			if ours != theirs {
				return fmt.Errorf("%q: got %s, want %s", s, got, want.String())
			}
		}
		return nil
	}
	for i := range 256 {
		if err := check("a" + string([]byte{byte(i)}) + "b"); err != nil {
			t.Error(err)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		s := string(rapid.SliceOf(rapid.Byte()).Draw(rt, "bytes")) + rapid.String().Draw(rt, "text") + "\u2028\u2029\xe2\x80"
		if err := check(s); err != nil {
			rt.Fatal(err)
		}
	})
}

func TestEventOfARequestWithAStageHopByHopAndForwardingHeaders(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "http://api.example:8080/prod/a%2Fb/c", nil)
	r.RemoteAddr = "@" // a Unix socket
	r.Header = http.Header{
		"Connection": {"keep-alive, X-Hop"}, "X-Hop": {"1"}, "Te": {"trailers"}, "Upgrade": {"h2c"}, "Content-Length": {"0"},
		"X-Forwarded-For": {"203.0.113.9"}, "X-Forwarded-Proto": {"https"}, "X-Kept": {"a", "b"},
	}
	var ev events.APIGatewayProxyRequest
	if err := json.Unmarshal(capture(t, testOptions(func(o *Options) { o.StagePrefix = true; o.Stage = "prod" }), r), &ev); err != nil {
		t.Fatal(err)
	}
	if ev.Path != "/a%2Fb/c" || ev.RequestContext.Path != "/prod/a%2Fb/c" || ev.PathParameters["proxy"] != "a%2Fb/c" {
		t.Errorf("paths: %q, %q, %q", ev.Path, ev.RequestContext.Path, ev.PathParameters["proxy"])
	}
	names := make([]string, 0, len(ev.Headers))
	for k := range ev.Headers {
		names = append(names, k)
	}
	sort.Strings(names)
	want := []string{"Host", "X-Amzn-Trace-Id", "X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto", "X-Kept"}
	if !reflect.DeepEqual(names, want) {
		t.Errorf("headers %v, want %v", names, want)
	}
	if ev.Headers["X-Forwarded-For"] != "203.0.113.9, 127.0.0.1" || ev.Headers["X-Forwarded-Proto"] != "http" || ev.Headers["X-Forwarded-Port"] != "8080" {
		t.Errorf("forwarding headers: %v", ev.Headers)
	}
	if ev.Headers["X-Kept"] != "b" || !reflect.DeepEqual(ev.MultiValueHeaders["X-Kept"], []string{"a", "b"}) {
		t.Errorf("multiple values: %v", ev.MultiValueHeaders["X-Kept"])
	}
}

var at = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

type invokerFunc func(ctx context.Context, payload []byte) ([]byte, error)

func (f invokerFunc) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	return f(ctx, payload)
}

func testOptions(mutate func(*Options)) Options {
	o := Options{
		Routes: []Route{{Method: "ANY", Resource: "/{proxy+}"}},
		APIID:  "api1", AccountID: "000000000000", Stage: "test",
		Clock: func() time.Time { return at }, NewID: func() string { return "id-1" },
	}
	if mutate != nil {
		mutate(&o)
	}
	return o
}

type tb interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// capture returns the event that a request becomes.
func capture(t tb, opt Options, r *http.Request) []byte {
	t.Helper()
	var event []byte
	opt.Routes[0].Invoker = invokerFunc(func(_ context.Context, payload []byte) ([]byte, error) {
		event = bytes.Clone(payload)
		return []byte(`{"statusCode":200}`), nil
	})
	g, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	g.ServeHTTP(rec, r)
	if err := g.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if rec.Code != http.StatusOK {
		t.Fatalf("status %d: %s", rec.Code, rec.Body)
	}
	return event
}
