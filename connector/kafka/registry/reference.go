package registry

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// fileMax bounds a file that a setting names. Secrets and certificates are small; a path that leads to
// a device must not fill the memory.
const fileMax = 4 << 20

// expand resolves a value that is kept elsewhere: ${env:NAME}, or ${file:PATH} for the whole file
// without the space around it. Any other value is returned as it is. Errors name what was to be read,
// never what was.
func expand(value string) (string, error) {
	inner, ok := strings.CutPrefix(strings.TrimSpace(value), "${")
	if inner, ok = cutSuffix(inner, "}", ok); !ok {
		return value, nil
	}
	provider, key, _ := strings.Cut(inner, ":")
	switch {
	case key == "":
	case provider == "env":
		v, ok := os.LookupEnv(key)
		if !ok {
			return "", fmt.Errorf("the environment has no variable %s: set it before the start", key)
		}
		return strings.TrimSpace(v), nil
	case provider == "file":
		b, err := readFile(key)
		return strings.TrimSpace(string(b)), err
	}
	return "", errors.New("only ${env:NAME} and ${file:PATH} are understood")
}

func cutSuffix(s, suffix string, ok bool) (string, bool) {
	if !ok {
		return s, false
	}
	return strings.CutSuffix(s, suffix)
}

// readFile reads a file that a setting names.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, fileMax+1))
	if err != nil {
		return nil, err
	}
	if len(b) > fileMax {
		return nil, fmt.Errorf("%s is larger than %d bytes: it cannot be what is meant", path, fileMax)
	}
	return b, nil
}
