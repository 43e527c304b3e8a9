package lifecycle

import (
	"net/url"
	"reflect"
	"strings"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/config"
)

// learn collects the sensitive values that the claim brings. Those of waypoint.hcl follow when it is evaluated
// (config.File.OnSensitive), those of plugins' settings when they are decoded (credentials).
func (j *attempt) learn() {
	j.secrets.Public(j.spec.GetProject(), j.spec.GetApp(), j.workspace(), j.h.Hostname, j.h.StateDir, j.h.LocalDir)
	for _, kv := range j.h.Environ {
		if name, value, _ := strings.Cut(kv, "="); withheld(name) {
			j.secrets.Add(value)
		}
	}
	for _, vars := range [][]*waypointv1.Variable{j.spec.GetVariables(), j.claim.GetServerVariables()} {
		for _, v := range vars {
			if v.GetSensitive() {
				j.secrets.Add(v.GetValue())
			}
		}
	}
	sensitive := map[string]bool{}
	for _, name := range j.claim.GetSensitiveRunnerEnv() {
		sensitive[name] = true
	}
	for name, value := range j.claim.GetRunnerEnv() {
		if sensitive[name] {
			j.secrets.Add(value)
		} else {
			j.secrets.AddText(value)
		}
	}
	for _, ds := range []*waypointv1.DataSource{j.spec.GetDataSource(), j.claim.GetDataSource()} {
		git := ds.GetGit()
		j.secrets.Add(git.GetPassword(), git.GetPrivateKeyPem(), git.GetPrivateKeyPassword(), passwordIn(git.GetUrl()))
	}
	j.secrets.Add(passwordIn(j.spec.GetDataSourceOverrides()["url"]))
}

// learnSources collects the credentials that waypoint.hcl's own runner stanzas have.
func (j *evaluation) learnSources() {
	sources := []*config.DataSource{j.project.Runner().DataSource}
	for _, a := range j.project.Apps {
		sources = append(sources, a.Runner().DataSource)
	}
	for _, ds := range sources {
		if ds != nil {
			j.secrets.Add(ds.Password, ds.Key, ds.KeyPassword, passwordIn(ds.URL))
		}
	}
}

// passwordIn is the password in a URL's user information; empty if there is none.
func passwordIn(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.User == nil {
		return ""
	}
	password, _ := u.User.Password()
	return password
}

// credentials are the values of the settings of a plugin that are secret by their name, wherever they come from: a
// password that stands in waypoint.hcl itself is as secret as one that comes from a sensitive variable.
func credentials(settings any) []string {
	var out []string
	collect(reflect.ValueOf(settings), &out)
	return out
}

func collect(v reflect.Value, out *[]string) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			collect(v.Elem(), out)
		}
	case reflect.Slice:
		for i := range v.Len() {
			collect(v.Index(i), out)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("hcl"), ",")
			if !v.Type().Field(i).IsExported() || name == "" {
				continue
			}
			if f := v.Field(i); f.Kind() == reflect.String && isCredential(name) {
				*out = append(*out, f.String())
			} else {
				collect(f, out)
			}
		}
	}
}

// isCredential reports whether a setting of that name holds a credential. Names of secrets and paths of tokens, such as
// image_secret and kubernetes_token_path, do not.
func isCredential(name string) bool {
	name = strings.ToLower(strings.ReplaceAll(name, "_", ""))
	for _, end := range []string{"password", "token", "clientsecret", "secretid", "secretkey", "privatekey", "accountkey", "encodedauth", "httpauth"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return name == "auth"
}
