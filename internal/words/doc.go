// Package words holds our texts to the list of words in tools/words.txt. It consists of a test, which reads the sources as a
// user, an operator or a reader of the Go documentation sees them, and imports nothing of ours.
package words
