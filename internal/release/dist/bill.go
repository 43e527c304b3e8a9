package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/waypoint-serverless/waypoint/internal/release/programs"
)

// buildBiller builds the program that writes SBOMs, which tools/supply pins.
func (b *builder) buildBiller(ctx context.Context, work string) (string, error) {
	to := filepath.Join(work, "cyclonedx-gomod")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", to, "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod")
	cmd.Dir = filepath.Join(b.root, "tools", "supply")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOTOOLCHAIN="+programs.Toolchain())
	if b.cache != "" {
		cmd.Env = append(cmd.Env, "GOCACHE="+b.cache)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the program that writes SBOMs: %w\n%s", err, out)
	}
	return to, nil
}

// bill writes a binary's SBOM (CycloneDX, JSON) beside the release as name.cdx.json: the modules that the linker wrote
// into the binary, with their versions and hashes. What would differ between two runs (a serial number, the time) is left
// out, and so is the tool's own hash.
func (b *builder) bill(ctx context.Context, binary, name string) error {
	cmd := exec.CommandContext(ctx, b.biller, "bin", "-json", "-output-version", "1.6", "-noserial", "-version", b.version, binary)
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("writing the SBOM of %s: %w\n%s", name, err, stderr.Bytes())
	}
	var document map[string]any
	if err := json.Unmarshal(out, &document); err != nil {
		return fmt.Errorf("writing the SBOM of %s: %w", name, err)
	}
	if metadata, ok := document["metadata"].(map[string]any); ok {
		delete(metadata, "timestamp")
		delete(metadata, "tools")
	}
	out, err = json.MarshalIndent(document, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the SBOM of %s: %w", name, err)
	}
	return os.WriteFile(filepath.Join(b.out, name+".cdx.json"), append(out, '\n'), 0o644)
}
