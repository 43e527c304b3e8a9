package template

import (
	"maps"
	"slices"
)

// Names of the parameters.
const (
	ParamArchitecture            = "Architecture"
	ParamNamePrefix              = "NamePrefix"
	ParamServerID                = "ServerId"
	ParamVersion                 = "Version"
	ParamCodeBucket              = "CodeBucket"
	ParamCodeKey                 = "CodeKey"
	paramAPIStage                = "ApiStage"
	ParamPermissionsBoundaryArn  = "PermissionsBoundaryArn"
	ParamKMSKeyArn               = "KmsKeyArn"
	ParamLogRetentionDays        = "LogRetentionDays"
	ParamThrottleRate            = "ThrottleRate"
	ParamThrottleBurst           = "ThrottleBurst"
	ParamRunnersThrottleRate     = classRunners + ParamThrottleRate
	ParamRunnersThrottleBurst    = classRunners + ParamThrottleBurst
	ParamAppsThrottleRate        = classApps + ParamThrottleRate
	ParamAppsThrottleBurst       = classApps + ParamThrottleBurst
	ParamOpenThrottleRate        = classOpen + ParamThrottleRate
	ParamOpenThrottleBurst       = classOpen + ParamThrottleBurst
	ParamTailHoldMS              = "TailHoldMs"
	ParamTailReservedConcurrency = "TailReservedConcurrency"
	ParamAlarmTopicArn           = "AlarmTopicArn"
	ParamTableOrigin             = "TableOrigin"
	ParamRunnerRoles             = "RunnerRoles"
)

// runnerRolesPattern takes what the server reads (functions/internal/awscaller): a list that it cannot read would keep
// all runners out.
const (
	rolesEntry         = "arn:[a-z-]+:iam::[0-9]{12}:(role|user)/[A-Za-z0-9+.@_/-]+(=[^=,;]+=[^=,;]*(;[^=,;]+=[^=,;]*)*)?"
	runnerRolesPattern = "^(" + rolesEntry + "( *, *" + rolesEntry + ")*)?$"
)

// Values of ParamTableOrigin: the stack makes the table, or an earlier installation left one that it uses.
const (
	TableNew     = "new"
	TableAdopted = "adopted"
)

// noBoundary is the value of ParamPermissionsBoundaryArn for roles without one. It is as long as an ARN must be,
// because validators put a parameter's default into the property, whatever the condition says.
const noBoundary = "no-permissions-boundary"

// MaxPrefix is the longest name of an installation: role names hold it, the region and the function's name in
// IAM's 64 characters, bucket names it, account and region in 63.
const MaxPrefix = 20

// PrefixPattern is what names of installations look like.
const PrefixPattern = "^[a-z][a-z0-9-]{0,18}[a-z0-9]$"

const (
	boundaryGiven = "BoundaryGiven"
	ownKMSKey     = "OwnKmsKey"
	tailReserved  = "TailReserved"
	alarmsWanted  = "AlarmsWanted"
	newTable      = "NewTable"
)

