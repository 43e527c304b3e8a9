package standin

import (
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/waypoint-serverless/waypoint/localstack/aws/sigv4"
)

// Session gives keys of a role of the account, as ECS gives them to a task or EC2 to an instance. They may do nothing but
// say who holds them.
func (s *StandIn) Session(ctx context.Context, role string) (aws.Credentials, error) {
	form := url.Values{"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "RoleSessionName": {"task"},
		"RoleArn": {"arn:aws:iam::" + Account + ":role/" + role},
		"Policy":  {`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`}}
	account := sigv4.Principal{Account: Account, ARN: "arn:aws:iam::" + Account + ":root"}
	req := httptest.NewRequestWithContext(sigv4.WithPrincipal(ctx, account), http.MethodPost, s.URL, strings.NewReader(form.Encode()))
	rec := httptest.NewRecorder()
	s.sts.ServeHTTP(rec, req)
	var out struct {
		Keys struct {
			ID     string `xml:"AccessKeyId"`
			Secret string `xml:"SecretAccessKey"`
			Token  string `xml:"SessionToken"`
		} `xml:"AssumeRoleResult>Credentials"`
	}
	if err := xml.Unmarshal(rec.Body.Bytes(), &out); err != nil || out.Keys.ID == "" {
		return aws.Credentials{}, fmt.Errorf("stand-in: no session of the role %s: %s", role, rec.Body)
	}
	return aws.Credentials{AccessKeyID: out.Keys.ID, SecretAccessKey: out.Keys.Secret, SessionToken: out.Keys.Token}, nil
}
