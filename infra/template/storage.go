package template

// Names of what the stack keeps, by installation.
const (
	// KeyParameter is the SSM SecureString with the encryption key, made by the installer.
	KeyParameter = "/${NamePrefix}/encryption-key"
	// TableName equals functions.Resources' (a test says so).
	TableName = "${NamePrefix}"
	// poolQueues match the queues that the server makes: the prefix and a pool's name of 16 characters. The
	// exact length keeps the queues of an installation whose name begins with this one's out of reach.
	poolQueues = "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:${NamePrefix}-????????????????"

	tableLogical       = "Table"
	undeliveredLogical = "UndeliveredQueue"
	tableARN           = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/" + TableName
)

// undeliveredRetention is fourteen days, SQS's most, in seconds.
const undeliveredRetention = 14 * 24 * 3600

func storage() map[string]Object {
	return map[string]Object{
		tableLogical: table(),
		// CloudFormation names it: SQS refuses the name of a queue that was deleted within the last minute.
		undeliveredLogical: {
			"Type": "AWS::SQS::Queue",
			"Properties": Object{
				"MessageRetentionPeriod": undeliveredRetention,
				"SqsManagedSseEnabled":   true,
			},
			"UpdateReplacePolicy": "Delete",
			"DeletionPolicy":      "Delete",
		},
		"UndeliveredQueuePolicy": resource("AWS::SQS::QueuePolicy", Object{
			"Queues": []any{ref(undeliveredLogical)},
			"PolicyDocument": document(Object{
				"Sid": "ScheduleKeepsWhatItCannotDeliver", "Effect": "Allow",
				"Principal": Object{"Service": "events.amazonaws.com"},
				"Action":    "sqs:SendMessage",
				"Resource":  getAtt(undeliveredLogical, "Arn"),
				"Condition": Object{"ArnEquals": Object{"aws:SourceArn": getAtt(ruleLogical, "Arn")}},
			}),
		}),
	}
}

// table survives the stack: uninstalling keeps it unless asked to purge.
func table() Object {
	attribute := func(name string) Object { return Object{"AttributeName": name, "AttributeType": "S"} }
	keys := func(pk, sk string) []Object {
		return []Object{{"AttributeName": pk, "KeyType": "HASH"}, {"AttributeName": sk, "KeyType": "RANGE"}}
	}
	index := func(name, pk, sk string) Object {
		return Object{"IndexName": name, "KeySchema": keys(pk, sk), "Projection": Object{"ProjectionType": "KEYS_ONLY"}}
	}
	return Object{
		"Type":                "AWS::DynamoDB::Table",
		"Condition":           newTable,
		"DeletionPolicy":      "Retain",
		"UpdateReplacePolicy": "Retain",
		"Properties": Object{
			"TableName":   sub(TableName),
			"BillingMode": "PAY_PER_REQUEST",
			"AttributeDefinitions": []Object{
				attribute("pk"), attribute("sk"),
				attribute("gsi1pk"), attribute("gsi1sk"), attribute("gsi2pk"), attribute("gsi2sk"),
			},
			"KeySchema": keys("pk", "sk"),
			"GlobalSecondaryIndexes": []Object{
				index("gsi1", "gsi1pk", "gsi1sk"), index("gsi2", "gsi2pk", "gsi2sk"),
			},
			"TimeToLiveSpecification":          Object{"AttributeName": "ttl", "Enabled": true},
			"PointInTimeRecoverySpecification": Object{"PointInTimeRecoveryEnabled": true},
			"DeletionProtectionEnabled":        true,
		},
	}
}
