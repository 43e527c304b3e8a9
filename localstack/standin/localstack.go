package standin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
)

// With Options.LikeLocalStack the stand-in does what LocalStack 4.14 was seen to do where it differs from AWS:
//
//   - The update of a Stage succeeds and does nothing, and the deletion of a Deployment deletes the stage that shows it.
//     An upgrade that makes a new Deployment ends in UPDATE_COMPLETE, without a stage.
//   - A change of the RestApi itself makes its Stage anew, which fails ("Stage already exists"). The rollback deletes
//     stage and deployment and ends in ROLLBACK_COMPLETE, with the stack's outputs. The deletion of that stack leaves the
//     sweep's function, rule and queue.
//   - A creation that failed is not undone: the stack is in ROLLBACK_COMPLETE with what was made, and cannot be deleted.
//   - RetainResources of DeleteStack is not looked at.
//   - After a restart everything is forgotten. Until API Gateway is loaded, every path that is not a call of AWS is
//     answered by 200 with an empty text; afterwards by 404 in JSON.

func (s *StandIn) likeLocalStackUpdatesStage(r *resource) error {
	a, err := s.apiOf(r)
	if err != nil {
		return err
	}
	if a.changed {
		a.changed = false
		return errors.New("An error occurred (ConflictException) when calling the CreateStage operation: Stage already exists")
	}
	return nil // "update operation is not implemented", and UPDATE_COMPLETE
}

// likeLocalStackUndoes is the rollback of an update: stage and deployments go.
func (s *StandIn) likeLocalStackUndoes(st *stack) []job {
	return s.unmakeAll(st, func(logical string) bool {
		kind := st.resources[logical].kind
		return kind != "AWS::ApiGateway::Stage" && kind != "AWS::ApiGateway::Deployment"
	})
}

// deletion is the work of a DeleteStack.
func (s *StandIn) deletion(st *stack) []job {
	if !s.opt.LikeLocalStack {
		return s.unmakeAll(st, nil)
	}
	switch st.undone {
	case "CREATE":
		return []job{{logical: "RestApi", kind: "AWS::ApiGateway::RestApi", verb: "DELETE", run: func() (string, error) {
			return "", errors.New("No deployed instances of resource 'RestApi' were found")
		}}}
	case "UPDATE":
		return s.unmakeAll(st, func(logical string) bool {
			return logical == "SweepFunction" || logical == "SweepSchedule" || logical == "UndeliveredQueue"
		})
	}
	return s.unmakeAll(st, nil)
}

// Restart forgets everything, as LocalStack does when it is started again. The functions' processes end.
func (s *StandIn) Restart(ctx context.Context) error {
	s.mu.Lock()
	functions, apis := s.functions, s.apis
	s.functions, s.apis = map[string]*function{}, map[string]*restAPI{}
	s.buckets, s.parameters, s.roles = map[string]*bucket{}, map[string]parameter{}, map[string]*role{}
	s.named, s.stacks, s.unloaded = map[string]string{}, nil, true
	s.mu.Unlock()
	var err error
	for _, a := range apis {
		err = errors.Join(err, a.close(ctx))
	}
	for _, f := range functions {
		err = errors.Join(err, f.close(ctx))
	}
	return errors.Join(err, s.forgetData(ctx))
}

// forgetData deletes the tables and the queues.
func (s *StandIn) forgetData(_ context.Context) error {
	var tables struct{ TableNames []string }
	var queues struct{ QueueUrls []string }
	raw, err := s.engine(s.dynamodb, "DynamoDB_20120810.ListTables", map[string]any{})
	if err == nil {
		err = json.Unmarshal(raw, &tables)
	}
	for _, name := range tables.TableNames {
		_, protection := s.engine(s.dynamodb, "DynamoDB_20120810.UpdateTable", map[string]any{"TableName": name, "DeletionProtectionEnabled": false})
		_, deletion := s.engine(s.dynamodb, "DynamoDB_20120810.DeleteTable", map[string]any{"TableName": name})
		err = errors.Join(err, protection, deletion)
	}
	raw, listing := s.engine(s.sqs, "AmazonSQS.ListQueues", map[string]any{})
	if listing == nil {
		listing = json.Unmarshal(raw, &queues)
	}
	err = errors.Join(err, listing)
	for _, u := range queues.QueueUrls {
		_, deletion := s.engine(s.sqs, "AmazonSQS.DeleteQueue", map[string]any{"QueueUrl": u})
		err = errors.Join(err, deletion)
	}
	return err
}

// SetStarting makes every path answer as LocalStack's does while it starts: 200 and an empty text.
func (s *StandIn) SetStarting(starting bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.starting = starting
}

// LoseStages removes the stages of all APIs, as LocalStack does in an upgrade.
func (s *StandIn) LoseStages() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	for _, a := range s.apis {
		err = errors.Join(err, s.closeStage(a))
	}
	return err
}

// LoadAPIGateway stands for the first call of API Gateway after a restart, by whomever.
func (s *StandIn) LoadAPIGateway() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unloaded = false
}

// answersEmptily answers what LocalStack has nothing for.
func (s *StandIn) answersEmptily(w http.ResponseWriter, r *http.Request) bool {
	s.mu.Lock()
	starting, unloaded := s.starting, s.unloaded
	s.mu.Unlock()
	if starting || unloaded && strings.HasPrefix(r.URL.Path, "/_aws/execute-api/") {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusOK)
		return true
	}
	return false
}
