package standin

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// The services here know the few calls by which the installer looks for what an emulator's stack left, and keeps an
// emulator's REST API alive.

func (s *StandIn) serveAPIGateway(w http.ResponseWriter, r *http.Request) {
	rest, _ := strings.CutPrefix(r.URL.Path, "/restapis")
	id, rest, _ := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
	if f := s.allow(r, "apigateway:"+r.Method, "arn:aws:apigateway:"+Region+"::"+r.URL.Path); f != nil {
		refuse(w, "apigateway", f.status, "AccessDeniedException", f.message)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unloaded = false
	if id == "" && r.Method == http.MethodGet {
		items := []map[string]string{}
		for _, a := range s.apis {
			items = append(items, map[string]string{"id": a.id, "name": a.name, "description": a.description})
		}
		answer(w, map[string]any{"item": items})
		return
	}
	a := s.apis[id]
	var err error
	switch {
	case a == nil:
		refuse(w, "apigateway", http.StatusNotFound, "NotFoundException", "Invalid API identifier specified")
		return
	case r.Method == http.MethodDelete && rest == "":
		if err = s.dropAPI(id); err == nil {
			w.WriteHeader(http.StatusAccepted)
		}
	case r.Method == http.MethodPost && rest == "deployments":
		err = s.createDeployment(w, r, a)
	default:
		refuse(w, "apigateway", http.StatusNotImplemented, "NotImplemented", "the stand-in has no apigateway "+r.Method+" "+r.URL.Path)
		return
	}
	if err != nil {
		refuse(w, "apigateway", http.StatusBadRequest, "BadRequestException", err.Error())
	}
}

// createDeployment puts a new deployment on a stage, and makes the stage if it is not there. s.mu is held.
func (s *StandIn) createDeployment(w http.ResponseWriter, r *http.Request, a *restAPI) error {
	var in struct {
		StageName string `json:"stageName"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return err
	}
	id, throttles := "deployment-"+s.nextID(), a.throttles
	if in.StageName != "" {
		if err := s.closeStage(a); err != nil {
			return err
		}
		if err := s.deploy(a, in.StageName, id, throttles); err != nil {
			return err
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(map[string]string{"id": id}) // the client may be gone
	return nil
}

// jsonCall reads a request of the protocol AWS JSON and asks the operator's policy.
// resource is the last part of the ARN, from what the request names.
func (s *StandIn) jsonCall(w http.ResponseWriter, r *http.Request, service, prefix string, resource func(in map[string]any) string) (operation string, in map[string]any, ok bool) {
	operation, known := strings.CutPrefix(r.Header.Get("X-Amz-Target"), prefix)
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || !known {
		refuse(w, service, http.StatusBadRequest, "SerializationException", "this is not a request for "+service)
		return "", nil, false
	}
	if f := s.allow(r, service+":"+operation, "arn:aws:"+service+":"+Region+":"+Account+":"+resource(in)); f != nil {
		refuse(w, service, http.StatusBadRequest, "AccessDeniedException", f.message)
		return "", nil, false
	}
	return operation, in, true
}

func (s *StandIn) serveEvents(w http.ResponseWriter, r *http.Request) {
	nameOf := func(in map[string]any) string { return text(in, "Name") + text(in, "Rule") }
	operation, in, ok := s.jsonCall(w, r, "events", "AWSEvents.", func(in map[string]any) string { return "rule/" + nameOf(in) })
	if !ok {
		return
	}
	name := nameOf(in)
	key := "AWS::Events::Rule " + name
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case operation != "DescribeRule" && operation != "RemoveTargets" && operation != "DeleteRule":
		refuse(w, "events", http.StatusNotImplemented, "NotImplemented", "the stand-in has no events:"+operation)
		return
	case s.named[key] == "" && operation != "DeleteRule":
		refuse(w, "events", http.StatusBadRequest, "ResourceNotFoundException", "Rule "+name+" does not exist.")
		return
	case operation == "DeleteRule":
		delete(s.named, key)
	}
	answer(w, map[string]any{"Name": name})
}

func (s *StandIn) serveLogs(w http.ResponseWriter, r *http.Request) {
	operation, in, ok := s.jsonCall(w, r, "logs", "Logs_20140328.", func(in map[string]any) string {
		return "log-group:" + text(in, "logGroupName") + text(in, "logGroupNamePrefix")
	})
	if !ok {
		return
	}
	const kind = "AWS::Logs::LogGroup "
	s.mu.Lock()
	defer s.mu.Unlock()
	switch operation {
	case "DescribeLogGroups":
		groups := []map[string]string{}
		for key := range s.named {
			if name, ok := strings.CutPrefix(key, kind); ok && strings.HasPrefix(name, text(in, "logGroupNamePrefix")) {
				groups = append(groups, map[string]string{"logGroupName": name})
			}
		}
		answer(w, map[string]any{"logGroups": groups})
	case "DeleteLogGroup":
		delete(s.named, kind+text(in, "logGroupName"))
		answer(w, map[string]any{})
	default:
		refuse(w, "logs", http.StatusNotImplemented, "NotImplemented", "the stand-in has no logs:"+operation)
	}
}

func (s *StandIn) serveIAM(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		refuse(w, "cloudformation", http.StatusBadRequest, "IncompleteBody", "The request body could not be read.")
		return
	}
	form, _ := url.ParseQuery(string(body)) // what is not a form has no action
	action, name := form.Get("Action"), form.Get("RoleName")
	if f := s.allow(r, "iam:"+action, "arn:aws:iam::"+Account+":role/"+name); f != nil {
		refuse(w, "cloudformation", f.status, f.code, f.message)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case action != "GetRole" && action != "DeleteRolePolicy" && action != "DeleteRole":
		refuse(w, "cloudformation", http.StatusNotImplemented, "NotImplemented", "the stand-in has no iam:"+action)
		return
	case s.roles[name] == nil:
		refuse(w, "cloudformation", http.StatusNotFound, "NoSuchEntity", "The role with name "+name+" cannot be found.")
		return
	case action == "DeleteRole":
		delete(s.roles, name)
	}
	writeXML(w, struct {
		XMLName xml.Name `xml:"Response"`
	}{})
}
