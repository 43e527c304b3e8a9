package standin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"

	"github.com/waypoint-serverless/waypoint/localstack/aws/sigv4"
	"github.com/waypoint-serverless/waypoint/localstack/gateway"
)

// resource is one of a stack.
type resource struct {
	stack, logical, kind, physical string
	properties                     map[string]any
	attributes                     map[string]any
	retain                         bool
}

// kind says how the stand-in makes, changes and removes resources of a type. Its functions are called with s.mu held.
type kind struct {
	// known are the properties that it understands.
	known  []string
	create func(s *StandIn, r *resource) error
	// update changes r, whose properties are the new ones; nil: the stand-in cannot replace it.
	update func(s *StandIn, r *resource, old map[string]any) error
	remove func(s *StandIn, r *resource) error
}

func knownKind(name string) bool { _, ok := kinds()[name]; return ok }

func kinds() map[string]kind {
	nothing := func(*StandIn, *resource) error { return nil }
	same := func(*StandIn, *resource, map[string]any) error { return nil }
	return map[string]kind{
		"AWS::DynamoDB::Table": {
			known: []string{"TableName", "BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "TimeToLiveSpecification",
				"PointInTimeRecoverySpecification", "DeletionProtectionEnabled"},
			create: (*StandIn).createTable, remove: (*StandIn).removeTable},
		"AWS::SQS::Queue":       {known: []string{"MessageRetentionPeriod", "SqsManagedSseEnabled"}, create: (*StandIn).createQueue, remove: (*StandIn).removeQueue},
		"AWS::SQS::QueuePolicy": {known: []string{"Queues", "PolicyDocument"}, create: plain("policy"), update: same, remove: nothing},
		"AWS::IAM::Role": {known: []string{"RoleName", "AssumeRolePolicyDocument", "PermissionsBoundary", "Policies"},
			create: (*StandIn).createRole, update: func(s *StandIn, r *resource, _ map[string]any) error { return s.setRole(r) }, remove: (*StandIn).removeRole},
		"AWS::Logs::LogGroup": {known: []string{"LogGroupName", "RetentionInDays"}, create: unique("LogGroupName", ""), update: same, remove: (*StandIn).forget},
		"AWS::Lambda::Function": {known: []string{"FunctionName", "Description", "Runtime", "Handler", "Architectures", "Code", "Role", "MemorySize", "Timeout",
			"Environment", "LoggingConfig", "ReservedConcurrentExecutions"},
			create: (*StandIn).createFunction, update: (*StandIn).updateFunction, remove: (*StandIn).removeFunction},
		"AWS::Lambda::Permission": {known: []string{"Action", "FunctionName", "Principal", "SourceArn"}, create: (*StandIn).permit, remove: (*StandIn).forbid},
		"AWS::Lambda::EventInvokeConfig": {known: []string{"FunctionName", "Qualifier", "MaximumRetryAttempts", "MaximumEventAgeInSeconds"},
			create: plain("invoke-config"), update: same, remove: nothing},
		"AWS::Events::Rule": {known: []string{"Name", "Description", "ScheduleExpression", "State", "Targets"},
			create: unique("Name", "arn:aws:events:"+Region+":"+Account+":rule/"), update: same, remove: (*StandIn).forget},
		"AWS::CloudWatch::Alarm": {known: []string{"AlarmName", "AlarmDescription", "Namespace", "MetricName", "Dimensions", "Statistic", "Period",
			"EvaluationPeriods", "Threshold", "ComparisonOperator", "TreatMissingData", "AlarmActions"},
			create: unique("AlarmName", ""), update: same, remove: (*StandIn).forget},
		"AWS::ApiGateway::RestApi": {known: []string{"Name", "Description", "EndpointConfiguration", "BinaryMediaTypes"},
			create: (*StandIn).createAPI, update: (*StandIn).updateAPI, remove: (*StandIn).removeAPI},
		"AWS::ApiGateway::Resource":   {known: []string{"RestApiId", "ParentId", "PathPart"}, create: (*StandIn).createPath, remove: nothing},
		"AWS::ApiGateway::Method":     {known: []string{"RestApiId", "ResourceId", "HttpMethod", "AuthorizationType", "Integration"}, create: (*StandIn).createMethod, update: same, remove: nothing},
		"AWS::ApiGateway::Deployment": {known: []string{"RestApiId"}, create: plain("deployment"), remove: (*StandIn).removeDeployment},
		"AWS::ApiGateway::Stage": {known: []string{"RestApiId", "DeploymentId", "StageName", "Description", "MethodSettings"},
			create: (*StandIn).createStage, update: (*StandIn).updateStage, remove: (*StandIn).removeStage},
	}
}

