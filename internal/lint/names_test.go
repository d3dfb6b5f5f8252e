package lint

var nameSamples = []sample{
	{"nouns", map[string]string{
		"internal/vfs/local.go":      "package vfs\n",
		"internal/vfs/local_test.go": "package vfs_test\n",
		"rdd/commonprefix.go":        "package rdd\n",
		"docs/common.md":             "The files of Go only.\n",
	}, nil},
	{"packages", map[string]string{
		"internal/util/a.go":        "package util\n",
		"internal/util/b.go":        "package util\n",
		"conf/a_test.go":            "package helpers_test\n",
		"pkg/thing/a.go":            "package thing\n",
		"connector/misc/sub/one.go": "package sub\n",
	}, []string{
		"conf/a_test.go:1: the package is named helpers_test; ",
		"connector/misc/sub: a folder on its path is named \"misc\"; ",
		"internal/util: a folder on its path is named \"util\"; ",
		"internal/util/a.go:1: the package is named util; ",
		"internal/util/b.go:1: the package is named util; ",
		"pkg/thing: a folder on its path is named \"pkg\"; ",
	}},
	{"files", map[string]string{
		"rdd/utils.go":            "package rdd\n",
		"rdd/map_helpers_test.go": "package rdd\n",
		"rdd/audit.go":            "package rdd\n",
	}, []string{
		"rdd/audit.go: the file's name says \"audit\"",
		"rdd/map_helpers_test.go: the file's name says \"helpers\"",
		"rdd/utils.go: the file's name says \"utils\"",
	}},
}

var deadSamples = []sample{
	{"alive", map[string]string{
		"rdd/doc.go":     "// Package rdd is documented.\npackage rdd\n",
		"rdd/map.go":     "package rdd\n\nfunc f() {}\n",
		"rdd/linux.go":   "//go:build linux && !ignore\n\npackage rdd\n\nfunc g() {}\n",
		"rdd/prose.go":   "package rdd\n\n//go:build ignore\n\nfunc h() {}\n",
		"rdd/either.go":  "//go:build ignore || linux\n\npackage rdd\n\nfunc i() {}\n",
		"rdd/embed.go":   "package rdd\n\nimport _ \"embed\"\n",
		"docs/empty.md":  "",
		"rdd/x_test.go":  "package rdd\n\nvar x int\n",
		"scripts/run.sh": "",
	}, nil},
	{"dead", map[string]string{
		"rdd/a.go": "package rdd\n",
		"rdd/b.go": "//go:build ignore\n\npackage rdd\n\nfunc f() {}\n",
		"rdd/c.go": "//go:build linux && ignore\n\npackage rdd\n\nfunc f() {}\n",
	}, []string{
		"rdd/a.go: the file declares nothing; ",
		"rdd/b.go: no build takes the file; ",
		"rdd/c.go: no build takes the file; ",
	}},
}
