package realkafka

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// files holds the scripts and what they read, so that a test of any package finds them, whatever its working
// directory and build flags.
//
//go:embed kafka.sh registry.sh jvm.sh settings.xml pom java
var files embed.FS

// cacheDir returns the folder of jars, and of the one cluster that runs.
func cacheDir() (string, error) {
	if dir := os.Getenv("WEIR_KAFKA_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder: %w (set WEIR_KAFKA_CACHE)", err)
	}
	return filepath.Join(dir, "weir-kafka"), nil
}

// unpack writes files into the cache and returns the folder. Its name has their hash in it: a running script
// is never overwritten by another version of itself.
func unpack(cache string) (string, error) {
	hash := sha256.New()
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := files.ReadFile(path)
		fmt.Fprintf(hash, "%s %d\n%s", path, len(data), data)
		return err
	})
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "scripts-"+hex.EncodeToString(hash.Sum(nil))[:12])
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp(cache, ".scripts-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	if err := os.CopyFS(tmp, files); err != nil {
		return "", err
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return "", err
	}
	// Another process may have been first; its folder holds the same.
	if err := os.Rename(tmp, dir); err != nil {
		if _, statErr := os.Stat(dir); statErr != nil {
			return "", err
		}
	}
	return dir, nil
}

// command returns a command whose whole process group ends with ctx.
func command(ctx context.Context, cache, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "WEIR_KAFKA_CACHE="+cache)
	ownGroup(cmd)
	cmd.Cancel = func() error { return killGroup(cmd) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// output runs cmd and returns its standard output. Its error ends with what the command said last.
func output(cmd *exec.Cmd, stdin io.Reader) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		said := lastLines(stderr.String()+stdout.String(), 60)
		return nil, fmt.Errorf("%s: %w\n%s", strings.Join(shortened(cmd.Args), " "), err, said)
	}
	return stdout.Bytes(), nil
}

// shortened returns the arguments with folder names cut off the programs' paths, for error messages.
func shortened(args []string) []string {
	short := make([]string, len(args))
	for i, a := range args {
		short[i] = a
		if strings.HasSuffix(a, ".sh") {
			short[i] = filepath.Base(a)
		}
	}
	return short
}

// lastLines returns the last n lines of text.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
