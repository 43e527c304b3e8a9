// Package store is the data file behind the embedded AWS engines: one SQLite
// database with one writer goroutine and a pool of readers.
//
// The writer takes whatever requests wait, runs each in its own savepoint and
// commits them together, so that durability (one fsync) is paid once a group.
// Because nothing else ever writes, a function given to Write sees the latest
// state and nobody changes it under it: conditions evaluated there are
// serializable without a lock of their own.
//
// The package does not depend on the tables inside; it imports nothing of ours but
// the file lock beside it, so that it can serve other projects.
package store
