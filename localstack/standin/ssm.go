package standin

import (
	"encoding/json"
	"net/http"
	"strings"
)

type parameter struct{ kind, value string }

func (s *StandIn) serveSSM(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Name, Type, Value string
		Overwrite         bool
	}
	operation, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "AmazonSSM.")
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || !ok {
		refuse(w, "ssm", http.StatusBadRequest, "SerializationException", "this is not a request for SSM")
		return
	}
	if f := s.allow(r, "ssm:"+operation, "arn:aws:ssm:"+Region+":"+Account+":parameter"+in.Name); f != nil {
		refuse(w, "ssm", http.StatusBadRequest, "AccessDeniedException", f.message)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	have, there := s.parameters[in.Name]
	missing := func() { refuse(w, "ssm", http.StatusBadRequest, "ParameterNotFound", "") }
	switch operation {
	case "GetParameter":
		if !there {
			missing()
			return
		}
		answer(w, map[string]any{"Parameter": map[string]any{"Name": in.Name, "Type": have.kind, "Value": have.value, "Version": 1}})
	case "PutParameter":
		switch {
		case there:
			refuse(w, "ssm", http.StatusBadRequest, "ParameterAlreadyExists", "The parameter already exists.")
		case in.Type != "SecureString" || in.Overwrite:
			refuse(w, "ssm", http.StatusBadRequest, "ValidationException", "the stand-in makes new SecureStrings only")
		default:
			s.parameters[in.Name] = parameter{in.Type, in.Value}
			answer(w, map[string]any{"Version": 1})
		}
	case "DeleteParameter":
		if !there {
			missing()
			return
		}
		delete(s.parameters, in.Name)
		answer(w, map[string]any{})
	default:
		refuse(w, "ssm", http.StatusNotImplemented, "NotImplemented", "the stand-in has no ssm:"+operation)
	}
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}

// Lose forgets a parameter, as somebody who deletes it by mistake.
func (s *StandIn) Lose(parameter string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.parameters, parameter)
}
