package template

// alarms tell a topic when a function fails, is throttled, or the schedule cannot be delivered.
func alarms(functions []Function) map[string]Object {
	out := map[string]Object{}
	alarm := func(logical, name, description, namespace, metric string, dimension Object) {
		out[logical] = under(alarmsWanted, resource("AWS::CloudWatch::Alarm", Object{
			"AlarmName":        sub("${NamePrefix}-" + name),
			"AlarmDescription": description,
			"Namespace":        namespace, "MetricName": metric, "Dimensions": []Object{dimension},
			"Statistic": "Sum", "Period": 300, "EvaluationPeriods": 1, "Threshold": 0,
			"ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "notBreaching",
			"AlarmActions": []any{ref(ParamAlarmTopicArn)},
		}))
	}
	for _, f := range functions {
		if f.Condition != "" {
			continue // an alarm stands under one condition only
		}
		dimension := Object{"Name": "FunctionName", "Value": ref(f.logical("Function"))}
		alarm(f.logical("ErrorsAlarm"), f.Name+"-errors", "Waypoint's function "+f.Name+" failed.", "AWS/Lambda", "Errors", dimension)
		alarm(f.logical("ThrottlesAlarm"), f.Name+"-throttles", "Waypoint's function "+f.Name+" could not run: the account's concurrency is exhausted.",
			"AWS/Lambda", "Throttles", dimension)
	}
	alarm("UndeliveredAlarm", "undelivered", "Waypoint's schedule could not start the sweep.", "AWS/SQS", "NumberOfMessagesSent",
		Object{"Name": "QueueName", "Value": getAtt(undeliveredLogical, "QueueName")})
	return out
}