func (r *resource) checkProperties() error {
	for name := range r.properties {
		if !slices.Contains(kinds()[r.kind].known, name) {
			return fmt.Errorf("the stand-in has no property %s of %s", name, r.kind)
		}
	}
	return nil
}

// plain makes a resource that only has an id.
func plain(prefix string) func(*StandIn, *resource) error {
	return func(s *StandIn, r *resource) error { r.physical = prefix + "-" + s.nextID(); return nil }
}

// unique makes a resource that only has a name, which nobody else may have.
func unique(property, arn string) func(*StandIn, *resource) error {
	return func(s *StandIn, r *resource) error {
		r.physical = text(r.properties, property)
		key := r.kind + " " + r.physical
		if s.named[key] != "" {
			return fmt.Errorf("%s already exists", r.physical)
		}
		s.named[key] = r.kind
		r.attributes = map[string]any{"Arn": arn + r.physical}
		return nil
	}
}

func (s *StandIn) forget(r *resource) error { delete(s.named, r.kind+" "+r.physical); return nil }

// engine calls an embedded engine as the account's root.
func (s *StandIn) engine(h http.Handler, target string, in any) ([]byte, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	ctx := sigv4.WithPrincipal(context.Background(), sigv4.Principal{Account: Account, ARN: "arn:aws:iam::" + Account + ":root", UserID: Account})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://standin.internal/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-Amz-Target", target)
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	if rec.Code != http.StatusOK {
		return nil, errors.New(rec.Body.String())
	}
	return rec.Body.Bytes(), nil
}

func (s *StandIn) createTable(r *resource) error {
	p := r.properties
	r.physical = text(p, "TableName")
	in := map[string]any{}
	for _, name := range []string{"TableName", "BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "DeletionProtectionEnabled"} {
		in[name] = p[name]
	}
	if _, err := s.engine(s.dynamodb, "DynamoDB_20120810.CreateTable", in); err != nil {
		return err
	}
	if _, err := s.engine(s.dynamodb, "DynamoDB_20120810.UpdateTimeToLive", map[string]any{"TableName": r.physical, "TimeToLiveSpecification": p["TimeToLiveSpecification"]}); err != nil {
		return err
	}
	_, err := s.engine(s.dynamodb, "DynamoDB_20120810.UpdateContinuousBackups", map[string]any{"TableName": r.physical, "PointInTimeRecoverySpecification": p["PointInTimeRecoverySpecification"]})
	return err
}

func (s *StandIn) removeTable(r *resource) error {
	_, err := s.engine(s.dynamodb, "DynamoDB_20120810.DeleteTable", map[string]any{"TableName": r.physical})
	return err
}

// createQueue invents a name, as CloudFormation does for a queue without one.
func (s *StandIn) createQueue(r *resource) error {
	name := r.stack + "-" + r.logical + "-" + strings.ToUpper(random(6))
	out, err := s.engine(s.sqs, "AmazonSQS.CreateQueue", map[string]any{"QueueName": name,
		"Attributes": map[string]string{"MessageRetentionPeriod": text(r.properties, "MessageRetentionPeriod")}})
	if err != nil {
		return err
	}
	var made struct{ QueueUrl string } //nolint:revive // SQS's word
	if err := json.Unmarshal(out, &made); err != nil {
		return err
	}
	r.physical = made.QueueUrl
	r.attributes = map[string]any{"Arn": "arn:aws:sqs:" + Region + ":" + Account + ":" + name, "QueueName": name}
	return nil
}

func (s *StandIn) removeQueue(r *resource) error {
	_, err := s.engine(s.sqs, "AmazonSQS.DeleteQueue", map[string]any{"QueueUrl": r.physical})
	return err
}

func (s *StandIn) createRole(r *resource) error {
	r.physical = text(r.properties, "RoleName")
	if s.roles[r.physical] != nil {
		return fmt.Errorf("Role with name %s already exists.", r.physical)
	}
	return s.setRole(r)
}