func parameters() map[string]Object {
	text := func(description, standard string) Object {
		return Object{"Type": "String", "Description": description, "Default": standard}
	}
	required := func(description string) Object {
		return Object{"Type": "String", "Description": description, "MinLength": 1}
	}
	number := func(description string, standard, least, most int) Object {
		return Object{"Type": "Number", "Description": description, "Default": standard, "MinValue": least, "MaxValue": most}
	}
	with := func(o Object, more Object) Object { maps.Copy(o, more); return o }
	return map[string]Object{
		ParamNamePrefix: with(text("Prefix of the names of all resources.", "waypoint"),
			Object{"AllowedPattern": PrefixPattern}),
		ParamArchitecture: with(text("Architecture of the functions: arm64 is cheaper, emulators may require x86_64.", "arm64"),
			Object{"AllowedValues": []string{"arm64", "x86_64"}}),
		ParamServerID:               required("Id of the server, made at installation; runners that prove an IAM role sign it."),
		ParamVersion:                required("Version of the functions' code."),
		ParamCodeBucket:             required("Bucket that holds the functions' code."),
		ParamCodeKey:                required("Key of the functions' code in the bucket: a hash of it."),
		paramAPIStage:               with(text("Stage of the REST API.", "v1"), Object{"AllowedPattern": "^[a-z0-9_]{1,20}$"}),
		ParamPermissionsBoundaryArn: text("Permissions boundary of every role of the stack.", noBoundary),
		ParamKMSKeyArn: text(
			"KMS key of your own that encrypts secrets; empty: a SecureString of Parameter Store, which costs nothing.", ""),
		ParamLogRetentionDays: with(text("Days to keep the functions' logs.", "14"),
			Object{"Type": "Number", "AllowedValues": []int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1827, 3653}}),
		ParamThrottleRate:  number("Requests per second that the API accepts from people and CI.", 100, 1, 10000),
		ParamThrottleBurst: number("Burst of requests that the API accepts from people and CI.", 200, 1, 5000),
		ParamRunnersThrottleRate: number(
			"Requests per second that the API accepts from runners: claims, renewals, output.", 1000, 1, 10000),
		ParamRunnersThrottleBurst: number("Burst of requests that the API accepts from runners.", 2000, 1, 5000),
		ParamAppsThrottleRate: number(
			"Requests per second that the API accepts from deployed apps: configuration and logs.", 500, 1, 10000),
		ParamAppsThrottleBurst: number("Burst of requests that the API accepts from deployed apps.", 1000, 1, 5000),
		ParamOpenThrottleRate: number(
			"Requests a second that the API takes of those that need no token: the server's versions, identities of AWS.", 20, 1, 10000),
		ParamOpenThrottleBurst: number("Requests that the API takes at once of those that need no token.", 200, 1, 5000),
		ParamTailHoldMS: number(
			"Milliseconds for which a long read is held; 0 in accounts that may run few functions at once.", 20000, 0, 20000),
		ParamTailReservedConcurrency: number(
			"Concurrency reserved for long reads, so that they cannot starve requests; 0: none is reserved.", 0, 0, 1000),
		ParamAlarmTopicArn: text("SNS topic for alarms; empty: no alarms, which cost $0.10 a month each.", ""),
		ParamRunnerRoles: with(text("Roles, as comma-separated ARNs, that may register runners without a token; ARN=project=NAME;key=value binds the role's runners to projects and gives them labels. Empty: none.", ""),
			Object{"AllowedPattern": runnerRolesPattern}),
		ParamTableOrigin: with(text("new: the stack creates the table; adopted: it uses the table of an earlier installation.", TableNew),
			Object{"AllowedValues": []string{TableNew, TableAdopted}}),
	}
}

// ParameterNames are all parameters, sorted.
func ParameterNames() []string { return slices.Sorted(maps.Keys(parameters())) }

// Defaults are the values of the parameters that have one.
func Defaults() map[string]any {
	out := map[string]any{}
	for name, p := range parameters() {
		if v, ok := p["Default"]; ok {
			out[name] = v
		}
	}
	return out
}

func conditions() map[string]Object {
	given := func(parameter string, nothing any) Object {
		return Object{"Fn::Not": []any{Object{"Fn::Equals": []any{ref(parameter), nothing}}}}
	}
	return map[string]Object{
		boundaryGiven: given(ParamPermissionsBoundaryArn, noBoundary),
		ownKMSKey:     given(ParamKMSKeyArn, ""),
		tailReserved:  given(ParamTailReservedConcurrency, "0"),
		alarmsWanted:  given(ParamAlarmTopicArn, ""),
		newTable:      {"Fn::Equals": []any{ref(ParamTableOrigin), TableNew}},
	}
}

// Names of the outputs.
const (
	OutputAddress     = "ApiAddress"
	OutputAPIID       = "ApiId"
	OutputAPIStage    = "ApiStage"
	OutputServerID    = "ServerId"
	OutputVersion     = "Version"
	outputRunnerRole  = "RunnerRoleArn"
	OutputAPIFunction = "ApiFunctionName"
)

func outputs() map[string]Object {
	out := func(description string, value any) Object { return Object{"Description": description, "Value": value} }
	return map[string]Object{
		OutputAddress:     out("Address of the API.", sub("https://${RestApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}/${ApiStage}")),
		OutputAPIID:       out("Id of the REST API.", ref(restAPIName)),
		OutputAPIStage:    out("Stage of the REST API.", ref(paramAPIStage)),
		OutputServerID:    out("Id of the server.", ref(ParamServerID)),
		OutputVersion:     out("Version of the functions.", ref(ParamVersion)),
		outputRunnerRole:  out("Role whose keys, restricted to one queue, runners get.", getAtt(runnerRoleName, "Arn")),
		OutputAPIFunction: out("Function that creates admin tokens when it is invoked directly.", ref(apiFunction().logical("Function"))),
	}
}
