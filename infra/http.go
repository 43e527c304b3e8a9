package infra

import (
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// oneClient is the HTTP client of one operation, for all services; closeIdle ends its connections.
func oneClient(given aws.HTTPClient) (client aws.HTTPClient, closeIdle func()) {
	if given != nil {
		return patient{given}, func() {}
	}
	transport := awshttp.NewBuildableClient().GetTransport()
	return patient{&http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, transport.CloseIdleConnections
}

// patient hides WriteTo of the SDK's request bodies. A server that answers before net/http has looked for the end of
// the body (one on this machine does) makes the SDK close the body meanwhile; its WriteTo then answers io.EOF, which
// net/http takes for a failed write: it closes the connection under the answer, and the call is made again.
type patient struct{ aws.HTTPClient }

func (p patient) Do(req *http.Request) (*http.Response, error) {
	if req.Body != nil && req.Body != http.NoBody {
		body := req.Body
		req = req.WithContext(req.Context()) // a copy: the request belongs to the SDK
		req.Body = struct{ io.ReadCloser }{body}
	}
	return p.HTTPClient.Do(req)
}
