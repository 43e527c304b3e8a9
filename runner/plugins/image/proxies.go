package image

import (
	"net/url"
	"strings"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// proxies are the proxies of one engine in Docker's config.json.
type proxies struct {
	HTTPProxy  string `json:"httpProxy"`
	HTTPSProxy string `json:"httpsProxy"`
	NoProxy    string `json:"noProxy"`
	FTPProxy   string `json:"ftpProxy"`
	AllProxy   string `json:"allProxy"`
}

// Proxies returns the variables by which builds and containers of an engine are told of proxies: those that Docker's
// command takes from its configuration for the engine's address, or from the entry "default". Each name comes in capital
// and in small letters, as programs disagree about it. Passwords in their addresses are sensitive for the job from then on.
func Proxies(env *plugin.Call, engine string) (map[string]string, error) {
	settings, err := readDockerConfig(environOf(env))
	if err != nil {
		return nil, err
	}
	of, ok := settings.Proxies[engine]
	if !ok {
		of = settings.Proxies["default"]
	}
	out := map[string]string{}
	for name, value := range map[string]string{
		"HTTP_PROXY": of.HTTPProxy, "HTTPS_PROXY": of.HTTPSProxy, "NO_PROXY": of.NoProxy, "FTP_PROXY": of.FTPProxy, "ALL_PROXY": of.AllProxy,
	} {
		if u, err := url.Parse(value); err == nil && u.User != nil {
			if password, ok := u.User.Password(); ok {
				env.Secrets.Add(password)
			}
		}
		if value != "" {
			out[name], out[strings.ToLower(name)] = value, value
		}
	}
	return out, nil
}
