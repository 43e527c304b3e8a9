package template_test

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waypoint-serverless/waypoint/functions"
	"github.com/waypoint-serverless/waypoint/infra/template"
)

func generic(t *testing.T) map[string]any {
	t.Helper()
	raw, err := template.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTheTemplateIsSmallAndReproducible(t *testing.T) {
	one, err := template.JSON()
	if err != nil {
		t.Fatal(err)
	}
	two, err := template.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if string(one) != string(two) {
		t.Error("two calls made different templates")
	}
	t.Logf("the template has %d bytes of %d", len(one), template.MaxSize)
}

// The table's shape stands in two places; this holds the template to the one that the server uses.
func TestTheTableIsTheOneThatTheServerExpects(t *testing.T) {
	const prefix = "${NamePrefix}"
	want := functions.Resources(prefix)
	raw, err := json.Marshal(template.Build().Resources["Table"]["Properties"])
	if err != nil {
		t.Fatal(err)
	}
	type key struct{ AttributeName, KeyType string }
	var have struct {
		TableName              map[string]string
		BillingMode            string
		KeySchema              []key
		AttributeDefinitions   []struct{ AttributeName, AttributeType string }
		GlobalSecondaryIndexes []struct {
			IndexName  string
			KeySchema  []key
			Projection struct{ ProjectionType string }
		}
		TimeToLiveSpecification struct {
			AttributeName string
			Enabled       bool
		}
	}
	if err := json.Unmarshal(raw, &have); err != nil {
		t.Fatal(err)
	}
	keys := func(ks []key) [2]string {
		if len(ks) != 2 || ks[0].KeyType != "HASH" || ks[1].KeyType != "RANGE" {
			t.Fatalf("keys %v", ks)
		}
		return [2]string{ks[0].AttributeName, ks[1].AttributeName}
	}
	got := functions.TableSpec{Name: have.TableName["Fn::Sub"], TTL: have.TimeToLiveSpecification.AttributeName}
	k := keys(have.KeySchema)
	got.PartitionKey, got.SortKey = k[0], k[1]
	attributes := []string{k[0], k[1]}
	for _, index := range have.GlobalSecondaryIndexes {
		k := keys(index.KeySchema)
		got.Indexes = append(got.Indexes, functions.IndexSpec{Name: index.IndexName, PartitionKey: k[0], SortKey: k[1]})
		attributes = append(attributes, k[0], k[1])
		if index.Projection.ProjectionType != "KEYS_ONLY" {
			t.Errorf("index %s projects %s", index.IndexName, index.Projection.ProjectionType)
		}
	}
	if diff := cmp.Diff(want.Table, got); diff != "" {
		t.Errorf("the template's table is not functions.Resources' (-want +got):\n%s", diff)
	}
	var defined []string
	for _, a := range have.AttributeDefinitions {
		if a.AttributeType != "S" {
			t.Errorf("attribute %s is of type %s", a.AttributeName, a.AttributeType)
		}
		defined = append(defined, a.AttributeName)
	}
	if diff := cmp.Diff(attributes, defined); diff != "" {
		t.Errorf("attributes:\n%s", diff)
	}
	if have.BillingMode != "PAY_PER_REQUEST" || !have.TimeToLiveSpecification.Enabled {
		t.Errorf("billing %s, ttl %v", have.BillingMode, have.TimeToLiveSpecification.Enabled)
	}
	if want.QueuePrefix != prefix+"-" {
		t.Errorf("queues begin with %q: the roles' patterns must follow", want.QueuePrefix)
	}
}

func TestDataSurvivesTheStack(t *testing.T) {
	table := template.Build().Resources["Table"]
	properties := table["Properties"].(template.Object)
	if table["DeletionPolicy"] != "Retain" || table["UpdateReplacePolicy"] != "Retain" || properties["DeletionProtectionEnabled"] != true {
		t.Error("the table would go with the stack")
	}
}

// A stack of an earlier version keeps what holds data: the same resource, of the same type and with what CloudFormation would
// replace it for. testdata/0.1.0.json is that version's template.
func TestWhatHoldsDataIsTheOneOfEarlierVersions(t *testing.T) {
	raw, err := os.ReadFile("testdata/0.1.0.json")
	if err != nil {
		t.Fatal(err)
	}
	var earlier struct{ Resources map[string]map[string]any }
	if err := json.Unmarshal(raw, &earlier); err != nil {
		t.Fatal(err)
	}
	now, err := template.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var today struct{ Resources map[string]map[string]any }
	if err := json.Unmarshal(now, &today); err != nil {
		t.Fatal(err)
	}
	kept := 0
	for id, was := range earlier.Resources {
		if was["DeletionPolicy"] != "Retain" {
			continue
		}
		kept++
		is := today.Resources[id]
		if is["Type"] != was["Type"] || is["DeletionPolicy"] != "Retain" {
			t.Errorf("%s was %v and is to stay; it is %v, %v", id, was["Type"], is["Type"], is["DeletionPolicy"])
			continue
		}
		before, after := was["Properties"].(map[string]any), is["Properties"].(map[string]any)
		for _, replaces := range []string{"TableName", "KeySchema", "BucketName", "QueueName", "FifoQueue", "LogGroupName", "KeySpec", "KeyUsage"} {
			if !reflect.DeepEqual(before[replaces], after[replaces]) {
				t.Errorf("%s of %s was %v and is %v: CloudFormation would make another", replaces, id, before[replaces], after[replaces])
			}
		}
	}
	if kept == 0 {
		t.Error("no resource of the earlier template is kept")
	}
}

// What costs money while it does nothing has no place here.
func TestTheStackHoldsOnlyKindsThatCostNothingWhileIdle(t *testing.T) {
	allowed := []string{
		"AWS::ApiGateway::Deployment", "AWS::ApiGateway::Method", "AWS::ApiGateway::Resource", "AWS::ApiGateway::RestApi", "AWS::ApiGateway::Stage",
		"AWS::CloudWatch::Alarm", "AWS::DynamoDB::Table", "AWS::Events::Rule", "AWS::IAM::Role", "AWS::Lambda::EventInvokeConfig",
		"AWS::Lambda::Function", "AWS::Lambda::Permission", "AWS::Logs::LogGroup", "AWS::SQS::Queue", "AWS::SQS::QueuePolicy",
	}
	for name, r := range template.Build().Resources {
		kind := r["Type"].(string)
		if !slices.Contains(allowed, kind) {
			t.Errorf("%s is an %s", name, kind)
		}
		if kind == "AWS::CloudWatch::Alarm" && r["Condition"] != "AlarmsWanted" {
			t.Errorf("alarm %s is not optional", name)
		}
	}
}

func TestPermissionsNameSingleActionsAndResources(t *testing.T) {
	action := regexp.MustCompile(`^[a-z0-9]+:[A-Za-z]+$`)
	for _, role := range template.Roles() {
		for _, s := range role.Statements {
			for _, a := range s.Actions {
				if !action.MatchString(a) {
					t.Errorf("%s/%s: action %q", role.Name, s.Sid, a)
				}
			}
			for _, r := range s.Resources {
				if r == "*" || !strings.Contains(r, "${NamePrefix}") && r != "${KmsKeyArn}" {
					t.Errorf("%s/%s: resource %q is not the installation's own", role.Name, s.Sid, r)
				}
			}
			if s.Words == "" {
				t.Errorf("%s/%s has no words", role.Name, s.Sid)
			}
		}
	}
}

func TestNobodyButTheApiFunctionMayAssumeTheRunnerRole(t *testing.T) {
	for _, role := range template.Roles() {
		for _, s := range role.Statements {
			if slices.Contains(s.Actions, "sts:AssumeRole") && role.Name != "api" {
				t.Errorf("%s may assume roles", role.Name)
			}
		}
	}
}

func TestEveryReferenceHasATarget(t *testing.T) {
	doc := generic(t)
	known := map[string]bool{}
	for _, part := range []string{"Parameters", "Resources"} {
		for name := range doc[part].(map[string]any) {
			if known[name] {
				t.Errorf("%s is a parameter and a resource", name)
			}
			known[name] = true
		}
	}
	inText := regexp.MustCompile(`\$\{([A-Za-z0-9:]+)`)
	used := map[string]bool{}
	use := func(name string) {
		used[name] = true
		if !strings.HasPrefix(name, "AWS::") && !known[name] {
			t.Errorf("nothing is called %s", name)
		}
	}
	conditions := doc["Conditions"].(map[string]any)
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for k, e := range v {
				switch text, _ := e.(string); {
				case k == "Ref":
					use(text)
				case k == "Fn::Sub":
					for _, m := range inText.FindAllStringSubmatch(text, -1) {
						use(m[1])
					}
				case k == "Fn::GetAtt":
					use(e.([]any)[0].(string))
				case k == "Fn::If":
					name := e.([]any)[0].(string)
					if conditions[name] == nil {
						t.Errorf("no condition is called %s", name)
					}
				case k == "DependsOn":
					for _, name := range e.([]any) {
						use(name.(string))
					}
				case k == "Condition" && text != "" && conditions[text] == nil:
					t.Errorf("no condition is called %s", text)
				}
				walk(e)
			}
		}
	}
	walk(doc)
	for _, name := range template.ParameterNames() {
		if !used[name] {
			t.Errorf("the parameter %s is not used", name)
		}
	}
}

