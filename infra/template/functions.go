package template

import (
	"strings"

	"github.com/waypoint-serverless/waypoint/api/access"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// Function is a Lambda function of the stack: the same code, told by its environment which function it is.
type Function struct {
	// Name is what WAYPOINT_FUNCTION says, and the last part of the function's name.
	Name string
	// Title begins the logical names of its resources.
	Title string
	// MemoryMB and TimeoutSeconds are Lambda's settings.
	MemoryMB, TimeoutSeconds int
	Statements               []Statement
	// Routes are the methods of the REST API that it answers.
	Routes []Route
	// Quiet: Lambda logs its runs only when they fail, which costs less than a line for each.
	Quiet bool
	// Reserved: its concurrency may be reserved, see ParamTailReservedConcurrency.
	Reserved bool
	// Condition of the template under which the function exists; empty: always. `socket`, whose WebSocket API
	// comes with the push channel, will stand under one.
	Condition string
}

// Route is a method of the REST API that leads to a function.
type Route struct {
	// Path is the resource without its first slash; it ends in a greedy parameter.
	Path string
	// Class is the traffic class whose throttle the method has; empty: the stage's. What one class does cannot use up
	// the requests of another: apps and strangers cannot keep a runner from renewing its lease.
	Class string
	// Name tells the route's resources from those of the function's others: a logical name that changes would have
	// CloudFormation make a path that is there already.
	Name string
}

// Traffic classes with throttles of their own. All else shares ParamThrottleRate.
const (
	classRunners = "Runners"
	classApps    = "Apps"
	classOpen    = "Open"
)

// throttled are the classes of the contract that have a throttle of their own.
var throttled = map[waypointv1.Traffic]string{
	waypointv1.Traffic_TRAFFIC_RUNNERS: classRunners,
	waypointv1.Traffic_TRAFFIC_APPS:    classApps,
	waypointv1.Traffic_TRAFFIC_OPEN:    classOpen,
}

// routesOf are routes to the services of some classes.
func routesOf(classes ...waypointv1.Traffic) []Route {
	var out []Route
	for _, class := range classes {
		for i, service := range access.ServicesOf(class) {
			r := Route{Path: service + "/{proxy+}", Class: throttled[class], Name: throttled[class]}
			if i > 0 {
				r.Name += service[strings.LastIndexByte(service, '.')+1:]
			}
			out = append(out, r)
		}
	}
	return out
}

// apiName is the name of the function that answers requests, and that alone knows whose runners may register.
const apiName = "api"

// apiFunction answers all requests but long reads. 256 MB, for its share of a processor: TLS and JSON want it.
func apiFunction() Function {
	return Function{Name: apiName, Title: "Api", MemoryMB: 256, TimeoutSeconds: 29, Statements: apiStatements(),
		Routes: append([]Route{{Path: "{proxy+}"}},
			routesOf(waypointv1.Traffic_TRAFFIC_RUNNERS, waypointv1.Traffic_TRAFFIC_APPS, waypointv1.Traffic_TRAFFIC_OPEN)...)}
}

// sweepFunction runs each minute; a run ends itself after 50 seconds.
func sweepFunction() Function {
	return Function{Name: "sweep", Title: "Sweep", MemoryMB: 128, TimeoutSeconds: 60, Statements: sweepStatements(), Quiet: true}
}

// Functions are all functions. 29 seconds is API Gateway's limit. A long read waits more than it works: 128 MB.
func Functions() []Function {
	return []Function{
		apiFunction(),
		{Name: "tail", Title: "Tail", MemoryMB: 128, TimeoutSeconds: 29, Statements: tailStatements(),
			Routes: routesOf(waypointv1.Traffic_TRAFFIC_READS), Reserved: true},
		sweepFunction(),
	}
}

func (f Function) logical(suffix string) string { return f.Title + suffix }
func (f Function) name() string                 { return "${NamePrefix}-" + f.Name }
func (f Function) logGroup() string             { return "/aws/lambda/" + f.name() }

func (f Function) role() Role {
	return Role{Name: f.Name, Logical: f.logical("Role"), AssumedBy: "the function " + f.Name + " alone",
		Statements: append(append([]Statement(nil), f.Statements...), f.logs())}
}

// resources are the function, its role, its log group and how often Lambda tries its asynchronous events.
func (f Function) resources() map[string]Object {
	function := resource("AWS::Lambda::Function", f.properties())
	// Lambda would make the log group itself, without an end to its retention.
	function["DependsOn"] = []string{f.logical("Logs")}
	out := map[string]Object{
		f.logical("Role"): f.role().object(Object{
			"Effect":    "Allow",
			"Principal": Object{"Service": "lambda.amazonaws.com"},
			"Action":    "sts:AssumeRole",
		}),
		f.logical("Logs"): {
			"Type": "AWS::Logs::LogGroup",
			"Properties": Object{
				"LogGroupName": sub(f.logGroup()), "RetentionInDays": ref(ParamLogRetentionDays),
			},
			"UpdateReplacePolicy": "Delete",
			"DeletionPolicy":      "Delete",
		},
		f.logical("Function"): function,
	}
	if len(f.Routes) > 0 {
		out[f.logical("Permission")] = resource("AWS::Lambda::Permission", Object{
			"Action":       "lambda:InvokeFunction",
			"FunctionName": getAtt(f.logical("Function"), "Arn"),
			"Principal":    "apigateway.amazonaws.com",
			"SourceArn":    sub("arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${" + restAPIName + "}/*"),
		})
	}
	for _, r := range out {
		under(f.Condition, r)
	}
	return out
}

func (f Function) properties() Object {
	p := Object{
		"FunctionName":  sub(f.name()),
		"Description":   "Waypoint's function " + f.Name + ".",
		"Runtime":       "provided.al2023",
		"Handler":       "bootstrap",
		"Architectures": []any{ref(ParamArchitecture)},
		"Code":          Object{"S3Bucket": ref(ParamCodeBucket), "S3Key": ref(ParamCodeKey)},
		"Role":          getAtt(f.logical("Role"), "Arn"),
		"MemorySize":    f.MemoryMB,
		"Timeout":       f.TimeoutSeconds,
		"Environment":   Object{"Variables": f.environment()},
	}
	if f.Quiet {
		p["LoggingConfig"] = Object{"LogFormat": "JSON", "SystemLogLevel": "WARN"}
	}
	if f.Reserved {
		p["ReservedConcurrentExecutions"] = ifElse(tailReserved, ref(ParamTailReservedConcurrency), noValue())
	}
	return p
}

// environment is what functions/bootstrap reads.
func (f Function) environment() Object {
	env := Object{
		"WAYPOINT_FUNCTION":        f.Name,
		"WAYPOINT_PREFIX":          ref(ParamNamePrefix),
		"WAYPOINT_SERVER_ID":       ref(ParamServerID),
		"WAYPOINT_PLATFORM":        "aws",
		"WAYPOINT_RUNNER_ROLE_ARN": sub(runnerARN),
		"WAYPOINT_TAIL_HOLD_MS":    ref(ParamTailHoldMS),
		"WAYPOINT_KEY_PARAMETER":   ifElse(ownKMSKey, noValue(), sub(KeyParameter)),
		"WAYPOINT_KMS_KEY":         ifElse(ownKMSKey, ref(ParamKMSKeyArn), noValue()),
	}
	if f.Name == apiName {
		env["WAYPOINT_RUNNER_ROLES"] = ref(ParamRunnerRoles)
	}
	return env
}

const ruleLogical = "SweepSchedule"

// schedule starts the sweep each minute. A run that fails is not tried again: the next minute's does its work.
func schedule() map[string]Object {
	return map[string]Object{
		ruleLogical: resource("AWS::Events::Rule", Object{
			"Name":               sub("${NamePrefix}-sweep"),
			"Description":        "Starts Waypoint's sweep each minute.",
			"ScheduleExpression": "rate(1 minute)",
			"State":              "ENABLED",
			"Targets": []Object{{
				"Id":               "sweep",
				"Arn":              getAtt(sweepFunction().logical("Function"), "Arn"),
				"RetryPolicy":      Object{"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60},
				"DeadLetterConfig": Object{"Arn": getAtt(undeliveredLogical, "Arn")},
			}},
		}),
		"SweepPermission": resource("AWS::Lambda::Permission", Object{
			"Action":       "lambda:InvokeFunction",
			"FunctionName": getAtt(sweepFunction().logical("Function"), "Arn"),
			"Principal":    "events.amazonaws.com",
			"SourceArn":    getAtt(ruleLogical, "Arn"),
		}),
		"SweepEvents": resource("AWS::Lambda::EventInvokeConfig", Object{
			"FunctionName":             ref(sweepFunction().logical("Function")),
			"Qualifier":                "$LATEST",
			"MaximumRetryAttempts":     0,
			"MaximumEventAgeInSeconds": 60,
		}),
	}
}
