package standin

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"

	"github.com/waypoint-serverless/waypoint/localstack/aws/sigv4"
)

// role is an IAM role: made by a stack, and what its policies allow.
type role struct {
	name, arn string
	policy    *sigv4.Policy
	// trust names who may assume it: a service, or a role's ARN.
	trust string
}

// parsePolicy reads an IAM document without its conditions, which the stand-in does not evaluate. "" is no policy.
func parsePolicy(document []byte) (*sigv4.Policy, error) {
	if len(document) == 0 {
		return nil, nil
	}
	var doc struct {
		Version   string
		Statement []map[string]any
	}
	if err := json.Unmarshal(document, &doc); err != nil {
		return nil, err
	}
	for _, s := range doc.Statement {
		delete(s, "Condition")
	}
	plain, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	return sigv4.ParsePolicy(plain)
}

// roleKeys looks up the keys of the functions' roles.
func (s *StandIn) roleKeys(_ context.Context, id, _ string) (sigv4.Credential, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.keys[id]
	return c, ok
}

// roleOf is the role whose session an ARN names; nil for others.
func (s *StandIn) roleOf(arn string) *role {
	rest, ok := strings.CutPrefix(arn, "arn:aws:sts::"+Account+":assumed-role/")
	if !ok {
		return nil
	}
	name, _, _ := strings.Cut(rest, "/")
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.roles[name]
}

// authorize asks the caller's policy, and for a session also the policy of its role, which on AWS bounds it.
func (s *StandIn) authorize(ctx context.Context, action, resource string) error {
	if err := sigv4.Authorize(ctx, action, resource); err != nil {
		return err
	}
	p, _ := sigv4.PrincipalFrom(ctx)
	r := s.roleOf(p.ARN)
	if r == nil {
		return nil
	}
	if !r.policy.Allows(action, resource) {
		return &sigv4.Error{Status: http.StatusForbidden, Code: "AccessDeniedException", Message: fmt.Sprintf(
			"User: %s is not authorized to perform: %s on resource: %s because no identity-based policy allows the action", p.ARN, action, resource)}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used[r.name] == nil {
		s.used[r.name] = map[string]bool{}
	}
	s.used[r.name][action] = true
	return nil
}

// Used are the actions that roles were allowed so far, by the role's name, sorted.
func (s *StandIn) Used() map[string][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string][]string{}
	for name, actions := range s.used {
		for a := range actions {
			out[name] = append(out[name], a)
		}
		slices.Sort(out[name])
	}
	return out
}

// verified checks the signature. Its refusals are worded in the service's own protocol.
func (s *StandIn) verified(service string, next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached := false
		rec := httptest.NewRecorder()
		s.verifier.Middleware(service, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			reached = true
			next(w, r)
		})).ServeHTTP(rec, r)
		if reached {
			return
		}
		if service == "sts" { // speaks its protocol already
			w.Header().Set("Content-Type", "text/xml")
			w.WriteHeader(rec.Code)
			_, _ = w.Write(rec.Body.Bytes()) // the client may be gone
			return
		}
		var e struct {
			Type    string `json:"__type"`
			Message string `json:"message"`
		}
		_ = json.Unmarshal(rec.Body.Bytes(), &e) // made by the verifier
		refuse(w, service, rec.Code, e.Type[strings.IndexByte(e.Type, '#')+1:], e.Message)
	})
}

// refuse answers an error in the protocol of a service.
func refuse(w http.ResponseWriter, service string, status int, code, message string) {
	var body []byte
	switch service {
	case "s3":
		body, _ = xml.Marshal(struct { // strings always marshal, here and below
			XMLName       xml.Name `xml:"Error"`
			Code, Message string
		}{Code: code, Message: message})
		w.Header().Set("Content-Type", "application/xml")
	case "cloudformation":
		type detail struct{ Type, Code, Message string }
		body, _ = xml.Marshal(struct {
			XMLName   xml.Name `xml:"ErrorResponse"`
			Error     detail
			RequestID string `xml:"RequestId"`
		}{Error: detail{"Sender", code, message}})
		w.Header().Set("Content-Type", "text/xml")
	default:
		body, _ = json.Marshal(map[string]string{"__type": code, "message": message, "Message": message})
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.Header().Set("X-Amzn-Errortype", code)
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
}

// fault is an answer of a service.
type fault struct {
	status        int
	code, message string
}

func (f *fault) Error() string { return f.code + ": " + f.message }

func bad(code, format string, args ...any) *fault {
	return &fault{http.StatusBadRequest, code, fmt.Sprintf(format, args...)}
}

// allow asks the operator's policy, in the words of the service that refuses.
func (s *StandIn) allow(r *http.Request, action, resource string) *fault {
	if err := s.authorize(r.Context(), action, resource); err != nil {
		p, _ := sigv4.PrincipalFrom(r.Context())
		return &fault{http.StatusForbidden, "AccessDenied",
			fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s because no identity-based policy allows the %s action", p.ARN, action, resource, action)}
	}
	return nil
}

// serveSTS lets a role assume another one, if its policy and the other's trust say so. The engine behind knows no
// roles: it takes the caller for an account's own.
func (s *StandIn) serveSTS(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		refuse(w, "cloudformation", http.StatusBadRequest, "IncompleteBody", "The request body could not be read.")
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	form, err := url.ParseQuery(string(body))
	if err == nil && form.Get("Action") == "AssumeRole" {
		target := form.Get("RoleArn")
		if f := s.allow(r, "sts:AssumeRole", target); f != nil {
			refuse(w, "cloudformation", f.status, f.code, f.message)
			return
		}
		p, _ := sigv4.PrincipalFrom(r.Context())
		caller := s.roleOf(p.ARN)
		s.mu.Lock()
		named := s.roles[target[strings.LastIndexByte(target, '/')+1:]]
		s.mu.Unlock()
		if named == nil || named.arn != target || caller != nil && named.trust != caller.arn {
			refuse(w, "cloudformation", http.StatusForbidden, "AccessDenied", "User: "+p.ARN+" is not authorized to perform: sts:AssumeRole on resource: "+target)
			return
		}
		p.Policy = nil
		r = r.WithContext(sigv4.WithPrincipal(r.Context(), p))
	}
	s.sts.ServeHTTP(w, r)
}
