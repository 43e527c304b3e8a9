package standin

import (
	"encoding/json"
	"slices"
	"time"
)

// stack is a CloudFormation stack. What it has to do lies in its list of work; each look at it does some.
type stack struct {
	id, name, status, reason, description string
	params                                map[string]string
	tags                                  map[string]string
	doc                                   *document
	resources                             map[string]*resource
	order                                 []string // in which the resources were made
	outputs                               map[string]string
	events                                []event
	changeSets                            []*changeSet
	work                                  []job
	// end is the status after the work, undo what to do if some of it fails.
	end  string
	undo func() (work []job, during, end string)
	// undone says what was undone, "CREATE" or "UPDATE"; LocalStack's deletion depends on it.
	undone string
}

type event struct {
	id, logical, physical, kind, status, reason string
	at                                          time.Time
}

type changeSet struct {
	id, name, kind, status, execution, reason string
	doc                                       *document
	params, tags                              map[string]string
	changes                                   []change
	looked                                    bool
}

type change struct{ action, logical, kind string }

// job is one step with one resource.
type job struct {
	logical, kind, verb string // verb: CREATE, UPDATE, DELETE
	run                 func() (physical string, err error)
	skip                bool // of a resource that is retained
}

// perLook is how many jobs one look at a stack does.
const perLook = 6

func (s *StandIn) stackEvent(st *stack, logical, physical, kind, status, reason string) {
	st.events = append(st.events, event{s.nextID(), logical, physical, kind, status, reason, s.opt.Clock()})
}

func (s *StandIn) setStatus(st *stack, status, reason string) {
	st.status, st.reason = status, reason
	s.stackEvent(st, st.name, st.id, "AWS::CloudFormation::Stack", status, reason)
}

// begin gives a stack work. s.mu is held, here and below.
func (s *StandIn) begin(st *stack, during, end string, work []job, undo func() ([]job, string, string)) {
	st.work, st.end, st.undo = work, end, undo
	s.setStatus(st, during, "User Initiated")
}

// advance does some of a stack's work.
func (s *StandIn) advance(st *stack) {
	for n := 0; n < perLook && len(st.work) > 0; n++ {
		j := st.work[0]
		st.work = st.work[1:]
		if j.skip {
			s.stackEvent(st, j.logical, "", j.kind, j.verb+"_SKIPPED", "")
			continue
		}
		s.stackEvent(st, j.logical, "", j.kind, j.verb+"_IN_PROGRESS", "")
		physical, err := j.run()
		if err == nil {
			s.stackEvent(st, j.logical, physical, j.kind, j.verb+"_COMPLETE", "")
			continue
		}
		s.stackEvent(st, j.logical, physical, j.kind, j.verb+"_FAILED", err.Error())
		if st.undo == nil {
			st.work, st.end = nil, "DELETE_FAILED"
			s.setStatus(st, "DELETE_FAILED", "The following resource(s) failed to delete: ["+j.logical+"].")
			return
		}
		work, during, end := st.undo()
		st.work, st.end, st.undo = work, end, nil
		s.setStatus(st, during, "The following resource(s) failed: ["+j.logical+"].")
	}
	if len(st.work) == 0 && st.end != "" {
		end := st.end
		st.end = ""
		if end == "DELETE_COMPLETE" {
			st.resources, st.order = nil, nil
		}
		s.setStatus(st, end, "")
	}
}

func (s *StandIn) evaluation(st *stack, doc *document, params map[string]string) *evaluation {
	return &evaluation{doc: doc, params: params, stack: st, values: func(name string) *resource { return st.resources[name] }}
}

// make is the job that makes or changes a resource.
func (s *StandIn) make(st *stack, e *evaluation, logical string) job {
	spec := e.doc.Resources[logical]
	verb := "CREATE"
	if st.resources[logical] != nil {
		verb = "UPDATE"
	}
	return job{logical: logical, kind: spec.Type, verb: verb, run: func() (string, error) {
		if err := s.fails(verb, logical); err != nil {
			return "", err
		}
		resolved, err := e.resolve(orEmpty(spec.Properties))
		if err != nil {
			return "", err
		}
		properties := resolved.(map[string]any)
		have := st.resources[logical]
		if have == nil {
			r := &resource{stack: st.name, logical: logical, kind: spec.Type, properties: properties, retain: spec.DeletionPolicy == "Retain"}
			if err := r.checkProperties(); err != nil {
				return "", err
			}
			if err := kinds()[r.kind].create(s, r); err != nil {
				return r.physical, err
			}
			st.resources[logical] = r
			st.order = append(st.order, logical)
			return r.physical, nil
		}
		if equal(have.properties, properties) {
			return have.physical, nil
		}
		update := kinds()[have.kind].update
		if update == nil {
			return have.physical, bad("Failed", "the stand-in cannot change an %s", have.kind)
		}
		old := have.properties
		have.properties = properties
		if err := have.checkProperties(); err != nil {
			return have.physical, err
		}
		return have.physical, update(s, have, old)
	}}
}