func (s *StandIn) setRole(r *resource) error {
	made := &role{name: r.physical, arn: "arn:aws:iam::" + Account + ":role/" + r.physical}
	if trust, ok := object(r.properties, "AssumeRolePolicyDocument")["Statement"].([]any); ok && len(trust) == 1 {
		statement, _ := trust[0].(map[string]any)
		principal := object(statement, "Principal")
		made.trust = text(principal, "Service") + text(principal, "AWS")
	}
	policies, _ := r.properties["Policies"].([]any)
	if len(policies) != 1 || made.trust == "" {
		return errors.New("the stand-in takes roles with one trusted principal and one policy")
	}
	first, _ := policies[0].(map[string]any)
	raw, err := json.Marshal(first["PolicyDocument"])
	if err != nil {
		return err
	}
	if made.policy, err = parsePolicy(raw); err != nil {
		return err
	}
	s.roles[r.physical] = made
	r.attributes = map[string]any{"Arn": made.arn}
	for id, c := range s.keys { // functions that run already
		if strings.Contains(c.Principal.ARN, ":assumed-role/"+r.physical+"/") {
			c.Principal.Policy = made.policy
			s.keys[id] = c
		}
	}
	return nil
}

func (s *StandIn) removeRole(r *resource) error { delete(s.roles, r.physical); return nil }

func (s *StandIn) createFunction(r *resource) error {
	r.physical = text(r.properties, "FunctionName")
	if s.functions[r.physical] != nil {
		return fmt.Errorf("Function already exist: %s", r.physical)
	}
	f, err := s.startFunction(r.properties)
	if err != nil {
		return err
	}
	s.functions[r.physical] = f
	r.attributes = map[string]any{"Arn": "arn:aws:lambda:" + Region + ":" + Account + ":function:" + r.physical}
	return nil
}

func (s *StandIn) updateFunction(r *resource, _ map[string]any) error {
	f, err := s.startFunction(r.properties)
	if err != nil {
		return err
	}
	old := s.functions[r.physical]
	f.principals = old.principals
	s.functions[r.physical] = f
	return s.stopFunction(old)
}

func (s *StandIn) removeFunction(r *resource) error {
	f := s.functions[r.physical]
	if f == nil {
		return nil
	}
	delete(s.functions, r.physical)
	return s.stopFunction(f)
}

func (s *StandIn) permitted(r *resource) *function {
	name := text(r.properties, "FunctionName")
	return s.functions[name[strings.LastIndexByte(name, ':')+1:]]
}

func (s *StandIn) permit(r *resource) error {
	f := s.permitted(r)
	if f == nil {
		return errors.New("Function not found")
	}
	r.physical = "permission-" + s.nextID()
	f.principals = append(f.principals, text(r.properties, "Principal"))
	return nil
}

func (s *StandIn) forbid(r *resource) error {
	if f := s.permitted(r); f != nil {
		f.principals = slices.DeleteFunc(f.principals, func(p string) bool { return p == text(r.properties, "Principal") })
	}
	return nil
}

func (s *StandIn) createAPI(r *resource) error {
	r.physical = strings.ToLower(random(5))
	a := &restAPI{id: r.physical, name: text(r.properties, "Name"), description: text(r.properties, "Description"), paths: map[string]string{"root-" + r.physical: ""}}
	a.setBinary(r)
	s.apis[a.id] = a
	r.attributes = map[string]any{"RootResourceId": "root-" + r.physical}
	s.unloaded = false
	return nil
}

// updateAPI changes what the next deployment will serve.
func (s *StandIn) updateAPI(r *resource, _ map[string]any) error {
	a := s.apis[r.physical]
	if a == nil {
		return errors.New("Invalid API identifier specified")
	}
	a.setBinary(r)
	a.changed = true
	return nil
}

func (a *restAPI) setBinary(r *resource) {
	a.binary = nil
	types, _ := r.properties["BinaryMediaTypes"].([]any)
	for _, t := range types {
		// LocalStack knows no wildcard for both parts: what depends on one must not pass here.
		if mediaType := scalar(t); !strings.HasPrefix(mediaType, "*/") {
			a.binary = append(a.binary, mediaType)
		}
	}
}

func (s *StandIn) removeAPI(r *resource) error { return s.dropAPI(r.physical) }

// dropAPI removes an API with its stage.
func (s *StandIn) dropAPI(id string) error {
	a := s.apis[id]
	if a == nil {
		return nil
	}
	delete(s.apis, id)
	return s.closeStage(a)
}

