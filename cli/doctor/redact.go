package doctor

import (
	"context"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/waypoint-serverless/waypoint/internal/config"
	"github.com/waypoint-serverless/waypoint/runner/redact"
)

// userInfo finds the user name and password of a URL.
var userInfo = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^/\s"'<>]*@`) })

// withoutUserInfo returns a text whose URLs have no user names and passwords.
func withoutUserInfo(text string) string { return userInfo().ReplaceAllString(text, "$1") }

// looksSecret finds what is secret by its form: tokens of ours and of others, keys, values with the name of a secret, and
// what an Authorization header holds.
var looksSecret = sync.OnceValue(func() []*regexp.Regexp {
	return []*regexp.Regexp{
		regexp.MustCompile(`wp_[a-z]+_[0-9A-Za-z]{12,}`),
		regexp.MustCompile(`\b(?:AKIA|ASIA)[0-9A-Z]{16}\b`),
		regexp.MustCompile(`\b(?:gh[pousr]_|github_pat_|glpat-|xox[abprs]-|sk-|sk_live_)[0-9A-Za-z_-]{12,}`),
		regexp.MustCompile(`\beyJ[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]+\.[0-9A-Za-z_-]*`),
		regexp.MustCompile(`(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\z)`),
	}
})

// namedSecret finds values behind a name that says that they are secret: NAME=value, "name": "value", name = "value".
var namedSecret = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)((?:[A-Za-z0-9_-]*(?:password|passwd|passphrase|secret|token|credential|api_?key|private_?key|` +
		`encoded_auth)[A-Za-z0-9_-]*|authorization)\\?["']?\s*[:=]\s*(?:(?:bearer|basic)\s+)?)(\\?"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[^\s,;&"'{}\[\]]+)`)
})

// redactor removes secrets from the texts of a report: those that are known by their value, and what looks like one.
type redactor struct{ known *redact.Secrets }

func newRedactor() *redactor { return &redactor{known: redact.New()} }

// add adds values that are secret.
func (r *redactor) add(values ...string) {
	for _, v := range values {
		if v = strings.TrimSpace(v); v != "" {
			r.known.Add(v)
		}
	}
}

// minConfigured is the length of the shortest value of a variable that is not marked as sensitive and is removed all the
// same. Shorter ones are numbers and words that a report needs: a port, the name of a workspace.
const minConfigured = 8

// addConfigured adds the values of variables that are not marked as sensitive: people keep secrets in them, too.
func (r *redactor) addConfigured(values ...string) {
	for _, v := range values {
		if len(v) >= minConfigured {
			r.add(v)
		}
	}
}

// addEnvironment adds what the environment holds under the name of a secret, and values of input variables.
func (r *redactor) addEnvironment(environ []string) {
	for _, line := range environ {
		name, value, _ := strings.Cut(line, "=")
		if strings.HasPrefix(name, "WP_VAR_") || namedSecret().MatchString(name+"=x") {
			r.add(value)
		}
	}
}

// text returns a text without secrets.
func (r *redactor) text(s string) string {
	s = withoutUserInfo(r.known.Hide(s))
	for _, form := range looksSecret() {
		s = form.ReplaceAllString(s, redact.Hidden)
	}
	return namedSecret().ReplaceAllString(s, "${1}"+redact.Hidden)
}

// value returns what was decoded from JSON without secrets in its texts.
func (r *redactor) value(v any) any {
	switch v := v.(type) {
	case string:
		return r.text(v)
	case []any:
		for i := range v {
			v[i] = r.value(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = r.value(v[key])
		}
	}
	return v
}

// addFile adds the values of input variables that a waypoint.hcl, the files beside it and the environment have.
func (r *redactor) addFile(ctx context.Context, path string, environ []string) {
	file, diags := config.Load(path)
	if diags.HasErrors() {
		return
	}
	file.OnSensitive(func(text string) { r.add(text) })
	given := file.VarsFromEnv(environ, config.SourceEnv)
	auto, _ := config.FindAutoFiles(filepath.Dir(path))
	for _, name := range auto {
		values, _ := config.LoadVarFile(name, config.SourceAutoFile)
		given = append(given, values...)
	}
	_, used, _ := file.ResolveVars(given, config.Input{Context: ctx, ProjectDir: filepath.Dir(path), Preview: true})
	for _, v := range used {
		if v.Source != config.SourceDefault {
			r.addConfigured(strings.Trim(v.Value, `"`))
		}
	}
}
