package vfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Patterns splits a list at its commas, but for those in braces, as Hadoop does. Parts that are empty are left out.
func Patterns(list string) []string {
	var parts []string
	depth, from := 0, 0
	add := func(to int) {
		if p := strings.TrimSpace(list[from:to]); p != "" {
			parts = append(parts, p)
		}
		from = to + 1
	}
	for i := 0; i < len(list); i++ {
		switch list[i] {
		case '\\':
			i++
		case '{':
			depth++
		case '}':
			depth--
		case ',':
			if depth <= 0 {
				add(i)
			}
		}
	}
	add(len(list))
	return parts
}

// IsPattern tells whether a name is a pattern of Glob and not just a name.
func IsPattern(name string) bool { return strings.ContainsAny(name, `*?[{\`) }

// Literally tells whether a pattern is the very name of a file or directory, and how the pattern is written that means
// it.
func Literally(ctx context.Context, fsys FS, pattern string) (escaped string, there bool) {
	if !IsPattern(pattern) {
		return "", false
	}
	if _, err := fsys.Stat(ctx, pattern); err != nil {
		return "", false
	}
	return escaping.Replace(pattern), true
}

var escaping = strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`, `{`, `\{`, `}`, `\}`, `\`, `\\`)

// Glob gives the files and directories whose names match a pattern, in the order of their names and each once. The
// pattern is Hadoop's: * (any characters within a part of the name), ? (one), [a-z] and [^a-z], {ab,cd} (either), and
// \ before a character that means itself. A name that is no pattern is matched by what bears it. Nothing that matches
// is no error.
func Glob(ctx context.Context, fsys FS, pattern string) ([]Info, error) {
	if !IsPattern(pattern) {
		return existing(ctx, fsys, pattern)
	}
	alternatives, err := braces(pattern)
	if err != nil {
		return nil, err
	}
	var found []Info
	for _, alternative := range alternatives {
		if _, err := path.Match(alternative, ""); err != nil {
			return nil, fmt.Errorf("the pattern %q: %w", pattern, err)
		}
		more, err := glob(ctx, fsys, "", alternative)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	slices.SortFunc(found, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(found, func(a, b Info) bool { return a.Name == b.Name }), nil
}

func existing(ctx context.Context, fsys FS, name string) ([]Info, error) {
	info, err := fsys.Stat(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return []Info{info}, nil
}

// glob matches what follows the directory dir.
func glob(ctx context.Context, fsys FS, dir, pattern string) ([]Info, error) {
	if !IsPattern(pattern) {
		return existing(ctx, fsys, joined(dir, pattern))
	}
	// The parts before the first that is a pattern are a directory, which may begin with a scheme.
	at := strings.IndexAny(pattern, `*?[\`)
	plain := pattern[:strings.LastIndexByte(pattern[:at], '/')+1]
	part, rest, more := strings.Cut(pattern[len(plain):], "/")
	if dir = joined(dir, plain); len(dir) > 1 {
		dir = strings.TrimSuffix(dir, "/")
	}
	entries, err := fsys.List(ctx, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var found []Info
	for _, e := range entries {
		if ok, _ := path.Match(part, Base(e.Name)); !ok {
			continue
		}
		if !more || rest == "" {
			found = append(found, e)
			continue
		}
		if !e.Dir {
			continue
		}
		below, err := glob(ctx, fsys, e.Name, rest)
		if err != nil {
			return nil, err
		}
		found = append(found, below...)
	}
	return found, nil
}

func joined(dir, name string) string {
	if dir == "" {
		return name
	}
	return Join(dir, name)
}

// bracesMax bounds how many alternatives a pattern may have.
const bracesMax = 10_000

// braces gives the patterns without braces that a pattern stands for.
func braces(pattern string) ([]string, error) {
	done, open := []string{}, []string{pattern}
	for len(open) > 0 {
		p := open[len(open)-1]
		open = open[:len(open)-1]
		from, to, err := brace(p)
		if err != nil {
			return nil, fmt.Errorf("the pattern %q: %w", pattern, err)
		}
		if from < 0 {
			done = append(done, p)
			continue
		}
		for _, alternative := range alternatives(p[from+1 : to]) {
			open = append(open, p[:from]+alternative+p[to+1:])
		}
		if len(open)+len(done) > bracesMax {
			return nil, fmt.Errorf("the pattern %q has more than %d alternatives", pattern, bracesMax)
		}
	}
	return done, nil
}

// brace finds the first brace and the one that closes it; from is negative if there is none.
func brace(p string) (from, to int, err error) {
	depth := 0
	from = -1
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case '\\':
			i++
		case '{':
			if depth++; depth == 1 {
				from = i
			}
		case '}':
			if depth == 0 {
				continue // It means itself.
			}
			if depth--; depth == 0 {
				return from, i, nil
			}
		}
	}
	if depth > 0 {
		return 0, 0, errors.New("a brace is not closed")
	}
	return -1, 0, nil
}

// alternatives splits what is between braces at its commas, but for those in braces within.
func alternatives(s string) []string {
	var parts []string
	depth, from := 0, 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '{':
			depth++
		case '}':
			depth--
		case ',':
			if depth == 0 {
				parts = append(parts, s[from:i])
				from = i + 1
			}
		}
	}
	return append(parts, s[from:])
}
