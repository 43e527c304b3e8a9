package source

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"unicode"
)

// address is a git url that was taken apart. Only these forms reach git: a transport helper (ext::…) or an option in the
// place of a url never does.
type address struct {
	// kind is file, http, https or ssh.
	kind string
	// text is what git is given: the url without user information for http and https, a path for file.
	text string
	// host and port are where it leads; port is empty for the scheme's own.
	host, port string
	// user and password are what the url itself said.
	user, password string
}

// hostText is what a host may consist of: it is written into configuration files.
var hostText = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_.:][A-Za-z0-9_.:-]*$`) })

// parseAddress reads a url as git does.
func parseAddress(raw string) (address, error) {
	if strings.ContainsFunc(raw, unicode.IsControl) || strings.HasPrefix(raw, "-") {
		return address{}, notAddress(raw)
	}
	if scheme, _, ok := strings.Cut(raw, "://"); ok && !strings.Contains(scheme, "::") {
		return parseURL(raw)
	}
	if helper, _, ok := strings.Cut(raw, "::"); ok && !strings.ContainsAny(helper, "/@[") {
		return address{}, unsupported(helper)
	}
	return parseShort(raw)
}

func parseURL(raw string) (address, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return address{}, notAddress(raw)
	}
	a := address{kind: strings.ToLower(u.Scheme), host: u.Hostname(), port: u.Port(), user: u.User.Username()}
	a.password, _ = u.User.Password()
	switch a.kind {
	case "file":
		path := u.Path
		if u.Host != "" && u.Host != "localhost" || !filepath.IsAbs(filepath.FromSlash(path)) {
			return address{}, &Error{Message: fmt.Sprintf("%s is not an absolute path", raw), Hint: "Use file:///path."}
		}
		return address{kind: "file", text: path}, nil
	case "http", "https":
		u.User, u.Fragment = nil, ""
	case "ssh":
		if a.user != "" {
			u.User = url.User(a.user)
		}
	default:
		return address{}, unsupported(a.kind)
	}
	u.Scheme = a.kind
	a.text = u.String()
	return a, a.checkHost(raw)
}

// parseShort reads user@host:path.
func parseShort(raw string) (address, error) {
	where, path, ok := cutHost(raw)
	if !ok || where == "" || path == "" || strings.Contains(where, "/") || len(where) == 1 { // C:\path
		return address{}, notAddress(raw)
	}
	a := address{kind: "ssh", text: raw, host: where}
	if at := strings.LastIndex(where, "@"); at >= 0 {
		a.user, a.host = where[:at], where[at+1:]
	}
	if inner, ok := strings.CutPrefix(a.host, "["); ok {
		a.host = strings.TrimSuffix(inner, "]")
		if host, port, err := net.SplitHostPort(a.host); err == nil {
			a.host, a.port = host, port // git's [host:port]:path
		}
	}
	first, _, _ := strings.Cut(path, "/")
	if strings.Contains(first, "@") {
		return address{}, notAddress(raw) // user:password@host:path is not what ssh makes of it
	}
	return a, a.checkHost(raw)
}

// cutHost cuts at the colon that ends the host, which may stand in brackets.
func cutHost(raw string) (where, path string, ok bool) {
	if end := strings.Index(raw, "]:"); end >= 0 && strings.Contains(raw[:end], "[") {
		return raw[:end+1], raw[end+2:], true
	}
	return strings.Cut(raw, ":")
}

func (a address) checkHost(raw string) error {
	if !hostText().MatchString(a.host) || strings.HasPrefix(a.user, "-") || strings.ContainsFunc(a.user, unicode.IsSpace) {
		return notAddress(raw)
	}
	return nil
}

func notAddress(raw string) error {
	return &Error{Message: fmt.Sprintf("%q is not a git url", shown(raw)), Hint: "Use https://…, ssh://…, user@host:path or file:///path."}
}

func unsupported(kind string) error {
	return &Error{Message: fmt.Sprintf("git over %.40s is not supported", kind), Hint: "Use https, ssh or file."}
}

// origin is the scheme, host and port that a credential is bound to.
func (a address) origin() string {
	host := a.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if a.port != "" {
		host += ":" + a.port
	}
	return a.kind + "://" + host
}

// userInfo is the part of a url that can hold a password.
var userInfo = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*://)?[^/\s]*:[^/\s]*@`) })

// shown is an address without its password, for people.
func shown(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		if u.Scheme == "ssh" {
			return u.Redacted()
		}
		if u.User != nil { // a token can stand in the place of the name
			u.User = url.User("xxxxx")
		}
		return u.String()
	}
	return userInfo().ReplaceAllString(address, "${1}xxxxx@")
}

// inClear reports whether a password would cross a network in clear text.
func (a address) inClear() bool {
	ip := net.ParseIP(a.host)
	return a.kind == "http" && a.host != "localhost" && (ip == nil || !ip.IsLoopback())
}
