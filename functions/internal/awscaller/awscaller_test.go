package awscaller

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/waypoint-serverless/waypoint/api/awsproof"
	"github.com/waypoint-serverless/waypoint/api/fault"
)

var now = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// signed is what a runner hands over.
func signed(t testing.TB) map[string]string {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "https://"+awsproof.Host("eu-west-1")+"/", strings.NewReader(awsproof.Body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", awsproof.ContentType)
	req.Header.Set(awsproof.ServerHeader, "here")
	keys := aws.Credentials{AccessKeyID: "ASIAEXAMPLEEXAMPLE00", SecretAccessKey: "secret", SessionToken: "token"}
	if err := v4.NewSigner().SignHTTP(context.Background(), keys, req, awsproof.BodySHA256, "sts", "eu-west-1", now); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{"Host": req.URL.Host, "Content-Length": "43"}
	for name := range req.Header {
		out[name] = req.Header.Get(name)
	}
	return out
}

func TestParseTakesWhatARunnerSigns(t *testing.T) {
	s, err := Parse(signed(t), "here", now.Add(4*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if s.host != "sts.eu-west-1.amazonaws.com" || !s.Date.Equal(now) || len(s.Digest()) != 64 {
		t.Errorf("got %+v", s)
	}
}

func TestParseRefuses(t *testing.T) {
	authorization := signed(t)["Authorization"]
	for name, c := range map[string]struct {
		set  map[string]string // "" deletes
		says string
	}{
		"nothing":                   {map[string]string{"Authorization": ""}, "Signature Version 4"},
		"another service":           {map[string]string{"Authorization": strings.Replace(authorization, "/sts/", "/s3/", 1)}, "Signature Version 4"},
		"another host":              {map[string]string{"Host": "169.254.169.254"}, "for the host"},
		"another region's host":     {map[string]string{"Host": "sts.us-east-1.amazonaws.com"}, "for the host"},
		"a host in the region":      {map[string]string{"Authorization": strings.Replace(authorization, "/eu-west-1/", "/evil.example/", 1)}, "Signature Version 4"},
		"an unsigned header":        {map[string]string{"X-Amz-Content-Sha256": awsproof.BodySHA256}, "does not cover"},
		"a header of another kind":  {map[string]string{"X-Forwarded-Host": "x"}, "has no place"},
		"a header twice":            {map[string]string{"host": "x"}, "twice"},
		"a missing header":          {map[string]string{awsproof.ServerHeader: ""}, "which is not there"},
		"a server that is not ours": {map[string]string{awsproof.ServerHeader: "there"}, "another server"},
		"a line break":              {map[string]string{"X-Amz-Security-Token": "a\r\nHost: x"}, "not plain text"},
		"too much":                  {map[string]string{"X-Amz-Security-Token": strings.Repeat("x", 9000)}, "too long"},
		"a signature twice":         {map[string]string{"Authorization": authorization + ", Signature=" + strings.Repeat("0", 64)}, "twice"},
		"a list of headers twice":   {map[string]string{"Authorization": authorization + ", SignedHeaders=host"}, "twice"},
		"not a date":                {map[string]string{"X-Amz-Date": "yesterday"}, "not a date"},
		"another body":              {map[string]string{"Content-Length": "44"}, "body"},
		"an unsigned server id": {map[string]string{"Authorization": strings.Replace(authorization, ";"+strings.ToLower(awsproof.ServerHeader), "", 1)},
			"does not cover the header " + awsproof.ServerHeader},
	} {
		t.Run(name, func(t *testing.T) {
			given := signed(t)
			maps.Copy(given, c.set)
			maps.DeleteFunc(given, func(_, v string) bool { return v == "" })
			_, err := Parse(given, "here", now)
			if !fault.Is(err, fault.IdentityRefused) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want a refusal that says %q", err, c.says)
			}
		})
	}
	for _, off := range []time.Duration{6 * time.Minute, -6 * time.Minute} {
		if _, err := Parse(signed(t), "here", now.Add(off)); err == nil || !strings.Contains(err.Error(), "clock") {
			t.Errorf("%s off: %v", off, err)
		}
	}
}

func TestWhoSigned(t *testing.T) {
	for arn, want := range map[string]string{
		"arn:aws:sts::123456789012:assumed-role/ci/i-0abc":  "arn:aws:iam::123456789012:role/ci",
		"arn:aws-cn:sts::123456789012:assumed-role/ci/x":    "arn:aws-cn:iam::123456789012:role/ci",
		"arn:aws:iam::123456789012:user/people/ann":         "arn:aws:iam::123456789012:user/people/ann",
		"arn:aws:iam::123456789012:root":                    "",
		"arn:aws:sts::123456789012:federated-user/somebody": "",
		"arn:aws:sts::123456789012:assumed-role/ci":         "",
		"": "",
	} {
		if got, ok := principalOf(arn); got != want && ok || ok != (want != "") {
			t.Errorf("%s: %q, %v", arn, got, ok)
		}
	}
}

func TestTheListOfRoles(t *testing.T) {
	a, err := ParseAllowed(" arn:aws:iam::123456789012:role/path/to/ci , arn:aws:iam::123456789012:role/gpu=gpu=yes;size=big,")
	if err != nil {
		t.Fatal(err)
	}
	if g, ok := a.Grant("arn:aws:iam::123456789012:role/ci"); !ok || len(g.Labels) != 0 || !g.Projects.All {
		t.Errorf("a role with a path: %v, %v", g, ok)
	}
	if g, ok := a.Grant("arn:aws:iam::123456789012:role/gpu"); !ok || g.Labels["gpu"] != "yes" || g.Labels["size"] != "big" || !g.Projects.All {
		t.Errorf("a role with labels: %v, %v", g, ok)
	}
	if _, ok := a.Grant("arn:aws:iam::999999999999:role/ci"); ok {
		t.Error("a role of another account is let in")
	}
	for _, wrong := range []string{"ci", "arn:aws:iam::1:role/ci", "arn:aws:s3:::bucket", "arn:aws:iam::123456789012:role/", "arn:aws:iam::123456789012:role/ci=gpu",
		"arn:aws:iam::123456789012:role/ci=project=", "arn:aws:iam::123456789012:role/ci=project=a/b", "arn:aws:iam::123456789012:role/ci=project=*;project=shop"} {
		if _, err := ParseAllowed(wrong); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}

// What is believed is held: the host is STS's, the server is this one, the date is fresh.
func FuzzParse(f *testing.F) {
	h := signed(f)
	f.Add(h["Authorization"], h["Host"], h["X-Amz-Date"], h["X-Amz-Security-Token"], "here")
	f.Add("AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host;host, Signature=0", "sts", "20261126T120000Z", "", "")
	f.Fuzz(func(t *testing.T, authorization, host, date, token, server string) {
		s, err := Parse(map[string]string{"Authorization": authorization, "Host": host, "X-Amz-Date": date, "X-Amz-Security-Token": token,
			awsproof.ServerHeader: server, "Content-Type": awsproof.ContentType}, "here", now)
		if err != nil {
			return
		}
		if s.host != awsproof.Host(s.region) || strings.ContainsAny(s.host, "/@:?# ") {
			t.Errorf("the host is %q", s.host)
		}
		if server != "here" || now.Sub(s.Date).Abs() > Tolerance {
			t.Errorf("taken: server %q, date %s", server, s.Date)
		}
	})
}

func TestARoleIsBoundToProjects(t *testing.T) {
	const role = "arn:aws:iam::123456789012:role/"
	a, err := ParseAllowed(role + "web=project=shop;team=web;project=blog," + role + "every=project=*;team=core")
	if err != nil {
		t.Fatal(err)
	}
	web, _ := a.Grant(role + "web")
	if web.Projects.All || !web.Projects.Has("shop") || !web.Projects.Has("blog") || web.Projects.Has("other") ||
		len(web.Labels) != 1 || web.Labels["team"] != "web" {
		t.Errorf("a role of two projects: %+v", web)
	}
	if every, _ := a.Grant(role + "every"); !every.Projects.Has("other") || every.Labels["team"] != "core" {
		t.Errorf("a role of all projects: %+v", every)
	}
}
