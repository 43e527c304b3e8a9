package event

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/waypoint-serverless/waypoint/api/validate"
)

var quiet = slog.New(slog.DiscardHandler)

// samples is the folder of event JSON that ships with aws-lambda-go.
func samples(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-lambda-go").Output()
	if err != nil {
		t.Fatalf("finding aws-lambda-go: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "events", "testdata")
}

func invoke(t *testing.T, h http.Handler, ev events.APIGatewayProxyRequest) events.APIGatewayProxyResponse {
	t.Helper()
	payload, err := json.Marshal(ev)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := NewHandler(h, nil, quiet).Invoke(t.Context(), payload)
	if err != nil {
		t.Fatal(err)
	}
	var res events.APIGatewayProxyResponse
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&res); err != nil {
		t.Fatalf("the answer is not what the gateway reads: %v\n%s", err, raw)
	}
	return res
}

func bodyOf(t *testing.T, res events.APIGatewayProxyResponse) []byte {
	t.Helper()
	if !res.IsBase64Encoded {
		return []byte(res.Body)
	}
	out, err := base64.StdEncoding.DecodeString(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func echo(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "application/proto")
	_, _ = w.Write(b)
}

func TestSampleEventsAreReadAsAWSReadsThem(t *testing.T) {
	dir := samples(t)
	for _, name := range []string{"apigw-request.json", "apigw-restapi-openapi-request.json"} {
		t.Run(name, func(t *testing.T) {
			payload, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			var want events.APIGatewayProxyRequest
			if err := json.Unmarshal(payload, &want); err != nil {
				t.Fatal(err)
			}
			compare(t, payload, want)
		})
	}
}

// compare holds parse to encoding/json and AWS's own type.
func compare(t *testing.T, payload []byte, want events.APIGatewayProxyRequest) {
	t.Helper()
	got, err := parse(payload)
	if err != nil {
		t.Fatal(err)
	}
	if got.method != want.HTTPMethod || got.path != want.Path {
		t.Errorf("%s %s, want %s %s", got.method, got.path, want.HTTPMethod, want.Path)
	}
	header := http.Header{}
	for k, vs := range want.MultiValueHeaders {
		k = textproto.CanonicalMIMEHeaderKey(k)
		header[k] = append(header[k], vs...)
	}
	if want.MultiValueHeaders == nil {
		for k, v := range want.Headers {
			header.Set(k, v)
		}
	}
	if !reflect.DeepEqual(got.header, header) {
		t.Errorf("headers\n%v, want\n%v", got.header, header)
	}
	if len(want.MultiValueQueryStringParameters) > 0 && !reflect.DeepEqual(map[string][]string(got.query), want.MultiValueQueryStringParameters) {
		t.Errorf("query %v, want %v", got.query, want.MultiValueQueryStringParameters)
	}
	if !want.IsBase64Encoded && string(got.body) != want.Body {
		t.Errorf("body %q, want %q", got.body, want.Body)
	}
	c := want.RequestContext
	if got.info != (Info{RequestID: c.RequestID, Stage: c.Stage, SourceIP: c.Identity.SourceIP}) {
		t.Errorf("info %+v", got.info)
	}
}

func TestHandlerSeesTheRequest(t *testing.T) {
	ev := events.APIGatewayProxyRequest{
		HTTPMethod: "POST", Path: "/waypoint.v1.JobService/GetJob",
		MultiValueHeaders:               map[string][]string{"host": {"api.example.com"}, "x-a": {"1", "2"}, "Content-Type": {"application/json"}},
		MultiValueQueryStringParameters: map[string][]string{"q": {"a b", "c&d"}},
		Body:                            "{\"name\":\"\u00e9\\n\"}",
		RequestContext: events.APIGatewayProxyRequestContext{RequestID: "r1", Stage: "prod", Path: "/prod/waypoint.v1.JobService/GetJob",
			Identity: events.APIGatewayRequestIdentity{SourceIP: "192.0.2.1"}},
	}
	res := invoke(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if string(b) != ev.Body || r.ContentLength != int64(len(ev.Body)) {
			t.Errorf("body %q, length %d", b, r.ContentLength)
		}
		if r.URL.Path != ev.Path || r.Host != "api.example.com" || r.RemoteAddr != "192.0.2.1" {
			t.Errorf("path %s, host %s, from %s", r.URL.Path, r.Host, r.RemoteAddr)
		}
		if got := r.URL.Query()["q"]; !reflect.DeepEqual(got, []string{"a b", "c&d"}) {
			t.Errorf("query %v", got)
		}
		if got := r.Header.Values("X-A"); !reflect.DeepEqual(got, []string{"1", "2"}) {
			t.Errorf("header %v", got)
		}
		if info := InfoFrom(r.Context()); info.RequestID != "r1" || info.Stage != "prod" {
			t.Errorf("info %+v", info)
		}
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=\"2\"")
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write([]byte("short \"and\" \u00fc\x01\n"))
	}), ev)
	if res.StatusCode != http.StatusTeapot || res.IsBase64Encoded || res.Body != "short \"and\" \u00fc\x01\n" {
		t.Errorf("%+v", res)
	}
	if !reflect.DeepEqual(res.MultiValueHeaders["Set-Cookie"], []string{"a=1", "b=\"2\""}) {
		t.Errorf("headers %v", res.MultiValueHeaders)
	}
}

