package standin

import (
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

func (s *StandIn) serveCloudFormation(w http.ResponseWriter, r *http.Request) {
	out, f := s.cloudFormation(r)
	if f != nil {
		refuse(w, "cloudformation", f.status, f.code, f.message)
		return
	}
	writeXML(w, out)
}

// cloudFormation answers one call. Each changes at most one thing, under the lock.
func (s *StandIn) cloudFormation(r *http.Request) (any, *fault) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, bad("IncompleteBody", "The request body could not be read.")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, bad("MalformedQueryString", "The request body is not a form.")
	}
	action := form.Get("Action")
	call := map[string]func(*stack, url.Values) (any, error){
		"CreateChangeSet": s.createChangeSet, "DescribeChangeSet": s.describeChangeSet, "ExecuteChangeSet": s.executeChangeSet,
		"DeleteChangeSet": s.deleteChangeSet, "ListChangeSets": s.listChangeSets, "DescribeStacks": s.describeStacks,
		"DescribeStackEvents": s.describeStackEvents, "DeleteStack": s.deleteStack, "ContinueUpdateRollback": s.continueRollback,
	}[action]
	if call == nil {
		return nil, bad("InvalidAction", "the stand-in has no cloudformation:%s", action)
	}
	name := form.Get("StackName")
	plain := name
	if parts := strings.Split(name, "/"); len(parts) > 1 {
		plain = parts[1]
	}
	if f := s.allow(r, "cloudformation:"+action, "arn:aws:cloudformation:"+Region+":"+Account+":stack/"+plain+"/*"); f != nil {
		return nil, f
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.findStack(name)
	if st == nil && action != "CreateChangeSet" && action != "DeleteStack" {
		return nil, bad("ValidationError", "Stack with id %s does not exist", name)
	}
	out, err := call(st, form)
	if f, ok := err.(*fault); ok { //nolint:errorlint // made here, never wrapped
		return nil, f
	}
	if err != nil {
		return nil, bad("ValidationError", "%v", err)
	}
	return out, nil
}

// findStack takes an id, or a name of a stack that is not deleted.
func (s *StandIn) findStack(name string) *stack {
	for n := len(s.stacks) - 1; n >= 0; n-- {
		st := s.stacks[n]
		if st.id == name || st.name == name && st.status != "DELETE_COMPLETE" {
			return st
		}
	}
	return nil
}

func (st *stack) changeSet(name string) (*changeSet, error) {
	for _, c := range st.changeSets {
		if c.name == name || c.id == name {
			return c, nil
		}
	}
	return nil, &fault{http.StatusNotFound, "ChangeSetNotFound", "ChangeSet [" + name + "] does not exist"}
}

func pairs(form url.Values, list, key, value string) map[string]string {
	out := map[string]string{}
	for n := 1; ; n++ {
		prefix := fmt.Sprintf("%s.member.%d.", list, n)
		k, ok := form[prefix+key]
		if !ok {
			return out
		}
		out[k[0]] = form.Get(prefix + value)
	}
}

type xmlIDs struct {
	XMLName xml.Name
	ID      string `xml:"CreateChangeSetResult>Id,omitempty"`
	StackID string `xml:"CreateChangeSetResult>StackId,omitempty"`
}

// emptyResult is the answer of a call that has nothing to say.
type emptyResult string

// MarshalXML makes <ActionResponse><ActionResult/></ActionResponse>.
func (a emptyResult) MarshalXML(e *xml.Encoder, _ xml.StartElement) error {
	response := xml.StartElement{Name: xml.Name{Local: string(a) + "Response"}}
	if err := e.EncodeToken(response); err != nil {
		return err
	}
	if err := e.EncodeElement("", xml.StartElement{Name: xml.Name{Local: string(a) + "Result"}}); err != nil {
		return err
	}
	return e.EncodeToken(response.End())
}

