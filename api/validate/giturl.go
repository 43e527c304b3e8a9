package validate

import (
	"net/url"
	"strings"
)

// SplitGitURL takes user information out of the URL of a git repository: what stands there can be a password or a token,
// and a URL is shown to everybody who may see the project. The user of an ssh URL is part of the address and stays. The
// error does not quote the URL.
func SplitGitURL(field, raw string) (clean, user, password string, err error) {
	if !strings.Contains(raw, "://") {
		// user:password@host:path is not an address: ssh would take "user" for the host.
		host, _, _ := strings.Cut(raw, "/")
		if at := strings.LastIndex(host, "@"); at >= 0 && strings.Contains(host[:at], ":") {
			return "", "", "", invalid(field, "the URL contains a password").WithHint("Use an ssh key, or https and the password apart.")
		}
		return raw, "", "", nil
	}
	u, parseErr := url.Parse(raw)
	if parseErr != nil {
		return "", "", "", invalid(field, "the URL of the git repository cannot be read").
			WithHint("Special characters of a password in it must be escaped; better give username and password apart.")
	}
	if u.User == nil {
		return raw, "", "", nil
	}
	user = u.User.Username()
	password, _ = u.User.Password()
	if u.Scheme == "ssh" {
		u.User = url.User(user)
		return u.String(), "", password, nil
	}
	u.User = nil
	return u.String(), user, password, nil
}