// removeDeployment ends a deployment that no stage shows; on LocalStack, also the stage that shows it.
func (s *StandIn) removeDeployment(r *resource) error {
	a, err := s.apiOf(r)
	if err != nil {
		return nil //nolint:nilerr // the API went first
	}
	if a.deployment != r.physical {
		return nil
	}
	if !s.opt.LikeLocalStack {
		return errors.New("Active stages pointing to this deployment must be moved or deleted")
	}
	return s.closeStage(a)
}

func (s *StandIn) apiOf(r *resource) (*restAPI, error) {
	a := s.apis[text(r.properties, "RestApiId")]
	if a == nil {
		return nil, errors.New("Invalid API identifier specified")
	}
	return a, nil
}

func (s *StandIn) createPath(r *resource) error {
	a, err := s.apiOf(r)
	if err != nil {
		return err
	}
	parent, ok := a.paths[text(r.properties, "ParentId")]
	if !ok {
		return errors.New("Invalid Resource identifier specified")
	}
	r.physical = "path-" + s.nextID()
	a.paths[r.physical] = parent + "/" + text(r.properties, "PathPart")
	return nil
}

func (s *StandIn) createMethod(r *resource) error {
	a, err := s.apiOf(r)
	if err != nil {
		return err
	}
	integration := object(r.properties, "Integration")
	uri := text(integration, "Uri")
	_, rest, ok := strings.Cut(uri, ":lambda:path/2015-03-31/functions/")
	arn, tail, _ := strings.Cut(rest, "/")
	if text(integration, "Type") != "AWS_PROXY" || text(integration, "IntegrationHttpMethod") != http.MethodPost || !ok || tail != "invocations" {
		return errors.New("the stand-in has no integration but AWS_PROXY to a function")
	}
	r.physical = "method-" + s.nextID()
	a.methods = append(a.methods, apiMethod{r.physical, text(r.properties, "ResourceId"), text(r.properties, "HttpMethod"), arn[strings.LastIndexByte(arn, ':')+1:]})
	return nil
}

func (s *StandIn) createStage(r *resource) error {
	a, err := s.apiOf(r)
	if err != nil {
		return err
	}
	r.physical = text(r.properties, "StageName")
	throttles, err := throttlesOf(r)
	if err != nil {
		return err
	}
	return s.deploy(a, r.physical, text(r.properties, "DeploymentId"), throttles)
}

// throttlesOf reads a stage's settings: that for everything, "/*" and "*", and those of single methods, whose paths have
// their slashes but the first escaped.
func throttlesOf(r *resource) (throttles, error) {
	out := throttles{methods: map[string]gateway.Throttle{}}
	settings, _ := r.properties["MethodSettings"].([]any)
	for _, one := range settings {
		o, _ := one.(map[string]any)
		path, method := text(o, "ResourcePath"), text(o, "HttpMethod")
		throttle := gateway.Throttle{Rate: float64(number(o, "ThrottlingRateLimit")), Burst: number(o, "ThrottlingBurstLimit")}
		escaped, ok := strings.CutPrefix(path, "/")
		switch {
		case path == "/*" && method == "*":
			out.stage = &throttle
		case !ok || method == "" || method == "*" || strings.Contains(escaped, "/"):
			return out, fmt.Errorf("Invalid method setting path: %s/%s", path, method)
		default:
			out.methods[method+" "+strings.ReplaceAll(escaped, "~1", "/")] = throttle
		}
	}
	return out, nil
}

func (s *StandIn) updateStage(r *resource, _ map[string]any) error {
	if s.opt.LikeLocalStack {
		return s.likeLocalStackUpdatesStage(r)
	}
	if err := s.removeStage(r); err != nil {
		return err
	}
	return s.createStage(r)
}

func (s *StandIn) removeStage(r *resource) error {
	a, err := s.apiOf(r)
	if err != nil {
		return nil //nolint:nilerr // the API went first
	}
	return s.closeStage(a)
}

// closeStage ends what an API's stage serves. s.mu is held, but not while requests end: they may be asking us something.
func (s *StandIn) closeStage(a *restAPI) error {
	gone := &restAPI{gateway: a.gateway}
	a.gateway, a.stage, a.deployment = nil, "", ""
	s.mu.Unlock()
	defer s.mu.Lock()
	return gone.close(context.Background())
}
