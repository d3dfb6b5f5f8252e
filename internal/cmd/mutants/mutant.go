package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A mutant is a fault: edits of the engine's source.
type mutant struct {
	name  string
	edits []edit
}

// An edit puts one text in the place of another, which must be in the file exactly once.
type edit struct{ file, before, after string }

// overlay writes the edited files into dir, and the description by which the go command takes them for the originals.
func (m mutant) overlay(root, dir string) (name string, err error) {
	texts := map[string]string{}
	for _, e := range m.edits {
		text, ok := texts[e.file]
		if !ok {
			data, err := os.ReadFile(filepath.Join(root, e.file))
			if err != nil {
				return "", err
			}
			text = string(data)
		}
		if n := strings.Count(text, e.before); n != 1 {
			return "", fmt.Errorf("%s has %d times what this fault changes, and not once: bring list.go up to "+
				"date:\n%s", e.file, n, e.before)
		}
		texts[e.file] = strings.Replace(text, e.before, e.after, 1)
	}
	replace := map[string]string{}
	for file, text := range texts {
		copied := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(copied, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(root, file)] = copied
	}
	name = filepath.Join(dir, "overlay.json")
	data, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	return name, os.WriteFile(name, data, 0o600)
}
