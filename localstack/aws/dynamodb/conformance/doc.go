// Package conformance is a suite of named cases that say how DynamoDB behaves,
// driven through the unmodified SDK client. It runs on the embedded engine, on
// referees such as DynamoDB Local, and on AWS itself: the engine under test is
// nothing but a client.
//
// Cases compare values and error codes, never messages or the order of a Scan.
// It is for tests only.
package conformance
