package template

import "testing"

// The push channel's function will stand under a condition: all that belongs to it must follow.
func TestAFunctionUnderAConditionTakesItsResourcesAlong(t *testing.T) {
	before := build(Functions())
	socket := Function{Name: "socket", Title: "Socket", MemoryMB: 128, TimeoutSeconds: 29, Condition: "PushChannel", Routes: []Route{{Path: "socket/{proxy+}"}}}
	after := build(append(Functions(), socket))
	added := 0
	for name, r := range after.Resources {
		if before.Resources[name] != nil || r["Type"] == "AWS::ApiGateway::Deployment" {
			continue
		}
		added++
		if r["Condition"] != "PushChannel" {
			t.Errorf("%s (%s) would be there without its function", name, r["Type"])
		}
	}
	if added < 5 {
		t.Errorf("only %d resources were added", added)
	}
}

func TestAnotherRouteMakesAnotherDeployment(t *testing.T) {
	deployment := func(d Document) string {
		for name, r := range d.Resources {
			if r["Type"] == "AWS::ApiGateway::Deployment" {
				return name
			}
		}
		return ""
	}
	functions := Functions()
	one := deployment(build(functions))
	functions[0].Routes = []Route{{Path: "v2/{proxy+}"}}
	if two := deployment(build(functions)); one == two || one == "" {
		t.Errorf("the deployment is called %s before and %s after", one, two)
	}
}
