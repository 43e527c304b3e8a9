package template

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
)

const restAPIName = "RestApi"

// integrationTimeout is API Gateway's limit, in milliseconds.
const integrationTimeout = 29_000

// restAPI routes everything to the functions. All media types are binary, or bodies that are not UTF-8 would be
// mangled on their way.
func restAPI(functions []Function) map[string]Object {
	out := map[string]Object{restAPIName: resource("AWS::ApiGateway::RestApi", Object{
		"Name":                  ref(ParamNamePrefix),
		"Description":           "Waypoint's API.",
		"EndpointConfiguration": Object{"Types": []string{"REGIONAL"}},
		// The second one is for LocalStack, which knows no wildcard for both parts.
		"BinaryMediaTypes": []string{"*/*", "application/proto"},
	})}
	var methods []string
	for _, f := range functions {
		for _, route := range f.Routes {
			method := f.logical(route.Name + "Method")
			parent := routeResources(out, f, route)
			out[method] = under(f.Condition, resource("AWS::ApiGateway::Method", Object{
				"RestApiId":         ref(restAPIName),
				"ResourceId":        ref(parent),
				"HttpMethod":        route.httpMethod(),
				"AuthorizationType": "NONE", // tokens are checked in the function
				"Integration": Object{
					"Type":                  "AWS_PROXY",
					"IntegrationHttpMethod": "POST",
					"TimeoutInMillis":       integrationTimeout,
					"Uri": sub("arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${" +
						f.logical("Function") + ".Arn}/invocations"),
				},
			}))
			methods = append(methods, method)
		}
	}
	// A deployment is a snapshot: one with another name is made when what it shows has changed.
	deployment := "ApiDeployment" + digest(out)
	d := resource("AWS::ApiGateway::Deployment", Object{"RestApiId": ref(restAPIName)})
	d["DependsOn"] = methods
	out[deployment] = d
	out["Stage"] = resource("AWS::ApiGateway::Stage", Object{
		"RestApiId":      ref(restAPIName),
		"DeploymentId":   ref(deployment),
		"StageName":      ref(paramAPIStage),
		"Description":    "Waypoint's API.",
		"MethodSettings": throttles(functions),
	})
	return out
}

// throttles are the stage's settings: one for all methods, and one for each method of a traffic class.
func throttles(functions []Function) []Object {
	setting := func(path, method, rate, burst string) Object {
		return Object{"ResourcePath": path, "HttpMethod": method,
			"ThrottlingRateLimit": ref(rate), "ThrottlingBurstLimit": ref(burst)}
	}
	out := []Object{setting("/*", "*", ParamThrottleRate, ParamThrottleBurst)}
	for _, f := range functions {
		for _, r := range f.Routes {
			if r.Class != "" {
				// CloudFormation wants the slashes of a resource's path escaped, but for the first one.
				path := "/" + strings.ReplaceAll("/"+r.Path, "/", "~1")
				out = append(out, setting(path, r.httpMethod(), r.Class+ParamThrottleRate, r.Class+ParamThrottleBurst))
			}
		}
	}
	return out
}

// httpMethod is POST where a throttle names the method: all our calls are POST. The rest takes everything, so that a
// wrong method is answered by the function, in our words.
func (r Route) httpMethod() string {
	if r.Class != "" {
		return "POST"
	}
	return "ANY"
}

// routeResources adds the path's segments and returns the logical name of the last one.
func routeResources(out map[string]Object, f Function, route Route) string {
	var parent any = getAtt(restAPIName, "RootResourceId")
	segments := strings.Split(route.Path, "/")
	last := ""
	for i, segment := range segments {
		last = f.logical(route.Name + "Path" + strings.Repeat("Sub", i))
		out[last] = under(f.Condition, resource("AWS::ApiGateway::Resource", Object{
			"RestApiId": ref(restAPIName), "ParentId": parent, "PathPart": segment,
		}))
		parent = ref(last)
	}
	return last
}

// digest is ten characters that differ when resources do.
func digest(resources map[string]Object) string {
	raw, _ := json.Marshal(resources) // maps of strings, numbers and lists always marshal
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:5])
}
