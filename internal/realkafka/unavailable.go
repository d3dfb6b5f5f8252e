package realkafka

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// unavailable ends the test because something that it needs cannot be had: skipped with the reason, or failed
// where CI is set, for there a missing service is a broken set-up and not a developer's bare machine.
func unavailable(t testing.TB, format string, args ...any) {
	t.Helper()
	reason := "realkafka: " + fmt.Sprintf(format, args...)
	if os.Getenv("CI") != "" {
		t.Fatal(reason + " (CI is set: this test must run)")
	}
	t.Skip(reason)
}

// prepare returns the cache and, in it, the folder of the scripts. It ends the test by unavailable where they
// cannot run.
func prepare(t testing.TB) (cache, scripts string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		unavailable(t, "brokers are started by a script that needs Linux, not %s", runtime.GOOS)
	}
	for _, tool := range []string{"bash", "flock", "setsid"} {
		if _, err := exec.LookPath(tool); err != nil {
			unavailable(t, "%s is not installed", tool)
		}
	}
	if reason := javaMissing(t.Context()); reason != "" {
		unavailable(t, "%s", reason)
	}
	cache, err := cacheDir()
	if err != nil {
		unavailable(t, "%v", err)
	}
	if scripts, err = unpack(cache); err != nil {
		t.Fatalf("realkafka: unpack the scripts into %s: %v", cache, err)
	}
	return cache, scripts
}

// requireJars ends the test by unavailable unless the jars, e.g. "kafka-4.4.0", are in the cache or can be fetched.
func requireJars(t testing.TB, cache, jars string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(cache, jars, "complete")); err == nil {
		return
	}
	if _, err := exec.LookPath("mvn"); err != nil {
		unavailable(t, "mvn is not installed, and %s is not in %s", jars, cache)
	}
}

// javaVersion finds the major version in the first line of java -version: 17 in "17.0.15", 1 in "1.8.0_402".
var javaVersion = regexp.MustCompile(`version "(\d+)`)

// javaMissing returns why Java 17 cannot be run, or "".
func javaMissing(ctx context.Context) string {
	java := javaCommand()
	if _, err := exec.LookPath(java); err != nil {
		return "java is not installed (17 or later is needed; JAVA_HOME may name it)"
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, java, "-version").CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%s -version: %v", java, err)
	}
	m := javaVersion.FindSubmatch(out)
	if m == nil {
		return fmt.Sprintf("%s -version names no version: %q", java, out)
	}
	if major, _ := strconv.Atoi(string(m[1])); major < 17 {
		return fmt.Sprintf("%s is Java %d, 17 or later is needed", java, major)
	}
	return ""
}

// compilerMissing returns why Java cannot run a source file, or "": a run-time environment has no compiler.
func compilerMissing(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, javaCommand(), "--list-modules").Output()
	if err != nil {
		return fmt.Sprintf("java --list-modules: %v", err)
	}
	if !strings.Contains(string(out), "jdk.compiler@") {
		return "java has no compiler: a development kit is needed, this is a run-time environment"
	}
	return ""
}

// javaCommand returns the java that the scripts use.
func javaCommand() string {
	if home := os.Getenv("JAVA_HOME"); home != "" {
		return filepath.Join(home, "bin", "java")
	}
	return "java"
}