func TestOperatorsAreToldOfEveryParameter(t *testing.T) {
	docs, err := os.ReadFile("../../docs/operators/aws.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range template.ParameterNames() {
		if !strings.Contains(string(docs), "`"+name+"`") {
			t.Errorf("docs/operators/aws.md does not describe %s", name)
		}
	}
}

// The routes follow the contract: each service whose class is not people's has one, which leads to the function of the class.
func TestRoutesFollowTheTrafficClasses(t *testing.T) {
	routed := map[string]string{}
	for _, f := range template.Functions() {
		for _, r := range f.Routes {
			routed[r.Path] = f.Name + " " + r.Class
		}
	}
	want := map[string]string{
		"{proxy+}": "api ",
		"waypoint.v1.RunnerAgentService/{proxy+}": "api Runners",
		"waypoint.v1.EntrypointService/{proxy+}":  "api Apps",
		"waypoint.v1.ServerService/{proxy+}":      "api Open",
		"waypoint.v1.TailService/{proxy+}":        "tail ",
	}
	if diff := cmp.Diff(want, routed); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
	for _, class := range []string{template.ParamRunnersThrottleRate, template.ParamAppsThrottleRate, template.ParamOpenThrottleRate} {
		if !slices.Contains(template.ParameterNames(), class) {
			t.Errorf("%s is not a parameter", class)
		}
	}
}