func orEmpty(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

func equal(a, b any) bool {
	one, errOne := json.Marshal(a)
	two, errTwo := json.Marshal(b)
	return errOne == nil && errTwo == nil && string(one) == string(two)
}

// unmake is the job that removes a resource. On AWS, a resource that is retained stays also when a creation is undone.
func (s *StandIn) unmake(st *stack, logical string) job {
	r := st.resources[logical]
	return job{logical: logical, kind: r.kind, verb: "DELETE", skip: r.retain, run: func() (string, error) {
		err := s.fails("DELETE", logical)
		if err == nil {
			err = kinds()[r.kind].remove(s, r)
		}
		if err == nil {
			delete(st.resources, logical)
			st.order = slices.DeleteFunc(st.order, func(l string) bool { return l == logical })
		}
		return r.physical, err
	}}
}

// unmakeAll are the jobs that remove what there is, latest first.
func (s *StandIn) unmakeAll(st *stack, but func(logical string) bool) []job {
	var out []job
	for n := len(st.order) - 1; n >= 0; n-- {
		if logical := st.order[n]; but == nil || !but(logical) {
			out = append(out, s.unmake(st, logical))
		}
	}
	return out
}

// execute turns a change set into work.
func (s *StandIn) execute(st *stack, c *changeSet) error {
	e := s.evaluation(st, c.doc, c.params)
	order, err := e.order()
	if err != nil {
		return err
	}
	oldDoc, oldParams := st.doc, st.params
	adopt := func(doc *document, params map[string]string, tags map[string]string) {
		st.doc, st.params, st.description = doc, params, doc.Description
		if tags != nil {
			st.tags = tags
		}
	}
	jobs := func(e *evaluation, order []string) []job {
		var work []job
		for _, logical := range order {
			work = append(work, s.make(st, e, logical))
		}
		work = append(work, job{logical: st.name, kind: "AWS::CloudFormation::Stack", verb: "UPDATE", run: func() (string, error) {
			// What the new template lacks goes last.
			st.work = append(s.unmakeAll(st, func(l string) bool { return slices.Contains(order, l) }), st.work...)
			return st.id, s.evaluateOutputs(st, e)
		}})
		return work
	}
	if c.kind == "CREATE" {
		adopt(c.doc, c.params, c.tags)
		s.begin(st, "CREATE_IN_PROGRESS", "CREATE_COMPLETE", jobs(e, order), func() ([]job, string, string) {
			st.undone = "CREATE"
			if s.opt.LikeLocalStack {
				return nil, "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE"
			}
			return s.unmakeAll(st, nil), "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE"
		})
		return nil
	}
	adopt(c.doc, c.params, c.tags)
	s.begin(st, "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE", jobs(e, order), func() ([]job, string, string) {
		st.undone = "UPDATE"
		if s.opt.LikeLocalStack {
			return s.likeLocalStackUndoes(st), "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE"
		}
		adopt(oldDoc, oldParams, nil)
		before := s.evaluation(st, oldDoc, oldParams)
		order, _ := before.order() // it had an order before
		return jobs(before, order), "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"
	})
	return nil
}

func (s *StandIn) evaluateOutputs(st *stack, e *evaluation) error {
	st.outputs = map[string]string{}
	for name, o := range e.doc.Outputs {
		v, err := e.resolve(o.Value)
		if err != nil {
			return err
		}
		st.outputs[name] = scalar(v)
	}
	return nil
}

// compare finds what a change set would do.
func (s *StandIn) compare(st *stack, c *changeSet) error {
	placeholders := map[string]*resource{}
	e := &evaluation{doc: c.doc, params: c.params, stack: st, values: func(name string) *resource {
		if r := st.resources[name]; r != nil {
			return r
		}
		return placeholders[name]
	}}
	order, err := e.order()
	if err != nil {
		return err
	}
	for _, logical := range order {
		spec := c.doc.Resources[logical]
		have := st.resources[logical]
		if have == nil {
			placeholders[logical] = &resource{logical: logical, kind: spec.Type, physical: "(new)", attributes: map[string]any{
				"Arn": "(new)", "QueueName": "(new)", "RootResourceId": "(new)"}}
			c.changes = append(c.changes, change{"Add", logical, spec.Type})
			continue
		}
		now, err := e.resolve(orEmpty(spec.Properties))
		if err != nil {
			return err
		}
		if !equal(now, have.properties) {
			c.changes = append(c.changes, change{"Modify", logical, spec.Type})
		}
	}
	for _, logical := range st.order {
		if !slices.Contains(order, logical) {
			c.changes = append(c.changes, change{"Remove", logical, st.resources[logical].kind})
		}
	}
	return nil
}
