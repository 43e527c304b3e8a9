// Package domains puts the domains' stores together, over one table: for the functions, and for their tests. It decides nothing.
package domains

import (
	"github.com/waypoint-serverless/waypoint/functions/internal/config"
	"github.com/waypoint-serverless/waypoint/functions/internal/jobs"
	"github.com/waypoint-serverless/waypoint/functions/internal/logs"
	"github.com/waypoint-serverless/waypoint/functions/internal/projects"
	"github.com/waypoint-serverless/waypoint/functions/internal/records"
	"github.com/waypoint-serverless/waypoint/functions/internal/runners"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
	"github.com/waypoint-serverless/waypoint/functions/internal/tokens"
)

// Stores are all of them. Each is safe for concurrent use.
type Stores struct {
	// DB is the kernel: the clock, ids, and transactions across domains.
	DB       *store.DB
	Jobs     *jobs.Store
	Dispatch *jobs.Dispatcher
	Runners  *runners.Store
	Projects *projects.Store
	Records  *records.Store
	Writer   *records.Writer
	Configs  *config.Store
	Tokens   *tokens.Store
	Logs     *logs.Store
}

// Over assembles the stores of a table.
func Over(db *store.DB) Stores {
	s := Stores{DB: db, Runners: runners.New(db), Projects: projects.New(db), Records: records.New(db), Configs: config.New(db), Logs: logs.New(db)}
	s.Jobs = jobs.New(db, s.Runners)
	s.Dispatch = jobs.NewDispatcher(s.Jobs)
	s.Tokens = tokens.New(db, s.Jobs, s.Records)
	s.Writer = records.NewWriter(db, s.Tokens)
	return s
}
