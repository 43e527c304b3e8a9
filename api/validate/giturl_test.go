package validate_test

import (
	"strings"
	"testing"

	"github.com/waypoint-serverless/waypoint/api/validate"
)

func TestSplitGitURL(t *testing.T) {
	cases := []struct {
		raw, clean, user, password string
		fails                      bool
	}{
		{raw: "https://example.com/x", clean: "https://example.com/x"},
		{raw: "https://ada:s3cret@example.com:8443/x.git?a=b", clean: "https://example.com:8443/x.git?a=b", user: "ada", password: "s3cret"},
		{raw: "https://s3cret@example.com/x", clean: "https://example.com/x", user: "s3cret"},
		{raw: "https://:s3cret@example.com/x", clean: "https://example.com/x", password: "s3cret"},
		{raw: "https://ada:s3c%40ret@example.com/x", clean: "https://example.com/x", user: "ada", password: "s3c@ret"},
		{raw: "https://ada:s3c@ret@example.com/x", clean: "https://example.com/x", user: "ada", password: "s3c@ret"},
		{raw: "HTTPS://ada:s3cret@example.com/x", clean: "https://example.com/x", user: "ada", password: "s3cret"},
		{raw: "ssh://git@example.com:22/x", clean: "ssh://git@example.com:22/x"},
		{raw: "ssh://git:s3cret@example.com/x", clean: "ssh://git@example.com/x", password: "s3cret"},
		{raw: "git@example.com:a/b@c", clean: "git@example.com:a/b@c"},
		{raw: "file:///srv/x", clean: "file:///srv/x"},
		{raw: "https://ada:s3c%ret@example.com/x", fails: true},
		{raw: "https://ada:s3cret#@example.com:x/", fails: true},
		{raw: "git:s3cret@example.com:x", fails: true},
	}
	for _, c := range cases {
		clean, user, password, err := validate.SplitGitURL("url", c.raw)
		if c.fails {
			if err == nil || strings.Contains(err.Error(), "s3c") {
				t.Errorf("%s: got %v", c.raw, err)
			}
			continue
		}
		if err != nil || clean != c.clean || user != c.user || password != c.password {
			t.Errorf("%s: got %q, %q, %q, %v", c.raw, clean, user, password, err)
		}
	}
}
