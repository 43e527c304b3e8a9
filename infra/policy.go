package infra

import (
	"encoding/json"
	"fmt"
	"strings"
)

// PolicyStatement is one permission that installing needs, with the reason for people.
type PolicyStatement struct {
	Sid string
	// Why completes "needed to …". It is not part of the policy.
	Why string `json:"-"`
	// Effect is Allow.
	Effect    string
	Action    []string
	Resource  []string
	Condition map[string]map[string]string `json:",omitempty"`
}

// Policy are the permissions that installing, upgrading and removing an installation need: those of this program,
// and those that CloudFormation uses in the operator's name. account may be "*". Only actions that AWS can bind to
// no resource, or whose resource has a name that AWS invents, stand on "*".
func Policy(name, account, region string) []PolicyStatement {
	arn := func(service, resource string) string {
		return fmt.Sprintf("arn:*:%s:%s:%s:%s", service, region, account, resource)
	}
	allow := func(sid, why string, actions []string, resources ...string) PolicyStatement {
		return PolicyStatement{Sid: sid, Why: why, Effect: "Allow", Action: actions, Resource: resources}
	}
	calls := func(service string, names ...string) []string {
		out := make([]string, len(names))
		for i, n := range names {
			out[i] = service + ":" + n
		}
		return out
	}
	bucket := "arn:*:s3:::" + name + "-code-" + account + "-" + region
	roles := "arn:*:iam::" + account + ":role/" + name + "-" + region + "-*"
	pass := allow("PassRoles", "give the functions their roles", calls("iam", "PassRole"), roles)
	pass.Condition = map[string]map[string]string{"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
	return []PolicyStatement{
		allow("Stack", "make, change and delete the stack", calls("cloudformation",
			"DescribeStacks", "DescribeStackEvents", "CreateChangeSet", "DescribeChangeSet", "ExecuteChangeSet", "DeleteChangeSet",
			"ListChangeSets", "ContinueUpdateRollback", "DeleteStack", "TagResource"),
			arn("cloudformation", "stack/"+name+"/*")),
		allow("CodeBucket", "make the bucket for the functions' code", calls("s3",
			"CreateBucket", "DeleteBucket", "ListBucket", "ListBucketVersions", "PutBucketPublicAccessBlock", "PutEncryptionConfiguration",
			"PutBucketVersioning", "PutBucketPolicy", "PutLifecycleConfiguration", "PutBucketTagging"), bucket),
		allow("Code", "put code into the bucket, and let Lambda fetch it", calls("s3",
			"GetObject", "GetObjectVersion", "PutObject", "DeleteObject", "DeleteObjectVersion"), bucket+"/*"),
		allow("EncryptionKey", "make the encryption key", calls("ssm",
			"GetParameter", "PutParameter", "DeleteParameter", "AddTagsToResource"), arn("ssm", "parameter/"+name+"/encryption-key")),
		allow("Functions", "make the functions, and invoke one for the first token", calls("lambda",
			"CreateFunction", "DeleteFunction", "GetFunction", "GetFunctionConfiguration", "GetFunctionCodeSigningConfig", "GetRuntimeManagementConfig",
			"GetFunctionRecursionConfig", "UpdateFunctionCode", "UpdateFunctionConfiguration", "PutFunctionConcurrency", "DeleteFunctionConcurrency",
			"AddPermission", "RemovePermission", "GetPolicy", "PutFunctionEventInvokeConfig", "UpdateFunctionEventInvokeConfig",
			"GetFunctionEventInvokeConfig", "DeleteFunctionEventInvokeConfig", "TagResource", "UntagResource", "ListTags", "InvokeFunction"),
			arn("lambda", "function:"+name+"-*")),
		allow("Limits", "read how many functions the account may run at once; AWS does not allow a resource for it", calls("lambda", "GetAccountSettings"), "*"),
		allow("Roles", "make one role for each function", calls("iam",
			"CreateRole", "DeleteRole", "GetRole", "GetRolePolicy", "PutRolePolicy", "DeleteRolePolicy", "ListRolePolicies", "ListAttachedRolePolicies",
			"UpdateAssumeRolePolicy", "PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary", "TagRole", "UntagRole"), roles),
		pass,
		allow("Table", "make the table", calls("dynamodb",
			"CreateTable", "DescribeTable", "UpdateTable", "DeleteTable", "DescribeTimeToLive", "UpdateTimeToLive", "DescribeContinuousBackups",
			"UpdateContinuousBackups", "DescribeContributorInsights", "DescribeKinesisStreamingDestination", "GetResourcePolicy",
			"TagResource", "UntagResource", "ListTagsOfResource"), arn("dynamodb", "table/"+name)),
		allow("Queues", "make the schedule's queue, and remove those of the pools", calls("sqs",
			"CreateQueue", "DeleteQueue", "GetQueueUrl", "GetQueueAttributes", "SetQueueAttributes", "TagQueue", "UntagQueue", "ListQueueTags"),
			arn("sqs", name+"-*")),
		allow("FindQueues", "find the pools' queues; AWS does not allow a resource for it", calls("sqs", "ListQueues"), "*"),
		allow("Schedule", "make the minute's schedule", calls("events",
			"PutRule", "DeleteRule", "DescribeRule", "PutTargets", "RemoveTargets", "ListTargetsByRule", "TagResource", "UntagResource"),
			arn("events", "rule/"+name+"-sweep")),
		allow("Logs", "make the functions' log groups", calls("logs",
			"CreateLogGroup", "DeleteLogGroup", "PutRetentionPolicy", "DeleteRetentionPolicy", "TagResource", "UntagResource", "ListTagsForResource"),
			arn("logs", "log-group:/aws/lambda/"+name+"-*")),
		allow("FindLogs", "check whether the log groups exist; AWS allows it for all log groups only", calls("logs", "DescribeLogGroups"), arn("logs", "log-group:*")),
		// AWS invents the ids of APIs.
		allow("RestAPI", "make the REST API, whose id AWS chooses", calls("apigateway", "GET", "POST", "PUT", "PATCH", "DELETE"),
			"arn:*:apigateway:"+region+"::/restapis", "arn:*:apigateway:"+region+"::/restapis/*", "arn:*:apigateway:"+region+"::/tags/*"),
		allow("Alarms", "make the alarms, if you enable them", calls("cloudwatch",
			"PutMetricAlarm", "DeleteAlarms", "DescribeAlarms", "TagResource", "UntagResource", "ListTagsForResource"), arn("cloudwatch", "alarm:"+name+"-*")),
	}
}

// PrintPolicy is Policy as an IAM document. name "" is DefaultName; account and region "" are "*".
func PrintPolicy(name, account, region string) (string, error) {
	star := func(s string) string {
		if s == "" {
			return "*"
		}
		return s
	}
	if name == "" {
		name = DefaultName
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	err := enc.Encode(map[string]any{"Version": "2012-10-17", "Statement": Policy(name, star(account), star(region))})
	if err != nil {
		return "", fmt.Errorf("writing the policy: %w", err)
	}
	return b.String(), nil
}
