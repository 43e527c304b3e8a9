package job

// Field names a field of the struct that its item holds (Meta, Lease, Lane, Waiter, Step, Edge or Singleton) by its Go name. How an
// item and its fields are stored is the concern of package jobs.
//
// A field with its zero value counts as missing.
type Field string

// The fields that decisions guard or change.
const (
	fieldID       Field = "ID"
	fieldState    Field = "State"
	fieldAttempt  Field = "Attempt"
	fieldRunnerID Field = "RunnerID"
	fieldOwner    Field = "Owner"

	// Of Meta.
	fieldPool       Field = "Pool"
	fieldDependents Field = "Dependents"
	fieldReadyAt    Field = "ReadyAt"
	fieldReadyNo    Field = "ReadyNo"
	fieldStartedAt  Field = "StartedAt"
	fieldEndedAt    Field = "EndedAt" // and of Step
	fieldLost       Field = "Lost"
	fieldRingDue    Field = "WakeDue"
	fieldWait       Field = "Wait"
	fieldClaimBy    Field = "ClaimBy"
	fieldDue        Field = "Due"
	fieldRunnerName Field = "RunnerName"
	fieldEnd        Field = "End"
	fieldEndedBy    Field = "EndedBy"

	// Of Lease.
	fieldLive            Field = "Live"
	fieldUntil           Field = "Until"
	fieldNonce           Field = "Nonce"
	fieldNextOutput      Field = "NextOutput"
	fieldOutputMark      Field = "OutputMark"
	fieldSettledOutput   Field = "SettledOutput"
	fieldSuperseded      Field = "Superseded"
	fieldCancelRequested Field = "CancelRequested"

	// Of Lane.
	fieldVer        Field = "Ver"
	fieldHolder     Field = "Holder"
	fieldSince      Field = "Since"
	fieldNextTicket Field = "NextTicket"
	fieldFence      Field = "Fence"

	// Of Step.
	fieldRerunnable Field = "Rerunnable"
	fieldRecordID   Field = "RecordID"

	// Of Waiter, Edge and Singleton.
	fieldJobID Field = "JobID"
)