func (s *StandIn) createChangeSet(st *stack, form url.Values) (any, error) {
	body := form.Get("TemplateBody")
	if s.opt.RewriteTemplate != nil {
		body = s.opt.RewriteTemplate(body)
	}
	doc, err := readTemplate(body)
	if err != nil {
		return nil, err
	}
	if form.Get("Capabilities.member.1") != "CAPABILITY_NAMED_IAM" {
		return nil, &fault{http.StatusBadRequest, "InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_NAMED_IAM]"}
	}
	params, err := doc.check(pairs(form, "Parameters", "ParameterKey", "ParameterValue"))
	if err != nil {
		return nil, err
	}
	kind := form.Get("ChangeSetType")
	switch {
	case kind == "CREATE" && st != nil && st.status != "REVIEW_IN_PROGRESS":
		return nil, bad("ValidationError", "Stack [%s] already exists and cannot be created again with the changeSet", st.name)
	case kind == "UPDATE" && (st == nil || st.status == "REVIEW_IN_PROGRESS"):
		return nil, bad("ValidationError", "Stack [%s] does not exist", form.Get("StackName"))
	case kind == "UPDATE" && !slices.Contains([]string{"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"}, st.status):
		return nil, bad("ValidationError", "Stack:%s is in %s state and can not be updated.", st.id, st.status)
	}
	if st == nil {
		name := form.Get("StackName")
		st = &stack{id: "arn:aws:cloudformation:" + Region + ":" + Account + ":stack/" + name + "/" + s.nextID(), name: name,
			resources: map[string]*resource{}, doc: &document{}}
		s.stacks = append(s.stacks, st)
		s.setStatus(st, "REVIEW_IN_PROGRESS", "User Initiated")
	}
	c := &changeSet{name: form.Get("ChangeSetName"), kind: kind, doc: doc, params: params, tags: pairs(form, "Tags", "Key", "Value"),
		id: "arn:aws:cloudformation:" + Region + ":" + Account + ":changeSet/" + form.Get("ChangeSetName") + "/" + s.nextID(), status: "CREATE_COMPLETE", execution: "AVAILABLE"}
	if _, err := st.changeSet(c.name); err == nil {
		return nil, &fault{http.StatusBadRequest, "AlreadyExistsException", "ChangeSet " + c.name + " already exists"}
	}
	if err := s.compare(st, c); err != nil {
		return nil, err
	}
	if len(c.changes) == 0 && kind == "UPDATE" && maps.Equal(st.tags, c.tags) && !s.outputsChange(st, c) {
		c.status, c.execution = "FAILED", "UNAVAILABLE"
		c.reason = "The submitted information didn't contain changes. Submit different information to create a change set."
	}
	st.changeSets = append(st.changeSets, c)
	return xmlIDs{XMLName: xml.Name{Local: "CreateChangeSetResponse"}, ID: c.id, StackID: st.id}, nil
}

func (s *StandIn) outputsChange(st *stack, c *changeSet) bool {
	e := s.evaluation(st, c.doc, c.params)
	for name, o := range c.doc.Outputs {
		if v, err := e.resolve(o.Value); err != nil || st.outputs[name] != scalar(v) {
			return true
		}
	}
	return false
}

func (s *StandIn) describeChangeSet(st *stack, form url.Values) (any, error) {
	c, err := st.changeSet(form.Get("ChangeSetName"))
	if err != nil {
		return nil, err
	}
	type resourceChange struct {
		Action            string `xml:"ResourceChange>Action"`
		LogicalResourceID string `xml:"ResourceChange>LogicalResourceId"`
		ResourceType      string `xml:"ResourceChange>ResourceType"`
		Type              string
	}
	out := struct {
		XMLName         xml.Name         `xml:"DescribeChangeSetResponse"`
		ChangeSetName   string           `xml:"DescribeChangeSetResult>ChangeSetName"`
		Status          string           `xml:"DescribeChangeSetResult>Status"`
		ExecutionStatus string           `xml:"DescribeChangeSetResult>ExecutionStatus"`
		StatusReason    string           `xml:"DescribeChangeSetResult>StatusReason,omitempty"`
		Changes         []resourceChange `xml:"DescribeChangeSetResult>Changes>member"`
	}{ChangeSetName: c.name, Status: c.status, ExecutionStatus: c.execution, StatusReason: c.reason}
	if !c.looked { // it takes a moment on AWS
		c.looked = true
		out.Status, out.StatusReason = "CREATE_IN_PROGRESS", ""
		return out, nil
	}
	for _, ch := range c.changes {
		out.Changes = append(out.Changes, resourceChange{ch.action, ch.logical, ch.kind, "Resource"})
	}
	return out, nil
}

func (s *StandIn) executeChangeSet(st *stack, form url.Values) (any, error) {
	c, err := st.changeSet(form.Get("ChangeSetName"))
	if err != nil {
		return nil, err
	}
	if c.execution != "AVAILABLE" {
		return nil, &fault{http.StatusBadRequest, "InvalidChangeSetStatus", "ChangeSet [" + c.id + "] cannot be executed in its current status"}
	}
	st.changeSets = nil // AWS deletes the others, too
	return emptyResult("ExecuteChangeSet"), s.execute(st, c)
}

func (s *StandIn) deleteChangeSet(st *stack, form url.Values) (any, error) {
	c, err := st.changeSet(form.Get("ChangeSetName"))
	if err == nil {
		st.changeSets = slices.DeleteFunc(st.changeSets, func(o *changeSet) bool { return o == c })
	}
	return emptyResult("DeleteChangeSet"), nil
}

