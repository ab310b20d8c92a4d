package interop

import (
	"os/exec"
	"testing"
)

// TestClientTypes compiles what an app written in TypeScript does with the
// client module, by its package's name, as Node and as a bundler would find it.
func TestClientTypes(t *testing.T) {
	dir := installNpm(t)
	for resolution, module := range map[string]string{"nodenext": "nodenext", "bundler": "esnext"} {
		strict := []string{
			"--noEmit", "--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess", "--target", "es2023",
			"--lib", "es2023,dom,dom.iterable", "--module", module, "--moduleResolution", resolution,
		}
		for name, flags := range map[string][]string{
			"client-types.ts": strict,
			// The SDK's own types want Node's, and file extensions.
			"client-sdk-types.ts": append(strict, "--skipLibCheck"),
		} {
			t.Run(resolution+"/"+name, func(t *testing.T) {
				tsc := exec.CommandContext(t.Context(), "node", append([]string{"node_modules/typescript/bin/tsc", name}, flags...)...)
				tsc.Dir = dir
				if output, err := tsc.CombinedOutput(); err != nil {
					t.Errorf("tsc: %v\n%s", err, output)
				}
			})
		}
	}
}
