package gateway

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

// echo answers with the request's body, in the form in which it came.
var echo = lambda.NewHandler(func(_ context.Context, ev events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
	return events.APIGatewayProxyResponse{StatusCode: 200, Body: ev.Body, IsBase64Encoded: ev.IsBase64Encoded,
		Headers: map[string]string{"Content-Type": "application/x-echo"}}, nil
})

func serve(t *testing.T, i Invoker, mutate func(*Options)) *httptest.Server {
	t.Helper()
	opt := testOptions(mutate)
	for n := range opt.Routes {
		if opt.Routes[n].Invoker == nil {
			opt.Routes[n].Invoker = i
		}
	}
	g, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(g)
	t.Cleanup(func() {
		srv.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if err := g.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return srv
}

func binary(o *Options) { o.BinaryMediaTypes = []string{"*/*"} }

func post(t *testing.T, url string, body io.Reader) (*http.Response, []byte) {
	t.Helper()
	res, err := http.Post(url, "application/octet-stream", body)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, b
}

func TestAllByteValuesRoundTripThroughABinaryBody(t *testing.T) {
	srv := serve(t, echo, binary)
	var all []byte
	for i := range 256 {
		all = append(all, byte(i))
	}
	for _, body := range [][]byte{all, bytes.Repeat(all, 4096), {0}, []byte("\xff"), nil} {
		res, got := post(t, srv.URL+"/x", bytes.NewReader(body))
		if res.StatusCode != 200 || !bytes.Equal(got, body) {
			t.Fatalf("%d bytes: %s, %d bytes back", len(body), res.Status, len(got))
		}
	}
	// Of unknown length, too.
	res, got := post(t, srv.URL+"/x", struct{ io.Reader }{bytes.NewReader(all)})
	if res.StatusCode != 200 || !bytes.Equal(got, all) {
		t.Fatalf("chunked: %s, %q", res.Status, got)
	}
}

func TestBinaryMediaTypesDecide(t *testing.T) {
	srv := serve(t, echo, func(o *Options) { o.BinaryMediaTypes = []string{"image/*", "application/proto"} })
	tests := []struct {
		contentType, accept string
		want                string
	}{
		{"text/plain", "image/png", "\ufffda"},
		{"image/png", "image/png", "\xffa"},
		{"application/proto; v=1", "application/proto, text/plain", "\xffa"},
		{"image/png", "text/plain", base64.StdEncoding.EncodeToString([]byte("\xffa"))},
		{"", "", "\ufffda"},
	}
	for _, tt := range tests {
		t.Run(tt.contentType+" accept "+tt.accept, func(t *testing.T) {
			req, err := http.NewRequest(http.MethodPost, srv.URL+"/x", strings.NewReader("\xffa"))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", tt.contentType)
			req.Header.Set("Accept", tt.accept)
			res, err := srv.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			got, err := io.ReadAll(res.Body)
			if err != nil || string(got) != tt.want {
				t.Fatalf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	big := invokerFunc(func(_ context.Context, p []byte) ([]byte, error) {
		var ev events.APIGatewayProxyRequest
		if err := json.Unmarshal(p, &ev); err != nil {
			return nil, err
		}
		var n int
		if _, err := fmt.Sscan(ev.QueryStringParameters["n"], &n); err != nil {
			return nil, err
		}
		const frame = len(`{"statusCode":200,"body":""}`)
		return []byte(`{"statusCode":200,"body":"` + strings.Repeat("x", n-frame) + `"}`), nil
	})
	in, out := serve(t, echo, binary), serve(t, big, nil)
	// base64 makes 4 bytes of 3, so 6 MiB of event carry less than 4.5 MiB of body.
	const fits = (maxPayload - 4096) / 4 * 3
	tests := []struct {
		name   string
		do     func() (*http.Response, []byte)
		status int
		body   string
	}{
		{"a body whose event fits into 6 MB", func() (*http.Response, []byte) {
			return post(t, in.URL+"/x", bytes.NewReader(make([]byte, fits)))
		}, 200, ""},
		{"a body whose base64 does not", func() (*http.Response, []byte) {
			return post(t, in.URL+"/x", bytes.NewReader(make([]byte, maxPayload/4*3)))
		}, 413, `{"message":"Request Too Long"}`},
		{"a body over 10 MB", func() (*http.Response, []byte) {
			return post(t, in.URL+"/x", bytes.NewReader(make([]byte, maxRequestBody+1)))
		}, 413, `{"message":"Request Too Long"}`},
		{"a body over 10 MB of unknown length", func() (*http.Response, []byte) {
			return post(t, in.URL+"/x", struct{ io.Reader }{bytes.NewReader(make([]byte, maxRequestBody+1))})
		}, 413, `{"message":"Request Too Long"}`},
		{"a response of 6 MB", func() (*http.Response, []byte) {
			return post(t, fmt.Sprint(out.URL, "/x?n=", maxPayload), nil)
		}, 200, ""},
		{"a response over 6 MB", func() (*http.Response, []byte) {
			return post(t, fmt.Sprint(out.URL, "/x?n=", maxPayload+1), nil)
		}, 502, `{"message": "Internal server error"}`},
		{"headers over 10,240 bytes", func() (*http.Response, []byte) {
			return post(t, in.URL+"/x?"+strings.Repeat("x", maxHeader), nil)
		}, 431, `{"message":"Request Header Fields Too Large"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res, body := tt.do()
			if res.StatusCode != tt.status || tt.body != "" && string(body) != tt.body {
				t.Fatalf("got %s %.100s", res.Status, body)
			}
		})
	}
}

func TestHeaderLimitIsExact(t *testing.T) {
	g, err := New(testOptions(func(o *Options) { o.Routes[0].Invoker = echo }))
	if err != nil {
		t.Fatal(err)
	}
	const rest = len("GET /x HTTP/1.1\r\nHost: example.com\r\nA: \r\n")
	for extra, want := range map[int]int{0: 200, 1: 431} {
		r := httptest.NewRequest(http.MethodGet, "/x", nil)
		r.Header = http.Header{"A": {strings.Repeat("a", maxHeader-rest+extra)}}
		rec := httptest.NewRecorder()
		g.ServeHTTP(rec, r)
		if rec.Code != want {
			t.Errorf("%d bytes over the limit: %d, want %d", extra, rec.Code, want)
		}
	}
}

func TestGatewayAnswers(t *testing.T) {
	returns := func(s string) Invoker {
		return invokerFunc(func(context.Context, []byte) ([]byte, error) { return []byte(s), nil })
	}
	tests := []struct {
		name    string
		invoker Invoker
		mutate  func(*Options)
		path    string
		status  int
		kind    string
		body    string
	}{
		{"an unknown path", echo, func(o *Options) { o.Routes[0].Resource = "/a" }, "/b", 403, "MissingAuthenticationTokenException", `{"message":"Missing Authentication Token"}`},
		{"an unknown method", echo, func(o *Options) { o.Routes[0].Method = "GET" }, "/b", 403, "MissingAuthenticationTokenException", `{"message":"Missing Authentication Token"}`},
		{"no path under a greedy resource", echo, nil, "/", 403, "MissingAuthenticationTokenException", `{"message":"Missing Authentication Token"}`},
		{"a wrong stage", echo, func(o *Options) { o.StagePrefix = true }, "/testing/b", 403, "ForbiddenException", `{"message":"Forbidden"}`},
		{"a function error", invokerFunc(func(context.Context, []byte) ([]byte, error) { return nil, errors.New("secret") }), nil, "/b", 502, "InternalServerErrorException", `{"message": "Internal server error"}`},
		{"a panic", invokerFunc(func(context.Context, []byte) ([]byte, error) { panic("secret") }), nil, "/b", 502, "InternalServerErrorException", `{"message": "Internal server error"}`},
		{"no JSON", returns("secret"), nil, "/b", 502, "InternalServerErrorException", `{"message": "Internal server error"}`},
		{"no status code", returns(`{"body":"secret"}`), nil, "/b", 502, "InternalServerErrorException", `{"message": "Internal server error"}`},
		{"a status code out of range", returns(`{"statusCode":42}`), nil, "/b", 502, "InternalServerErrorException", `{"message": "Internal server error"}`},
		{"a body that is no text", returns(`{"statusCode":200,"body":{}}`), nil, "/b", 502, "InternalServerErrorException", `{"message": "Internal server error"}`},
		{"a body that is no base64", returns(`{"statusCode":200,"body":"!","isBase64Encoded":true}`), binary, "/b", 502, "InternalServerErrorException", `{"message": "Internal server error"}`},
		{"a broken query", echo, nil, "/b?a=%zz", 400, "BadRequestException", `{"message": "Bad Request"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res, body := post(t, serve(t, tt.invoker, tt.mutate).URL+tt.path, strings.NewReader("x"))
			if res.StatusCode != tt.status || string(body) != tt.body || res.Header.Get("X-Amzn-ErrorType") != tt.kind {
				t.Fatalf("got %s %q %s", res.Status, res.Header.Get("X-Amzn-ErrorType"), body)
			}
			if res.Header.Get("Content-Type") != "application/json" || res.Header.Get("X-Amzn-RequestId") != "id-1" {
				t.Errorf("headers %v", res.Header)
			}
		})
	}
}

func TestAFunctionThatTakesTooLongIsAnswered504(t *testing.T) {
	release := make(chan struct{})
	deaf := invokerFunc(func(context.Context, []byte) ([]byte, error) {
		<-release
		return []byte(`{"statusCode":200}`), nil
	})
	obedient := invokerFunc(func(ctx context.Context, _ []byte) ([]byte, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	for name, i := range map[string]Invoker{"deaf": deaf, "obedient": obedient} {
		t.Run(name, func(t *testing.T) {
			srv := serve(t, i, func(o *Options) { o.Timeout = 20 * time.Millisecond })
			res, body := post(t, srv.URL+"/x", nil)
			if res.StatusCode != 504 || string(body) != `{"message": "Endpoint request timed out"}` {
				t.Fatalf("got %s %s", res.Status, body)
			}
			if name == "deaf" {
				close(release) // so that Close returns
			}
		})
	}
}

func TestAClientThatGoesAwayDoesNotStopTheFunction(t *testing.T) {
	started, finish, result := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	srv := serve(t, invokerFunc(func(ctx context.Context, _ []byte) ([]byte, error) {
		close(started)
		<-finish
		result <- ctx.Err()
		return []byte(`{"statusCode":200}`), nil
	}), nil)
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+"/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		if res, err := srv.Client().Do(req); err == nil {
			res.Body.Close()
		}
	}()
	<-started
	cancel()
	<-gone
	close(finish)
	if err := <-result; err != nil {
		t.Fatalf("the function's context ended: %v", err)
	}
}

func TestThrottle(t *testing.T) {
	srv := serve(t, echo, func(o *Options) { o.Throttle = &Throttle{Rate: 1, Burst: 2} })
	for i, want := range []int{200, 200, 429} {
		res, body := post(t, srv.URL+"/x", nil)
		if res.StatusCode != want || want == 429 && string(body) != `{"message":"Too Many Requests"}` {
			t.Fatalf("request %d: %s %s", i, res.Status, body)
		}
	}
}

// Renewals of leases have a method of their own: no flood of other calls may use up its tokens.
func TestAMethodsThrottleIsItsOwn(t *testing.T) {
	srv := serve(t, echo, func(o *Options) {
		for i := range o.Routes {
			o.Routes[i].Throttle = nil
		}
		own := o.Routes[0]
		own.Method, own.Resource, own.Throttle = "POST", "/runners/{proxy+}", &Throttle{Rate: 0.001, Burst: 3}
		o.Routes = append([]Route{own}, o.Routes...)
		o.Throttle = &Throttle{Rate: 0.001, Burst: 1}
	})
	status := func(path string) int {
		res, _ := post(t, srv.URL+path, nil)
		return res.StatusCode
	}
	for i, want := range []int{200, 429, 429, 429} {
		if got := status("/x"); got != want {
			t.Fatalf("request %d of the default method: %d", i, got)
		}
	}
	for i, want := range []int{200, 200, 200, 429} {
		if got := status("/runners/renew"); got != want {
			t.Fatalf("request %d of the method with its own throttle: %d", i, got)
		}
	}
}

func TestRoutesAreTriedInOrder(t *testing.T) {
	named := func(name string) Invoker {
		return invokerFunc(func(_ context.Context, p []byte) ([]byte, error) {
			var ev events.APIGatewayProxyRequest
			if err := json.Unmarshal(p, &ev); err != nil {
				return nil, err
			}
			params, err := json.Marshal(ev.PathParameters)
			if err != nil {
				return nil, err
			}
			return json.Marshal(events.APIGatewayProxyResponse{StatusCode: 200, Body: name + " " + string(params)})
		})
	}
	srv := serve(t, nil, func(o *Options) {
		o.Routes = []Route{
			{Method: "POST", Resource: "/waypoint.v1.TailService/{proxy+}", Invoker: named("tail")},
			{Method: "GET", Resource: "/apps/{app}/logs", Invoker: named("logs")},
			{Method: "GET", Resource: "/apps/{app}", Invoker: named("app")},
			{Method: "ANY", Resource: "/{proxy+}", Invoker: named("api")},
			{Method: "ANY", Resource: "/", Invoker: named("root")},
		}
	})
	tests := []struct{ method, path, want string }{
		{"POST", "/waypoint.v1.TailService/Read", `tail {"proxy":"Read"}`},
		{"GET", "/waypoint.v1.TailService/Read", `api {"proxy":"waypoint.v1.TailService/Read"}`},
		{"POST", "/waypoint.v1.TailService/", `api {"proxy":"waypoint.v1.TailService/"}`},
		{"GET", "/apps/a%20b/logs", `logs {"app":"a%20b"}`},
		{"GET", "/apps/a", `app {"app":"a"}`},
		{"GET", "/apps/a/b", `api {"proxy":"apps/a/b"}`},
		{"GET", "/", `root null`},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			req, err := http.NewRequest(tt.method, srv.URL+tt.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := srv.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil || string(body) != tt.want {
				t.Fatalf("got %s, want %s", body, tt.want)
			}
		})
	}
}

func TestNewRefusesBrokenRoutes(t *testing.T) {
	for _, resource := range []string{"", "a", "/{proxy+}/a", "/a//b", "/{}", "/{a", "/x{a}", "/{a+b}"} {
		opt := testOptions(func(o *Options) { o.Routes = []Route{{Method: "GET", Resource: resource, Invoker: echo}} })
		if _, err := New(opt); err == nil {
			t.Errorf("accepted %q", resource)
		}
	}
}

func TestResponseHeaders(t *testing.T) {
	out := `{"statusCode":201,
		"headers":{"X-One":"1","X-Both":"same","x-lower":"v","WWW-Authenticate":"Bearer","Transfer-Encoding":"chunked","Content-Length":"999","Connection":"close"},
		"multiValueHeaders":{"X-Both":["same","other"],"Set-Cookie":["a=1","b=2"]},"body":"hi"}`
	srv := serve(t, invokerFunc(func(context.Context, []byte) ([]byte, error) { return []byte(out), nil }), nil)
	res, body := post(t, srv.URL+"/x", nil)
	if res.StatusCode != 201 || string(body) != "hi" || res.ContentLength != 2 {
		t.Fatalf("got %s %q, length %d", res.Status, body, res.ContentLength)
	}
	want := map[string]string{
		"X-One": "1", "X-Both": "same|other", "Set-Cookie": "a=1|b=2", "X-Lower": "v", "Content-Type": "application/json",
		"X-Amzn-Remapped-Www-Authenticate": "Bearer", "X-Amzn-Remapped-Content-Length": "999", "X-Amzn-Remapped-Connection": "close",
		"Www-Authenticate": "", "X-Amzn-Remapped-Transfer-Encoding": "",
	}
	for name, v := range want {
		if got := strings.Join(res.Header.Values(name), "|"); got != v {
			t.Errorf("%s: got %q, want %q", name, got, v)
		}
	}
}

func TestNoBodyWhereHTTPAllowsNone(t *testing.T) {
	srv := serve(t, invokerFunc(func(context.Context, []byte) ([]byte, error) {
		return []byte(`{"statusCode":204,"body":"ignored"}`), nil
	}), nil)
	if res, body := post(t, srv.URL+"/x", nil); res.StatusCode != 204 || len(body) != 0 {
		t.Fatalf("got %s %q", res.Status, body)
	}
}

func TestClosedGatewayAnswers503(t *testing.T) {
	opt := testOptions(func(o *Options) { o.Routes[0].Invoker = echo })
	g, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	g.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/x", nil))
	if rec.Code != 503 {
		t.Fatalf("got %d", rec.Code)
	}
}

func FuzzResponse(f *testing.F) {
	f.Add([]byte(`{"statusCode":200,"headers":{"a":"b"},"body":"eA==","isBase64Encoded":true}`))
	f.Fuzz(func(t *testing.T, out []byte) {
		opt := testOptions(func(o *Options) {
			binary(o)
			o.Routes[0].Invoker = invokerFunc(func(context.Context, []byte) ([]byte, error) { return out, nil })
		})
		g, err := New(opt)
		if err != nil {
			t.Fatal(err)
		}
		g.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/x", nil))
	})
}

func BenchmarkUnary(b *testing.B) {
	opt := testOptions(func(o *Options) {
		binary(o)
		o.Routes[0].Invoker = invokerFunc(func(context.Context, []byte) ([]byte, error) {
			return []byte(`{"statusCode":200,"headers":{"Content-Type":"application/proto","Waypoint-Cost":"r=1"},"multiValueHeaders":null,"body":"aGVsbG8gd29ybGQ=","isBase64Encoded":true}`), nil
		})
	})
	g, err := New(opt)
	if err != nil {
		b.Fatal(err)
	}
	body := bytes.Repeat([]byte("x"), 300)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r := httptest.NewRequest(http.MethodPost, "/waypoint.v1.JobService/Get", bytes.NewReader(body))
			r.Header = http.Header{"Authorization": {"Bearer x"}, "Content-Type": {"application/proto"}, "User-Agent": {"go"}, "Connect-Protocol-Version": {"1"}, "Accept-Encoding": {"gzip"}}
			g.ServeHTTP(httptest.NewRecorder(), r)
		}
	})
}
