package image

import (
	"os"
	"strings"
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
// and in small letters, as programs disagree about it. environ is plugin.Env.Environ.
//
// A proxy's address may hold a password, so the values are not for printing.
func Proxies(environ []string, engine string) (map[string]string, error) {
	if environ == nil {
		environ = os.Environ()
	}
	settings, err := readDockerConfig(environ)
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
		if value != "" {
			out[name], out[strings.ToLower(name)] = value, value
		}
	}
	return out, nil
}
