package cost

// List prices of us-east-1 in USD, without any free tier. Whoever changes one changes the date.
const (
	// PricesOf is when the prices were read.
	PricesOf = "2026-11-23"

	// RESTRequest: API Gateway REST API, $3.50 a million (first 333 million a month).
	RESTRequest = 3.50 / 1e6
	// LambdaRequest: $0.20 a million.
	LambdaRequest = 0.20 / 1e6
	// LambdaARMGBSecond: a GB-second on arm64.
	LambdaARMGBSecond = 0.0000133334
	// ReadUnit and WriteUnit: DynamoDB on demand (since 1 November 2024).
	ReadUnit  = 0.125 / 1e6
	WriteUnit = 0.625 / 1e6
	// QueueCall: SQS standard queue, $0.40 a million.
	QueueCall = 0.40 / 1e6
)
