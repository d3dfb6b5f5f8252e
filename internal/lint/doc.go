// Package lint holds the style of this tree as tests: `go test ./internal/lint`.
//
// A check is a small function from the tree's files to findings. Each finding names the place, what
// is wrong there and what to write instead; each check is itself tested on sources a few lines long,
// with at least one that it must refuse and one that it must accept.
//
// What is held:
//
//   - imports: the layers of the tree, and the outside packages that only some layers may use
//   - format, lines, files, functions: gofmt, 120 columns, 800 lines, 70 lines (tests 120)
//   - names, dead: one noun a package and a file, no file without content
//   - words: nothing unfinished by its own words, nothing of the author's machine
//   - docs: every exported declaration says what it is, beginning with its name
//   - init, globals, sleep, print: nothing runs at import, no test waits by the clock, no library
//     writes to standard output
//
// Beside the checks over files, programs.go asks the go command what programs link.
//
// Where a rule has exceptions they are a table beside the check, each row with its reason. Generated
// code is held to imports, names and words only.
package lint
