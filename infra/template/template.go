// Package template writes the server's AWS stack: one CloudFormation template, generated at run time from the
// declarations in this package.
//
// It describes the stack and its permissions, independent of any account: what differs between
// installations is a parameter. It calls nothing and imports nothing of ours but api, whose traffic classes it gives
// throttles; a test holds its table to functions.Resources. What an installation needs beside the stack is made by the
// installer, because CloudFormation cannot (the encryption key, a SecureString) or because it must exist before (the
// bucket with the code). The pools' queues are made by the server when a pool's first runner registers; they have no
// dead-letter queue, since the table knows what is owed. The stack's one queue keeps schedule events that could not be
// delivered.
//
// While idle, only the sweep, which runs each minute, costs money.
package template

import (
	"encoding/json"
	"fmt"
)

// MaxSize is how many bytes CloudFormation takes as an inline template.
const MaxSize = 51_200

// Object is a JSON object of the template.
type Object = map[string]any

// Document is the template.
type Document struct {
	FormatVersion string            `json:"AWSTemplateFormatVersion"`
	Description   string            `json:"Description"`
	Parameters    map[string]Object `json:"Parameters"`
	Conditions    map[string]Object `json:"Conditions"`
	Resources     map[string]Object `json:"Resources"`
	Outputs       map[string]Object `json:"Outputs"`
}

// Build makes the template. Two calls make the same.
func Build() Document { return build(Functions()) }

func build(functions []Function) Document {
	d := Document{
		FormatVersion: "2010-09-09",
		Description:   "Waypoint, serverless: the server's functions, table and API. Made by `waypoint install --platform=aws`.",
		Parameters:    parameters(),
		Conditions:    conditions(),
		Resources:     map[string]Object{},
		Outputs:       outputs(),
	}
	add := func(resources map[string]Object) {
		for name, r := range resources {
			d.Resources[name] = r
		}
	}
	add(storage())
	for _, f := range functions {
		add(f.resources())
	}
	add(runnerRole())
	add(schedule())
	add(restAPI(functions))
	add(alarms(functions))
	return d
}

// JSON is the template as CloudFormation takes it, compact, with sorted keys: equal for equal declarations.
func JSON() ([]byte, error) {
	out, err := json.Marshal(Build())
	if err != nil {
		return nil, fmt.Errorf("writing the template: %w", err)
	}
	if len(out) > MaxSize {
		return nil, fmt.Errorf("writing the template: it has %d bytes, CloudFormation takes %d", len(out), MaxSize)
	}
	return out, nil
}

func ref(name string) Object          { return Object{"Ref": name} }
func sub(text string) Object          { return Object{"Fn::Sub": text} }
func getAtt(name, attr string) Object { return Object{"Fn::GetAtt": []string{name, attr}} }
func noValue() Object                 { return ref("AWS::NoValue") }

func ifElse(condition string, then, otherwise any) Object {
	return Object{"Fn::If": []any{condition, then, otherwise}}
}

func resource(kind string, properties Object) Object {
	return Object{"Type": kind, "Properties": properties}
}

// under makes a resource depend on a condition, if there is one.
func under(condition string, r Object) Object {
	if condition != "" {
		r["Condition"] = condition
	}
	return r
}
