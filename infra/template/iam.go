package template

// Statement is one permission of a role: as IAM has it, and in words for people.
type Statement struct {
	Sid string
	// Words complete the sentence "may …".
	Words string
	// Actions are single actions, never patterns.
	Actions []string
	// Resources are texts for Fn::Sub.
	Resources []string
	// Condition is IAM's; nil: none.
	Condition Object
	// When names a condition of the template under which the statement stands; Unless one under which it does not.
	When, Unless string
}

func (s Statement) object() any {
	resources := make([]any, len(s.Resources))
	for i, r := range s.Resources {
		resources[i] = sub(r)
	}
	o := Object{"Sid": s.Sid, "Effect": "Allow", "Action": s.Actions, "Resource": resources}
	if s.Condition != nil {
		o["Condition"] = s.Condition
	}
	switch {
	case s.When != "":
		return ifElse(s.When, o, noValue())
	case s.Unless != "":
		return ifElse(s.Unless, noValue(), o)
	}
	return o
}

func document(statements ...any) Object {
	return Object{"Version": "2012-10-17", "Statement": statements}
}

// Role is an identity of the stack.
type Role struct {
	// Name is the last part of the role's name.
	Name string
	// Logical is its name in the template.
	Logical string
	// AssumedBy says in words who may use it.
	AssumedBy  string
	Statements []Statement
}

// RolePolicyName is the name of the one policy that each role has.
const RolePolicyName = "waypoint"

// Roles are all roles of the stack.
func Roles() []Role {
	var roles []Role
	for _, f := range Functions() {
		roles = append(roles, f.role())
	}
	return append(roles, runner())
}

// object makes the role. Its name holds the region: IAM is global, an installation is not.
func (r Role) object(trust Object) Object {
	statements := make([]any, len(r.Statements))
	for i, s := range r.Statements {
		statements[i] = s.object()
	}
	return resource("AWS::IAM::Role", Object{
		"RoleName":                 sub("${NamePrefix}-${AWS::Region}-" + r.Name),
		"AssumeRolePolicyDocument": document(trust),
		"PermissionsBoundary":      ifElse(boundaryGiven, ref(ParamPermissionsBoundaryArn), noValue()),
		"Policies":                 []Object{{"PolicyName": RolePolicyName, "PolicyDocument": document(statements...)}},
	})
}

const (
	runnerRoleName = "RunnerRole"
	runnerARN      = "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/${NamePrefix}-${AWS::Region}-runner"
)

// runner is the role whose keys the api function vends, cut down by a session policy to one queue.
func runner() Role {
	return Role{
		Name: "runner", Logical: runnerRoleName,
		AssumedBy: "the api function, which issues keys for one pool's queue that are valid for an hour",
		Statements: []Statement{{
			Sid: "PoolQueues", Words: "receive, hide and delete messages of the pools' queues",
			// The batch calls are authorised as the single ones.
			Actions:   []string{"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"},
			Resources: []string{poolQueues},
		}},
	}
}

func runnerRole() map[string]Object {
	return map[string]Object{runnerRoleName: runner().object(Object{
		"Effect":    "Allow",
		"Principal": Object{"AWS": getAtt(apiFunction().logical("Role"), "Arn")},
		"Action":    "sts:AssumeRole",
	})}
}

// Permissions that several functions have.
func reads(indexes ...string) []Statement {
	on := Statement{Sid: "ReadIndexes", Words: "query the table's two indexes", Actions: []string{"dynamodb:Query"}}
	if len(indexes) == 1 {
		on.Words = "query the table's second index"
	}
	for _, index := range indexes {
		on.Resources = append(on.Resources, tableARN+"/index/"+index)
	}
	return []Statement{
		{Sid: "ReadTable", Words: "read the installation's table",
			Actions:   []string{"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"},
			Resources: []string{tableARN}},
		on,
	}
}

func writes() Statement {
	return Statement{Sid: "WriteTable", Words: "write the installation's table",
		// A transaction is authorised as the actions that it is made of.
		Actions:   []string{"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"},
		Resources: []string{tableARN}}
}

func wakePools() Statement {
	return Statement{Sid: "WakePools", Words: "make the pools' queues and send to them",
		Actions: []string{"sqs:GetQueueUrl", "sqs:CreateQueue", "sqs:SendMessage"}, Resources: []string{poolQueues}}
}

func (f Function) logs() Statement {
	return Statement{Sid: "WriteLogs", Words: "write its own log group (Lambda does, for it)",
		Actions:   []string{"logs:CreateLogStream", "logs:PutLogEvents"},
		Resources: []string{"arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:" + f.logGroup() + ":*"}}
}

func apiStatements() []Statement {
	return append(reads("gsi1", "gsi2"), writes(), wakePools(),
		Statement{Sid: "FindPools", Words: "look up the pools' queues", Actions: []string{"sqs:GetQueueAttributes"}, Resources: []string{poolQueues}},
		Statement{Sid: "VendRunnerKeys", Words: "issue keys of the runner role, for one hour and one queue",
			Actions: []string{"sts:AssumeRole"}, Resources: []string{runnerARN}},
		Statement{Sid: "ReadKey", Words: "read the encryption key of the installation",
			Actions:   []string{"ssm:GetParameter"},
			Resources: []string{"arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter" + KeyParameter},
			Unless:    ownKMSKey},
		Statement{Sid: "UseKey", Words: "encrypt and decrypt with your KMS key, for Waypoint's data only",
			Actions: []string{"kms:GenerateDataKey", "kms:Decrypt"}, Resources: []string{"${" + ParamKMSKeyArn + "}"},
			Condition: Object{"StringEquals": Object{"kms:EncryptionContext:application": "waypoint"}},
			When:      ownKMSKey})
}

// tailStatements are reads, but for the mark by which entrypoints learn that somebody reads their logs.
func tailStatements() []Statement {
	return append(reads("gsi1", "gsi2"), Statement{
		Sid: "MarkTailed", Words: "mark on a deployment that its logs are being read, and write nothing else",
		Actions: []string{"dynamodb:PutItem"}, Resources: []string{tableARN},
		// ForAllValues holds of a request without such a key, so that one is asked for.
		Condition: Object{
			"ForAllValues:StringLike": Object{"dynamodb:LeadingKeys": []string{"D#*"}},
			"Null":                    Object{"dynamodb:LeadingKeys": "false"},
		},
	})
}

func sweepStatements() []Statement { return append(reads("gsi2"), writes(), wakePools()) }