func (s *StandIn) listChangeSets(st *stack, _ url.Values) (any, error) {
	type summary struct{ ChangeSetName, Status string }
	out := struct {
		XMLName   xml.Name  `xml:"ListChangeSetsResponse"`
		Summaries []summary `xml:"ListChangeSetsResult>Summaries>member"`
	}{}
	for _, c := range st.changeSets {
		out.Summaries = append(out.Summaries, summary{c.name, c.status})
	}
	return out, nil
}

func (s *StandIn) describeStacks(st *stack, _ url.Values) (any, error) {
	s.advance(st)
	type parameterXML struct{ ParameterKey, ParameterValue string }
	type outputXML struct{ OutputKey, OutputValue string }
	type tagXML struct{ Key, Value string }
	type stackXML struct {
		StackID           string `xml:"StackId"`
		StackName         string
		Description       string `xml:",omitempty"`
		StackStatus       string
		StackStatusReason string         `xml:",omitempty"`
		CreationTime      string         `xml:"CreationTime"`
		Parameters        []parameterXML `xml:"Parameters>member"`
		Outputs           []outputXML    `xml:"Outputs>member"`
		Tags              []tagXML       `xml:"Tags>member"`
	}
	one := stackXML{StackID: st.id, StackName: st.name, Description: st.description, StackStatus: st.status, StackStatusReason: st.reason,
		CreationTime: s.opt.Clock().UTC().Format(time.RFC3339)}
	for _, k := range slices.Sorted(maps.Keys(st.params)) {
		one.Parameters = append(one.Parameters, parameterXML{k, st.params[k]})
	}
	for _, k := range slices.Sorted(maps.Keys(st.outputs)) {
		one.Outputs = append(one.Outputs, outputXML{k, st.outputs[k]})
	}
	for _, k := range slices.Sorted(maps.Keys(st.tags)) {
		one.Tags = append(one.Tags, tagXML{k, st.tags[k]})
	}
	return struct {
		XMLName xml.Name   `xml:"DescribeStacksResponse"`
		Stacks  []stackXML `xml:"DescribeStacksResult>Stacks>member"`
	}{Stacks: []stackXML{one}}, nil
}

func (s *StandIn) describeStackEvents(st *stack, _ url.Values) (any, error) {
	type eventXML struct {
		EventID              string `xml:"EventId"`
		StackID              string `xml:"StackId"`
		StackName            string
		LogicalResourceID    string `xml:"LogicalResourceId"`
		PhysicalResourceID   string `xml:"PhysicalResourceId"`
		ResourceType         string
		ResourceStatus       string
		ResourceStatusReason string `xml:",omitempty"`
		Timestamp            string
	}
	out := struct {
		XMLName xml.Name   `xml:"DescribeStackEventsResponse"`
		Events  []eventXML `xml:"DescribeStackEventsResult>StackEvents>member"`
	}{}
	for n := len(st.events) - 1; n >= 0; n-- { // newest first
		e := st.events[n]
		out.Events = append(out.Events, eventXML{e.id, st.id, st.name, e.logical, e.physical, e.kind, e.status, e.reason, e.at.UTC().Format(time.RFC3339)})
	}
	return out, nil
}

func (s *StandIn) deleteStack(st *stack, _ url.Values) (any, error) {
	if st != nil && st.status != "DELETE_COMPLETE" && st.status != "DELETE_IN_PROGRESS" {
		if st.status == "REVIEW_IN_PROGRESS" {
			st.changeSets = nil
			s.setStatus(st, "DELETE_COMPLETE", "")
		} else {
			s.begin(st, "DELETE_IN_PROGRESS", "DELETE_COMPLETE", s.deletion(st), nil)
		}
	}
	return emptyResult("DeleteStack"), nil
}

func (s *StandIn) continueRollback(st *stack, _ url.Values) (any, error) {
	return nil, bad("ValidationError", "Stack %s is in %s state and its rollback cannot be continued", st.id, st.status)
}

// Left names everything that exists, for tests that must not let anything.
func (s *StandIn) Left() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, st := range s.stacks {
		if st.status != "DELETE_COMPLETE" {
			add("stack %s (%s)", st.name, st.status)
		}
	}
	for name := range s.buckets {
		add("bucket %s", name)
	}
	for name := range s.parameters {
		add("parameter %s", name)
	}
	for name := range s.roles {
		add("role %s", name)
	}
	for name := range s.functions {
		add("function %s", name)
	}
	for name := range s.apis {
		add("API %s", name)
	}
	for name := range s.named {
		add("%s", name)
	}
	for target, handler := range map[string]http.Handler{"DynamoDB_20120810.ListTables": s.dynamodb, "AmazonSQS.ListQueues": s.sqs} {
		raw, err := s.engine(handler, target, map[string]any{})
		if text := string(raw); err != nil || strings.Contains(text, `["`) {
			add("%s: %s%v", target, text, err)
		}
	}
	slices.Sort(out)
	return out
}
