// Package dynamodb is a DynamoDB engine that speaks the AWS JSON 1.0 protocol
// as an http.Handler, so that the unmodified SDK client can use it in process
// or over a socket. It exists to run on one machine what runs on AWS, with one
// storage implementation instead of two.
//
// It implements the operations that the project uses, completely, and refuses
// by name every other operation and every request member that it does not
// implement: an emulator that ignores what it does not understand teaches its
// users things that are not so.
//
// Items live in a store.Store as their own wire JSON under an order-preserving
// key, so that a read answers with the stored bytes and a Query is one range
// scan. Conditions are evaluated inside the store's single writer, which makes
// every write and transaction serializable.
//
// The package imports nothing of ours but localstack/aws/store. The clock, the
// authorisation and the faults come in as options.
package dynamodb