func TestAll256ByteValuesRoundTrip(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	bodies := map[string][]byte{
		"all values": all, "empty": {}, "zero": {0}, "broken UTF-8": []byte("a\xc3"), "text": []byte("\u2028 <&> \U0001F600"),
		"megabyte": bytes.Repeat(all, 4096),
	}
	for i := range all {
		bodies[string(all[i:i+1])] = all[i : i+1]
	}
	for name, want := range bodies {
		res := invoke(t, http.HandlerFunc(echo), events.APIGatewayProxyRequest{
			HTTPMethod: "POST", Path: "/", Body: base64.StdEncoding.EncodeToString(want), IsBase64Encoded: true,
		})
		if got := bodyOf(t, res); !bytes.Equal(got, want) {
			t.Errorf("%q: got %d bytes, want %d", name, len(got), len(want))
		}
	}
}

func TestBodyLimitIsCountedAfterDecoding(t *testing.T) {
	for _, tt := range []struct {
		name   string
		size   int
		status int
	}{{"at the limit", validate.MaxMessage, 200}, {"above", validate.MaxMessage + 1, 400}} {
		t.Run(tt.name, func(t *testing.T) {
			called := false
			res := invoke(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }), events.APIGatewayProxyRequest{
				HTTPMethod: "POST", Path: "/", IsBase64Encoded: true,
				MultiValueHeaders: map[string][]string{"Content-Type": {"application/proto"}},
				Body:              base64.StdEncoding.EncodeToString(make([]byte, tt.size)),
			})
			if res.StatusCode != tt.status || called != (tt.status == 200) {
				t.Errorf("status %d, handler called %v, %.200s", res.StatusCode, called, res.Body)
			}
		})
	}
}

func TestAnswerTooLargeForLambdaIsRefused(t *testing.T) {
	res := invoke(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(bytes.Repeat([]byte{0xff}, 5<<20))
	}), events.APIGatewayProxyRequest{HTTPMethod: "POST", Path: "/"})
	if res.StatusCode != http.StatusTooManyRequests || !strings.Contains(res.Body, "larger than Lambda carries") {
		t.Errorf("%d %.200s", res.StatusCode, res.Body)
	}
}

func TestPanicBecomesAnAnswerAndALogLine(t *testing.T) {
	var log bytes.Buffer
	payload := []byte(`{"httpMethod":"POST","path":"/x","headers":{"content-type":"application/proto"},"requestContext":{"requestId":"r9"}}`)
	h := NewHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("half an answer"))
		panic("secret detail")
	}), nil, slog.New(slog.NewJSONHandler(&log, nil)))
	raw, err := h.Invoke(t.Context(), payload)
	if err != nil {
		t.Fatal(err)
	}
	if s := string(raw); !strings.Contains(s, `"statusCode":500`) || strings.Contains(s, "secret") || strings.Contains(s, "half") || !strings.Contains(s, "r9") {
		t.Errorf("answer %s", s)
	}
	if s := log.String(); !strings.Contains(s, "secret detail") || !strings.Contains(s, `"request_id":"r9"`) || !strings.Contains(s, "event_test.go") {
		t.Errorf("log %s", s)
	}
}

