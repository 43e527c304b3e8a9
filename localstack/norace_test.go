//go:build !race

package localstack

const raceFactor = 1
