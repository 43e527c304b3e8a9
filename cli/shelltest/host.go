// Package shelltest makes surroundings for tests of commands.
package shelltest