func TestDirectInvocationHasNoHTTPMethod(t *testing.T) {
	direct := func(_ context.Context, payload []byte) ([]byte, error) { return payload, nil }
	h := NewHandler(http.HandlerFunc(echo), direct, quiet)
	got, err := h.Invoke(t.Context(), []byte(`{"waypoint":"x"}`))
	if err != nil || string(got) != `{"waypoint":"x"}` {
		t.Errorf("%s %v", got, err)
	}
	// The gateway always names a method, whatever a caller puts in the body.
	got, err = h.Invoke(t.Context(), []byte(`{"waypoint":"x","httpMethod":"POST","path":"/","body":"{\"waypoint\":\"x\"}"}`))
	if err != nil || !strings.Contains(string(got), `"statusCode":200`) {
		t.Errorf("%s %v", got, err)
	}
	if _, err := NewHandler(http.HandlerFunc(echo), nil, quiet).Invoke(t.Context(), []byte(`{}`)); err == nil {
		t.Error("a payload without httpMethod was accepted")
	}
}

func TestPayloadsThatAreNoEventAreRefused(t *testing.T) {
	for _, payload := range []string{"", "null x", "[]", `"x"`, `{"path":`, `{"path":1}`, `{"a":}`, `{"a" 1}`, `{"body":"!!","isBase64Encoded":true,"httpMethod":"POST"}`, `{"a":"`, `{"a":"\`, `{"a":[1,}`} {
		if _, err := NewHandler(http.HandlerFunc(echo), nil, quiet).Invoke(t.Context(), []byte(payload)); err == nil {
			t.Errorf("%q was accepted", payload)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"httpMethod":"POST","path":"/a","headers":{"a":"b"},"multiValueHeaders":{"a":["b"]},"body":"x","requestContext":{"identity":{"sourceIp":"1"}}}`))
	f.Add([]byte(`{"body":"\u00e9\/","isBase64Encoded":false,"x":[1,{"y":null}],"multiValueQueryStringParameters":{"a":["1","2"]}}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		var want events.APIGatewayProxyRequest
		if json.Unmarshal(payload, &want) != nil {
			_, _ = parse(payload) // must not panic
			return
		}
		if !exactNames(payload) || bytes.Contains(payload, []byte(`\u`)) {
			return
		}
		if want.IsBase64Encoded {
			_, _ = parse(payload)
			return
		}
		compare(t, payload, want)
	})
}

// exactNames reports whether encoding/json's looser reading (names in any case, repeated names) plays no part.
func exactNames(payload []byte) bool {
	dec := json.NewDecoder(bytes.NewReader(payload))
	seen := map[string]bool{}
	for {
		tok, err := dec.Token()
		if err != nil {
			return err == io.EOF
		}
		if s, ok := tok.(string); ok {
			if seen[strings.ToLower(s)] {
				return false
			}
			seen[strings.ToLower(s)] = true
		}
	}
}

func BenchmarkInvoke(b *testing.B) {
	payload := []byte(`{"resource":"/{proxy+}","path":"/waypoint.v1.JobService/GetJob","httpMethod":"POST","headers":{"Accept":"*/*","Authorization":"Bearer x","Content-Type":"application/proto","Host":"waypoint"},"multiValueHeaders":{"Accept":["*/*"],"Authorization":["Bearer x"],"Content-Type":["application/proto"],"Host":["waypoint"]},"queryStringParameters":null,"multiValueQueryStringParameters":null,"pathParameters":{"proxy":"x"},"stageVariables":null,"requestContext":{"accountId":"1","identity":{"sourceIp":"127.0.0.1"},"requestId":"r"},"body":"` + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{200}, 500)) + `","isBase64Encoded":true}`)
	h := NewHandler(http.HandlerFunc(echo), nil, quiet)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Invoke(context.Background(), payload); err != nil {
			b.Fatal(err)
		}
	}
}
